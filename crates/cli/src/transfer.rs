//! A transfer: one input, and where its output goes.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use crate::args::Files;
use crate::error::{Error, Failure};
use crate::input::{Input, Source};
use crate::output::Target;

/// An input and its output.
#[derive(Debug)]
pub(crate) struct Transfer {
    pub(crate) source: Source,
    pub(crate) target: Target,
    pub(crate) overwrite: bool,
}

/// The files as named; those without a named output get the one that `output_name` makes of their name.
pub(crate) fn transfers(
    files: Files,
    output_name: fn(&Path) -> Option<PathBuf>,
) -> Result<Vec<Transfer>, Failure> {
    let inputs: Vec<PathBuf> = files.input_option.into_iter().chain(files.inputs).collect();
    if files.output.is_some() && inputs.len() > 1 {
        return Err(Error::OneOutput { inputs: inputs.len() }.into());
    }
    let transfer = |input: PathBuf| {
        let source = Source::from(input);
        let target = match (&files.output, &source) {
            (Some(output), _) => Target::from(output.clone()),
            (None, Source::Stdin | Source::Descriptor(..)) => Target::Stdout,
            (None, Source::File(path)) => {
                Target::File(output_name(path).ok_or_else(|| Error::NoOutputName.of(&source))?)
            }
        };
        Ok(Transfer {
            source,
            target,
            overwrite: files.force,
        })
    };
    inputs.into_iter().map(transfer).collect()
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
    (file.extension() == Some(OsStr::new(EXTENSION))).then(|| file.with_extension(""))
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

    #[test]
    fn standard_input_goes_to_standard_output_unless_told_otherwise() {
        let transfer = |input: &str, output: Option<&str>| {
            let files = Files {
                input_option: Some(input.into()),
                output: output.map(PathBuf::from),
                force: false,
                inputs: Vec::new(),
            };
            transfers(files, compressed_name).unwrap().remove(0).target
        };
        assert_eq!(transfer("-", None), Target::Stdout);
        assert_eq!(transfer("-", Some("out")), Target::File("out".into()));
        assert_eq!(transfer("in", Some("-")), Target::Stdout);
        assert_eq!(transfer("in", None), Target::File("in.czip".into()));
    }
}
