//! From what the user names to files.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use glob::MatchOptions;

use super::Error;

/// The name of standard input.
pub(super) const STDIN: &str = "-";

/// The files of the inputs, each once, in the order of the inputs.
pub(super) fn files(inputs: &[impl AsRef<Path>]) -> Result<Vec<PathBuf>, Error> {
    let mut files = Vec::new();
    for input in inputs {
        let input = input.as_ref();
        if input == Path::new(STDIN) {
            files.push(input.to_owned());
            continue;
        }
        match fs::metadata(input) {
            Ok(_) => add(input, &mut files)?,
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(io_error(input, error)),
            // The file of this very name comes first: names may have brackets in them.
            Err(_) => match input.to_str() {
                Some(pattern) if pattern.contains(['*', '?', '[']) => add_matches(pattern, &mut files)?,
                _ => {
                    return Err(Error::NotFound {
                        path: input.to_owned(),
                    });
                }
            },
        }
    }
    // Names differ for links and for `./a` and `a`.
    let mut seen = HashSet::new();
    files.retain(|file| seen.insert(fs::canonicalize(file).unwrap_or_else(|_| file.clone())));
    Ok(files)
}

fn add_matches(pattern: &str, files: &mut Vec<PathBuf>) -> Result<(), Error> {
    let options = MatchOptions {
        case_sensitive: true,
        require_literal_separator: true,
        require_literal_leading_dot: true,
    };
    let matches = glob::glob_with(pattern, options).map_err(|source| Error::Pattern {
        pattern: pattern.to_owned(),
        source: Box::new(source),
    })?;
    let before = files.len();
    for path in matches {
        let path = path.map_err(|error| {
            let path = error.path().to_owned();
            io_error(&path, error.into())
        })?;
        if path.is_dir() {
            add_folder(&path, files)?;
        } else {
            files.push(path);
        }
    }
    if files.len() == before {
        return Err(Error::NoMatch {
            pattern: pattern.to_owned(),
        });
    }
    Ok(())
}

/// Adds a file, or those in a folder.
fn add(path: &Path, files: &mut Vec<PathBuf>) -> Result<(), Error> {
    if !path.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    let before = files.len();
    add_folder(path, files)?;
    if files.len() == before {
        return Err(Error::NoFiles {
            path: path.to_owned(),
        });
    }
    Ok(())
}

fn add_folder(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), Error> {
    let entries = fs::read_dir(folder)
        .and_then(|entries| entries.collect::<io::Result<Vec<_>>>())
        .map_err(|source| io_error(folder, source))?;
    let mut entries: Vec<PathBuf> = entries
        .into_iter()
        .filter(|entry| !is_hidden(&entry.file_name()))
        .map(|entry| entry.path())
        .collect();
    // The order of a folder is up to the file system.
    entries.sort_unstable();
    for path in entries {
        if !path.is_dir() {
            // Neither sockets nor links to nowhere.
            if path.is_file() {
                files.push(path);
            }
        } else if !path.is_symlink() {
            // A link to a folder may lead in a circle.
            add_folder(&path, files)?;
        }
    }
    Ok(())
}

fn is_hidden(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b".")
}

pub(super) fn io_error(path: &Path, source: io::Error) -> Error {
    Error::Io {
        path: path.to_owned(),
        source,
    }
}
