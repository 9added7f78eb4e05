#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ringmain_fuzz::run("zstd", bytes));
