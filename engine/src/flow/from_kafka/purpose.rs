//! What a completion is for, as the token of its operation. Kinds 8 and above are ours; those below
//! belong to the links that metadata is asked over.

use crate::io::Token;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Of one of the sockets that a fetch link had.
    Connect {
        link: usize,
        generation: u32,
    },
    Send {
        link: usize,
        generation: u32,
    },
    Receive {
        link: usize,
        generation: u32,
    },
    /// The write of this number to an output.
    Write {
        output: usize,
        number: u32,
    },
    /// Not ours.
    Other,
}

const INDEX_BITS: u32 = 28;

impl Purpose {
    /// `kind (4 bits) · link or output (28) · generation or number (32)`
    pub(super) fn token(self) -> Token {
        let (kind, index, number) = match self {
            Self::Connect { link, generation } => (8, link, generation),
            Self::Send { link, generation } => (9, link, generation),
            Self::Receive { link, generation } => (10, link, generation),
            Self::Write { output, number } => (11, output, number),
            Self::Other => panic!("others make their own tokens"),
        };
        assert!(index < 1 << INDEX_BITS, "an index that its bits can name");
        Token(kind << 60 | (index as u64) << 32 | u64::from(number))
    }

    pub(super) fn from_token(Token(token): Token) -> Self {
        let index = (token >> 32) & ((1 << INDEX_BITS) - 1);
        let index = usize::try_from(index).expect("tokens are made here");
        #[expect(
            clippy::cast_possible_truncation,
            reason = "the low half is what is wanted"
        )]
        let number = token as u32;
        let (link, output, generation) = (index, index, number);
        match token >> 60 {
            8 => Self::Connect { link, generation },
            9 => Self::Send { link, generation },
            10 => Self::Receive { link, generation },
            11 => Self::Write { output, number },
            _ => Self::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net;

    #[test]
    fn a_token_gives_its_purpose_back() {
        let (link, generation) = (77, u32::MAX - 1);
        let (output, number) = ((1 << INDEX_BITS) - 1, 3);
        for purpose in [
            Purpose::Connect { link, generation },
            Purpose::Send { link, generation },
            Purpose::Receive { link, generation },
            Purpose::Write { output, number },
        ] {
            assert_eq!(Purpose::from_token(purpose.token()), purpose);
        }
    }

    #[test]
    fn what_belongs_to_other_links_is_not_ours() {
        for op in [
            net::LinkOp::Connect,
            net::LinkOp::Send,
            net::LinkOp::Receive,
        ] {
            let theirs = net::Purpose::Link {
                link: crate::flow::LinkId(9),
                op,
                generation: 5,
            };
            assert_eq!(Purpose::from_token(theirs.token()), Purpose::Other);
        }
    }
}
