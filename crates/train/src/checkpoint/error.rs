//! Why a checkpoint cannot be written or read.

use std::io;
use std::path::{Path, PathBuf};

use crate::quote;

/// Why a checkpoint cannot be written or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// It cannot be written. The one before, if there is one, is intact.
    #[error("cannot write the checkpoint {}", quote::path(path))]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// It cannot be read.
    #[error("cannot read the checkpoint {}", quote::path(path))]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Another process is writing it.
    #[error("another run is writing {}", quote::path(path))]
    Busy {
        /// The file.
        path: PathBuf,
    },
    /// The file is not a checkpoint.
    #[error("{} is not a checkpoint of a training run: {problem}", quote::path(path))]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: &'static str,
    },
}

/// What is wrong with a file whose path is known elsewhere.
pub(super) enum Problem {
    /// It cannot be read.
    Io(io::Error),
    /// It is not a checkpoint.
    Format(&'static str),
}

impl From<io::Error> for Problem {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Self::Format("it is truncated"),
            _ => Self::Io(error),
        }
    }
}

impl Problem {
    pub(super) fn of(self, path: &Path) -> Error {
        let path = path.to_owned();
        match self {
            Self::Io(source) => Error::Read { path, source },
            Self::Format(problem) => Error::Malformed { path, problem },
        }
    }
}
