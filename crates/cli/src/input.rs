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
                has_failed: false,
            }),
            Self::File(path) => open_file(path).map_err(|error| error.of(self)),
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
        has_failed: false,
    })
}

/// An open input.
#[derive(Debug)]
pub(crate) struct Input {
    reader: Reader,
    permissions: Option<Permissions>,
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
}
