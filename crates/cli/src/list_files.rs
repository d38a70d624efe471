//! Lists of files: names that are read from a file, or from standard input.

use std::io::Read;
use std::path::PathBuf;

use crate::error::{Error, Failure};
use crate::input::Source;

/// The names in a list, each of which ends in this byte; the last may lack it. Empty ones are left out.
pub(crate) fn names(list: &Source, end: u8) -> Result<Vec<PathBuf>, Failure> {
    let mut bytes = Vec::new();
    list.open()?
        .read_to_end(&mut bytes)
        .map_err(|error| Error::Read(error).of(list))?;
    if end != 0 && bytes.contains(&0) {
        return Err(Error::ZerosInList.of(list));
    }
    let names = bytes.split(|&byte| byte == end).filter(|name| !name.is_empty());
    names
        .map(|name| path(name).ok_or_else(|| Error::NoName.of(list)))
        .collect()
}

/// What bytes that were read from a file name.
#[cfg(unix)]
#[allow(clippy::unnecessary_wraps, reason = "elsewhere not all bytes are a name")]
pub(crate) fn path(name: &[u8]) -> Option<PathBuf> {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    Some(OsStr::from_bytes(name).into())
}

#[cfg(not(unix))]
pub(crate) fn path(name: &[u8]) -> Option<PathBuf> {
    // Lines may end as they do in text files there.
    let name = name.strip_suffix(b"\r").unwrap_or(name);
    std::str::from_utf8(name).ok().map(PathBuf::from)
}
