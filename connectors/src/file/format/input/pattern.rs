//! `headers.separator` is a regular expression of Java's to the console producer. Those that stand
//! for one text are understood; the others are refused, for what they would do is never meant: `|`
//! matches the nothing between any two characters.

/// The text that a pattern stands for; `None` for one that is not of one text.
pub(super) fn literal(pattern: &str) -> Option<String> {
    let mut text = String::new();
    let mut rest = pattern.chars();
    while let Some(letter) = rest.next() {
        match letter {
            '\\' => escape(&mut rest, &mut text)?,
            '^' | '$' | '.' | '|' | '?' | '*' | '+' | '(' | ')' | '[' | '{' => return None,
            _ => text.push(letter),
        }
    }
    (!text.is_empty()).then_some(text)
}

fn escape(rest: &mut std::str::Chars<'_>, text: &mut String) -> Option<()> {
    match rest.next()? {
        't' => text.push('\t'),
        'n' => text.push('\n'),
        'r' => text.push('\r'),
        'f' => text.push('\x0c'),
        'x' => text.push(number(rest, 2)?),
        'u' => text.push(number(rest, 4)?),
        'Q' => {
            // Everything up to `\E`, or to the end.
            let quoted = rest.as_str();
            let (inside, behind) = quoted.split_once("\\E").unwrap_or((quoted, ""));
            text.push_str(inside);
            *rest = behind.chars();
        }
        letter if letter.is_ascii_alphanumeric() => return None,
        letter => text.push(letter),
    }
    Some(())
}

fn number(rest: &mut std::str::Chars<'_>, digits: usize) -> Option<char> {
    let text = rest.as_str().get(..digits)?;
    let is_hex = text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let number = u32::from_str_radix(text, 16).ok().filter(|_| is_hex)?;
    rest.nth(digits - 1);
    char::from_u32(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_of_one_text_are_that_text() {
        let check = |pattern: &str, expected: Option<&str>| {
            assert_eq!(literal(pattern).as_deref(), expected, "{pattern}");
        };
        check(",", Some(","));
        check("; é]}-", Some("; é]}-"));
        check(r"\|\.\\", Some(r"|.\"));
        check(r"\t\x2c\u00e9", Some("\t,é"));
        check(r"\Qa.b\E|", None);
        check(r"\Qa.b\E\|", Some("a.b|"));
        check(r"\Q|", Some("|"));
        for pattern in [
            "", "|", "a|b", ".", "a+", "(,)", "[,;]", r"\s", r"\d", r"\", r"\x+1",
        ] {
            check(pattern, None);
        }
    }
}
