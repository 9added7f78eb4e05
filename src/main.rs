//! Moves data between files and Apache Kafka over io_uring: the program `ringmain`.

mod broker;
mod cli;
mod config;
mod dump;
mod load;
mod logging;
mod metadata;
mod moment;
mod offsets;
mod options;
mod progress;
mod query;
mod reach;
mod signals;
mod summary;

use std::error::Error;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use clap::Parser;

use cli::{Cli, Command, OffsetsCommand};
use options::Exit;

fn main() -> ExitCode {
    if let Some(sentence) = std::env::args_os()
        .next()
        .and_then(|name| cli::refuse_name(&name))
    {
        return complain(sentence, Exit::Usage);
    }
    // What clap refuses ends here, with 2 too.
    let arguments = cli::kcat_order(std::env::args_os().collect());
    let Cli { log_level, command } = Cli::parse_from(arguments);
    let quiet = match &command {
        Command::Load(args) => args.quiet,
        Command::Dump(args) => args.quiet,
        _ => false,
    };
    if let Err(error) = logging::start(log_level, quiet) {
        return complain(&describe(&error), Exit::Usage);
    }
    match command {
        Command::Load(args) => load(*args),
        Command::Dump(args) => dump(*args),
        Command::Metadata(args) => show_metadata(args),
        Command::Query(args) => show_query(args),
        Command::Broker(args) => run_broker(args),
        Command::Offsets(OffsetsCommand::Show { file, json }) => show_offsets(&file, json),
        Command::Completions(args) => generated(cli::completions(&args, &mut io::stdout().lock())),
        Command::Man(args) => generated(cli::man(&args, &mut io::stdout().lock())),
        Command::Verify(_) => complain(cli::VERIFY, Exit::Usage),
        Command::ConnectStandalone(_) | Command::ConnectDistributed(_) => {
            complain(cli::CONNECT, Exit::Usage)
        }
    }
}

fn load(args: cli::LoadArgs) -> ExitCode {
    let planned = match cli::plan_load(args, &|name| std::env::var_os(name)) {
        Ok(planned) => planned,
        Err(error) => return complain(&describe(&error), Exit::Usage),
    };
    warn(&planned.notices);
    match load::run(&planned.options) {
        Ok(exit) => exit.code().into(),
        Err(error) => complain(&describe(&error), error.exit()),
    }
}

fn dump(args: cli::DumpArgs) -> ExitCode {
    let planned = match cli::plan_dump(args, &|name| std::env::var_os(name)) {
        Ok(planned) => planned,
        Err(error) => return complain(&describe(&error), Exit::Usage),
    };
    warn(&planned.notices);
    match dump::run(&planned.options) {
        Ok(exit) => exit.code().into(),
        Err(error) => complain(&describe(&error), error.exit()),
    }
}

fn show_metadata(args: cli::MetadataArgs) -> ExitCode {
    let asked = match cli::plan_metadata(args, &|name| std::env::var_os(name)) {
        Ok(asked) => asked,
        Err(error) => return complain(&describe(&error), Exit::Usage),
    };
    warn(&asked.notices);
    match metadata::run(&asked.options, &mut io::stdout().lock()) {
        Ok(()) => Exit::Done.code().into(),
        Err(error) => complain(&describe(&error), error.exit()),
    }
}

fn show_query(args: cli::QueryArgs) -> ExitCode {
    let asked = match cli::plan_query(args, &|name| std::env::var_os(name)) {
        Ok(asked) => asked,
        Err(error) => return complain(&describe(&error), Exit::Usage),
    };
    warn(&asked.notices);
    match query::run(&asked.options, &mut io::stdout().lock()) {
        Ok(()) => Exit::Done.code().into(),
        Err(error) => complain(&describe(&error), error.exit()),
    }
}

fn warn(notices: &[String]) {
    for notice in notices {
        tracing::warn!("{notice}");
    }
}

fn run_broker(args: cli::BrokerArgs) -> ExitCode {
    let options = match cli::plan_broker(args, &|name| std::env::var_os(name)) {
        Ok(options) => options,
        Err(error) => return complain(&describe(&error), Exit::Usage),
    };
    match broker::run(options) {
        Ok(exit) => exit.code().into(),
        Err(error) => complain(&describe(&error), error.exit()),
    }
}

fn show_offsets(file: &Path, json: bool) -> ExitCode {
    match offsets::show(file, json, &mut io::stdout().lock()) {
        Ok(()) => Exit::Done.code().into(),
        Err(error) => complain(&describe(&error), error.exit()),
    }
}

fn generated(result: Result<(), cli::GenerateError>) -> ExitCode {
    match result {
        Ok(()) => Exit::Done.code().into(),
        Err(error) => complain(&describe(&error), error.exit()),
    }
}

/// The error and what caused it, where the error does not say that itself.
fn describe(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let why = error.to_string();
        if !text.contains(&why) {
            text.push_str(": ");
            text.push_str(&why);
        }
        cause = error.source();
    }
    text
}

fn complain(text: &str, exit: Exit) -> ExitCode {
    // Nobody can be told that stderr is gone; the code still says what happened.
    drop(writeln!(io::stderr(), "error: {text}"));
    exit.code().into()
}
