#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![deny(clippy::float_arithmetic)]
#![allow(clippy::print_stdout, reason = "a development task talks to its user")]

mod mixture;
mod priors;
mod source;

use std::process::ExitCode;

const USAGE: &str = "\
usage:
  cargo xtask mixture NUMBER OUT
  cargo xtask sample OUT
  cargo xtask adapt MODEL OUT
  cargo xtask priors MODEL
  cargo xtask general-priors MODEL";

fn main() -> ExitCode {
    xtask::main(|arguments| match arguments {
        ["mixture", number, out] => mixture::write(number, out.as_ref()),
        ["sample", out] => priors::write_sample(out.as_ref()),
        ["adapt", model, out] => priors::adapt_model(model.as_ref(), out.as_ref()),
        ["priors", model] => priors::train(model.as_ref()),
        ["general-priors", model] => priors::train_general(model.as_ref()),
        _ => Err(USAGE.into()),
    })
}
