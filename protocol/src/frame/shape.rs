//! The shape of messages, walked before a generated decoder sees them.
//!
//! The decoders call `Vec::with_capacity` with whatever count the bytes claim: five bytes could ask
//! for 2³² elements and end the process. They also read a tagged field without regard to its size.
//! So each message is first walked by a description of its fields: every element that is claimed
//! must be there, every length must lie inside its parent, and the message must end where its bytes
//! end. What passes can then allocate no more than a small multiple of its own size.

use super::wire::{Reader, WireResult};

/// What a message looks like in all its versions.
#[derive(Debug)]
pub(super) struct MessageShape {
    /// The first version with compact lengths and tagged fields.
    pub(super) flexible_since: i16,
    pub(super) fields: &'static [Field],
}

/// A field, and the versions that have it.
#[derive(Debug)]
pub(super) enum Field {
    All(Shape),
    Since(i16, Shape),
    Until(i16, Shape),
    Between(i16, i16, Shape),
    /// A tagged field: its tag, the first version that has it.
    Tagged(u32, i16, Shape),
}

#[derive(Debug)]
pub(super) enum Shape {
    /// So many bytes.
    Fixed(usize),
    Text,
    TextOrNull,
    Bytes,
    BytesOrNull,
    Array(&'static Self),
    ArrayOrNull(&'static Self),
    Struct(&'static [Field]),
}

impl MessageShape {
    /// Whether `body` is, to its last byte, a message of this shape.
    pub(super) fn check(&self, version: i16, body: &[u8]) -> WireResult<()> {
        let at = Version {
            version,
            flexible: version >= self.flexible_since,
        };
        let mut reader = Reader::new(body);
        at.walk_fields(self.fields, &mut reader)?;
        reader.finish()
    }
}

impl Field {
    /// The field's shape if it stands in the fixed part of a struct of this version.
    pub(super) fn shape(&self, version: i16) -> Option<&Shape> {
        match self {
            Self::All(shape) => Some(shape),
            Self::Since(since, shape) if version >= *since => Some(shape),
            Self::Until(until, shape) if version <= *until => Some(shape),
            Self::Between(since, until, shape) if (*since..=*until).contains(&version) => {
                Some(shape)
            }
            _ => None,
        }
    }
}

#[derive(Clone, Copy)]
struct Version {
    version: i16,
    flexible: bool,
}

impl Version {
    fn walk_fields(self, fields: &[Field], reader: &mut Reader<'_>) -> WireResult<()> {
        for field in fields {
            if let Some(shape) = field.shape(self.version) {
                self.walk(shape, reader)?;
            }
        }
        if !self.flexible {
            return Ok(());
        }
        reader.tagged(|tag, reader| {
            let known = fields.iter().find_map(|field| match field {
                Field::Tagged(number, since, shape) if *number == tag && self.version >= *since => {
                    Some(shape)
                }
                _ => None,
            });
            match known {
                None => Ok(false),
                Some(shape) => self.walk(shape, reader).map(|()| true),
            }
        })
    }

    fn walk(self, shape: &Shape, reader: &mut Reader<'_>) -> WireResult<()> {
        match shape {
            Shape::Fixed(bytes) => reader.take(*bytes).map(drop),
            Shape::Text => reader.text_required(self.flexible).map(drop),
            Shape::TextOrNull => reader.text(self.flexible).map(drop),
            Shape::Bytes => reader.bytes_required(self.flexible).map(drop),
            Shape::BytesOrNull => reader.bytes(self.flexible).map(drop),
            Shape::Array(element) => {
                let count = reader.count_required(self.flexible, self.bytes_min(element))?;
                self.walk_elements(element, count, reader)
            }
            Shape::ArrayOrNull(element) => {
                let count = reader.count(self.flexible, self.bytes_min(element))?;
                self.walk_elements(element, count.unwrap_or(0), reader)
            }
            Shape::Struct(fields) => self.walk_fields(fields, reader),
        }
    }

    fn walk_elements(self, shape: &Shape, count: usize, reader: &mut Reader<'_>) -> WireResult<()> {
        (0..count).try_for_each(|_| self.walk(shape, reader))
    }

    /// The fewest bytes that a value of this shape takes.
    fn bytes_min(self, shape: &Shape) -> usize {
        match shape {
            Shape::Fixed(bytes) => *bytes,
            _ if self.flexible && !matches!(shape, Shape::Struct(_)) => 1,
            Shape::Text | Shape::TextOrNull => 2,
            Shape::Bytes | Shape::BytesOrNull | Shape::Array(_) | Shape::ArrayOrNull(_) => 4,
            Shape::Struct(fields) => {
                let fixed = fields.iter().filter_map(|field| field.shape(self.version));
                fixed.map(|shape| self.bytes_min(shape)).sum::<usize>() + usize::from(self.flexible)
            }
        }
    }
}
