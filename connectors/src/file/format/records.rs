//! The grammars and parsers as what the engine asks for records.

use engine::record::{Grammar as FindRecords, Next as Found};

use super::input::{Grammar, Next, ParseError, Parser, Splitter};

/// Finds records in the bytes of files and parses them.
#[derive(Debug, Clone)]
pub struct Records {
    splitter: Splitter,
    parser: Parser,
    whole_lines: Option<u8>,
    record_bytes_max: usize,
}

impl Records {
    /// Records of `grammar`, of at most `record_bytes_max` each, in which `parser` finds key and value.
    pub fn new(grammar: Grammar, parser: Parser, record_bytes_max: usize) -> Self {
        let whole_lines = match &grammar {
            Grammar::Lines {
                delimiter,
                strip_cr: false,
            } if delimiter.len() == 1 && parser.is_plain() => Some(delimiter[0]),
            _ => None,
        };
        Self {
            splitter: Splitter::new(grammar, record_bytes_max),
            parser,
            whole_lines,
            record_bytes_max,
        }
    }
}

impl FindRecords for Records {
    fn next<'a>(&'a mut self, window: &'a [u8], is_end: bool) -> Found<'a> {
        let found = match self.splitter.next(window, is_end) {
            Ok(found) => found,
            Err(error) => {
                let reason = error.to_string();
                return Found::Broken { reason };
            }
        };
        match found {
            Next::Record { consumed, value } => {
                let content = value.map(|value| &window[value]);
                match self.parser.parse(content) {
                    Ok(record) => Found::Record {
                        bytes: consumed,
                        record,
                    },
                    Err(error) => refused(consumed, &error),
                }
            }
            Next::More { .. } => Found::More,
            Next::Pass { consumed } => Found::Pass { bytes: consumed },
            Next::Skip { consumed } => Found::Skip { bytes: consumed },
            Next::TooLong {
                consumed, bytes, ..
            } => Found::Refused {
                bytes: consumed,
                reason: format!(
                    "the record is {bytes} bytes long, more than the {} that the topic's \
                     max.message.bytes, or --memory, allows",
                    self.record_bytes_max
                ),
            },
            Next::End => unreachable!("a window holds a byte, or the end of what was passed"),
        }
    }

    fn whole_lines(&self) -> Option<u8> {
        self.whole_lines
    }
}

fn refused(bytes: usize, error: &ParseError) -> Found<'static> {
    Found::Refused {
        bytes,
        reason: error.to_string(),
    }
}
