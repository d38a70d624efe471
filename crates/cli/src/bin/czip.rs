//! The program under its own name.

use std::process::ExitCode;

fn main() -> ExitCode {
    czip_cli::run(std::env::args_os()).into()
}
