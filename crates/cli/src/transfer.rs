//! A transfer: one input, and where its output goes.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{Error, Failure};
use crate::input::{Input, Source, Version};
use crate::output::{Committed, Target};
use crate::paths::sync_folder_of;
use crate::report::{self, Processed, Statistics};
use crate::ui::Ui;

/// An input and its output.
#[derive(Debug)]
pub(crate) struct Transfer {
    pub(crate) source: Source,
    pub(crate) target: Target,
    pub(crate) overwrite: bool,
    /// Whether the input is removed once its output is complete.
    pub(crate) remove: bool,
    /// Whether the folders of the output are made if they are not there.
    pub(crate) makes_folders: bool,
}

impl Transfer {
    /// An error of the library, in the name of the file that it concerns.
    pub(crate) fn failure(&self, error: impl Into<Error>, input: &Input) -> Failure {
        match error.into() {
            Error::Czip(czip::Error::Io(error)) if input.has_failed() => Error::Read(error).of(&self.source),
            Error::Czip(czip::Error::Io(error)) => self.target.failed(error),
            // Not the fault of any file.
            error @ (Error::NoModel | Error::SeveralModels { .. }) => error.into(),
            error => error.of(&self.source),
        }
    }

    /// Makes the folders that the output is to be in, if that was asked for.
    pub(crate) fn make_folders(&self) -> Result<(), Failure> {
        match &self.target {
            Target::File(path) if self.makes_folders => match path.parent() {
                Some(folder) => {
                    fs::create_dir_all(folder).map_err(|error| Error::Write(error).of(folder.display()))
                }
                None => Ok(()),
            },
            _ => Ok(()),
        }
    }

    /// The end of a transfer: says what was done, on standard output as JSON if that is wanted, and removes the input if that
    /// was asked for.
    pub(crate) fn end(
        &self,
        committed: &Committed,
        read: Option<&Version>,
        statistics: Statistics,
        json: bool,
        ui: &Ui,
    ) -> Result<Statistics, Failure> {
        self.remove_input(committed, read)?;
        let processed = Processed::new(&self.source, &self.target, statistics);
        if json {
            report::print(&processed, true)?;
        } else {
            ui.note(processed);
        }
        Ok(statistics)
    }

    /// Removes the input if that was asked for, and if it is still the file that was read. Its output has its name.
    fn remove_input(&self, committed: &Committed, read: Option<&Version>) -> Result<(), Failure> {
        // What went into a pipe or a device may be nowhere.
        let (Committed::File(output), Source::File(input), true) = (committed, &self.source, self.remove)
        else {
            return Ok(());
        };
        let remove = || {
            sync_folder_of(output, self.makes_folders).map_err(Error::NotRemoved)?;
            let now = fs::metadata(input).map_err(Error::NotRemoved)?;
            if read != Some(&Version::of(&now)) {
                return Err(Error::Changed);
            }
            fs::remove_file(input).map_err(Error::NotRemoved)
        };
        remove().map_err(|error| error.of(&self.source))
    }
}

/// `notes.txt.czip` for `notes.txt`.
pub(crate) fn compressed_name(text: &Path) -> Option<PathBuf> {
    let mut name = text.file_name()?.to_owned();
    name.push(".");
    name.push(EXTENSION);
    Some(text.with_file_name(name))
}

/// `notes.txt` for `notes.txt.czip`.
pub(crate) fn restored_name(file: &Path) -> Option<PathBuf> {
    is_compressed_name(file).then(|| file.with_extension(""))
}

/// Whether compressed files are named so.
pub(crate) fn is_compressed_name(file: &Path) -> bool {
    file.extension() == Some(OsStr::new(EXTENSION))
}

/// The extension of compressed files.
const EXTENSION: &str = "czip";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_outputs() {
        let compressed = |name: &str| compressed_name(name.as_ref());
        assert_eq!(compressed("notes.txt"), Some("notes.txt.czip".into()));
        assert_eq!(compressed("a.b/notes"), Some("a.b/notes.czip".into()));
        assert_eq!(compressed(".."), None);

        let restored = |name: &str| restored_name(name.as_ref());
        assert_eq!(restored("a.b/notes.txt.czip"), Some("a.b/notes.txt".into()));
        assert_eq!(restored("notes.czip"), Some("notes".into()));
        assert_eq!(restored("notes.txt"), None);
        assert_eq!(restored(".czip"), None);
        assert_eq!(restored("notesczip"), None);
    }
}
