//! Where data come from.

use std::fmt;
use std::fs::{self, File, Permissions};
use std::io::{self, IsTerminal, Read};
use std::path::{Path, PathBuf};

use crate::error::{Error, Failure};

/// An input as named on the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Stdin,
    File(PathBuf),
}

impl From<PathBuf> for Source {
    fn from(path: PathBuf) -> Self {
        if path.as_os_str() == "-" {
            Self::Stdin
        } else {
            Self::File(path)
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stdin => f.write_str("<stdin>"),
            Self::File(path) => path.display().fmt(f),
        }
    }
}

impl Source {
    /// Opens it for reading.
    pub(crate) fn open(&self) -> Result<Input, Failure> {
        match self {
            Self::Stdin => Ok(Input {
                reader: Reader::Stdin,
                permissions: None,
                len: None,
                has_failed: false,
            }),
            Self::File(path) => open_file(path).map_err(|error| error.of(self)),
        }
    }

    /// Whether it is a file and no pipe or the like, found out without opening it: a pipe that is closed again has lost
    /// its writer.
    pub(crate) fn is_file(&self) -> bool {
        match self {
            Self::Stdin => false,
            Self::File(path) => fs::metadata(path).is_ok_and(|metadata| metadata.is_file()),
        }
    }

    /// Opens it for reading of compressed data, which nobody types.
    pub(crate) fn open_compressed(&self) -> Result<Input, Failure> {
        if *self == Self::Stdin && io::stdin().is_terminal() {
            return Err(Error::CompressedFromTerminal.into());
        }
        self.open()
    }

    /// All that there is to read.
    pub(crate) fn read_all(&self) -> Result<Vec<u8>, Failure> {
        let mut bytes = Vec::new();
        self.open()?
            .read_to_end(&mut bytes)
            .map_err(|error| Error::Read(error).of(self))?;
        Ok(bytes)
    }
}

fn open_file(path: &Path) -> Result<Input, Error> {
    let metadata = fs::metadata(path).map_err(Error::Read)?;
    if metadata.is_dir() {
        return Err(Error::Directory);
    }
    let file = File::open(path).map_err(Error::Read)?;
    let permissions = metadata.is_file().then(|| metadata.permissions());
    Ok(Input {
        reader: Reader::File(file),
        permissions,
        len: metadata.is_file().then_some(metadata.len()),
        has_failed: false,
    })
}

/// An open input.
#[derive(Debug)]
pub(crate) struct Input {
    reader: Reader,
    permissions: Option<Permissions>,
    len: Option<u64>,
    has_failed: bool,
}

#[derive(Debug)]
enum Reader {
    Stdin,
    File(File),
}

impl Input {
    /// The permissions of the file, if it is one.
    pub(crate) fn permissions(&self) -> Option<Permissions> {
        self.permissions.clone()
    }

    /// The length of the file, if it is one.
    pub(crate) fn file_len(&self) -> Option<u64> {
        self.len
    }

    /// Whether reading has failed, to tell its errors from those of writing.
    pub(crate) fn has_failed(&self) -> bool {
        self.has_failed
    }

    /// Whether `path` is the file that is read from, under whatever name.
    pub(crate) fn is(&self, path: &Path) -> io::Result<bool> {
        let input = match &self.reader {
            Reader::Stdin => same_file::Handle::stdin()?,
            Reader::File(file) => same_file::Handle::from_file(file.try_clone()?)?,
        };
        Ok(input == same_file::Handle::from_path(path)?)
    }
}

impl Read for Input {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let result = match &mut self.reader {
            Reader::Stdin => io::stdin().lock().read(buffer),
            Reader::File(file) => file.read(buffer),
        };
        // An interrupted call is tried again.
        self.has_failed = result
            .as_ref()
            .is_err_and(|error| error.kind() != io::ErrorKind::Interrupted);
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dash_is_standard_input() {
        assert_eq!(Source::from(PathBuf::from("-")), Source::Stdin);
        assert_eq!(Source::from(PathBuf::from("./-")), Source::File("./-".into()));
        assert_eq!(Source::Stdin.to_string(), "<stdin>");
    }

    #[test]
    fn only_files_may_be_opened_twice() {
        let is_file = |path: &str| Source::from(PathBuf::from(path)).is_file();
        assert!(is_file(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")));
        assert!(!is_file(env!("CARGO_MANIFEST_DIR")));
        assert!(!is_file("no such file"));
        assert!(!is_file("-"));
        #[cfg(unix)]
        assert!(!is_file("/dev/null"));
    }
}
