//! What lints cannot see: where `unsafe` may stand, which crate may use which, that every file is
//! on the map, and that every dependency has its reason.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Where unsafe code may stand, and nowhere else.
const UNSAFE_PLACES: [&str; 5] = [
    "engine/src/io/uring/",
    "engine/src/memory/",
    "engine/src/positions/",
    "protocol/src/records/kernel/",
    // A counting allocator: what hostile bytes make us take.
    "tests/hostile/allocator.rs",
];

/// Which of our crates each may use. The root package, the front doors, may use all.
const ARROWS: [(&str, &[&str]); 5] = [
    ("protocol", &[]),
    ("engine", &["protocol"]),
    ("connectors", &["engine", "protocol"]),
    ("worker", &["connectors", "engine", "protocol"]),
    ("broker", &["protocol"]),
];

/// Files below the root by their extension, as paths from the root, without what is not ours.
fn files(extension: &str) -> Vec<String> {
    fn walk(directory: &Path, extension: &str, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(directory).expect("the tree can be read") {
            let path = entry.expect("the tree can be read").path();
            let name = path
                .file_name()
                .and_then(|name| name.to_str())
                .unwrap_or_default();
            if path.is_dir() && name != "target" && !name.starts_with('.') {
                walk(&path, extension, found);
            } else if path.extension().is_some_and(|found| found == extension) {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    walk(Path::new(ROOT), extension, &mut found);
    let from_root = |path: PathBuf| {
        let path = path
            .strip_prefix(ROOT)
            .expect("it was found below the root");
        path.to_str().expect("our paths are text").to_owned()
    };
    let mut paths: Vec<String> = found.into_iter().map(from_root).collect();
    paths.sort();
    paths
}

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(ROOT).join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// A line without its comment and without what stands in quotes (raw strings with quotes inside are
/// not understood: what they hold counts as code).
fn code_of(line: &str) -> String {
    let mut code = String::new();
    let mut is_quoted = false;
    let mut letters = line.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' if is_quoted => drop(letters.next()),
            '"' if code.ends_with('\'') => code.push('"'), // the character '"'
            '"' => is_quoted = !is_quoted,
            '/' if !is_quoted && letters.peek() == Some(&'/') => break,
            _ if !is_quoted => code.push(letter),
            _ => {}
        }
    }
    code
}

fn has_word(code: &str, word: &str) -> bool {
    let is_part = |letter: char| letter.is_alphanumeric() || letter == '_';
    code.split(|letter| !is_part(letter))
        .any(|found| found == word)
}

#[test]
fn unsafe_stands_only_in_its_places() {
    let mut strays = Vec::new();
    for path in files("rs") {
        if UNSAFE_PLACES.iter().any(|place| path.starts_with(place)) {
            continue;
        }
        for (number, line) in (1..).zip(read(&path).lines()) {
            let code = code_of(line);
            let forbids = has_word(&code, "deny") || has_word(&code, "forbid");
            if has_word(&code, "unsafe") || (has_word(&code, "unsafe_code") && !forbids) {
                strays.push(format!("{path}:{number}: {}", line.trim()));
            }
        }
    }
    assert!(
        strays.is_empty(),
        "unsafe code outside its places:\n{}",
        strays.join("\n")
    );
}

#[test]
fn a_word_in_a_comment_or_a_string_is_no_code() {
    let check = |line: &str, expected: bool| {
        assert_eq!(has_word(&code_of(line), "unsafe"), expected, "{line}");
    };
    check("unsafe { read(pointer) }", true);
    check("let url = \"http://x\"; unsafe { f() }", true);
    check("let quote = '\"'; unsafe { f() } let other = '\"';", true);
    check("pub unsafe fn f() {}", true);
    check("// unsafe is not needed here", false);
    check("panic!(\"unsafe \\\" unsafe\")", false);
    check("#![deny(unsafe_op_in_unsafe_fn)]", false);
}

/// Each section's name with its lines.
fn sections(manifest: &str) -> Vec<(&str, Vec<&str>)> {
    let mut sections = vec![("", Vec::new())];
    for line in manifest.lines() {
        match line.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((name, _)) => sections.push((name, Vec::new())),
            None => sections
                .last_mut()
                .expect("there is one from the start")
                .1
                .push(line),
        }
    }
    sections
}

/// The name that a line of a section of dependencies declares, if it declares one.
fn dependency(line: &str) -> Option<&str> {
    let is_entry = line.starts_with(|first: char| first.is_ascii_alphabetic());
    is_entry.then(|| line.split(['.', '=', ' ']).next().unwrap_or_default())
}

#[test]
fn no_arrow_between_crates_points_back() {
    let ours: BTreeSet<&str> = ARROWS.iter().map(|(name, _)| *name).collect();
    for (name, may_use) in ARROWS {
        let path = format!("{name}/Cargo.toml");
        if !Path::new(ROOT).join(&path).exists() {
            continue;
        }
        let manifest = read(&path);
        let used = sections(&manifest)
            .into_iter()
            .filter(|(section, _)| section.ends_with("dependencies"))
            .flat_map(|(_, lines)| lines.into_iter().filter_map(dependency));
        for used in used.filter(|used| ours.contains(used)) {
            assert!(
                may_use.contains(&used),
                "{name} uses {used}, which the design does not allow"
            );
        }
    }
}

#[test]
fn every_dependency_has_its_reason_once() {
    for path in files("toml")
        .into_iter()
        .filter(|path| path.ends_with("Cargo.toml"))
    {
        let manifest = read(&path);
        for (section, lines) in sections(&manifest) {
            if !section.ends_with("dependencies") {
                continue;
            }
            // One comment may stand over several lines; a blank line ends what it is about.
            let mut is_explained = false;
            for line in lines {
                match line.trim() {
                    "" => is_explained = false,
                    comment if comment.starts_with('#') => is_explained = true,
                    entry => {
                        let is_ours = entry.contains("path = ");
                        let is_elsewhere = entry.contains("workspace = true");
                        let is_fine = is_ours || is_elsewhere || is_explained;
                        assert!(is_fine, "{path}: the reason is missing over\n{entry}");
                    }
                }
            }
        }
    }
}

/// The files that ARCHITECTURE.md names. A word that ends in `/` is a directory, from the root, for
/// the names behind it; a name with a `/` in it is a path from the root itself.
fn mapped(text: &str) -> BTreeSet<String> {
    let mut directory = "";
    let mut paths = BTreeSet::new();
    let is_path = |letter: char| letter.is_alphanumeric() || "/._-".contains(letter);
    for word in text.split(|letter| !is_path(letter)) {
        if word.ends_with('/') {
            directory = word;
        } else if word.ends_with(".rs") && word.contains('/') {
            paths.insert(word.to_owned());
        } else if word.ends_with(".rs") {
            paths.insert(format!("{directory}{word}"));
        }
    }
    paths
}

#[test]
fn every_source_file_is_on_the_map() {
    let Ok(text) = fs::read_to_string(Path::new(ROOT).join("ARCHITECTURE.md")) else {
        return; // the map is drawn when there is something to find on it
    };
    let on_the_map = mapped(&text);
    // A module's tests are where the module is; nobody looks for them on a map.
    let is_of_tests = |path: &String| path.ends_with("/tests.rs") || path.contains("/tests/");
    let there: BTreeSet<String> = files("rs").into_iter().collect();
    let missing: Vec<&String> = there
        .difference(&on_the_map)
        .filter(|path| !is_of_tests(path))
        .collect();
    assert!(
        missing.is_empty(),
        "not on the map of ARCHITECTURE.md: {missing:#?}"
    );
    let gone: Vec<&String> = on_the_map
        .difference(&there)
        .filter(|path| path.contains('/')) // a bare name is of a sentence, not of the map
        .collect();
    assert!(
        gone.is_empty(),
        "on the map of ARCHITECTURE.md, but not there: {gone:#?}"
    );
}

#[test]
fn a_map_is_read_by_directories_and_by_paths() {
    let text = "`engine/src/` lib.rs, `limits.rs`\n| engine/src/io/uring/ | ring.rs |\nsrc/main.rs";
    let expected = [
        "engine/src/io/uring/ring.rs",
        "engine/src/lib.rs",
        "engine/src/limits.rs",
        "src/main.rs",
    ];
    assert_eq!(mapped(text).into_iter().collect::<Vec<_>>(), expected);
}
