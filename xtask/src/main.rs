#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![deny(clippy::float_arithmetic)]
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a development task talks to its user"
)]

mod circles;
mod cross;
mod files;
mod fuzz;
mod metadata;
mod mixture;
mod priors;
mod tables;
mod tidy;
mod vectors;

use std::{env, error::Error, fmt, process::ExitCode};

/// What a task returns; the error is shown to the user as it is.
type Result<T> = std::result::Result<T, Box<dyn Error>>;

const USAGE: &str = "\
usage:
  cargo xtask codegen tables [--check]
  cargo xtask codegen vectors [--check]
  cargo xtask cross [--install] (aarch64 | s390x | wasm32)
  cargo xtask fuzz [--install] [--seconds N] [TARGET...]
  cargo xtask priors MODEL
  cargo xtask adapt MODEL OUT [KEY=VALUE...]
  cargo xtask mixture OUT
  cargo xtask tidy";

/// The exit code where nothing could be tested because this machine lacks the tools.
const UNAVAILABLE: u8 = 3;

/// What a task needs is not there, so that nothing was tested.
#[derive(Debug)]
pub(crate) struct Unavailable(pub(crate) String);

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for Unavailable {}

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    let mut words: Vec<&str> = args.iter().map(String::as_str).collect();
    let check = words.last() == Some(&"--check");
    if check {
        words.pop();
    }
    let result = match words[..] {
        ["codegen", "tables"] => tables::codegen(check),
        ["codegen", "vectors"] => vectors::codegen(check),
        ["cross", target] if !check => cross::run(target, false),
        ["cross", "--install", target] if !check => cross::run(target, true),
        ["fuzz", ref arguments @ ..] if !check => fuzz::run(arguments),
        ["priors", model] if !check => priors::train(model.as_ref()),
        ["adapt", model, out, ref facts @ ..] if !check => priors::adapt(model.as_ref(), out.as_ref(), facts),
        ["mixture", out] if !check => mixture::write(out.as_ref()),
        ["tidy"] if !check => tidy::run(),
        _ => Err(USAGE.into()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            if error.is::<Unavailable>() {
                ExitCode::from(UNAVAILABLE)
            } else {
                ExitCode::FAILURE
            }
        }
    }
}
