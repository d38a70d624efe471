//! Finds files: names, folders and patterns go in; a list of files comes out.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use glob::MatchOptions;

use super::error::Error;
use super::faults::{Fault, Reason};

/// The name of standard input.
pub(super) const STDIN: &str = "-";

/// A file to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputFile {
    /// The file; `-` is standard input.
    pub path: PathBuf,
    /// Whether an input names it. Others were found in a folder, or by a pattern.
    pub is_named: bool,
}

/// The files of some inputs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// Each once, in the order of the inputs.
    pub(super) files: Vec<InputFile>,
    /// Folders inside of folders that can't be read.
    pub(super) faults: Vec<Fault>,
}

/// Finds the files of inputs.
pub(super) fn find(inputs: &[impl AsRef<Path>]) -> Result<Found, Error> {
    let mut found = Found::default();
    for input in inputs {
        let input = input.as_ref();
        if input == Path::new(STDIN) {
            found.add(input.to_owned(), true);
            continue;
        }
        match fs::metadata(input) {
            Ok(metadata) if metadata.is_dir() => {
                let before = found.files.len() + found.faults.len();
                let folder = list(input).map_err(|source| io_error(input, source))?;
                found.add_folder(folder);
                if found.files.len() + found.faults.len() == before {
                    return Err(Error::NoFiles {
                        path: input.to_owned(),
                    });
                }
            }
            Ok(_) => found.add(input.to_owned(), true),
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(io_error(input, error)),
            // The file of this very name comes first: names may have brackets in them.
            Err(_) => match input.to_str() {
                Some(pattern) if pattern.contains(['*', '?', '[']) => found.add_matches(pattern)?,
                _ => {
                    return Err(Error::NotFound {
                        path: input.to_owned(),
                    });
                }
            },
        }
    }
    found.remove_duplicates();
    Ok(found)
}

impl Found {
    fn add(&mut self, path: PathBuf, is_named: bool) {
        self.files.push(InputFile { path, is_named });
    }

    fn add_matches(&mut self, pattern: &str) -> Result<(), Error> {
        let options = MatchOptions {
            case_sensitive: true,
            require_literal_separator: true,
            require_literal_leading_dot: true,
        };
        let matches = glob::glob_with(pattern, options).map_err(|source| Error::Pattern {
            pattern: pattern.to_owned(),
            source: Box::new(source),
        })?;
        let before = self.files.len() + self.faults.len();
        for path in matches {
            match path {
                Ok(path) => self.add_entry(path),
                Err(error) => {
                    let path = error.path().to_owned();
                    self.add_fault(&path, &error.into());
                }
            }
        }
        if self.files.len() + self.faults.len() == before {
            return Err(Error::NoMatch {
                pattern: pattern.to_owned(),
            });
        }
        Ok(())
    }

    /// Adds a file, or those in a folder; neither sockets nor pipes, which may never end, nor links to nowhere.
    fn add_entry(&mut self, path: PathBuf) {
        if path.is_file() {
            self.add(path, false);
        } else if path.is_dir() {
            match list(&path) {
                Ok(entries) => self.add_folder(entries),
                Err(error) => self.add_fault(&path, &error),
            }
        }
    }

    fn add_folder(&mut self, entries: Vec<PathBuf>) {
        for path in entries {
            // A link to a folder may lead in a circle.
            if !(path.is_symlink() && path.is_dir()) {
                self.add_entry(path);
            }
        }
    }

    fn add_fault(&mut self, path: &Path, error: &io::Error) {
        self.faults
            .push(Fault::of_file(path, Reason::Unreadable(error.to_string())));
    }

    /// Names differ for links and for `./a` and `a`. What is named once is named.
    fn remove_duplicates(&mut self) {
        let mut seen: HashMap<PathBuf, usize> = HashMap::new();
        let mut files: Vec<InputFile> = Vec::with_capacity(self.files.len());
        for file in self.files.drain(..) {
            let path = fs::canonicalize(&file.path).unwrap_or_else(|_| file.path.clone());
            match seen.get(&path) {
                Some(&index) => files[index].is_named |= file.is_named,
                None => {
                    seen.insert(path, files.len());
                    files.push(file);
                }
            }
        }
        self.files = files;
    }
}

/// What is in a folder, in order, without what is hidden.
fn list(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder)?.collect::<io::Result<Vec<_>>>()?;
    let mut entries: Vec<PathBuf> = entries
        .into_iter()
        .filter(|entry| !is_hidden(&entry.file_name()))
        .map(|entry| entry.path())
        .collect();
    // The order of a folder is up to the file system.
    entries.sort_unstable();
    Ok(entries)
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
