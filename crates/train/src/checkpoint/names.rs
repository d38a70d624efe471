//! The names of the files beside a checkpoint.

use std::path::{Path, PathBuf};

/// Where a checkpoint is written before it is renamed: `m.czm.checkpoint.new` for `m.czm.checkpoint`. A killed process leaves
/// it behind, and the next checkpoint replaces it.
#[must_use]
pub fn temporary(checkpoint: &Path) -> PathBuf {
    with_ending(checkpoint, ".new")
}

/// The whole name with something appended.
pub(super) fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}
