#![doc = include_str!("../README.md")]
#![deny(unsafe_code)]
#![deny(clippy::float_arithmetic)]

mod admission;
mod args;
mod choice;
mod commands;
mod compressors;
mod error;
mod exit;
mod identity;
mod input;
mod interrupt;
mod job;
mod memory;
mod models;
mod output;
mod paths;
mod printable;
mod progress;
mod report;
mod streams;
mod temporary;
mod transfer;
mod ui;

pub use exit::Exit;

use std::ffi::OsString;
use std::io;
use std::path::Path;

use args::Args;
use czip::Kernels;
use error::{Error, Failure};
use job::Job;
use ui::Ui;

/// Runs the program with a command line, whose first element is the name that it was called by, and says how it ended.
///
/// Reads and writes the standard streams, the environment variables that the help names, and the files that the
/// command line names. On an interrupt it removes what it has not finished, and ends the process.
pub fn run(command_line: impl IntoIterator<Item = impl Into<OsString>>) -> Exit {
    let command_line: Vec<OsString> = command_line.into_iter().map(Into::into).collect();
    let program = program_name(&command_line);
    let args = match Args::parse(program, command_line) {
        Ok(args) => args,
        Err(message) => {
            // Help and version are messages too.
            let printed = message.print();
            return match printed {
                _ if message.use_stderr() => Exit::Usage,
                Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Exit::Failure,
                _ if streams::stdout_is_closed() => Exit::Failure,
                _ => Exit::Success,
            };
        }
    };
    let ui = Ui::new(program, args.global.quiet, args.global.verbose);
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

/// The name by which the program was called.
fn program_name(command_line: &[OsString]) -> &'static str {
    let called = command_line.first().and_then(|name| Path::new(name).file_stem());
    match called.and_then(|name| name.to_str()) {
        Some("compress_zip") => "compress_zip",
        _ => "czip",
    }
}

#[cfg(test)]
mod tests {
    use super::program_name;

    #[test]
    fn program_is_called_by_either_name() {
        let name = |called: &str| program_name(&[called.into()]);
        assert_eq!(name("/usr/bin/compress_zip"), "compress_zip");
        assert_eq!(name("compress_zip.exe"), "compress_zip");
        assert_eq!(name("./czip"), "czip");
        assert_eq!(name("another"), "czip");
        assert_eq!(program_name(&[]), "czip");
    }
}
