//! Kinds of errors, and errors of lower layers without their types.

use std::fmt;
use std::sync::Arc;

/// What kind of thing went wrong, and so what may help.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A reader or writer failed.
    Io,
    /// The compressed file ends early: it was cut short, or is still being written.
    Truncated,
    /// A compressed file, a model or a tokenizer breaks a rule of its format, or is damaged.
    Malformed,
    /// Parts that do not belong together: a file and a model, or a model and a tokenizer. Where nothing else tells, the
    /// file may also be damaged.
    Mismatch,
    /// The file needs a model that was not given, or that cannot be told from others that were.
    MissingModel,
    /// The file asks for more than the caller's [`Limits`](crate::Limits).
    Limit,
    /// The format cannot hold the text, or this build of the library cannot read the file.
    Unsupported,
    /// The caller stopped the work.
    Stopped,
    /// Anything else.
    Other,
}

/// An error of a lower layer: its message, its sources and its kind, but not its type, which may change.
#[derive(Clone)]
pub struct Cause {
    kind: ErrorKind,
    error: Arc<dyn std::error::Error + Send + Sync>,
}

impl Cause {
    pub(crate) fn new(kind: ErrorKind, error: impl std::error::Error + Send + Sync + 'static) -> Self {
        let error = Arc::new(error);
        Self { kind, error }
    }

    /// What kind of error it is.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The error itself. Its type is not part of this library's promises.
    #[must_use]
    pub fn get_ref(&self) -> &(dyn std::error::Error + Send + Sync + 'static) {
        &*self.error
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl fmt::Debug for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl std::error::Error for Cause {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.error.source()
    }
}
