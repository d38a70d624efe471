//! How the program ends.

use std::process::ExitCode;

/// How a run ended. The numbers are the process's exit codes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Exit {
    /// All was done.
    #[default]
    Success = 0,
    /// A file cannot be read or written, or its contents cannot be used, or it was skipped.
    Failure = 1,
    /// The command line cannot be carried out as given.
    Usage = 2,
    /// File and model, or model and tokenizer, don't belong together.
    Mismatch = 3,
    /// A compressed file, model or tokenizer is malformed.
    Malformed = 4,
}

impl Exit {
    /// What shells make of a process that an interrupt has ended: 128 and the number of the signal. Where there are no
    /// signals it is the exit code.
    pub(crate) const INTERRUPTED: i32 = 130;

    /// The first of two that is no success.
    pub(crate) fn or(self, other: Self) -> Self {
        if self == Self::Success { other } else { self }
    }

    /// The exit code.
    #[must_use]
    pub const fn code(self) -> u8 {
        self as u8
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        exit.code().into()
    }
}
