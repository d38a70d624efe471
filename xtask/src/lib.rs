//! What the packages of development tasks share: where the repository is, generated files, errors and exit codes.

#![forbid(unsafe_code)]
#![deny(clippy::float_arithmetic)]
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a development task talks to its user"
)]

pub mod files;

use std::{env, error::Error, fmt, process::ExitCode};

/// What a task returns; the error is shown to the user as it is.
pub type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// The exit code of a task that could test nothing, because this machine lacks the tools.
const UNAVAILABLE: u8 = 3;

/// A task needs something that is missing, so nothing was tested.
#[derive(Debug)]
pub struct Unavailable(pub String);

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for Unavailable {}

/// Another program did the task and has reported its failure: this is its exit code.
#[derive(Debug)]
pub struct Failed(pub u8);

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "exit code {}", self.0)
    }
}

impl Error for Failed {}

/// The `main` of a package of tasks: runs the task that the arguments name, and reports its error.
pub fn main(task: impl FnOnce(&[&str]) -> Result<()>) -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let Err(error) = task(&arguments) else {
        return ExitCode::SUCCESS;
    };
    if let Some(Failed(code)) = error.downcast_ref() {
        return ExitCode::from(*code);
    }
    eprintln!("{error}");
    if error.is::<Unavailable>() {
        ExitCode::from(UNAVAILABLE)
    } else {
        ExitCode::FAILURE
    }
}
