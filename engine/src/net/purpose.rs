//! What a completion is for, as the token of its operation.

use crate::flow::LinkId;
use crate::io::Token;

/// Which operation of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LinkOp {
    Connect,
    Send,
    Receive,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// A task's read of the input.
    Read { task: usize },
    /// A link's, of one of the sockets that it had.
    Link {
        link: LinkId,
        op: LinkOp,
        generation: u32,
    },
}

const LINK_BITS: u32 = 24;

impl Purpose {
    /// `kind (4 bits) · link (24) · generation (32)`, or `0 · task`.
    pub(crate) fn token(self) -> Token {
        match self {
            Self::Read { task } => Token(task as u64),
            Self::Link {
                link,
                op,
                generation,
            } => {
                assert!(
                    link.0 < 1 << LINK_BITS,
                    "fewer links than its bits can name"
                );
                let kind = 1 + op as u64;
                Token(kind << 60 | (link.0 as u64) << 32 | u64::from(generation))
            }
        }
    }

    pub(crate) fn from_token(Token(token): Token) -> Self {
        let op = match token >> 60 {
            0 => {
                let task = usize::try_from(token).expect("tokens are made here");
                return Self::Read { task };
            }
            1 => LinkOp::Connect,
            2 => LinkOp::Send,
            _ => LinkOp::Receive,
        };
        let link = (token >> 32) & ((1 << LINK_BITS) - 1);
        let link = LinkId(usize::try_from(link).expect("tokens are made here"));
        #[expect(
            clippy::cast_possible_truncation,
            reason = "the low half is what is wanted"
        )]
        let generation = token as u32;
        Self::Link {
            link,
            op,
            generation,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_gives_its_purpose_back() {
        for op in [LinkOp::Connect, LinkOp::Send, LinkOp::Receive] {
            let purpose = Purpose::Link {
                link: LinkId(77),
                op,
                generation: u32::MAX - 1,
            };
            assert_eq!(Purpose::from_token(purpose.token()), purpose);
        }
        let read = Purpose::Read { task: 5 };
        assert_eq!(Purpose::from_token(read.token()), read);
    }
}
