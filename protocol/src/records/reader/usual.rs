//! The short way through a record whose numbers are short: a load of four bytes for each, and one
//! comparison for each range. Whatever is not like that is left to [`Records::read`], which knows
//! what is wrong with it, if anything. Nothing is accepted here that is refused there.

use super::{Cursor, Headers, RecordView, Records, headers};

/// The varint of −1.
const NONE: u8 = 1;

impl<'a> Records<'a> {
    /// The next record, unless something about it is unusual; then nothing has changed.
    #[inline]
    pub(super) fn read_usual(&mut self) -> Option<RecordView<'a>> {
        let rest = self.cursor.rest();
        let (length, length_bytes) = number(rest, 0)?;
        let end = length_bytes + length;
        let record = rest.get(..end)?;
        let (timestamp, timestamp_bytes) = zigzag(rest, length_bytes + 1)?;
        let delta_at = length_bytes + 1 + timestamp_bytes;
        let (delta, delta_bytes) = number(rest, delta_at)?;
        let (key, value_at) = blob(record, rest, delta_at + delta_bytes)?;
        let (value, headers_at) = blob(record, rest, value_at)?;
        let headers = if headers_at + 1 == end && record[headers_at] == 0 {
            Headers {
                cursor: Cursor::new(record, end),
                left: 0,
            }
        } else {
            headers_of(record, headers_at)?
        };
        let timestamp = self.timestamp(i64::from(timestamp >> 1) ^ -i64::from(timestamp & 1))?;
        let offset = self.offset(delta as i32)?;
        self.cursor.advance(end);
        Some(RecordView {
            offset,
            timestamp,
            key,
            value,
            headers,
        })
    }
}

/// The headers, if they fill the rest of the record.
#[inline(never)]
fn headers_of(record: &[u8], at: usize) -> Option<Headers<'_>> {
    if at > record.len() {
        return None;
    }
    let mut cursor = Cursor::new(record, at);
    let headers = headers(&mut cursor).ok()?;
    (cursor.remaining() == 0).then_some(headers)
}

/// Bytes behind their length at `at`, or none behind −1, and where they end.
#[inline(always)]
fn blob<'a>(record: &'a [u8], rest: &[u8], at: usize) -> Option<(Option<&'a [u8]>, usize)> {
    if *record.get(at)? == NONE {
        return Some((None, at + 1));
    }
    let (bytes, length_bytes) = number(rest, at)?;
    let start = at + length_bytes;
    let end = start + bytes;
    Some((Some(record.get(start..end)?), end))
}

/// A number that is not negative, and the bytes of its varint, of which there are three at most.
#[inline(always)]
fn number(bytes: &[u8], at: usize) -> Option<(usize, usize)> {
    let (zigzag, bytes) = zigzag(bytes, at)?;
    (zigzag & 1 == 0).then_some(((zigzag >> 1) as usize, bytes))
}

/// The same, with its sign as the lowest bit.
#[inline(always)]
fn zigzag(bytes: &[u8], at: usize) -> Option<(u32, usize)> {
    let word = u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?);
    if word & 0x80 == 0 {
        return Some((word & 0x7f, 1));
    }
    let two = (word & 0x7f) | ((word >> 1) & (0x7f << 7));
    if word & 0x8000 == 0 {
        return Some((two, 2));
    }
    if word & 0x80_0000 == 0 {
        return Some((two | ((word >> 2) & (0x7f << 14)), 3));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::testing::Random;
    use crate::records::DecodeError;
    use crate::records::builder::{BatchBuilder, Identity, Record, RecordHeader};
    use crate::records::reader::Batch;

    /// All that can be seen of a record.
    type Seen<'a> = (
        i64,
        i64,
        Option<&'a [u8]>,
        Option<&'a [u8]>,
        Vec<RecordHeader<'a>>,
    );

    fn seen<'a>(record: Result<RecordView<'a>, DecodeError>) -> Result<Seen<'a>, DecodeError> {
        let record = record?;
        let headers: Vec<_> = record.headers.collect();
        assert_eq!(headers.len(), record.headers.len(), "no error is left");
        Ok((
            record.offset,
            record.timestamp,
            record.key,
            record.value,
            headers,
        ))
    }

    /// A batch of records whose numbers have all lengths, neighbours of one shape among them.
    fn motley(random: &mut Random) -> Vec<u8> {
        let mut buffer = vec![0; 20_000];
        let mut builder = BatchBuilder::new(&mut buffer, 1 << 40);
        let (blob, name) = (random.bytes(200), random.text(9));
        let headers = [None, Some(&blob[..3])].map(|value| RecordHeader {
            key: name.as_bytes(),
            value,
        });
        for _ in 0..1 + random.below(20) {
            let below = [2, 70, 200][random.below(3)];
            let blob_of = |random: &mut Random| {
                let bytes = random.below(below);
                (!random.chance(4)).then_some(&blob[..bytes])
            };
            let record = Record {
                timestamp: (1 << 40) + (random.next() as i64 >> (23 + random.below(41))),
                key: blob_of(random),
                value: blob_of(random),
                headers: &headers[..if random.chance(4) { random.below(3) } else { 0 }],
            };
            builder.write_record(&record).expect("there is room");
        }
        let (bytes, _) = builder.finish(Identity::NONE);
        buffer.truncate(bytes);
        buffer
    }

    #[test]
    fn the_short_way_reads_and_refuses_what_the_long_one_does() {
        let mut random = Random::seeded();
        let (mut records, mut errors, mut usual) = (0, 0, 0);
        for round in 0..300_000 {
            // A good one now and then, to be broken in many ways.
            let good = motley(&mut random);
            let batch = Batch::read(&good).expect("it was built");
            for _ in 0..if round % 100 == 0 { 10 } else { 1 } {
                let mut section = batch.section().to_vec();
                if !random.chance(4) {
                    random.mutate(&mut section);
                }
                let Ok(mut short) = batch.records_in(&section) else {
                    continue;
                };
                let mut long = short.clone();
                loop {
                    let is_usual = short.left() > 0 && short.clone().read_usual().is_some();
                    let (a, b) = (short.next().map(seen), long.next_unusual().map(seen));
                    assert_eq!(a, b, "over {section:02x?}");
                    assert_eq!(short.position(), long.position());
                    usual += u32::from(is_usual);
                    match a {
                        None => break,
                        Some(Ok(_)) => records += 1,
                        Some(Err(_)) => errors += 1,
                    }
                }
            }
        }
        println!("{records} records, {usual} of them the short way, {errors} errors");
        assert!(errors > 10_000 && usual > records / 4 && usual < records);
    }
}
