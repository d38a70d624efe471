#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

use std::path::{Path, PathBuf};

/// The path of `name` among the shared data: below the folder that `CZIP_SHARED` names, else below `../shared`, seen
/// from the top of the repository. `None`, with a note, where there are no such data.
///
/// # Panics
///
/// If there are none though `CZIP_REQUIRE_SHARED` is set: then they must not be skipped.
#[must_use]
pub fn shared(name: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("CZIP_SHARED").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"),
        PathBuf::from,
    );
    let path = folder.join(name);
    if path.exists() {
        return Some(path);
    }
    assert!(
        std::env::var_os("CZIP_REQUIRE_SHARED").is_none(),
        "no shared data at {}",
        path.display()
    );
    None
}

/// A file of the shared data, if they are at hand. See [`shared`].
///
/// # Panics
///
/// If the file is there and cannot be read.
#[must_use]
pub fn shared_file(name: &str) -> Option<Vec<u8>> {
    let path = shared(name)?;
    Some(std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
}
