use super::*;

fn message(pattern: &str) -> String {
    Regex::new(pattern).unwrap_err().message().to_owned()
}

#[test]
fn what_java_refuses_is_refused_with_its_message() {
    let check = |pattern: &str, expected: &str| assert_eq!(message(pattern), expected, "{pattern}");
    check("[", "Unclosed character class near index 0\n[\n^");
    check(
        "a{2,1}",
        "Illegal repetition range near index 5\na{2,1}\n     ^",
    );
    check("a)", "Unmatched closing ')' near index 0\na)\n^");
    check("\t(", "Unclosed group near index 2\n\t(");
    check("\\", "Unexpected internal error near index 1\n\\");
    check("a**", "Dangling meta character '*' near index 2\na**\n  ^");
    check(
        r"\p{Foo}",
        "Unknown character property name {Foo} near index 6\n\\p{Foo}\n      ^",
    );
    check(
        "(?<n>a)(?<n>b)",
        "Named capturing group <n> is already defined near index 11\n(?<n>a)(?<n>b)\n           ^",
    );
}

#[test]
fn letters_and_classes_mean_what_they_mean_to_java() {
    let check = |pattern: &str, text: &str, expected: bool| {
        let regex = Regex::new(pattern).unwrap();
        assert_eq!(regex.matches(text).unwrap(), expected, "{pattern} {text}");
    };
    check(r"\w+", "topic_1", true);
    check(r"\w+", "é", false);
    check(r"(?U)\w+", "é", true);
    check("(?i)TOPIC", "topic", true);
    check("(?i)Ä", "ä", false);
    check("(?iu)Ä", "ä", true);
    check("[a-z&&[^m-p]]+", "abc", true);
    check("[a-z&&[^m-p]]+", "mno", false);
    check(r"\Qa.b\E.*", "a.bc", true);
    check(r"\Qa.b\E.*", "axbc", false);
    check("(a+)+b", "aaab", true);
    check("a*+ab", "aaab", false);
    check(r"(\w)(\w)\2\1", "abba", true);
    check(r"(?!.*internal).*", "my-internal", false);
    check("(?<=my-)topic|my-topic", "my-topic", true);
    check("a.", "a\n", false);
    check("x{2}{3}", "xx", true);
}

#[test]
fn the_first_place_is_replaced_even_if_it_is_not_the_whole() {
    let replace = |pattern: &str, text: &str, replacement: &str| {
        Regex::new(pattern)
            .unwrap()
            .replace_first(text, replacement)
    };
    assert_eq!(replace("a|ab", "ab", "X").unwrap(), "Xb");
    assert_eq!(
        replace("(.+)-(.+)", "my-topic", "$2.$1").unwrap(),
        "topic.my"
    );
    assert_eq!(replace("(?<x>.+)-.+", "my-topic", "${x}").unwrap(), "my");
    assert_eq!(replace("(a)", "a", r"\$1$12").unwrap(), "$1a2");
    assert_eq!(replace("b", "a", "$9").unwrap(), "a");
    let refused = |replacement| {
        let error = replace("(a)", "a", replacement).unwrap_err();
        (error.class(), error.message().to_owned())
    };
    let illegal = |message: &str| (ErrorClass::IllegalArgument, message.to_owned());
    assert_eq!(
        refused("$"),
        illegal("Illegal group reference: group index is missing")
    );
    assert_eq!(refused("${x}"), illegal("No group with name {x}"));
    assert_eq!(refused("\\"), illegal("character to be escaped is missing"));
    assert_eq!(
        refused("$2"),
        (ErrorClass::IndexOutOfBounds, "No group 2".to_owned())
    );
}

#[test]
fn what_would_take_for_ever_is_an_error() {
    let regex = Regex::new(r"(x+x+)+\1y").unwrap();
    let error = regex.matches(&"x".repeat(64)).unwrap_err();
    assert!(error.message().starts_with("could not match"), "{error}");
}
