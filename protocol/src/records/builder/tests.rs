//! What the builder writes, read by another implementation.

use bytes::Bytes;
use kafka_protocol::records::RecordBatchDecoder;
use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::records::kernel::framed_bytes;

type OwnedHeader = (Vec<u8>, Option<Vec<u8>>);

#[derive(Debug, Clone)]
struct Owned {
    timestamp: i64,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: Vec<OwnedHeader>,
}

fn blob() -> impl Strategy<Value = Option<Vec<u8>>> {
    proptest::option::of(prop_oneof![
        vec(any::<u8>(), 0..100),
        vec(any::<u8>(), 8000..9000)
    ])
}

fn owned() -> impl Strategy<Value = Owned> {
    // The oracle keeps headers in a map, so their names are made distinct.
    let headers = vec(proptest::option::of(vec(any::<u8>(), 0..70)), 0..4).prop_map(|values| {
        let named = values.into_iter().enumerate();
        named
            .map(|(i, value)| (format!("name {i}").into_bytes(), value))
            .collect()
    });
    (0..1_i64 << 45, blob(), blob(), headers).prop_map(|(timestamp, key, value, headers)| Owned {
        timestamp,
        key,
        value,
        headers,
    })
}

fn borrow_headers(headers: &[OwnedHeader]) -> Vec<RecordHeader<'_>> {
    headers
        .iter()
        .map(|(key, value)| RecordHeader {
            key,
            value: value.as_deref(),
        })
        .collect()
}

proptest! {
    #[test]
    fn the_oracle_reads_every_record(records in vec(owned(), 1..80), base in 0..1_i64 << 45) {
        let mut buffer = vec![0xaa; 2_000_000];
        let mut builder = BatchBuilder::new(&mut buffer, base);
        for (delta, record) in records.iter().enumerate() {
            let headers = borrow_headers(&record.headers);
            let view = Record {
                timestamp: record.timestamp,
                key: record.key.as_deref(),
                value: record.value.as_deref(),
                headers: &headers,
            };
            let before = builder.bytes();
            builder.write_record(&view).unwrap();
            let bytes = builder.bytes() - before;
            prop_assert_eq!(bytes, record_bytes(&view, base, delta as u32));
        }
        let identity =
            Identity { producer_id: 9, producer_epoch: 2, base_sequence: 5, transactional: true };
        let (bytes, crc) = builder.finish(identity);
        prop_assert_eq!(crc, ::crc32c::crc32c(&buffer[CRC_FROM..bytes]));

        let mut wire = Bytes::copy_from_slice(&buffer[..bytes]);
        let decoded = RecordBatchDecoder::decode(&mut wire).unwrap().records;
        prop_assert_eq!(decoded.len(), records.len());
        for (index, (theirs, ours)) in decoded.iter().zip(&records).enumerate() {
            prop_assert_eq!(theirs.offset, index as i64);
            prop_assert_eq!(theirs.sequence, 5 + index as i32);
            prop_assert_eq!((theirs.producer_id, theirs.producer_epoch), (9, 2));
            prop_assert!(theirs.transactional && !theirs.control);
            prop_assert_eq!(theirs.timestamp, ours.timestamp);
            prop_assert_eq!(theirs.key.as_deref(), ours.key.as_deref());
            prop_assert_eq!(theirs.value.as_deref(), ours.value.as_deref());
            let headers = theirs.headers.iter();
            let headers: Vec<OwnedHeader> = headers
                .map(|(key, value)| (key.as_bytes().to_vec(), value.as_ref().map(|v| v.to_vec())))
                .collect();
            prop_assert_eq!(&headers, &ours.headers);
        }
    }
}

#[test]
fn a_record_that_does_not_fit_leaves_the_batch_as_it_was() {
    let record = Record {
        timestamp: 7,
        key: None,
        value: Some(b"0123456789"),
        headers: &[],
    };
    let size = record_bytes(&record, 7, 0);
    assert_eq!(size, framed_bytes(10, 0));
    let mut buffer = vec![0; HEADER_BYTES + 2 * size + size - 1];
    let mut builder = BatchBuilder::new(&mut buffer, 7);
    builder.write_record(&record).unwrap();
    builder.write_record(&record).unwrap();
    let before = builder.records_section().to_vec();
    assert_eq!(
        builder.write_record(&record),
        Err(Full {
            needed: size,
            left: size - 1
        })
    );
    assert_eq!(builder.records_section(), before);
    assert_eq!(builder.records(), 2);
    let (bytes, _) = builder.finish(Identity::NONE);
    assert_eq!(bytes, HEADER_BYTES + 2 * size);
    assert_eq!(BatchHeader::read(&buffer).unwrap().records_count, 2);
}

#[test]
fn a_batch_sealed_in_pieces_equals_one_sealed_whole() {
    let mut whole = vec![0x5a; 4000];
    let sealed = Sealed {
        attributes: Attributes(0),
        base_timestamp: 1,
        max_timestamp: 2,
        producer_id: 3,
        producer_epoch: 4,
        base_sequence: 5,
        records_count: 6,
    };
    let crc = seal(&mut whole, sealed);

    let mut header = [0; HEADER_BYTES];
    let mut pieces = sealed.open(4000, &mut header);
    pieces.update(&[0x5a; 1000]);
    pieces.update(&[0x5a; 2939]);
    patch_crc(&mut header, pieces.value());
    assert_eq!(pieces.value(), crc);
    assert_eq!(header, whole[..HEADER_BYTES]);
}
