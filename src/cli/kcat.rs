//! kcat has no commands: a letter among its options says what is to be done. `-L` and `-Q` are also
//! commands here, which must come first; in kcat they may stand anywhere.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

/// The letters that stand for commands here.
const MODES: [u8; 2] = *b"LQ";
/// kcat's letters that something follows.
const WITH_VALUE: &[u8] = b"bcdDfFGhHkKmoprstTXz";

/// Moves `-L` or `-Q` to the front, where no command is named: what follows is then that command's.
pub(crate) fn kcat_order(arguments: Vec<OsString>) -> Vec<OsString> {
    let Some((index, mode)) = find(arguments.get(1..).unwrap_or_default()) else {
        return arguments;
    };
    let index = index + 1;
    let mut ordered = arguments;
    let without: Vec<u8> = remove(ordered[index].as_bytes(), mode);
    if without == b"-" {
        ordered.remove(index);
    } else {
        ordered[index] = OsStr::from_bytes(&without).to_owned();
    }
    ordered.insert(1, OsStr::from_bytes(&[b'-', mode]).to_owned());
    ordered
}

fn remove(cluster: &[u8], mode: u8) -> Vec<u8> {
    let at = cluster.iter().position(|&letter| letter == mode);
    let at = at.expect("it was found there");
    [&cluster[..at], &cluster[at + 1..]].concat()
}

/// The argument that holds a mode's letter, and which.
fn find(arguments: &[OsString]) -> Option<(usize, u8)> {
    let mut index = 0;
    while let Some(argument) = arguments.get(index) {
        let letters = match argument.as_bytes() {
            // Behind it is whatever a long option takes, if anything: no command is called so.
            [b'-', b'-', ..] => {
                let takes_next = !argument.as_bytes().contains(&b'=')
                    && arguments
                        .get(index + 1)
                        .is_some_and(|next| !is_option(next));
                index += 1 + usize::from(takes_next);
                continue;
            }
            [b'-', letters @ ..] if !letters.is_empty() => letters,
            // A command, or nothing of kcat's.
            _ => return None,
        };
        let value = letters
            .iter()
            .position(|letter| WITH_VALUE.contains(letter));
        let flags = &letters[..value.unwrap_or(letters.len())];
        if let Some(mode) = flags.iter().find(|letter| MODES.contains(letter)) {
            return Some((index, *mode));
        }
        // A value is the rest of the argument, or the next one.
        let is_next = value == Some(letters.len() - 1);
        index += 1 + usize::from(is_next);
    }
    None
}

fn is_option(argument: &OsString) -> bool {
    argument.as_bytes().starts_with(b"-")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, expected: &str) {
        let words = |line: &str| line.split_whitespace().map(OsString::from).collect();
        let expected: Vec<OsString> = words(expected);
        assert_eq!(kcat_order(words(line)), expected, "{line}");
    }

    #[test]
    fn a_mode_comes_first_wherever_it_stood() {
        check("r -L -b k", "r -L -b k");
        check("r -b k -L", "r -L -b k");
        check("r -b k -t t -JL", "r -L -b k -t t -J");
        check("r -LJb k", "r -L -Jb k");
        check("r -bk -Q -t a:0:-1", "r -Q -bk -t a:0:-1");
        check("r -X a=L -Q", "r -Q -X a=L");
        check("r --log-level debug -b k -L", "r -L --log-level debug -b k");
        check("r --log-level=debug -L", "r -L --log-level=debug");
    }

    #[test]
    fn values_commands_and_the_rest_stay_where_they_are() {
        for line in [
            "r",
            "r -b L",
            "r -bL",
            "r -tQ",
            "r load -L",
            "r load a -t t -b k",
            "r --help",
            "r --log-level debug load -L",
            "r -b k dump -Q",
            "r -",
            "r -b",
        ] {
            check(line, line);
        }
    }
}
