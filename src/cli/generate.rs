//! Shell completions and man pages, made from the command line itself: what is there is in them, what is
//! hidden is not.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::{Args, Command, CommandFactory, ValueEnum};
use clap_complete::Shell;
use clap_mangen::Man;
use thiserror::Error;

use super::Cli;
use crate::options::Exit;

/// The program's name, as completions complete it and packages name files.
const NAME: &str = "ringmain";

const COMPLETIONS_EXAMPLES: &str = "\
Examples:
  source <(ringmain completions bash)
  ringmain completions zsh > ~/.zfunc/_ringmain
  ringmain completions fish > ~/.config/fish/completions/ringmain.fish
  ringmain completions --output-dir build/completions";

#[derive(Debug, Args)]
#[command(after_help = COMPLETIONS_EXAMPLES)]
pub(crate) struct CompletionsArgs {
    /// Print the script of this shell
    #[arg(value_name = "SHELL", required_unless_present = "output_dir")]
    shell: Option<Shell>,
    /// Write the scripts into DIR, under the names that shells look for: of one shell, or of all
    #[arg(long, value_name = "DIR")]
    output_dir: Option<PathBuf>,
}

const MAN_EXAMPLES: &str = "\
Examples:
  ringmain man load | man -l -
  ringmain man --output-dir build/man1";

#[derive(Debug, Args)]
#[command(after_help = MAN_EXAMPLES)]
pub(crate) struct ManArgs {
    /// The command whose page is printed [default: the program's own]
    #[arg(value_name = "COMMAND", conflicts_with = "output_dir")]
    command: Option<String>,
    /// Write all pages into DIR
    #[arg(long, value_name = "DIR")]
    output_dir: Option<PathBuf>,
}

#[derive(Debug, Error)]
pub(crate) enum GenerateError {
    #[error("cannot write {path}: {source}", path = path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("cannot write to stdout: {0}")]
    Output(#[source] io::Error),
    #[error("{name:?} is no command of ringmain; there are {known}")]
    NoCommand { name: String, known: String },
}

impl GenerateError {
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::NoCommand { .. } => Exit::Usage,
            Self::Write { .. } | Self::Output(_) => Exit::Failed,
        }
    }
}

/// `ringmain completions`.
pub(crate) fn completions(
    args: &CompletionsArgs,
    out: &mut dyn Write,
) -> Result<(), GenerateError> {
    let mut command = visible(&Cli::command());
    let Some(directory) = &args.output_dir else {
        let shell = args.shell.expect("clap wants a shell or a directory");
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut command, NAME, &mut script);
        return print(&script, out);
    };
    make(directory)?;
    let all: &[Shell] = Shell::value_variants();
    let shells = args.shell.as_ref().map_or(all, std::slice::from_ref);
    for &shell in shells {
        clap_complete::generate_to(shell, &mut command, NAME, directory)
            .map_err(|source| failed(directory, source))?;
    }
    Ok(())
}

/// `ringmain man`.
pub(crate) fn man(args: &ManArgs, out: &mut dyn Write) -> Result<(), GenerateError> {
    let mut command = visible(&Cli::command());
    command.build();
    if let Some(directory) = &args.output_dir {
        make(directory)?;
        return write_pages(&command, directory);
    }
    let Some(name) = &args.command else {
        return print(&page(&command), out);
    };
    // `ringmain man offsets-show` as well as `offsets show` in the page's list.
    let Some(found) = pages(&command)
        .into_iter()
        .find(|page| page_name(page).strip_prefix("ringmain-") == Some(name))
    else {
        let names = pages(&command);
        let names = names
            .iter()
            .filter_map(|page| page_name(page).strip_prefix("ringmain-"));
        return Err(GenerateError::NoCommand {
            name: name.clone(),
            known: names.collect::<Vec<_>>().join(", "),
        });
    };
    print(&page(found), out)
}

fn print(text: &[u8], out: &mut dyn Write) -> Result<(), GenerateError> {
    match out.write_all(text).and_then(|()| out.flush()) {
        // Whoever read the first lines and went away has what they wanted.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(GenerateError::Output(error))
        }
        _ => Ok(()),
    }
}

fn make(directory: &Path) -> Result<(), GenerateError> {
    std::fs::create_dir_all(directory).map_err(|source| failed(directory, source))
}

fn failed(path: &Path, source: io::Error) -> GenerateError {
    GenerateError::Write {
        path: path.to_owned(),
        source,
    }
}

/// The command line without what is hidden: generators of completions do not ask.
fn visible(command: &Command) -> Command {
    let mut shown = Command::new(command.get_name().to_owned())
        .disable_help_subcommand(true)
        .args(command.get_arguments().filter(|arg| !arg.is_hide_set()))
        .subcommands(
            command
                .get_subcommands()
                .filter(|command| !command.is_hide_set())
                .map(visible),
        )
        .subcommand_required(command.is_subcommand_required_set());
    if let Some(flag) = command.get_short_flag() {
        shown = shown.short_flag(flag);
    }
    for alias in command.get_visible_aliases() {
        shown = shown.visible_alias(alias.to_owned());
    }
    if let Some(version) = command.get_version() {
        shown = shown.version(version.to_owned());
    }
    if let Some(about) = command.get_about() {
        shown = shown.about(about.clone());
    }
    if let Some(about) = command.get_long_about() {
        shown = shown.long_about(about.clone());
    }
    if let Some(after) = command.get_after_help() {
        shown = shown.after_help(after.clone());
    }
    if let Some(after) = command.get_after_long_help() {
        shown = shown.after_long_help(after.clone());
    }
    shown
}

/// A command and all below it.
fn pages(command: &Command) -> Vec<&Command> {
    let below = command.get_subcommands().flat_map(pages);
    [command].into_iter().chain(below).collect()
}

/// `ringmain-offsets-show`.
fn page_name(command: &Command) -> &str {
    command
        .get_display_name()
        .unwrap_or_else(|| command.get_name())
}

fn write_pages(command: &Command, directory: &Path) -> Result<(), GenerateError> {
    for command in pages(command) {
        let path = directory.join(format!("{}.1", page_name(command)));
        std::fs::write(&path, page(command)).map_err(|source| failed(&path, source))?;
    }
    Ok(())
}

/// A man page, in roff.
fn page(command: &Command) -> Vec<u8> {
    let man = Man::new(command.clone())
        .title(page_name(command).to_uppercase())
        .manual("ringmain")
        .source(concat!("ringmain ", env!("CARGO_PKG_VERSION")));
    let mut text = Vec::new();
    let rendered = (|| {
        man.render_title(&mut text)?;
        man.render_name_section(&mut text)?;
        man.render_synopsis_section(&mut text)?;
        man.render_description_section(&mut text)?;
        if command.get_arguments().next().is_some() {
            man.render_options_section(&mut text)?;
        }
        if command.has_subcommands() {
            man.render_subcommands_section(&mut text)?;
        }
        let after = command
            .get_after_long_help()
            .or_else(|| command.get_after_help());
        after.map_or(Ok(()), |after| write_after(&after.to_string(), &mut text))
    })();
    rendered.expect("a Vec takes everything");
    text
}

/// What stands under the options: paragraphs, and, under a heading of its own, what is to be shown line
/// by line.
fn write_after(after: &str, out: &mut dyn Write) -> io::Result<()> {
    let mut is_literal = false;
    let mut is_headed = false;
    for line in after.lines() {
        let heading = line.strip_suffix(':').filter(|name| {
            name.bytes()
                .all(|letter| letter.is_ascii_alphabetic() || letter == b' ')
        });
        if is_literal && (heading.is_some() || line.is_empty()) {
            writeln!(out, ".fi\n.RE")?;
            is_literal = false;
        }
        match heading {
            Some(name) => {
                writeln!(out, ".SH {}\n.RS 4\n.nf", name.to_uppercase())?;
                (is_literal, is_headed) = (true, true);
            }
            None if line.is_empty() => writeln!(out, ".PP")?,
            None => {
                if !is_headed {
                    writeln!(out, ".SH NOTES")?;
                    is_headed = true;
                }
                writeln!(out, "{}", escape(line.strip_prefix("  ").unwrap_or(line)))?;
            }
        }
    }
    if is_literal {
        writeln!(out, ".fi\n.RE")?;
    }
    Ok(())
}

/// A line of text as roff takes it.
fn escape(line: &str) -> String {
    let escaped = line.replace('\\', "\\e").replace('-', "\\-");
    match escaped.as_bytes() {
        // Otherwise a request to roff.
        [b'.' | b'\'', ..] => format!("\\&{escaped}"),
        _ => escaped,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every option and command that a person is shown, as typed; and those that are hidden.
    fn words(command: &Command, is_hidden: bool) -> Vec<String> {
        let mut words = Vec::new();
        for arg in command
            .get_arguments()
            .filter(|arg| arg.is_hide_set() == is_hidden)
        {
            words.extend(arg.get_long().map(|long| format!("--{long}")));
        }
        for below in command.get_subcommands() {
            if below.is_hide_set() == is_hidden {
                words.push(below.get_name().to_owned());
            }
            if !below.is_hide_set() {
                words.extend(self::words(below, is_hidden));
            }
        }
        words
    }

    fn script(shell: Shell) -> String {
        let mut out = Vec::new();
        let args = CompletionsArgs {
            shell: Some(shell),
            output_dir: None,
        };
        completions(&args, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn every_script_completes_what_is_shown_and_nothing_that_is_hidden() {
        let command = Cli::command();
        let (shown, hidden) = (words(&command, false), words(&command, true));
        assert!(shown.contains(&"load".to_owned()) && shown.contains(&"--rejects".to_owned()));
        assert!(
            !hidden.is_empty(),
            "the second half of this test checks nothing"
        );
        for shell in [Shell::Bash, Shell::Zsh, Shell::Elvish, Shell::PowerShell] {
            let script = script(shell);
            for word in &shown {
                assert!(script.contains(word), "{shell} does not know {word}");
            }
            for word in hidden.iter().filter(|word| !shown.contains(word)) {
                let is_there = script
                    .split(|letter: char| !letter.is_alphanumeric() && letter != '-')
                    .any(|found| found == word);
                assert!(!is_there, "{shell} offers {word}");
            }
        }
        // fish has a way of its own to write options.
        let fish = script(Shell::Fish);
        for word in &shown {
            let written = match word.strip_prefix("--") {
                Some(long) => format!("-l {long}"),
                None => format!("\"{word}\""),
            };
            assert!(fish.contains(&written), "fish does not know {word}");
        }
    }

    #[test]
    fn every_page_describes_all_that_its_command_takes() {
        let directory = tempfile::tempdir().unwrap();
        let args = ManArgs {
            command: None,
            output_dir: Some(directory.path().join("man1")),
        };
        man(&args, &mut Vec::new()).unwrap();
        let mut command = visible(&Cli::command());
        command.build();
        let all = pages(&command);
        assert!(all.len() > 5, "{all:?}");
        for command in all {
            let name = page_name(command);
            let path = directory.path().join(format!("man1/{name}.1"));
            let page = std::fs::read_to_string(&path).unwrap();
            let heading = format!(".TH {} 1", name.to_uppercase());
            assert!(page.contains(&heading), "{name}: {page}");
            for arg in command.get_arguments() {
                let long = arg
                    .get_long()
                    .map(|long| format!("--{long}").replace('-', "\\-"));
                assert!(
                    long.is_none_or(|long| page.contains(&long)),
                    "{name}: {arg}"
                );
            }
            for below in command.get_subcommands() {
                let listed = page_name(below).replace('-', "\\-");
                assert!(page.contains(&listed), "{name} does not list {listed}");
            }
            let after = command.get_after_long_help().or(command.get_after_help());
            let has_examples = after.is_some_and(|after| after.to_string().contains("Examples:"));
            assert_eq!(page.contains(".SH EXAMPLES"), has_examples, "{name}");
        }
    }

    #[test]
    fn a_page_is_printed_by_the_name_of_its_command() {
        let print = |name: Option<&str>| {
            let args = ManArgs {
                command: name.map(str::to_owned),
                output_dir: None,
            };
            let mut out = Vec::new();
            man(&args, &mut out).map(|()| String::from_utf8(out).unwrap())
        };
        assert!(print(None).unwrap().contains(".TH RINGMAIN 1"));
        assert!(print(Some("load")).unwrap().contains(".TH RINGMAIN-LOAD 1"));
        assert!(
            print(Some("offsets-show"))
                .unwrap()
                .contains(".TH RINGMAIN-OFFSETS-SHOW 1")
        );
        let error = print(Some("lode")).unwrap_err();
        assert_eq!(error.exit(), Exit::Usage);
        assert!(error.to_string().contains("load, "), "{error}");
        // Hidden commands have no page.
        assert!(print(Some("connect-standalone")).is_err());
    }

    #[test]
    fn scripts_are_written_under_the_names_that_shells_look_for() {
        let directory = tempfile::tempdir().unwrap();
        let write = |shell, below: &str| {
            let args = CompletionsArgs {
                shell,
                output_dir: Some(directory.path().join(below)),
            };
            completions(&args, &mut Vec::new()).unwrap();
            let entries = std::fs::read_dir(directory.path().join(below)).unwrap();
            let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
            let mut names: Vec<String> = names.collect();
            names.sort();
            names
        };
        let all = [
            "_ringmain",
            "_ringmain.ps1",
            "ringmain.bash",
            "ringmain.elv",
            "ringmain.fish",
        ];
        assert_eq!(write(None, "all"), all);
        assert_eq!(write(Some(Shell::Zsh), "zsh"), ["_ringmain"]);
        let args = CompletionsArgs {
            shell: None,
            output_dir: Some("/proc/nowhere".into()),
        };
        let error = completions(&args, &mut Vec::new()).unwrap_err();
        assert!(error.to_string().contains("/proc/nowhere"), "{error}");
    }

    #[test]
    fn what_stands_under_the_options_is_roff_of_its_own() {
        let check = |after: &str, expected: &str| {
            let mut out = Vec::new();
            write_after(after, &mut out).unwrap();
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        };
        check("Plain.\nText.", ".SH NOTES\nPlain.\nText.\n");
        check(
            "Examples:\n  a -b\n  .x '\\0'\n\nMore.\n",
            ".SH EXAMPLES\n.RS 4\n.nf\na \\-b\n\\&.x '\\e0'\n.fi\n.RE\n.PP\nMore.\n",
        );
    }
}
