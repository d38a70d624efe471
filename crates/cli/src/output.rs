//! Where data go to.
//!
//! An output file appears under its name all at once, when it is complete: it is written under another name in the same
//! folder, and renamed. After an error there is no output, and a file that was to be replaced is as it was.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

use crate::attributes::Attributes;
use crate::error::{Error, Failure};
use crate::identity::Identities;
use crate::paths::{folder_of, resolve};
use crate::streams::{self, Descriptor};
use crate::temporary::Temporary;

/// An output as named on the command line, or made from the input's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    Stdout,
    /// A file descriptor by its name in the file system, such as `/dev/fd/3`.
    Descriptor(PathBuf, Descriptor),
    File(PathBuf),
    /// What is written is only checked.
    Nowhere,
}

impl From<PathBuf> for Target {
    fn from(path: PathBuf) -> Self {
        match Descriptor::named(&path) {
            _ if path.as_os_str() == "-" => Self::Stdout,
            Some(descriptor) if descriptor.is(1) => Self::Stdout,
            Some(descriptor) => Self::Descriptor(path, descriptor),
            None => Self::File(path),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stdout => f.write_str("<stdout>"),
            Self::Nowhere => f.write_str("<nowhere>"),
            Self::Descriptor(path, _) | Self::File(path) => path.display().fmt(f),
        }
    }
}

impl Target {
    /// Opens it for writing. A file has these attributes when it appears, or those of any new file.
    ///
    /// A file that exists is replaced only if `overwrite` is set, and never if it is one of `inputs`.
    pub(crate) fn create(
        &self,
        inputs: &Identities,
        attributes: Option<Attributes>,
        overwrite: bool,
    ) -> Result<Output, Failure> {
        // Making a file includes this check.
        if !matches!(self, Self::File(_)) {
            self.check(inputs, overwrite)?;
        }
        let writer = match self {
            Self::Stdout => Ok(Writer::Stdout),
            Self::Nowhere => Ok(Writer::Nowhere),
            Self::Descriptor(path, _) => {
                let file = OpenOptions::new().append(true).open(path);
                file.map(Writer::Special).map_err(Error::Write)
            }
            Self::File(path) => create_file(path, inputs, attributes, overwrite),
        };
        writer.map(Output).map_err(|error| error.of(self))
    }

    /// Whether [`Target::create`] would make a file with nothing in its way.
    pub(crate) fn check(&self, inputs: &Identities, overwrite: bool) -> Result<bool, Failure> {
        let checked = match self {
            Self::Stdout if streams::stdout_is_closed() => Err(Error::StdoutClosed),
            Self::Stdout if inputs.contain_stdout() => Err(Error::OutputIsInput),
            Self::Stdout | Self::Nowhere => Ok(false),
            Self::Descriptor(path, descriptor) => check_descriptor(path, *descriptor, inputs).map(|()| false),
            Self::File(path) => {
                place(path, inputs, overwrite).map(|place| matches!(place, Place::File { .. }))
            }
        };
        checked.map_err(|error| error.of(self))
    }

    /// [`Target::create`] for compressed data, which is written to a terminal only if `overwrite` is set.
    pub(crate) fn create_compressed(
        &self,
        inputs: &Identities,
        attributes: Option<Attributes>,
        overwrite: bool,
    ) -> Result<Output, Failure> {
        if !overwrite && self.is_terminal() {
            return Err(Error::CompressedToTerminal.into());
        }
        self.create(inputs, attributes, overwrite)
    }

    /// Whether what is written appears on the user's screen.
    pub(crate) fn is_terminal(&self) -> bool {
        *self == Self::Stdout && io::stdout().is_terminal()
    }

    /// The error for a failed write. The reader of standard output may have stopped reading.
    pub(crate) fn failed(&self, error: io::Error) -> Failure {
        if *self == Self::Stdout {
            Error::of_stdout(error).of(self)
        } else {
            Error::Write(error).of(self)
        }
    }
}

/// Opening the name of a descriptor again begins at the file's start, over what is there, and what others write to the
/// descriptor would be written over. So files have to be open for appending.
fn check_descriptor(path: &Path, descriptor: Descriptor, inputs: &Identities) -> Result<(), Error> {
    if !fs::metadata(path).map_err(Error::Write)?.is_file() {
        return Ok(());
    }
    if inputs.contains(path) {
        return Err(Error::OutputIsInput);
    }
    match descriptor.state() {
        Some(state) if !state.appends() => Err(Error::NotAppending),
        _ => Ok(()),
    }
}

/// What an output's name leads to.
enum Place {
    /// A device or a pipe, which is written to and never replaced.
    Special,
    /// A file in this folder, to be made or replaced.
    File { path: PathBuf, folder: PathBuf },
}

/// Checks that a file may be made or replaced.
fn place(path: &Path, inputs: &Identities, overwrite: bool) -> Result<Place, Error> {
    // The file that a link leads to is replaced or made, not the link.
    let is_link = path.is_symlink();
    let path = resolve(path);
    match fs::metadata(&path) {
        Ok(metadata) if metadata.is_dir() => return Err(Error::IsFolder),
        Ok(metadata) if !metadata.is_file() => return Ok(Place::Special),
        _ if inputs.contains(&path) => return Err(Error::OutputIsInput),
        Ok(_) if !overwrite => return Err(Error::Exists),
        Ok(_) => {}
        Err(_) if is_link && !overwrite => return Err(Error::Exists),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(Error::Write(error)),
    }
    let folder = folder_of(&path).ok_or(Error::IsFolder)?;
    if !folder.is_dir() {
        return Err(Error::NoFolder(folder));
    }
    Ok(Place::File { path, folder })
}

fn create_file(
    path: &Path,
    inputs: &Identities,
    attributes: Option<Attributes>,
    overwrite: bool,
) -> Result<Writer, Error> {
    match place(path, inputs, overwrite)? {
        Place::Special => {
            let file = OpenOptions::new().write(true).open(path);
            file.map(Writer::Special).map_err(Error::Write)
        }
        // Until it has the input's permissions, only its owner may read it.
        Place::File { path, folder } => Ok(Writer::File {
            temporary: Temporary::new(&folder, inputs, attributes.is_none()).map_err(Error::Write)?,
            path,
            attributes,
            overwrite,
        }),
    }
}

/// An open output. A file does not appear unless it is finished by [`Output::commit`].
#[derive(Debug)]
pub(crate) struct Output(Writer);

#[derive(Debug)]
enum Writer {
    Stdout,
    Nowhere,
    Special(File),
    File {
        temporary: Temporary,
        path: PathBuf,
        attributes: Option<Attributes>,
        overwrite: bool,
    },
}

/// Where complete data are.
#[derive(Debug)]
pub(crate) enum Committed {
    /// In this file, which the system has written to disk.
    File(PathBuf),
    /// In other hands.
    Stream,
}

impl Output {
    /// Whether a file that is there would be replaced.
    pub(crate) fn replaces(&self) -> bool {
        matches!(&self.0, Writer::File { path, .. } if path.exists())
    }

    /// Makes sure that the data are where they belong, and gives a file its name.
    pub(crate) fn commit(self) -> Result<Committed, Error> {
        match self.0 {
            Writer::Stdout => {
                io::stdout().lock().flush().map_err(Error::of_stdout)?;
                Ok(Committed::Stream)
            }
            Writer::Nowhere => Ok(Committed::Stream),
            Writer::Special(mut file) => {
                file.flush().map_err(Error::Write)?;
                Ok(Committed::Stream)
            }
            Writer::File {
                temporary,
                path,
                attributes,
                overwrite,
            } => {
                if let Some(attributes) = attributes {
                    attributes.give_to(temporary.file()).map_err(Error::Write)?;
                }
                temporary.file().sync_all().map_err(Error::Write)?;
                temporary
                    .persist(&path, overwrite)
                    .map_err(|error| match error.kind() {
                        // It has been created since it was looked for.
                        io::ErrorKind::AlreadyExists => Error::Exists,
                        _ => Error::Write(error),
                    })?;
                Ok(Committed::File(path))
            }
        }
    }
}

impl Write for Output {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        match &mut self.0 {
            Writer::Stdout => io::stdout().lock().write(buffer),
            Writer::Nowhere => Ok(buffer.len()),
            Writer::Special(file) => file.write(buffer),
            Writer::File { temporary, .. } => temporary.file().write(buffer),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.0 {
            Writer::Stdout => io::stdout().lock().flush(),
            Writer::Nowhere => Ok(()),
            Writer::Special(file) => file.flush(),
            Writer::File { temporary, .. } => temporary.file().flush(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    }

    #[test]
    fn file_appears_when_committed_and_never_otherwise() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        let target = Target::File(path.clone());
        let inputs = Identities::default();

        let mut output = target.create(&inputs, None, false).unwrap();
        output.write_all(b"lost").unwrap();
        drop(output);
        assert_eq!(names(folder.path()), [""; 0]);

        let mut output = target.create(&inputs, None, false).unwrap();
        output.write_all(b"kept").unwrap();
        assert!(!path.exists());
        output.commit().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"kept");
        assert_eq!(names(folder.path()), ["out"]);
    }

    #[test]
    fn file_that_comes_into_being_meanwhile_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        let inputs = Identities::default();
        let mut output = Target::File(path.clone()).create(&inputs, None, false).unwrap();
        output.write_all(b"mine").unwrap();
        fs::write(&path, "theirs").unwrap();
        assert!(matches!(output.commit(), Err(Error::Exists)));
        assert_eq!(fs::read(&path).unwrap(), b"theirs");
        assert_eq!(names(folder.path()), ["out"]);
    }
}
