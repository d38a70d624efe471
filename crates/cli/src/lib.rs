#![doc = include_str!("../README.md")]
#![deny(unsafe_code)]
#![deny(clippy::float_arithmetic)]

mod admission;
mod args;
mod attributes;
mod called;
mod choice;
mod commands;
mod compressed_already;
mod error;
mod exit;
mod identity;
mod input;
mod interrupt;
mod job;
mod list_files;
mod memory;
mod models;
mod output;
mod paths;
mod printable;
mod progress;
mod report;
mod selection;
mod streams;
mod temporary;
mod transfer;
mod ui;

pub use exit::Exit;

use std::ffi::OsString;
use std::io::{self, IsTerminal};

use args::Args;
use called::Called;
use clap::ColorChoice;
use czip::Kernels;
use error::{Error, Failure};
use job::Job;
use output::Target;
use ui::Ui;

/// Runs the program with a command line, whose first element is the name that it was called by, and says how it ended.
///
/// Reads and writes the standard streams, the environment variables that the help names, and the files that the
/// command line names. On an interrupt it removes what it has not finished, and ends the process.
pub fn run(command_line: impl IntoIterator<Item = impl Into<OsString>>) -> Exit {
    let command_line: Vec<OsString> = command_line.into_iter().map(Into::into).collect();
    let Called { program, words } = Called::from(command_line);
    let args = match Args::parse(program, words) {
        Ok(args) => args,
        Err(message) => return show(program, &message),
    };
    let ui = Ui::new(
        program,
        args.global.quiet,
        args.global.verbose,
        is_colored(args.global.color),
    );
    interrupt::remove_unfinished_outputs();
    let ended = check_ceiling()
        .and_then(|()| Job::try_from(args))
        .and_then(|job| job.run(&ui));
    match ended {
        Ok(exit) => exit,
        // Whoever reads the output has closed it, which is no failure.
        Err(failure) if matches!(failure.error, Error::ReaderGone) => Exit::Success,
        Err(failure) => {
            ui.failure(&failure);
            failure.error.exit()
        }
    }
}

/// The definition of the command line, as `czip --help` shows it: manual pages and completions are made from it.
#[must_use]
pub fn command() -> clap::Command {
    args::command("czip")
}

/// Refuses a ceiling on instruction sets that would otherwise go unheeded.
fn check_ceiling() -> Result<(), Failure> {
    match Kernels::ceiling() {
        Ok(_) => Ok(()),
        Err(error) => Err(Error::InstructionSet(error).of(Kernels::CEILING_VARIABLE)),
    }
}

/// Prints what the user is to be told of a command line: what is wrong with it, or the help or version they asked for.
fn show(program: &'static str, message: &clap::Error) -> Exit {
    let printed = message.print();
    if message.use_stderr() {
        return Exit::Usage;
    }
    let failure = match printed {
        _ if streams::stdout_is_closed() => Error::StdoutClosed.into(),
        Err(error) => Target::Stdout.failed(error),
        Ok(()) => return Exit::Success,
    };
    if matches!(failure.error, Error::ReaderGone) {
        return Exit::Success;
    }
    Ui::new(program, 0, 0, is_colored(ColorChoice::Auto)).failure(&failure);
    failure.error.exit()
}

/// Whether messages of the program are coloured: by the same rules as those about the command line.
fn is_colored(choice: ColorChoice) -> bool {
    let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    match choice {
        ColorChoice::Always => true,
        ColorChoice::Never => false,
        ColorChoice::Auto => {
            let is_dumb = std::env::var_os("TERM").is_none_or(|terminal| terminal == "dumb");
            io::stderr().is_terminal() && !is_set("NO_COLOR") && !is_dumb
        }
    }
}
