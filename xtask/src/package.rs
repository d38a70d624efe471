//! Tasks in separate packages, so this one does not wait for the crates that they need.

use std::{env, process::Command};

use xtask::Failed;

use crate::{Result, files};

/// Builds and runs a package of the workspace. Paths in the arguments are relative to the folder of whoever runs this.
pub(crate) fn run(package: &str, arguments: &[&str]) -> Result<()> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command
        .args(["run", "--quiet", "--manifest-path"])
        .arg(files::root().join("Cargo.toml"))
        .args(["--package", package, "--"])
        .args(arguments);
    let status = command
        .status()
        .map_err(|error| format!("{command:?}: {error}"))?;
    match status.code() {
        Some(0) => Ok(()),
        code => Err(Failed(code.and_then(|code| code.try_into().ok()).unwrap_or(1)).into()),
    }
}
