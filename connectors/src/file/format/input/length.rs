//! Records that begin with their length.

use std::str::FromStr;

use thiserror::Error;

/// How a length is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LengthPrefix {
    U8,
    U16Be,
    U16Le,
    /// As `kcat -f '%R%s'` writes it, and Kafka's own protocol. −1 is a null value.
    #[default]
    U32Be,
    U32Le,
    /// Seven bits a byte, the lowest first, as protobuf's delimited messages have it.
    Varint,
}

/// A name that is no [`LengthPrefix`].
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "unknown length prefix {0:?}: expected u8, u16be, u16le, u32be (u16 and u32 for short), u32le \
     or varint"
)]
pub struct UnknownLengthPrefix(String);

impl FromStr for LengthPrefix {
    type Err = UnknownLengthPrefix;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        match name {
            "u8" => Ok(Self::U8),
            "u16" | "u16be" => Ok(Self::U16Be),
            "u16le" => Ok(Self::U16Le),
            "u32" | "u32be" => Ok(Self::U32Be),
            "u32le" => Ok(Self::U32Le),
            "varint" => Ok(Self::Varint),
            _ => Err(UnknownLengthPrefix(name.to_owned())),
        }
    }
}

/// A length as far as it can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Length {
    Known {
        prefix_bytes: usize,
        /// `None` is a null value.
        value_bytes: Option<u64>,
    },
    /// The prefix has so many bytes, or more.
    Needs(usize),
    /// A varint that does not end.
    Endless,
}

/// A varint of more bytes is none: 64 bits fit into these.
const VARINT_BYTES_MAX: usize = 10;

impl LengthPrefix {
    pub(super) fn bytes_max(self) -> usize {
        match self {
            Self::U8 => 1,
            Self::U16Be | Self::U16Le => 2,
            Self::U32Be | Self::U32Le => 4,
            Self::Varint => VARINT_BYTES_MAX,
        }
    }

    pub(super) fn read(self, bytes: &[u8]) -> Length {
        match self {
            Self::U8 => fixed(bytes, |[byte]: [u8; 1]| Some(byte.into())),
            Self::U16Be => fixed(bytes, |length| Some(u16::from_be_bytes(length).into())),
            Self::U16Le => fixed(bytes, |length| Some(u16::from_le_bytes(length).into())),
            Self::U32Be => fixed(bytes, |length| nullable(u32::from_be_bytes(length))),
            Self::U32Le => fixed(bytes, |length| nullable(u32::from_le_bytes(length))),
            Self::Varint => varint(bytes),
        }
    }
}

fn fixed<const N: usize>(bytes: &[u8], read: impl Fn([u8; N]) -> Option<u64>) -> Length {
    match bytes.first_chunk::<N>() {
        Some(length) => Length::Known {
            prefix_bytes: N,
            value_bytes: read(*length),
        },
        None => Length::Needs(N),
    }
}

/// −1 is null. No record of 4 GiB could be sent anyway.
fn nullable(length: u32) -> Option<u64> {
    (length != u32::MAX).then_some(length.into())
}

fn varint(bytes: &[u8]) -> Length {
    let mut value = 0_u64;
    for (index, &byte) in bytes.iter().take(VARINT_BYTES_MAX).enumerate() {
        let bits = u64::from(byte & 0x7f);
        if index == VARINT_BYTES_MAX - 1 && bits > 1 {
            return Length::Endless;
        }
        value |= bits << (7 * index);
        if byte & 0x80 == 0 {
            return Length::Known {
                prefix_bytes: index + 1,
                value_bytes: Some(value),
            };
        }
    }
    if bytes.len() < VARINT_BYTES_MAX {
        Length::Needs(bytes.len() + 1)
    } else {
        Length::Endless
    }
}
