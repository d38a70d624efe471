//! Whole texts and files, and the program.

use std::ffi::OsString;
use std::io::{self, Write};

use czip::Error;
use czip_cli::Exit;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};

use crate::data::Data;
use crate::errors::exception;
use crate::interrupts::Interrupts;
use crate::models::{self, Shelf};
use crate::settings;

/// The file of a text, which may be any bytes.
#[pyfunction]
#[pyo3(signature = (data, *, model = None, level = 5, threads = 0, segment_len = None, index = true))]
pub(crate) fn compress<'py>(
    py: Python<'py>,
    data: Data,
    model: Option<&Bound<'py, PyAny>>,
    level: i64,
    threads: usize,
    segment_len: Option<usize>,
    index: bool,
) -> PyResult<Bound<'py, PyBytes>> {
    let model = models::of_encoder(model, level)?;
    let interrupts = Interrupts::default();
    let options = interrupts.watched_by(settings::of_encoder(level, threads, segment_len, index)?);
    let file = interrupts.run(py, || czip::compress(model.as_ref(), &data, &options))?;
    Ok(PyBytes::new(py, &file))
}

/// The text of a file.
#[pyfunction]
#[pyo3(signature = (data, *, model = None, threads = 0, max_text_len = None, max_memory = None))]
pub(crate) fn decompress<'py>(
    py: Python<'py>,
    data: Data,
    model: Option<&Bound<'py, PyAny>>,
    threads: usize,
    max_text_len: Option<u64>,
    max_memory: Option<u64>,
) -> PyResult<Bound<'py, PyBytes>> {
    let shelf = Shelf::of_decoder(model)?;
    let interrupts = Interrupts::default();
    let limits = settings::limits(max_text_len, max_memory);
    let options = interrupts.watched_by(settings::of_decoder(threads, limits));
    let text = interrupts.run(py, || czip::decompress(&shelf, &data, &options))?;
    Ok(PyBytes::new(py, &text))
}

/// The files of several texts, which are compressed side by side.
#[pyfunction]
#[pyo3(signature = (texts, *, model = None, level = 5, threads = 0, segment_len = None, index = true))]
pub(crate) fn compress_many<'py>(
    py: Python<'py>,
    texts: &Bound<'py, PyAny>,
    model: Option<&Bound<'py, PyAny>>,
    level: i64,
    threads: usize,
    segment_len: Option<usize>,
    index: bool,
) -> PyResult<Bound<'py, PyList>> {
    let texts = all(texts)?;
    let model = models::of_encoder(model, level)?;
    let interrupts = Interrupts::default();
    let options = interrupts.watched_by(settings::of_encoder(level, threads, segment_len, index)?);
    let files = interrupts.run_many(py, || czip::compress_many(model.as_ref(), &texts, &options))?;
    list(py, files, false)
}

/// The texts of several files, which are restored side by side.
#[pyfunction]
#[pyo3(signature = (
    files, *, model = None, threads = 0, max_text_len = None, max_memory = None, return_exceptions = false
))]
pub(crate) fn decompress_many<'py>(
    py: Python<'py>,
    files: &Bound<'py, PyAny>,
    model: Option<&Bound<'py, PyAny>>,
    threads: usize,
    max_text_len: Option<u64>,
    max_memory: Option<u64>,
    return_exceptions: bool,
) -> PyResult<Bound<'py, PyList>> {
    let files = all(files)?;
    let shelf = Shelf::of_decoder(model)?;
    let interrupts = Interrupts::default();
    let limits = settings::limits(max_text_len, max_memory);
    let options = interrupts.watched_by(settings::of_decoder(threads, limits));
    let texts = interrupts.run_many(py, || czip::decompress_many(&shelf, &files, &options))?;
    list(py, texts, return_exceptions)
}

/// The bytes of all objects that an iterable gives.
fn all(objects: &Bound<'_, PyAny>) -> PyResult<Vec<Data>> {
    objects.try_iter()?.map(|object| object?.extract()).collect()
}

fn list<'py>(
    py: Python<'py>,
    results: Vec<Result<Vec<u8>, Error>>,
    return_exceptions: bool,
) -> PyResult<Bound<'py, PyList>> {
    let list = PyList::empty(py);
    for result in results {
        match result {
            Ok(bytes) => list.append(PyBytes::new(py, &bytes))?,
            Err(error) if return_exceptions => list.append(exception(error).into_value(py))?,
            Err(error) => return Err(exception(error)),
        }
    }
    Ok(list)
}

/// Runs the program with a command line, the first element of which is its name, and returns its exit code.
#[pyfunction]
pub(crate) fn run(py: Python<'_>, command_line: Vec<OsString>) -> u8 {
    py.detach(|| {
        let exit = czip_cli::run(command_line);
        // A program of Rust does this as it ends.
        let flushed = io::stdout().flush();
        match flushed {
            Err(error) if exit == Exit::Success && error.kind() != io::ErrorKind::BrokenPipe => Exit::Failure,
            _ => exit,
        }
        .code()
    })
}
