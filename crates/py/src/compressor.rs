//! Text that comes in pieces to a file.

use std::io::Write;
use std::sync::{Mutex, MutexGuard, PoisonError};

use czip::Error;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::data::Data;
use crate::interrupts::Interrupts;
use crate::models;
use crate::settings;
use crate::stream::{OwnedEncoder, encoder};

/// Compresses a text that comes in pieces.
///
/// The pieces do not affect the file. Text is held until there are some segments for each thread, so most calls of
/// `compress` return nothing. `flush` ends the file.
#[pyclass(frozen, module = "czip")]
pub(crate) struct Compressor {
    interrupts: Interrupts,
    encoder: Mutex<OwnedEncoder>,
}

#[pymethods]
impl Compressor {
    #[new]
    #[pyo3(signature = (*, model = None, level = 5, threads = 0, segment_len = None, index = true))]
    fn new(
        model: Option<&Bound<'_, PyAny>>,
        level: i64,
        threads: usize,
        segment_len: Option<usize>,
        index: bool,
    ) -> PyResult<Self> {
        let interrupts = Interrupts::default();
        let options = settings::of_encoder(level, threads, segment_len, index)?;
        let options = interrupts.watched_by(options);
        Ok(Self {
            encoder: Mutex::new(encoder(models::of_encoder(model, level)?, &options)),
            interrupts,
        })
    }

    /// Takes a piece of the text, and returns what there is of the file that was not returned before.
    fn compress<'py>(&self, py: Python<'py>, data: Data) -> PyResult<Bound<'py, PyBytes>> {
        let file = self.interrupts.run(py, || {
            self.lock().with_dependent_mut(|_, encoder| {
                let Some(encoder) = encoder else {
                    return Ok(None);
                };
                encoder.write_all(&data)?;
                Ok(Some(std::mem::take(encoder.get_mut())))
            })
        })?;
        Ok(PyBytes::new(py, &file.ok_or_else(flushed)?))
    }

    /// Ends the file and returns the rest of it. The compressor cannot be used again.
    fn flush<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let file = self.interrupts.run(py, || {
            self.lock().with_dependent_mut(|_, encoder| match encoder.take() {
                Some(encoder) => encoder.finish().map(|(file, _)| Some(file)),
                None => Ok::<_, Error>(None),
            })
        })?;
        Ok(PyBytes::new(py, &file.ok_or_else(flushed)?))
    }
}

impl Compressor {
    /// Must not be waited for with the interpreter's lock held.
    fn lock(&self) -> MutexGuard<'_, OwnedEncoder> {
        self.encoder.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn flushed() -> PyErr {
    PyValueError::new_err("the compressor has been flushed")
}
