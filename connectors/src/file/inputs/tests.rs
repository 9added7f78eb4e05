use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;

use rustix::fs::{CWD, Mode};
use tempfile::TempDir;

use super::*;

/// A directory with these files; the content of each is its name.
fn tree(files: &[&str]) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    for file in files {
        let path = directory.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, file).unwrap();
    }
    directory
}

fn collect_in(directory: &TempDir, arguments: &[&str]) -> Result<Inputs, InputError> {
    let root = directory.path().to_str().unwrap();
    let arguments: Vec<String> = arguments.iter().map(|a| format!("{root}/{a}")).collect();
    collect(&arguments)
}

/// What is collected, as paths relative to the directory.
fn check(directory: &TempDir, arguments: &[&str], expected: &[&str]) {
    let inputs = collect_in(directory, arguments).unwrap();
    let root = fs::canonicalize(directory.path()).unwrap();
    let relative = |file: &InputFile| {
        let path = file.path.strip_prefix(&root).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let found: Vec<String> = inputs.files.iter().map(relative).collect();
    assert_eq!(found, expected, "{arguments:?}");
}

fn check_error(directory: &TempDir, arguments: &[&str], expected: &str) {
    let error = collect_in(directory, arguments).unwrap_err().to_string();
    let root = directory.path().to_str().unwrap();
    assert_eq!(error.replace(root, "DIR"), expected, "{arguments:?}");
}

#[test]
fn arguments_keep_their_order_and_what_they_hold_is_sorted_by_bytes() {
    let directory = tree(&["b/z", "b/a", "b-c/x", "b/Z", "b/é", "a"]);
    check(&directory, &["b/z", "a"], &["b/z", "a"]);
    check(&directory, &["b", "a"], &["b/Z", "b/a", "b/z", "b/é", "a"]);
    check(
        &directory,
        &[""],
        &["a", "b-c/x", "b/Z", "b/a", "b/z", "b/é"],
    );
}

#[test]
fn directories_are_read_in_all_depths_without_hidden_names() {
    let directory = tree(&["d/1/2/3/f", "d/.hidden", "d/.git/f", "d/g"]);
    check(&directory, &["d"], &["d/1/2/3/f", "d/g"]);
    check(&directory, &["d/.hidden"], &["d/.hidden"]);
    check(&directory, &["d/.git"], &["d/.git/f"]);
}

#[test]
fn patterns() {
    let files = [
        "l/a.log",
        "l/b.log",
        "l/b.txt",
        "l/s/c.log",
        "l/s/t/d.log",
        "l/.e.log",
    ];
    let directory = tree(&files);
    check(&directory, &["l/*.log"], &["l/a.log", "l/b.log"]);
    check(&directory, &["l/?.txt"], &["l/b.txt"]);
    check(&directory, &["l/[bc].*"], &["l/b.log", "l/b.txt"]);
    check(&directory, &["l/{a,b}.log"], &["l/a.log", "l/b.log"]);
    check(
        &directory,
        &["l/{a.log,s/c.log}"],
        &["l/a.log", "l/s/c.log"],
    );
    check(&directory, &["l/*/*.log"], &["l/s/c.log"]);
    check(&directory, &["*/s/*.log"], &["l/s/c.log"]);
    check(&directory, &["l/.*.log"], &["l/.e.log"]);
    let all = ["l/a.log", "l/b.log", "l/s/c.log", "l/s/t/d.log"];
    check(&directory, &["l/**/*.log"], &all);
    check(&directory, &["**/*.log"], &all);
    // A directory that matches is read as if it were named.
    check(&directory, &["l/s*"], &["l/s/c.log", "l/s/t/d.log"]);
    check(&directory, &["l/s/**"], &["l/s/c.log", "l/s/t/d.log"]);
}

#[test]
fn a_file_whose_name_looks_like_a_pattern_is_that_file() {
    let directory = tree(&["[1].log", "1.log", "*"]);
    check(&directory, &["[1].log"], &["[1].log"]);
    check(&directory, &["*"], &["*"]);
}

#[test]
fn what_matches_nothing_is_an_error() {
    let directory = tree(&["a.log", ".b.log"]);
    fs::create_dir(directory.path().join("empty")).unwrap();
    check_error(
        &directory,
        &["*.txt"],
        "no file matches the pattern \"DIR/*.txt\"",
    );
    check_error(
        &directory,
        &["x/*.log"],
        "no file matches the pattern \"DIR/x/*.log\"",
    );
    check_error(
        &directory,
        &["emp*"],
        "no file matches the pattern \"DIR/emp*\"",
    );
    check_error(
        &directory,
        &["a.log", "empty"],
        "the directory DIR/empty holds no files (hidden ones are left out)",
    );
    check_error(
        &directory,
        &["b.log"],
        "cannot read DIR/b.log: No such file or directory (os error 2)",
    );
    let error = collect_in(&directory, &["[a.log"]).unwrap_err();
    assert!(matches!(error, InputError::Pattern { .. }), "{error}");
    assert!(matches!(collect(&[]), Err(InputError::Nothing)));
}

#[test]
fn what_is_no_regular_file_is_refused_by_what_it_is() {
    let directory = tree(&["d/a"]);
    let path = |name: &str| directory.path().join(name);
    rustix::fs::mkfifoat(CWD, path("d/pipe"), Mode::RUSR | Mode::WUSR).unwrap();
    let _socket = UnixListener::bind(path("socket")).unwrap();
    let sentence = "files, and pipes that are named, can be loaded";
    let refused = |what: &str| format!("DIR/{what}: {sentence}");
    let named = collect_in(&directory, &["d/pipe"]).unwrap();
    assert_eq!(named.files[0].kind, InputKind::Once);
    // Nothing in a directory is left out in silence.
    check_error(&directory, &["d"], &refused("d/pipe is a pipe"));
    check_error(&directory, &["socket"], &refused("socket is a socket"));
    let null = collect(&["/dev/null".to_owned()]).unwrap_err().to_string();
    assert_eq!(null, format!("/dev/null is a device: {sentence}"));
    let kernel = collect(&["/proc/self/status".to_owned()]).unwrap_err();
    assert!(matches!(kernel, InputError::Kernel { .. }), "{kernel}");
}

#[test]
fn compressed_files_are_known_by_their_first_bytes() {
    let directory = tempfile::tempdir().unwrap();
    let kind = |name: &str, content: &[u8]| {
        fs::write(directory.path().join(name), content).unwrap();
        collect_in(&directory, &[name]).map(|inputs| inputs.files[0].kind)
    };
    for magic in [
        b"\x1f\x8b\x08".as_slice(),
        b"\x28\xb5\x2f\xfd\0",
        b"\x04\x22\x4d\x18\0",
    ] {
        assert_eq!(kind("x.log", magic).unwrap(), InputKind::Compressed);
    }
    for (format, magic) in [
        ("xz", b"\xfd7zXZ\0\0".as_slice()),
        ("bzip2", b"BZh91AY&SY\0"),
    ] {
        let refused = kind("x.log", magic).unwrap_err().to_string();
        assert!(refused.contains(&format!("is compressed ({format}), which is not supported")));
    }
    assert_eq!(kind("x.log", b"a text").unwrap(), InputKind::Plain);
    // What is named so and is not is refused where it is decompressed, not loaded as lines.
    assert_eq!(kind("y.gz", b"a text").unwrap(), InputKind::Compressed);
    assert_eq!(kind("empty.gz", b"").unwrap(), InputKind::Plain);
    assert_eq!(
        collect(&["-".to_owned()]).unwrap().files[0].kind,
        InputKind::StandardInput
    );
}

#[test]
fn links_are_followed_and_loops_are_an_error() {
    let directory = tree(&["real/a", "other/b"]);
    symlink("../other", directory.path().join("real/link")).unwrap();
    symlink("real/a", directory.path().join("to_a")).unwrap();
    check(&directory, &["real"], &["real/a", "other/b"]);
    check(&directory, &["to_a"], &["real/a"]);
    symlink("..", directory.path().join("other/up")).unwrap();
    let error = collect_in(&directory, &["other"]).unwrap_err().to_string();
    assert!(
        error.contains("other/up") && error.contains("loop"),
        "{error}"
    );
}

#[test]
fn an_unreadable_file_is_named() {
    let directory = tree(&["d/a"]);
    let path = directory.path().join("d/a");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).unwrap();
    // Root may read everything.
    if fs::File::open(&path).is_err() {
        let expected = "cannot read DIR/d/a: Permission denied (os error 13)";
        check_error(&directory, &["d"], expected);
    }
}

#[test]
fn a_file_named_twice_is_loaded_twice_with_a_warning() {
    let directory = tree(&["a", "b"]);
    fs::hard_link(directory.path().join("a"), directory.path().join("c")).unwrap();
    check(&directory, &["a", "b", "a", "c"], &["a", "b", "a", "c"]);
    let warnings = collect_in(&directory, &["a", "b", "a", "c"])
        .unwrap()
        .warnings;
    let root = fs::canonicalize(directory.path()).unwrap();
    let warnings: Vec<String> = warnings
        .iter()
        .map(|w| w.replace(root.to_str().unwrap(), "DIR"))
        .collect();
    let expected = [
        "DIR/a is named more than once and loaded each time",
        "DIR/c is the same file as DIR/a and loaded each time",
    ];
    assert_eq!(warnings, expected);
    assert!(
        collect_in(&directory, &["a", "b"])
            .unwrap()
            .warnings
            .is_empty()
    );
}

#[test]
fn arguments_are_the_same_however_they_are_typed() {
    let directory = tree(&["d/a.log"]);
    symlink("d", directory.path().join("link")).unwrap();
    let canonical = |argument: &str| {
        let root = fs::canonicalize(directory.path()).unwrap();
        let arguments = collect_in(&directory, &[argument]).unwrap().arguments;
        arguments[0].replace(root.to_str().unwrap(), "DIR")
    };
    for typed in ["d/a.log", "./d/../d/a.log", "link/a.log", "d//a.log"] {
        assert_eq!(canonical(typed), "DIR/d/a.log", "{typed}");
    }
    for typed in ["d", "d/", "link", "./d"] {
        assert_eq!(canonical(typed), "DIR/d/", "{typed}");
    }
    for typed in ["d/*.log", "link/*.log"] {
        assert_eq!(canonical(typed), "DIR/d/*.log", "{typed}");
    }
}

fn changed_by(change: impl FnOnce(&Path)) -> Option<Change> {
    let directory = tree(&["a"]);
    let path = directory.path().join("a");
    fs::write(&path, "0123456789").unwrap();
    let (input, file) = InputFile::open(&path).unwrap();
    change(&path);
    input.changed(&file).unwrap()
}

fn append(path: &Path, bytes: &[u8]) {
    use std::io::Write;
    fs::OpenOptions::new()
        .append(true)
        .open(path)
        .unwrap()
        .write_all(bytes)
        .unwrap();
}

#[test]
fn what_became_of_a_file() {
    assert_eq!(changed_by(|_| ()), None);
    assert_eq!(
        changed_by(|path| append(path, &[b'x'; 5_000])),
        Some(Change::Grown { was: 10, is: 5_010 })
    );
    let cut = |path: &Path| fs::write(path, "0123").unwrap();
    assert_eq!(changed_by(cut), Some(Change::Truncated { was: 10, is: 4 }));
    let rewritten = |path: &Path| fs::write(path, "x123456789 and more").unwrap();
    assert_eq!(changed_by(rewritten), Some(Change::Rewritten));
    let removed = |path: &Path| fs::remove_file(path).unwrap();
    assert_eq!(changed_by(removed), Some(Change::Removed));
    let replaced = |path: &Path| {
        fs::rename(path, path.with_extension("old")).unwrap();
        fs::write(path, "0123456789").unwrap();
    };
    assert_eq!(changed_by(replaced), Some(Change::Replaced));
}

#[test]
fn another_file_is_not_taken_for_the_recorded_one() {
    let directory = tree(&["a", "b"]);
    let (input, _) = InputFile::open(&directory.path().join("a")).unwrap();
    let (_, other) = InputFile::open(&directory.path().join("b")).unwrap();
    assert_eq!(input.changed(&other).unwrap(), Some(Change::Replaced));
}

#[test]
fn the_crc_is_of_the_first_kib_and_castagnolis() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x");
    let crc = |content: &[u8]| {
        fs::write(&path, content).unwrap();
        InputFile::open(&path).unwrap().0.first_kib_crc
    };
    assert_eq!(crc(b"123456789"), 0xe306_9283);
    assert_eq!(crc(b""), 0);
    let long = vec![b'a'; 1025];
    assert_eq!(crc(&long), crc(&long[..1024]));
    assert_ne!(crc(&long), crc(&long[..1023]));
}

#[test]
fn what_would_be_read_is_known_before_it_is_there() {
    let directory = tree(&["d/a.log", "e/a.log", "f/x/b.log"]);
    let check = |arguments: &[&str], path: &str, expected: Option<&str>| {
        let inputs = collect_in(&directory, arguments).unwrap();
        let root = fs::canonicalize(directory.path()).unwrap();
        let root = root.to_str().unwrap();
        let found = inputs.would_read(&directory.path().join(path));
        let found = found.map(|argument| argument.replace(root, "DIR"));
        assert_eq!(found.as_deref(), expected, "{arguments:?}, {path}");
    };
    check(&["d"], "d/rejects", Some("DIR/d/"));
    check(&["e", "d"], "d/rejects", Some("DIR/d/"));
    check(&["d"], "d/.rejects", None);
    check(&["d"], "rejects", None);
    check(&["f"], "f/x/rejects", Some("DIR/f/"));
    check(&["d/*.log"], "d/rejects.log", Some("DIR/d/*.log"));
    check(&["d/*.log"], "d/rejects.jsonl", None);
    check(&["d/*.log"], "e/rejects.log", None);
    check(&["*"], "rejects", Some("DIR/*"));
    check(&["*"], "d/rejects", Some("DIR/*"));
    check(&["f/**/*.log"], "f/x/rejects.log", Some("DIR/f/**/*.log"));
    check(&["d/a.log"], "d/rejects", None);
    // A directory that is not there cannot hold it.
    check(&["d"], "d/none/rejects", None);
}

#[test]
fn a_link_to_an_inputs_directory_leads_there() {
    let directory = tree(&["d/a.log"]);
    symlink(directory.path().join("d"), directory.path().join("link")).unwrap();
    let inputs = collect_in(&directory, &["link"]).unwrap();
    for path in ["d/rejects", "link/rejects"] {
        assert!(
            inputs.would_read(&directory.path().join(path)).is_some(),
            "{path}"
        );
    }
}
