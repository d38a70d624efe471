//! What cargo knows of the workspace's packages.

use std::{env, path::Path, process::Command};

use serde_json::Value;

use crate::Result;

/// The packages of the workspace at `root`, as `cargo metadata` lists them.
pub(crate) fn metadata(root: &Path) -> Result<Value> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let arguments = ["metadata", "--format-version", "1", "--no-deps"];
    let output = stdout_of(Command::new(cargo).args(arguments).current_dir(root))?;
    Ok(serde_json::from_slice(&output)?)
}

/// What a command that succeeds writes to its standard output.
pub(crate) fn stdout_of(command: &mut Command) -> Result<Vec<u8>> {
    let output = command
        .output()
        .map_err(|error| format!("{command:?}: {error}"))?;
    if !output.status.success() {
        return Err(format!(
            "{command:?}: {}",
            String::from_utf8_lossy(&output.stderr).trim_end()
        )
        .into());
    }
    Ok(output.stdout)
}

pub(crate) fn array(value: &Value) -> Result<&[Value]> {
    Ok(value.as_array().ok_or("cargo metadata: expected an array")?)
}

pub(crate) fn string(value: &Value) -> Result<&str> {
    Ok(value.as_str().ok_or("cargo metadata: expected a string")?)
}
