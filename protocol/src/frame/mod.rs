//! Frames: the length prefix, request and response headers, and whole messages behind them.
//!
//! ```text
//! ┌──────┬─────┬─────────┬─────────────┬───────────┬──────┬──────┐
//! │ size │ api │ version │ correlation │ client id │ tags │ body │   request, header 1 or 2 (tags)
//! ├──────┼─────┴─────────┴┬────────────┴┬──────┬───┴──────┴──────┘
//! │ size │  correlation   │    tags     │ body │                    response, header 0 or 1 (tags)
//! └──────┴────────────────┴─────────────┴──────┘
//! ```
//!
//! Invariants: memory follows the bytes that arrived, never the length that they claim. The
//! generated decoders reserve room for as many elements as a message says it has, so nothing
//! reaches them before `shape` has walked it and found every element there. No bytes make
//! anything here panic.

pub mod wire;

mod group_shapes;
mod shape;
mod shapes;

use std::{cmp, fmt};

use kafka_protocol::messages::{ApiKey, RequestHeader};
use kafka_protocol::protocol::buf::{ByteBuf, ByteBufMut};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Message, Request, StrBytes};

use wire::{Reader, WireError, WireResult};

/// The length prefix of a frame.
pub const SIZE_BYTES: usize = 4;

/// Why a stream of bytes cannot be cut into frames. The connection it came from is of no use any
/// more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The frame is larger than may be taken in.
    #[error("the peer announced a frame of {bytes} bytes, more than the {bytes_max} allowed")]
    TooLarge {
        /// The size announced.
        bytes: usize,
        /// The bound.
        bytes_max: usize,
    },
    /// The size is below zero, so what came is not Kafka's protocol (a TLS listener, for example).
    #[error(
        "the peer announced a frame of {bytes} bytes: it does not speak Kafka's protocol, or not \
         in the clear"
    )]
    Negative {
        /// The size announced.
        bytes: i32,
    },
}

/// Why a message could not be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot write {api:?} version {version}: {reason}")]
pub struct EncodeError {
    /// The API.
    pub api: ApiKey,
    /// The version asked for.
    pub version: i16,
    /// What the encoder says.
    pub reason: String,
}

/// Appends `request` to `out` as one whole frame, and says how long it is. After an error `out` is
/// as it was before.
pub fn encode_request<R: Request>(
    request: &R,
    version: i16,
    correlation_id: i32,
    client_id: &str,
    out: &mut impl ByteBufMut,
) -> Result<usize, EncodeError> {
    let header = RequestHeader::default()
        .with_request_api_key(R::KEY)
        .with_request_api_version(version)
        .with_correlation_id(correlation_id)
        .with_client_id(Some(StrBytes::from_string(client_id.to_owned())));
    encode_frame(R::KEY, version, out, |out| {
        header.encode(out, R::header_version(version))?;
        request.encode(out, version)
    })
}

/// Appends `response`, the answer to a request of type `R`, to `out` as one whole frame, and says
/// how long it is. After an error `out` is as it was before.
pub fn encode_response<R: Request>(
    response: &R::Response,
    version: i16,
    correlation_id: i32,
    out: &mut impl ByteBufMut,
) -> Result<usize, EncodeError> {
    encode_frame(R::KEY, version, out, |out| {
        out.put_i32(correlation_id);
        if R::Response::header_version(version) >= 1 {
            out.put_u8(0);
        }
        response.encode(out, version)
    })
}

fn encode_frame<B: ByteBufMut, E: fmt::Display>(
    api: i16,
    version: i16,
    out: &mut B,
    write: impl FnOnce(&mut B) -> Result<(), E>,
) -> Result<usize, EncodeError> {
    let begin = out.offset();
    out.put_i32(0);
    let written = write(out)
        .map_err(|error| error.to_string())
        .and_then(|()| {
            let bytes = out.offset() - begin - SIZE_BYTES;
            i32::try_from(bytes).map_err(|_| format!("{bytes} bytes do not fit into a frame"))
        });
    match written {
        Ok(bytes) => {
            out.range(begin..begin + SIZE_BYTES)
                .copy_from_slice(&bytes.to_be_bytes());
            Ok(out.offset() - begin)
        }
        Err(reason) => {
            out.seek(begin);
            let api = ApiKey::try_from(api).expect("a message's key is one of the keys");
            Err(EncodeError {
                api,
                version,
                reason,
            })
        }
    }
}

/// A request's header, and the body behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestFrame<'a> {
    /// The API's key; any number can come.
    pub api_key: i16,
    /// The version that the body has.
    pub version: i16,
    /// What the answer must repeat.
    pub correlation_id: i32,
    /// Who says to be asking.
    pub client_id: Option<&'a str>,
    /// What follows the header; everything behind the client id if the API is not known.
    pub body: &'a [u8],
}

/// Reads a request's header from a frame without its length prefix. An API that nobody knows is no
/// error here: its sender may be answered.
pub fn read_request(frame: &[u8]) -> WireResult<RequestFrame<'_>> {
    let mut reader = Reader::new(frame);
    let api_key = reader.i16()?;
    let version = reader.i16()?;
    let correlation_id = reader.i32()?;
    let client_id = reader.text(false)?;
    let flexible =
        ApiKey::try_from(api_key).is_ok_and(|api| api.request_header_version(version) >= 2);
    if flexible {
        reader.tagged_unknown()?;
    }
    Ok(RequestFrame {
        api_key,
        version,
        correlation_id,
        client_id,
        body: reader.rest(),
    })
}

/// Reads the header of the answer to a request of `api` and `version` from a frame without its
/// length prefix: the correlation id, and the body.
pub fn read_response(api: ApiKey, version: i16, frame: &[u8]) -> WireResult<(i32, &[u8])> {
    let mut reader = Reader::new(frame);
    let correlation_id = reader.i32()?;
    if api.response_header_version(version) >= 1 {
        reader.tagged_unknown()?;
    }
    Ok((correlation_id, reader.rest()))
}

/// Decodes the whole body of a request. From `Bytes` nothing is copied, from a slice its texts are.
pub fn decode_request<R: Request>(version: i16, body: impl ByteBuf + AsRef<[u8]>) -> WireResult<R> {
    decode(R::KEY, version, shapes::request(R::KEY), body)
}

/// Decodes the whole body of the answer to a request of type `R`. From `Bytes` nothing is copied,
/// from a slice its texts are.
pub fn decode_response<R: Request>(
    version: i16,
    body: impl ByteBuf + AsRef<[u8]>,
) -> WireResult<R::Response> {
    decode(R::KEY, version, shapes::response(R::KEY), body)
}

fn decode<M: Message + Decodable>(
    api: i16,
    version: i16,
    shape: Option<&'static shape::MessageShape>,
    mut body: impl ByteBuf + AsRef<[u8]>,
) -> WireResult<M> {
    let spoken = (M::VERSIONS.min..=M::VERSIONS.max).contains(&version);
    let Some(shape) = shape.filter(|_| spoken) else {
        return Err(WireError::Version { api, version });
    };
    shape.check(version, body.as_ref())?;
    M::decode(&mut body, version).map_err(|_| WireError::Value { api, version })
}

/// Cuts a stream of bytes into frames.
///
/// A frame that lies whole in the bytes handed in is given out where it lies; only one that does
/// not is put together in here, each byte copied once.
#[derive(Debug)]
pub struct Splitter {
    frame_bytes_max: usize,
    /// The frame that is being put together, with its length prefix.
    partial: Vec<u8>,
    /// Whether `partial` was given out and may be forgotten.
    is_given_out: bool,
}

/// What is kept for the next partial frame; a larger one is given back once it is done with.
const PARTIAL_BYTES_KEPT: usize = 64 * 1024;

impl Splitter {
    /// A splitter for frames of up to `frame_bytes_max` bytes (without the length prefix).
    pub fn new(frame_bytes_max: usize) -> Self {
        Self {
            frame_bytes_max,
            partial: Vec::new(),
            is_given_out: false,
        }
    }

    /// Takes the next whole frame, without its length prefix, off `input`; none once `input` is
    /// used up. What is left over is kept for the next call.
    pub fn next<'s, 'i: 's>(
        &'s mut self,
        input: &mut &'i [u8],
    ) -> Result<Option<&'s [u8]>, FrameError> {
        if self.is_given_out {
            self.is_given_out = false;
            self.partial.clear();
            self.partial.shrink_to(PARTIAL_BYTES_KEPT);
        }
        if self.partial.is_empty()
            && let Some((prefix, rest)) = input.split_first_chunk::<SIZE_BYTES>()
        {
            let bytes = self.frame_bytes(*prefix)?;
            if let Some((frame, rest)) = rest.split_at_checked(bytes) {
                *input = rest;
                return Ok(Some(frame));
            }
        }
        self.next_partial(input)
    }

    /// How many bytes of an unfinished frame have been kept.
    pub fn pending_bytes(&self) -> usize {
        if self.is_given_out {
            0
        } else {
            self.partial.len()
        }
    }

    fn next_partial(&mut self, input: &mut &[u8]) -> Result<Option<&[u8]>, FrameError> {
        if self.partial.len() < SIZE_BYTES {
            self.fill(SIZE_BYTES, input);
        }
        let Some(prefix) = self.partial.first_chunk::<SIZE_BYTES>() else {
            return Ok(None);
        };
        let bytes = SIZE_BYTES + self.frame_bytes(*prefix)?;
        self.fill(bytes, input);
        if self.partial.len() < bytes {
            return Ok(None);
        }
        self.is_given_out = true;
        Ok(Some(&self.partial[SIZE_BYTES..]))
    }

    /// Moves bytes from `input` until `partial` holds `bytes`.
    fn fill(&mut self, bytes: usize, input: &mut &[u8]) {
        let (taken, rest) = input.split_at(cmp::min(bytes - self.partial.len(), input.len()));
        let needed = self.partial.len() + taken.len();
        if needed > self.partial.capacity() {
            // Twice of what came, but no more than the frame will be.
            let capacity = cmp::min(bytes, cmp::max(needed, 2 * self.partial.len()));
            self.partial.reserve_exact(capacity - self.partial.len());
        }
        self.partial.extend_from_slice(taken);
        *input = rest;
    }

    fn frame_bytes(&self, prefix: [u8; SIZE_BYTES]) -> Result<usize, FrameError> {
        let bytes = i32::from_be_bytes(prefix);
        let bytes_max = self.frame_bytes_max;
        match usize::try_from(bytes) {
            Err(_) => Err(FrameError::Negative { bytes }),
            Ok(bytes) if bytes > bytes_max => Err(FrameError::TooLarge { bytes, bytes_max }),
            Ok(bytes) => Ok(bytes),
        }
    }
}

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
