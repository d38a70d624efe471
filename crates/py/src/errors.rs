//! Errors of the library as exceptions of the package.

use czip::{Error, ErrorKind};
use pyo3::exceptions::PyOSError;
use pyo3::{PyErr, import_exception};

import_exception!(czip._exceptions, CzipError);
import_exception!(czip._exceptions, LimitError);
import_exception!(czip._exceptions, MalformedError);
import_exception!(czip._exceptions, ModelError);
import_exception!(czip._exceptions, TruncatedError);
import_exception!(czip._exceptions, UnsupportedError);

/// The exception that an error is raised as. What a Python object has raised comes through as it was.
pub(crate) fn exception(error: Error) -> PyErr {
    match error {
        Error::Io(source) | Error::Read { source, .. } => source.into(),
        Error::OpenModel { path, source } => match source.raw_os_error() {
            // With its number, it becomes FileNotFoundError and the like.
            Some(number) => PyOSError::new_err((number, reason(&source), path.into_os_string())),
            None => source.into(),
        },
        error => of_kind(error.kind(), error.to_string()),
    }
}

fn of_kind(kind: ErrorKind, message: String) -> PyErr {
    match kind {
        ErrorKind::Truncated => TruncatedError::new_err(message),
        ErrorKind::Malformed => MalformedError::new_err(message),
        ErrorKind::Mismatch | ErrorKind::MissingModel => ModelError::new_err(message),
        ErrorKind::Limit => LimitError::new_err(message),
        ErrorKind::Unsupported => UnsupportedError::new_err(message),
        _ => CzipError::new_err(message),
    }
}

/// What the system says, without the number that Rust adds.
fn reason(error: &std::io::Error) -> String {
    let text = error.to_string();
    match text.rsplit_once(" (os error ") {
        Some((reason, _)) => reason.to_owned(),
        None => text,
    }
}
