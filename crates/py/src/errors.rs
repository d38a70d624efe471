//! Errors of the library as exceptions of the package.

use std::io;
use std::path::PathBuf;

use czip::{Error, ErrorKind};
use pyo3::exceptions::{PyOSError, PyValueError};
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
        Error::OpenModel { path, source } => of_file(source, path),
        error => of_kind(error.kind(), error.to_string()),
    }
}

/// An error of training, with those that led to it.
pub(crate) fn failed(error: impl std::error::Error) -> PyErr {
    CzipError::new_err(whole_message(&error))
}

/// The exception for a model that cannot be imported.
pub(crate) fn of_import(error: czip_import::Error) -> PyErr {
    use czip_import::Error;
    match error {
        Error::Io { path, source } => of_file(source, path),
        Error::Write(source) => source.into(),
        Error::Option { .. } => PyValueError::new_err(error.to_string()),
        Error::BadKey { .. }
        | Error::BadTensor { .. }
        | Error::Malformed { .. }
        | Error::MissingKey { .. }
        | Error::MissingTensor { .. }
        | Error::NotAModel
        | Error::Tokenizer { .. } => MalformedError::new_err(whole_message(&error)),
        Error::GgufVersion { .. } | Error::Size { .. } | Error::Unsupported { .. } => {
            UnsupportedError::new_err(whole_message(&error))
        }
        error => failed(error),
    }
}

/// What the system says of a file, as the exception that Python raises for it: FileNotFoundError and the like.
pub(crate) fn of_file(error: io::Error, path: PathBuf) -> PyErr {
    match error.raw_os_error() {
        Some(number) => PyOSError::new_err((number, reason(&error), path.into_os_string())),
        None => error.into(),
    }
}

/// The message of an error, with those of the errors that led to it.
fn whole_message(error: &dyn std::error::Error) -> String {
    let mut message = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_message = cause.to_string();
        // Some messages include that of their cause.
        if !message.ends_with(&cause_message) {
            message = format!("{message}: {cause_message}");
        }
        source = cause.source();
    }
    message
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
fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    match text.rsplit_once(" (os error ") {
        Some((reason, _)) => reason.to_owned(),
        None => text,
    }
}
