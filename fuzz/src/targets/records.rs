//! Record batches: the header, the walk through batches and records, the codecs, copying values out.

use std::cell::RefCell;

use protocol::records::builder::{BatchBuilder, Identity, Record, RecordHeader, Sealed, seal};
use protocol::records::compression::{Compressor, Decompressor};
use protocol::records::crc::crc32c;
use protocol::records::header::{
    Attributes, BatchHeader, CRC_AT, CRC_FROM, Compression, HEADER_BYTES,
};
use protocol::records::reader::Batches;
use protocol::records::unframe::{Split, Stop, Unframer, Walk};

/// No batch may become larger than this.
const LIMIT: usize = 64 << 10;

thread_local! {
    /// Kept, as in production: what one input left must not reach the next.
    static DECOMPRESSOR: RefCell<Decompressor> = RefCell::default();
}

pub(super) mod batch_header {
    use super::*;

    /// What is read is written back to the same bytes.
    pub(in super::super) fn run(bytes: &[u8]) -> bool {
        let Ok(header) = BatchHeader::read(bytes) else {
            return false;
        };
        let mut written = [0; HEADER_BYTES];
        header.write(&mut written);
        assert_eq!(written, bytes[..HEADER_BYTES]);
        assert!(header.batch_bytes() >= HEADER_BYTES);
        true
    }

    pub(in super::super) fn seeds() -> Vec<Vec<u8>> {
        vec![sample_batch(Compression::None)[..HEADER_BYTES].to_vec()]
    }
}

/// Whether the first batch is made to say its length and CRC rightly; then batches.
pub(super) mod batches {
    use super::*;

    pub(in super::super) fn run(bytes: &[u8]) -> bool {
        let Some((choice, bytes)) = super::super::choice(bytes) else {
            return false;
        };
        let mut bytes = bytes.to_vec();
        if choice % 2 == 1 {
            sum_up(&mut bytes);
        }
        read(&bytes)
    }

    fn read(bytes: &[u8]) -> bool {
        let mut batches = Batches::new(bytes);
        let (mut at, mut is_whole) = (0, true);
        for batch in &mut batches {
            let Ok(batch) = batch else { return false };
            assert_eq!(batch.position(), at, "batches lie side by side");
            at += batch.bytes().len();
            is_whole &= batch.check_crc().is_ok();
            is_whole &= batch.control().is_ok();
            let Ok(compression) = batch.compression() else {
                is_whole = false;
                continue;
            };
            is_whole &= DECOMPRESSOR.with_borrow_mut(|decompressor| {
                let section = decompressor.decompress(compression, batch.section(), LIMIT);
                section.is_ok_and(|section| {
                    assert!(compression == Compression::None || section.len() <= LIMIT);
                    let records = batch.records_in(section);
                    records.is_ok_and(|records| count(records, section.len()))
                })
            });
        }
        let partial = batches.partial();
        assert!(partial.is_none_or(|partial| partial.position + partial.available == bytes.len()));
        is_whole && at > 0
    }

    /// Walks all records. Whether each was one.
    fn count(records: protocol::records::reader::Records<'_>, section_bytes: usize) -> bool {
        let (mut seen, mut seen_bytes) = (0, 0);
        let mut is_whole = true;
        for record in records {
            let Ok(record) = record else {
                is_whole = false;
                break;
            };
            seen += 1;
            seen_bytes += record.key.map_or(0, <[u8]>::len);
            seen_bytes += record.value.map_or(0, <[u8]>::len);
            for header in record.headers {
                seen_bytes += header.key.len() + header.value.map_or(0, <[u8]>::len);
            }
        }
        assert!(
            seen <= section_bytes && seen_bytes <= section_bytes,
            "bytes are read once"
        );
        is_whole
    }

    pub(in super::super) fn seeds() -> Vec<Vec<u8>> {
        let codecs = [
            Compression::None,
            Compression::Gzip,
            Compression::Snappy,
            Compression::Lz4,
            Compression::Zstd,
        ];
        let of = |codec| super::super::chosen(1, &sample_batch(codec));
        let mut seeds: Vec<Vec<u8>> = codecs.map(of).to_vec();
        let two = [sample_batch(codecs[0]), sample_batch(codecs[0])].concat();
        seeds.push(super::super::chosen(0, &two));
        seeds
    }
}

/// Makes the first batch's length that of the bytes, if it is there, and its CRC right.
pub(super) fn sum_up(bytes: &mut [u8]) {
    if bytes.len() < HEADER_BYTES {
        return;
    }
    let length = i32::from_be_bytes(bytes[8..12].try_into().expect("four bytes"));
    let whole = i32::try_from(bytes.len() - 12).unwrap_or(i32::MAX);
    let end = if (49..=whole).contains(&length) {
        12 + usize::try_from(length).expect("it is positive")
    } else {
        bytes[8..12].copy_from_slice(&whole.to_be_bytes());
        bytes.len()
    };
    let crc = crc32c(&bytes[CRC_FROM..end]);
    bytes[CRC_AT..CRC_FROM].copy_from_slice(&crc.to_be_bytes());
}

/// Five records, with keys, nulls and headers among them.
pub(super) fn sample_batch(codec: Compression) -> Vec<u8> {
    let mut buffer = vec![0; 4096];
    let mut builder = BatchBuilder::new(&mut buffer, 5);
    let headers = [
        RecordHeader {
            key: b"k",
            value: None,
        },
        RecordHeader {
            key: b"",
            value: Some(b"v"),
        },
    ];
    for index in 0..5_u8 {
        let number = usize::from(index);
        let record = Record {
            timestamp: 5 + 1_000 * i64::from(index),
            key: (index % 2 == 0).then_some(&b"key"[..]),
            value: (index != 3).then_some(&b"a value of some length, a value"[..]),
            headers: &headers[..number % 3],
        };
        builder.write_record(&record).expect("there is room");
    }
    let (bytes, _) = builder.finish(Identity::NONE);
    let plain = buffer[..bytes].to_vec();
    if codec == Compression::None {
        return plain;
    }
    let header = BatchHeader::read(&plain).expect("it was just written");
    let mut batch = plain[..HEADER_BYTES].to_vec();
    batch.extend(compressed(codec, &plain[HEADER_BYTES..]));
    seal(
        &mut batch,
        Sealed {
            attributes: Attributes::default().with_compression(codec),
            base_timestamp: header.base_timestamp,
            max_timestamp: header.max_timestamp,
            producer_id: header.producer_id,
            producer_epoch: header.producer_epoch,
            base_sequence: header.base_sequence,
            records_count: header.records_count,
        },
    );
    batch
}

fn compressed(codec: Compression, bytes: &[u8]) -> Vec<u8> {
    let mut compressor = Compressor::new(codec, None).expect("the default level is one");
    let mut room = vec![0; compressor.bound(bytes.len())];
    let length = compressor
        .compress(bytes, &mut room)
        .expect("there is room");
    room.truncate(length);
    room
}

macro_rules! codec {
    ($name:ident, $codec:expr) => {
        pub(super) mod $name {
            use super::*;

            pub(in super::super) fn run(bytes: &[u8]) -> bool {
                decompress($codec, bytes)
            }

            pub(in super::super) fn seeds() -> Vec<Vec<u8>> {
                let lines = b"a line of text, and once more a line of text\n".repeat(20);
                let noise: Vec<u8> = (0..400_u32).map(|i| (i * i * 7 >> 3) as u8).collect();
                let inputs: [&[u8]; 4] = [b"", b"x", &lines, &noise];
                inputs.map(|input| compressed($codec, input)).to_vec()
            }
        }
    };
}

codec!(gzip, Compression::Gzip);
codec!(snappy, Compression::Snappy);
codec!(lz4, Compression::Lz4);
codec!(zstd, Compression::Zstd);

/// No more than the limit comes out, and what comes out is compressed to what it comes out of again.
fn decompress(codec: Compression, bytes: &[u8]) -> bool {
    let out = DECOMPRESSOR.with_borrow_mut(|decompressor| {
        let out = decompressor.decompress(codec, bytes, LIMIT).ok()?;
        assert!(out.len() <= LIMIT);
        // Compressing is slow, so not always; which ones depends on the bytes alone.
        let is_checked = bytes.last().is_some_and(|last| last % 32 == 0);
        Some(is_checked.then(|| out.to_vec()))
    });
    let Some(out) = out else { return false };
    if let Some(out) = out {
        let again = compressed(codec, &out);
        DECOMPRESSOR.with_borrow_mut(|decompressor| {
            assert_eq!(decompressor.decompress(codec, &again, LIMIT), Ok(&out[..]));
        });
    }
    true
}

/// The room for output, then one batch.
pub(super) mod unframed {
    use super::*;

    /// Pieces of any size are what is copied out at once.
    pub(in super::super) fn run(bytes: &[u8]) -> bool {
        let Some((room, bytes)) = super::super::choice(bytes) else {
            return false;
        };
        let mut bytes = bytes.to_vec();
        sum_up(&mut bytes);
        let mut batches = Batches::new(&bytes);
        let Some(Ok(batch)) = batches.next() else {
            return false;
        };
        let section = batch.section();
        let Ok(records) = batch.records_in(section) else {
            return false;
        };
        let unframer = Unframer::new(b"\n", b"NULL");
        let whole = {
            let walk = Walk::new(&records);
            copy(&unframer, section, walk, 8 * section.len() + 64)
        };
        let pieces = copy(&unframer, section, Walk::new(&records), room + 1);
        assert_eq!(pieces, whole);
        whole.1
    }

    /// All that comes out, and whether the batch's end was reached.
    fn copy(unframer: &Unframer, section: &[u8], mut walk: Walk, room: usize) -> (Vec<u8>, bool) {
        let mut out = Vec::new();
        let mut piece = vec![0; room];
        loop {
            match unframer.values(section, &mut walk, &mut piece, Split::First) {
                Ok(done) => {
                    out.extend_from_slice(&piece[..done.written]);
                    if done.stop != Stop::Full {
                        return (out, true);
                    }
                    // A record that is none ends what comes out, as if there were no room.
                    let is_stuck = done.written == 0 && done.records == 0 && done.skipped == 0;
                    assert!(!is_stuck, "a piece has room for a byte");
                }
                Err(_) => return (out, false),
            }
        }
    }

    pub(in super::super) fn seeds() -> Vec<Vec<u8>> {
        let batch = sample_batch(Compression::None);
        [0, 1, 6, 200]
            .map(|room| super::super::chosen(room, &batch))
            .to_vec()
    }
}
