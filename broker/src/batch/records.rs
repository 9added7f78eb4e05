//! The records of a batch, walked as strictly as Apache's broker does and a little stricter.
//!
//! On purpose a second implementation beside `protocol::records::reader`: what one of them
//! misreads, the other shows.

/// What the broker looks at in a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RecordInfo {
    /// Counts from 0 in the batch.
    pub(crate) index: i32,
    /// Less the batch's base timestamp.
    pub(crate) timestamp_delta: i64,
    /// Less the batch's base offset.
    pub(crate) offset_delta: i32,
    /// An empty key is a key.
    pub(crate) has_key: bool,
}

/// Where and why bytes are no record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("record {index} is malformed: {what}")]
pub(crate) struct Malformed {
    /// The record, from 0.
    pub(crate) index: i32,
    /// What is wrong with it.
    pub(crate) what: &'static str,
}

/// Walks `count` records that must fill `records` to the last byte.
pub(crate) fn walk(
    records: &[u8],
    count: i32,
    mut each: impl FnMut(RecordInfo),
) -> Result<(), Malformed> {
    let mut rest = records;
    for index in 0..count {
        let malformed = |what| Malformed { index, what };
        let bytes = varint(&mut rest).ok_or(malformed("its length is no varint"))?;
        let record = usize::try_from(bytes)
            .ok()
            .and_then(|bytes| rest.split_off(..bytes))
            .ok_or(malformed("its length does not lie inside the batch"))?;
        each(read(record, index).map_err(malformed)?);
    }
    match rest.len() {
        0 => Ok(()),
        _ => Err(Malformed {
            index: count,
            what: "bytes follow the last record",
        }),
    }
}

fn read(mut rest: &[u8], index: i32) -> Result<RecordInfo, &'static str> {
    let attributes = *rest.split_off_first().ok_or("it has no attributes")?;
    if attributes != 0 {
        return Err("its attributes are not 0");
    }
    let timestamp_delta = varlong(&mut rest).ok_or("its timestamp is no varint")?;
    let offset_delta = varint(&mut rest).ok_or("its offset is no varint")?;
    let has_key = skip_bytes(&mut rest).ok_or("its key does not lie inside it")?;
    skip_bytes(&mut rest).ok_or("its value does not lie inside it")?;
    let headers = varint(&mut rest).ok_or("its header count is no varint")?;
    // A header takes two bytes at least.
    if headers < 0 || headers as usize > rest.len() / 2 {
        return Err("its header count is out of range");
    }
    for _ in 0..headers {
        if skip_bytes(&mut rest) != Some(true) {
            return Err("a header's key does not lie inside it");
        }
        skip_bytes(&mut rest).ok_or("a header's value does not lie inside it")?;
    }
    if !rest.is_empty() {
        return Err("it is shorter than its length says");
    }
    Ok(RecordInfo {
        index,
        timestamp_delta,
        offset_delta,
        has_key,
    })
}

/// Skips bytes behind their length: false for null (−1), none if they do not fit.
fn skip_bytes(rest: &mut &[u8]) -> Option<bool> {
    match varint(rest)? {
        -1 => Some(false),
        bytes => rest.split_off(..usize::try_from(bytes).ok()?).map(|_| true),
    }
}

fn varint(rest: &mut &[u8]) -> Option<i32> {
    let raw = unsigned(rest, 5)?;
    let raw = u32::try_from(raw).ok()?;
    Some((raw >> 1) as i32 ^ -((raw & 1) as i32))
}

fn varlong(rest: &mut &[u8]) -> Option<i64> {
    let raw = unsigned(rest, 10)?;
    Some((raw >> 1) as i64 ^ -((raw & 1) as i64))
}

fn unsigned(rest: &mut &[u8], bytes_max: u32) -> Option<u64> {
    let mut value = 0u64;
    for shift in (0..bytes_max * 7).step_by(7) {
        let byte = *rest.split_off_first()?;
        let bits = u64::from(byte & 0x7f);
        if shift == 63 && bits > 1 {
            return None;
        }
        value |= bits << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn zigzag(value: i64, out: &mut Vec<u8>) {
        let mut rest = ((value << 1) ^ (value >> 63)) as u64;
        while rest >= 0x80 {
            out.push(rest as u8 | 0x80);
            rest >>= 7;
        }
        out.push(rest as u8);
    }

    fn record(timestamp: i64, offset: i32, key: Option<&[u8]>, value: &[u8]) -> Vec<u8> {
        let mut body = vec![0];
        zigzag(timestamp, &mut body);
        zigzag(i64::from(offset), &mut body);
        zigzag(key.map_or(-1, |key| key.len() as i64), &mut body);
        body.extend(key.unwrap_or_default());
        zigzag(value.len() as i64, &mut body);
        body.extend(value);
        body.extend([2, 2, b'h', 1]);
        let mut record = Vec::new();
        zigzag(body.len() as i64, &mut record);
        record.extend(body);
        record
    }

    fn infos(bytes: &[u8], count: i32) -> Result<Vec<RecordInfo>, Malformed> {
        let mut infos = Vec::new();
        walk(bytes, count, |info| infos.push(info)).map(|()| infos)
    }

    proptest! {
        #[test]
        fn what_was_framed_is_read(
            records in prop::collection::vec(
                (any::<i64>(), any::<i32>(),
                 prop::option::of(prop::collection::vec(any::<u8>(), 0..9)),
                 prop::collection::vec(any::<u8>(), 0..300)),
                0..20,
            ),
        ) {
            let mut bytes = Vec::new();
            let mut expected = Vec::new();
            for (index, (timestamp_delta, offset_delta, key, value)) in records.iter().enumerate() {
                bytes.extend(record(*timestamp_delta, *offset_delta, key.as_deref(), value));
                expected.push(RecordInfo {
                    index: index as i32,
                    timestamp_delta: *timestamp_delta,
                    offset_delta: *offset_delta,
                    has_key: key.is_some(),
                });
            }
            let count = records.len() as i32;
            prop_assert_eq!(infos(&bytes, count), Ok(expected));
            prop_assert!(infos(&bytes, count + 1).is_err());
            prop_assert!(count == 0 || infos(&bytes, count - 1).is_err());
            for cut in 0..bytes.len() {
                prop_assert!(infos(&bytes[..cut], count).is_err());
            }
        }

        #[test]
        fn any_bytes_are_records_or_an_error(
            bytes in prop::collection::vec(any::<u8>(), 0..200),
            count in any::<i32>(),
        ) {
            if let Ok(infos) = infos(&bytes, count) {
                prop_assert_eq!(infos.len(), count.max(0) as usize);
            }
        }
    }
}
