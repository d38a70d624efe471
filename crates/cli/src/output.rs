//! Where data go to.
//!
//! An output file appears under its name all at once, when it is complete: it is written under another name in the same
//! directory, and renamed. After an error there is no output, and a file that was to be replaced is as it was.

use std::fmt;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::error::{Error, Failure};
use crate::input::Input;
use crate::interrupt;

/// An output as named on the command line, or made from the input's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    Stdout,
    File(PathBuf),
}

impl From<PathBuf> for Target {
    fn from(path: PathBuf) -> Self {
        if path.as_os_str() == "-" {
            Self::Stdout
        } else {
            Self::File(path)
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stdout => f.write_str("<stdout>"),
            Self::File(path) => path.display().fmt(f),
        }
    }
}

impl Target {
    /// Opens it for the writing of what becomes of `input`.
    ///
    /// A file that exists is only replaced if `overwrite` is set.
    pub(crate) fn create(&self, input: &Input, overwrite: bool) -> Result<Output, Failure> {
        match self {
            Self::Stdout => Ok(Output(Writer::Stdout)),
            Self::File(path) => create_file(path, input, overwrite)
                .map(Output)
                .map_err(|error| error.of(self)),
        }
    }

    /// Whether [`Target::create`] would make a file, and nothing is in its way.
    pub(crate) fn check(&self, input: &Input, overwrite: bool) -> Result<bool, Failure> {
        match self {
            Self::Stdout => Ok(false),
            Self::File(path) => place(path, input, overwrite)
                .map(|place| matches!(place, Place::File { .. }))
                .map_err(|error| error.of(self)),
        }
    }

    /// [`Target::create`] for compressed data, which nobody reads.
    pub(crate) fn create_compressed(&self, input: &Input, overwrite: bool) -> Result<Output, Failure> {
        if *self == Self::Stdout && io::stdout().is_terminal() {
            return Err(Error::CompressedToTerminal.into());
        }
        self.create(input, overwrite)
    }

    /// Whether what is written appears on the user's screen.
    pub(crate) fn is_terminal(&self) -> bool {
        *self == Self::Stdout && io::stdout().is_terminal()
    }
}

/// What is to become of an output's name.
enum Place {
    /// A device or a pipe, which is written to and never replaced.
    Special,
    /// A file in this directory, to be made or replaced.
    File { path: PathBuf, directory: PathBuf },
}

/// Checks that a file may be made or replaced.
fn place(path: &Path, input: &Input, overwrite: bool) -> Result<Place, Error> {
    let mut path = path.to_owned();
    match fs::metadata(&path) {
        Ok(metadata) if metadata.is_dir() => return Err(Error::Directory),
        Ok(metadata) if !metadata.is_file() => return Ok(Place::Special),
        Ok(_) if input.is(&path).map_err(Error::Read)? => return Err(Error::SameFile),
        Ok(_) if !overwrite => return Err(Error::Exists),
        // The file that a link leads to is replaced, not the link.
        Ok(_) => path = fs::canonicalize(&path).map_err(Error::Write)?,
        // A link that leads nowhere is not followed.
        Err(_) if path.is_symlink() && !overwrite => return Err(Error::Exists),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(Error::Write(error)),
    }
    let directory = match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => return Err(Error::Directory),
    };
    if !directory.is_dir() {
        return Err(Error::NoDirectory(directory.to_owned()));
    }
    let directory = directory.to_owned();
    Ok(Place::File { path, directory })
}

fn create_file(path: &Path, input: &Input, overwrite: bool) -> Result<Writer, Error> {
    let (path, directory) = match place(path, input, overwrite)? {
        Place::Special => {
            let file = OpenOptions::new().write(true).open(path);
            return file.map(Writer::Special).map_err(Error::Write);
        }
        Place::File { path, directory } => (path, directory),
    };
    let permissions = input.permissions();
    let temporary = interrupt::start(
        || create_temporary(&directory, permissions.is_none()),
        |file| file.path(),
    )
    .map_err(Error::Write)?;
    Ok(Writer::File {
        temporary,
        path,
        permissions,
        overwrite,
    })
}

/// Until it has the input's permissions, a temporary file is for its owner alone, unless it is `public` from the start.
fn create_temporary(directory: &Path, public: bool) -> io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".czip-").suffix(".tmp");
    #[cfg(unix)]
    if public {
        use std::os::unix::fs::PermissionsExt;
        // The system takes the user's mask from this.
        builder.permissions(Permissions::from_mode(0o666));
    }
    #[cfg(not(unix))]
    let _ = public;
    builder.tempfile_in(directory)
}

/// An open output. Unless it is finished by [`Output::commit`], a file will not appear.
#[derive(Debug)]
pub(crate) struct Output(Writer);

#[derive(Debug)]
enum Writer {
    Stdout,
    Special(File),
    File {
        temporary: NamedTempFile,
        path: PathBuf,
        permissions: Option<Permissions>,
        overwrite: bool,
    },
}

impl Output {
    /// Makes sure that the data are where they belong, and gives a file its name.
    pub(crate) fn commit(self) -> Result<(), Error> {
        match self.0 {
            Writer::Stdout => io::stdout().lock().flush().map_err(Error::Write),
            Writer::Special(mut file) => file.flush().map_err(Error::Write),
            Writer::File {
                temporary,
                path,
                permissions,
                overwrite,
            } => {
                if let Some(permissions) = permissions {
                    copy_permissions(temporary.as_file(), &permissions).map_err(Error::Write)?;
                }
                temporary.as_file().sync_all().map_err(Error::Write)?;
                interrupt::finish(|| {
                    if overwrite {
                        temporary.persist(&path)
                    } else {
                        temporary.persist_noclobber(&path)
                    }
                })
                .map_err(|failed| match failed.error.kind() {
                    // It has come into being since it was looked for.
                    io::ErrorKind::AlreadyExists => Error::Exists,
                    _ => Error::Write(failed.error),
                })?;
                Ok(())
            }
        }
    }
}

#[cfg(unix)]
fn copy_permissions(file: &File, permissions: &Permissions) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    // The bits that run a program as another user are not for copies.
    file.set_permissions(Permissions::from_mode(permissions.mode() & 0o777))
}

#[cfg(not(unix))]
fn copy_permissions(_: &File, _: &Permissions) -> io::Result<()> {
    Ok(())
}

impl Write for Output {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        match &mut self.0 {
            Writer::Stdout => io::stdout().lock().write(buffer),
            Writer::Special(file) => file.write(buffer),
            Writer::File { temporary, .. } => temporary.write(buffer),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.0 {
            Writer::Stdout => io::stdout().lock().flush(),
            Writer::Special(file) => file.flush(),
            Writer::File { temporary, .. } => temporary.flush(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::Source;

    fn names(directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(directory).unwrap();
        entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    }

    #[test]
    fn file_appears_when_committed_and_never_otherwise() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        let target = Target::File(path.clone());
        let input = Source::Stdin.open().unwrap();

        let mut output = target.create(&input, false).unwrap();
        output.write_all(b"lost").unwrap();
        drop(output);
        assert_eq!(names(folder.path()), [""; 0]);

        let mut output = target.create(&input, false).unwrap();
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
        let input = Source::Stdin.open().unwrap();
        let mut output = Target::File(path.clone()).create(&input, false).unwrap();
        output.write_all(b"mine").unwrap();
        fs::write(&path, "theirs").unwrap();
        assert!(matches!(output.commit(), Err(Error::Exists)));
        assert_eq!(fs::read(&path).unwrap(), b"theirs");
        assert_eq!(names(folder.path()), ["out"]);
    }
}
