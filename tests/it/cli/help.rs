//! What a person finds by `-h`, `--help`, the tab key and `man`.

use std::io::Write;
use std::process::{Command, Output, Stdio};

use super::output;

/// The parts are there, in this order.
#[track_caller]
fn check_order(text: &str, parts: &[&str]) {
    let mut from = 0;
    for part in parts {
        let at = text[from..].find(part);
        from += at.unwrap_or_else(|| panic!("{part} is missing or elsewhere: {text}"));
    }
}

#[test]
fn help_leads_to_what_a_person_needs() {
    let (code, stdout, stderr) = output(&["--help"]);
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    let expected = [
        "load ",
        "metadata, -L",
        "query, -Q",
        "broker ",
        "offsets ",
        "completions ",
        "man ",
        "Examples:",
        "--embedded",
        "Environment:",
        "Exit codes:",
    ];
    check_order(&stdout, &expected);
    // What is not there yet is not offered.
    assert!(!stdout.contains("connect-"), "{stdout}");
}

#[test]
fn the_options_of_a_load_stand_under_headings() {
    let headings = [
        "Where:",
        "How records are read:",
        "Delivery:",
        "Resume:",
        "Refused records:",
        "Speed and memory:",
        "Output:",
        "Examples:",
    ];
    let (code, long, _) = output(&["load", "--help"]);
    assert_eq!(code, Some(0));
    check_order(&long, &[headings.as_slice(), &["Exit codes:"]].concat());
    let (code, short, _) = output(&["load", "-h"]);
    assert_eq!(code, Some(0));
    check_order(&short, &headings);
    // One line an option, and the rest where it was asked for.
    assert!(short.lines().count() * 2 < long.lines().count(), "{short}");
    assert!(
        short.contains("load --help") && !short.contains("Exit codes:"),
        "{short}"
    );
    assert!(
        short.lines().all(|line| line.chars().count() <= 100),
        "{short}"
    );
}

/// Runs a tool with a text on its standard input, if it is there.
fn tool(program: &str, arguments: &[&str], stdin: &str) -> Option<Output> {
    let child = Command::new("timeout")
        .args(["--signal=KILL", "60", program])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = child.unwrap();
    let written = child.stdin.take().unwrap().write_all(stdin.as_bytes());
    let output = child.wait_with_output().unwrap();
    // As timeout says that there is no such program.
    if output.status.code() == Some(127) {
        eprintln!("{program} is not installed: left out");
        return None;
    }
    written.unwrap();
    Some(output)
}

#[track_caller]
fn check_clean(program: &str, output: &Output) {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && stderr.is_empty(),
        "{program}: {stderr}"
    );
}

#[test]
fn shells_take_their_scripts() {
    for (shell, check) in [("bash", "-n"), ("zsh", "-n"), ("fish", "--no-execute")] {
        let (code, script, stderr) = output(&["completions", shell]);
        assert_eq!((code, stderr.as_str()), (Some(0), ""));
        if let Some(output) = tool(shell, &[check], &script) {
            check_clean(shell, &output);
        }
    }
    let (code, _, stderr) = output(&["completions"]);
    assert_eq!(code, Some(2), "{stderr}");
    assert!(stderr.contains("<SHELL>"), "{stderr}");
}

#[test]
fn bash_completes_commands_and_options() {
    let (_, script, _) = output(&["completions", "bash"]);
    let complete = |words: &str, current: &str| {
        let program = format!(
            "{script}\nCOMP_WORDS=(ringmain {words} {current})\n\
             COMP_CWORD=$(( ${{#COMP_WORDS[@]}} - 1 ))\n\
             _ringmain ringmain {current} \"${{COMP_WORDS[COMP_CWORD-1]}}\"\n\
             printf '%s\\n' \"${{COMPREPLY[@]}}\"\n"
        );
        let output = tool("bash", &["-s"], &program)?;
        check_clean("bash", &output);
        let stdout = String::from_utf8(output.stdout).unwrap();
        Some(stdout.lines().map(str::to_owned).collect::<Vec<_>>())
    };
    let Some(commands) = complete("", "lo") else {
        return;
    };
    assert_eq!(commands, ["load"]);
    assert_eq!(
        complete("load", "--rej"),
        Some(vec!["--rejects".to_owned()])
    );
    let levels = complete("load --log-level", "de");
    assert_eq!(levels, Some(vec!["debug".to_owned()]));
}

#[test]
fn man_renders_every_page_without_a_warning() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().to_str().unwrap();
    let (code, stdout, stderr) = output(&["man", "--output-dir", path]);
    assert_eq!((code, stdout.as_str(), stderr.as_str()), (Some(0), "", ""));
    let mut pages = 0;
    for entry in std::fs::read_dir(path).unwrap() {
        let page = entry.unwrap().path();
        let Some(output) = tool("man", &["--warnings", "-l", page.to_str().unwrap()], "") else {
            return;
        };
        check_clean("man", &output);
        let shown = String::from_utf8_lossy(&output.stdout).into_owned();
        check_order(&shown, &["NAME", "ringmain", "SYNOPSIS", "DESCRIPTION"]);
        pages += 1;
    }
    assert!(pages > 5, "{pages} pages");
    let (code, page, _) = output(&["man", "load"]);
    assert_eq!(code, Some(0));
    let written = std::fs::read_to_string(directory.path().join("ringmain-load.1")).unwrap();
    assert_eq!(page, written);
}
