#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![deny(clippy::float_arithmetic)]
#![allow(clippy::print_stdout, reason = "a development task talks to its user")]

mod circles;
mod cross;
mod fuzz;
mod metadata;
mod package;
mod tables;
mod tidy;

use std::process::ExitCode;

pub(crate) use xtask::{Result, Unavailable, files};

const USAGE: &str = "\
usage:
  cargo xtask codegen man [--check]
  cargo xtask codegen tables [--check]
  cargo xtask codegen vectors [--check]
  cargo xtask cross [--install] (aarch64 | s390x | wasm32)
  cargo xtask fuzz [--install] [--seconds N] [TARGET...]
  cargo xtask mixture NUMBER OUT
  cargo xtask sample OUT
  cargo xtask adapt MODEL OUT
  cargo xtask priors MODEL
  cargo xtask general-priors MODEL
  cargo xtask tidy
  cargo xtask web [--install]";

fn main() -> ExitCode {
    xtask::main(|arguments| match arguments {
        ["codegen", "man", arguments @ ..] => package::run("xtask-man", arguments),
        ["codegen", "tables"] => tables::codegen(false),
        ["codegen", "tables", "--check"] => tables::codegen(true),
        ["codegen", "vectors", arguments @ ..] => package::run("xtask-golden", arguments),
        ["cross", target] => cross::run(target, false),
        ["cross", "--install", target] => cross::run(target, true),
        ["fuzz", arguments @ ..] => fuzz::run(arguments),
        ["mixture" | "sample" | "adapt" | "priors" | "general-priors", ..] => {
            package::run("xtask-training", arguments)
        }
        ["tidy"] => tidy::run(),
        ["web", arguments @ ..] => package::run("xtask-web", arguments),
        _ => Err(USAGE.into()),
    })
}
