#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![deny(clippy::float_arithmetic)]
#![allow(clippy::print_stdout, reason = "a development task talks to its user")]

mod vectors;

use std::process::ExitCode;

const USAGE: &str = "usage: cargo xtask codegen vectors [--check]";

fn main() -> ExitCode {
    xtask::main(|arguments| match arguments {
        [] => vectors::codegen(false),
        ["--check"] => vectors::codegen(true),
        _ => Err(USAGE.into()),
    })
}
