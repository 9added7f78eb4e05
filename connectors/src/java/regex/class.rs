//! Classes of characters: brackets with their unions and intersections, and those that have names.

use std::fmt::Write as _;

use super::parse::{Escape, Parser, push_char};
use crate::data::Result;

pub(super) const WORD_BOUND: &str =
    r"(?:(?<=[\p{L}\p{Nd}_])(?![\p{L}\p{Nd}_])|(?<![\p{L}\p{Nd}_])(?=[\p{L}\p{Nd}_]))";
pub(super) const NO_WORD_BOUND: &str =
    r"(?:(?<=[\p{L}\p{Nd}_])(?=[\p{L}\p{Nd}_])|(?<![\p{L}\p{Nd}_])(?![\p{L}\p{Nd}_]))";

/// A class of one letter.
pub(super) fn predefined(letter: char, unicode: bool) -> Option<&'static str> {
    Some(match (letter, unicode) {
        ('d', false) => "[0-9]",
        ('D', false) => "[^0-9]",
        ('d', true) => r"[\p{Nd}]",
        ('D', true) => r"[^\p{Nd}]",
        ('s', false) => r"[ \t\n\x0B\f\r]",
        ('S', false) => r"[^ \t\n\x0B\f\r]",
        ('s', true) => r"[\p{White_Space}]",
        ('S', true) => r"[^\p{White_Space}]",
        ('w', false) => "[a-zA-Z0-9_]",
        ('W', false) => "[^a-zA-Z0-9_]",
        ('w', true) => r"[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}]",
        ('W', true) => r"[^\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}]",
        ('h', _) => r"[ \t\xA0\x{1680}\x{180E}\x{2000}-\x{200A}\x{202F}\x{205F}\x{3000}]",
        ('H', _) => r"[^ \t\xA0\x{1680}\x{180E}\x{2000}-\x{200A}\x{202F}\x{205F}\x{3000}]",
        ('v', _) => r"[\n\x0B\f\r\x{85}\x{2028}\x{2029}]",
        ('V', _) => r"[^\n\x0B\f\r\x{85}\x{2028}\x{2029}]",
        _ => return None,
    })
}

/// A class in brackets; the cursor stands before its first character. The class is answered in
/// brackets of its own.
pub(super) fn parse(parser: &mut Parser<'_>, consume: bool) -> Result<String> {
    // Single characters are collected apart, as Java does, for it shows in what an intersection
    // takes.
    let (mut set, mut singles) = (None::<String>, String::new());
    let mut has_singles = false;
    let mut c = parser.next();
    let negated = c == Some('^') && parser.at(parser.cursor - 1) == Some('[');
    if negated {
        c = parser.next();
    }
    loop {
        match c {
            None if parser.is_at_end() => {
                // Java's end of the pattern is a character under the cursor.
                return Err(parser.error("Unclosed character class"));
            }
            Some('[') => {
                let inner = parse(parser, true)?;
                set = Some(union(set, &inner));
                c = parser.peek();
                continue;
            }
            Some('&') if parser.next() == Some('&') => {
                if has_singles {
                    set = Some(union(set, &format!("[{singles}]")));
                    has_singles = false;
                }
                set = Some(intersection(parser, set)?);
                c = parser.peek();
                continue;
            }
            Some('&') => parser.unread(),
            Some(']') if set.is_some() || has_singles => {
                if consume {
                    parser.next();
                }
                if has_singles {
                    set = Some(union(set, &format!("[{singles}]")));
                }
                let set = set.unwrap_or_default();
                return Ok(if negated { format!("[^{set}]") } else { set });
            }
            _ => {}
        }
        match range(parser)? {
            Range::Set(more) => set = Some(union(set, &more)),
            Range::Single(code) => {
                has_singles = true;
                push_range(&mut singles, parser, code, code);
            }
        }
        c = parser.peek();
    }
}

/// What follows `&&`, up to the next of them or the class's end.
fn intersection(parser: &mut Parser<'_>, set: Option<String>) -> Result<String> {
    let mut right = None::<String>;
    let mut c = parser.next();
    while c != Some(']') && c != Some('&') {
        let part = if c == Some('[') {
            parse(parser, true)?
        } else {
            parser.unread();
            parse(parser, false)?
        };
        right = Some(union(right, &part));
        c = parser.peek();
    }
    match (set, right) {
        (None, None) => Err(parser.error("Bad class syntax")),
        (Some(one), None) | (None, Some(one)) => Ok(one),
        (Some(left), Some(right)) => Ok(format!("[{left}&&{right}]")),
    }
}

fn union(left: Option<String>, right: &str) -> String {
    match left {
        Some(left) => format!("[{left}{right}]"),
        None => right.to_owned(),
    }
}

enum Range {
    Set(String),
    Single(u32),
}

/// A character, two with a dash between them, or a class with a name.
fn range(parser: &mut Parser<'_>) -> Result<Range> {
    let code = if parser.peek() == Some('\\') {
        if let Some(p @ ('p' | 'P')) = parser.next_escaped() {
            return Ok(Range::Set(family(parser, p == 'P')?));
        }
        let in_range = parser.at(parser.cursor + 1) == Some('-');
        parser.unread();
        match parser.escape(true, in_range)? {
            Escape::Char(code) => code,
            Escape::Class(class) | Escape::Other(class) => return Ok(Range::Set(class)),
        }
    } else {
        let c = parser.peek().map_or(0, u32::from);
        parser.next();
        c
    };
    if parser.peek() != Some('-') {
        return Ok(Range::Single(code));
    }
    match parser.at(parser.cursor + 1) {
        Some('[' | ']') => return Ok(Range::Single(code)),
        _ => parser.next(),
    };
    let last = if parser.peek() == Some('\\') {
        match parser.escape(true, true)? {
            Escape::Char(code) => code,
            _ => return Err(parser.error("Illegal character range")),
        }
    } else {
        let c = parser.peek().map_or(0, u32::from);
        parser.next();
        c
    };
    if last < code {
        return Err(parser.error("Illegal character range"));
    }
    let mut text = String::from("[");
    push_range(&mut text, parser, code, last);
    text.push(']');
    Ok(Range::Set(text))
}

/// A range, with the letters of the other case where case does not count.
fn push_range(out: &mut String, parser: &Parser<'_>, first: u32, last: u32) {
    // Halves of pairs are in no text.
    let (first, last) = match (first, last) {
        (0xD800..=0xDFFF, 0xD800..=0xDFFF) => return out.push_str(r"[^\x{0}-\x{10FFFF}]"),
        (0xD800..=0xDFFF, last) => (0xE000, last),
        (first, 0xD800..=0xDFFF) => (first, 0xD7FF),
        both => both,
    };
    for (place, code) in [first, last].into_iter().enumerate() {
        if place == 1 {
            out.push('-');
        }
        push_char(out, char::from_u32(code).expect("halves of pairs are gone"));
    }
    if !parser.flags.any_case {
        return;
    }
    for c in ('a'..='z').chain('A'..='Z') {
        let other = if c.is_ascii_lowercase() {
            c.to_ascii_uppercase()
        } else {
            c.to_ascii_lowercase()
        };
        if (first..=last).contains(&u32::from(other)) {
            out.push(c);
        }
    }
}

/// `\p{Name}` or `\pL`; the cursor stands on the p.
pub(super) fn family(parser: &mut Parser<'_>, complement: bool) -> Result<String> {
    let name = if parser.next() == Some('{') {
        parser.next();
        let start = parser.cursor;
        loop {
            match parser.read() {
                Some('}') => break,
                None => {
                    // Java puts a brace of its own behind the pattern and finds that one.
                    parser.cursor = parser.cursor.max(start + 1);
                    return Err(parser.error("Unclosed character family"));
                }
                Some(_) => {}
            }
        }
        let name: String = (start..parser.cursor - 1)
            .filter_map(|at| parser.at(at))
            .collect();
        if name.is_empty() {
            return Err(parser.error("Empty character family"));
        }
        name
    } else {
        parser.read().map(String::from).unwrap_or_default()
    };
    let class = named(parser, &name)?;
    Ok(if complement {
        format!("[^{class}]")
    } else {
        class
    })
}

fn named(parser: &Parser<'_>, name: &str) -> Result<String> {
    let any_case = parser.flags.any_case;
    if let Some((property, value)) = name.split_once('=') {
        let property = property.to_lowercase();
        let class = match &*property {
            "sc" | "script" => script(value),
            "blk" | "block" => block(value),
            "gc" | "general_category" => property_class(value, any_case),
            _ => None,
        };
        return class.ok_or_else(|| {
            let message =
                format!("Unknown Unicode property {{name=<{property}>, value=<{value}>}}");
            parser.error(&message)
        });
    }
    let class = if let Some(name) = name.strip_prefix("In") {
        block(name)
    } else if let Some(name) = name.strip_prefix("Is") {
        unicode_property(&name.to_uppercase(), any_case)
            .or_else(|| property_class(name, any_case))
            .or_else(|| script(name))
    } else {
        let posix = parser
            .flags
            .unicode_classes
            .then(|| unicode_posix(name, any_case));
        posix.flatten().or_else(|| property_class(name, any_case))
    };
    class.ok_or_else(|| parser.error(&format!("Unknown character property name {{{name}}}")))
}

const CATEGORIES: [&str; 37] = [
    "Cn", "Lu", "Ll", "Lt", "Lm", "Lo", "Mn", "Me", "Mc", "Nd", "Nl", "No", "Zs", "Zl", "Zp", "Cc",
    "Cf", "Co", "Pd", "Ps", "Pe", "Pc", "Po", "Sm", "Sc", "Sk", "So", "Pi", "Pf", "L", "M", "N",
    "Z", "C", "P", "S", "LC",
];

/// Categories, POSIX classes and the questions of `java.lang.Character`.
fn property_class(name: &str, any_case: bool) -> Option<String> {
    if any_case && matches!(name, "Lu" | "Ll" | "Lt" | "javaTitleCase") {
        return Some(r"[\p{Lu}\p{Ll}\p{Lt}]".to_owned());
    }
    if name == "LC" {
        return Some(r"[\p{Lu}\p{Ll}\p{Lt}]".to_owned());
    }
    if CATEGORIES.contains(&name) {
        return Some(format!(r"[\p{{{name}}}]"));
    }
    let class = match name {
        "LD" | "javaLetterOrDigit" => r"[\p{L}\p{Nd}]",
        "L1" => r"[\x00-\xFF]",
        "all" => r"[\x{0}-\x{10FFFF}]",
        "ASCII" => r"[\x00-\x7F]",
        "Alnum" => "[a-zA-Z0-9]",
        "Alpha" => "[a-zA-Z]",
        "Lower" | "Upper" if any_case => "[a-zA-Z]",
        "Lower" => "[a-z]",
        "Upper" => "[A-Z]",
        "Blank" => r"[ \t]",
        "Cntrl" => r"[\x00-\x1F\x7F]",
        "Digit" => "[0-9]",
        "Graph" => "[!-~]",
        "Print" => "[ -~]",
        "Punct" => r"[!-/:-@\[-`{-~]",
        "Space" => r"[ \t\n\x0B\f\r]",
        "XDigit" => "[0-9a-fA-F]",
        "Cs" => r"[^\x{0}-\x{10FFFF}]",
        "javaLowerCase" | "javaUpperCase" if any_case => r"[\p{Lowercase}\p{Uppercase}\p{Lt}]",
        "javaLowerCase" => r"[\p{Lowercase}]",
        "javaUpperCase" => r"[\p{Uppercase}]",
        "javaAlphabetic" => r"[\p{Alphabetic}]",
        "javaIdeographic" => r"[\p{Ideographic}]",
        "javaTitleCase" => r"[\p{Lt}]",
        "javaDigit" => r"[\p{Nd}]",
        "javaDefined" => r"[^\p{Cn}]",
        "javaLetter" => r"[\p{L}]",
        "javaSpaceChar" => r"[\p{Z}]",
        "javaWhitespace" => r"[[\p{Z}&&[^\xA0\x{2007}\x{202F}]]\t-\r\x1C-\x1F]",
        "javaISOControl" => r"[\x00-\x1F\x7F-\x9F]",
        _ => return None,
    };
    Some(class.to_owned())
}

/// What `\p{IsName}` asks of a character.
fn unicode_property(name: &str, any_case: bool) -> Option<String> {
    let class = match name {
        "ALPHABETIC" => r"[\p{Alphabetic}]",
        "LETTER" => r"[\p{L}]",
        "IDEOGRAPHIC" => r"[\p{Ideographic}]",
        "LOWERCASE" | "UPPERCASE" | "TITLECASE" if any_case => {
            r"[\p{Lowercase}\p{Uppercase}\p{Lt}]"
        }
        "LOWERCASE" => r"[\p{Lowercase}]",
        "UPPERCASE" => r"[\p{Uppercase}]",
        "TITLECASE" => r"[\p{Lt}]",
        "WHITE_SPACE" | "WHITESPACE" => r"[\p{White_Space}]",
        "CONTROL" => r"[\p{Cc}]",
        "PUNCTUATION" => r"[\p{P}]",
        "HEX_DIGIT" | "HEXDIGIT" => r"[\p{Nd}\p{Hex_Digit}]",
        "ASSIGNED" => r"[^\p{Cn}]",
        "NONCHARACTER_CODE_POINT" | "NONCHARACTERCODEPOINT" => r"[\p{Noncharacter_Code_Point}]",
        "DIGIT" => r"[\p{Nd}]",
        "ALNUM" => r"[\p{Alphabetic}\p{Nd}]",
        "BLANK" => r"[\p{Zs}\t]",
        "GRAPH" => r"[^\p{White_Space}\p{Cc}\p{Cn}]",
        "PRINT" => r"[[^\p{White_Space}\p{Cc}\p{Cn}]\p{Zs}&&[^\p{Cc}]]",
        "WORD" => r"[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}]",
        "JOIN_CONTROL" | "JOINCONTROL" => r"[\p{Join_Control}]",
        _ => return None,
    };
    Some(class.to_owned())
}

/// POSIX classes where `(?U)` makes them Unicode's.
fn unicode_posix(name: &str, any_case: bool) -> Option<String> {
    let property = match name {
        "Alpha" => "ALPHABETIC",
        "Lower" => "LOWERCASE",
        "Upper" => "UPPERCASE",
        "Space" => "WHITE_SPACE",
        "Punct" => "PUNCTUATION",
        "XDigit" => "HEX_DIGIT",
        "Alnum" => "ALNUM",
        "Cntrl" => "CONTROL",
        "Digit" => "DIGIT",
        "Blank" => "BLANK",
        "Graph" => "GRAPH",
        "Print" => "PRINT",
        _ => return None,
    };
    unicode_property(property, any_case)
}

fn script(name: &str) -> Option<String> {
    let class = format!(r"[\p{{sc={name}}}]");
    let is_name = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    (is_name && fancy_regex::Regex::new(&class).is_ok()).then_some(class)
}

/// Blocks that people name: the first of Unicode, and those of today's scripts.
const BLOCKS: [(&str, u32, u32); 24] = [
    ("BASICLATIN", 0x0, 0x7F),
    ("LATIN1SUPPLEMENT", 0x80, 0xFF),
    ("LATINEXTENDEDA", 0x100, 0x17F),
    ("LATINEXTENDEDB", 0x180, 0x24F),
    ("IPAEXTENSIONS", 0x250, 0x2AF),
    ("COMBININGDIACRITICALMARKS", 0x300, 0x36F),
    ("GREEK", 0x370, 0x3FF),
    ("GREEKANDCOPTIC", 0x370, 0x3FF),
    ("CYRILLIC", 0x400, 0x4FF),
    ("ARMENIAN", 0x530, 0x58F),
    ("HEBREW", 0x590, 0x5FF),
    ("ARABIC", 0x600, 0x6FF),
    ("DEVANAGARI", 0x900, 0x97F),
    ("THAI", 0xE00, 0xE7F),
    ("HANGULJAMO", 0x1100, 0x11FF),
    ("GENERALPUNCTUATION", 0x2000, 0x206F),
    ("CURRENCYSYMBOLS", 0x20A0, 0x20CF),
    ("LETTERLIKESYMBOLS", 0x2100, 0x214F),
    ("CJKSYMBOLSANDPUNCTUATION", 0x3000, 0x303F),
    ("HIRAGANA", 0x3040, 0x309F),
    ("KATAKANA", 0x30A0, 0x30FF),
    ("CJKUNIFIEDIDEOGRAPHS", 0x4E00, 0x9FFF),
    ("HANGULSYLLABLES", 0xAC00, 0xD7AF),
    ("HALFWIDTHANDFULLWIDTHFORMS", 0xFF00, 0xFFEF),
];

fn block(name: &str) -> Option<String> {
    let plain: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
    let plain = plain.to_uppercase();
    let (_, first, last) = BLOCKS.iter().find(|(block, ..)| *block == plain)?;
    let mut class = String::new();
    write!(class, r"[\x{{{first:x}}}-\x{{{last:x}}}]").expect("a string takes any text");
    Some(class)
}
