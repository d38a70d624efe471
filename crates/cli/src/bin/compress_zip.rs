//! The same program under the name that existing command lines call.

use std::process::ExitCode;

fn main() -> ExitCode {
    czip_cli::run(std::env::args_os()).into()
}
