//! A file that comes in pieces to its text.

use std::sync::{Mutex, MutexGuard, PoisonError};

use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::data::Data;
use crate::interrupts::Interrupts;
use crate::models::Shelf;
use crate::settings;
use crate::stream::{OwnedPushDecoder, push_decoder};

/// Restores the text of a file that comes in pieces.
///
/// Text is returned once its segment is there and was verified. A file that is several joined is one file here, as it is
/// elsewhere. CZIPv1 files cannot be restored in pieces.
#[pyclass(frozen, module = "czip")]
pub(crate) struct Decompressor {
    interrupts: Interrupts,
    decoder: Mutex<OwnedPushDecoder>,
}

#[pymethods]
impl Decompressor {
    #[new]
    #[pyo3(signature = (*, model = None, threads = 0, max_text_len = None, max_memory = None))]
    fn new(
        model: Option<&Bound<'_, PyAny>>,
        threads: usize,
        max_text_len: Option<u64>,
        max_memory: Option<u64>,
    ) -> PyResult<Self> {
        let interrupts = Interrupts::default();
        let limits = settings::limits(max_text_len, max_memory);
        let options = interrupts.watched_by(settings::of_decoder(threads, limits));
        Ok(Self {
            interrupts,
            decoder: Mutex::new(push_decoder(Shelf::of_decoder(model)?, &options)),
        })
    }

    /// Takes a piece of the file, and returns what there is of the text that was not returned before, but at most
    /// `max_length` bytes if that is not negative. Then `needs_input` tells whether there may be more.
    #[pyo3(signature = (data, max_length = -1), text_signature = "($self, data, max_length=-1)")]
    fn decompress<'py>(
        &self,
        py: Python<'py>,
        data: Data,
        max_length: isize,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let most = usize::try_from(max_length).unwrap_or(usize::MAX);
        let text = self.interrupts.run(py, || {
            self.lock()
                .with_dependent_mut(|_, decoder| decoder.push(&data, most))
        })?;
        Ok(PyBytes::new(py, &text))
    }

    /// Whether what was taken is a whole file, and all of its text was returned. All the same its index may follow, or
    /// another file that is joined to it; then this is false until the end of that.
    #[getter]
    fn eof(&self, py: Python<'_>) -> bool {
        py.detach(|| self.lock().with_dependent(|_, decoder| decoder.is_whole()))
    }

    /// Whether there can be no more text before more of the file is there.
    #[getter]
    fn needs_input(&self, py: Python<'_>) -> bool {
        py.detach(|| self.lock().with_dependent(|_, decoder| decoder.needs_input()))
    }

    /// What came after the end of the file and does not begin like another.
    #[getter]
    fn unused_data<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        let unused = py.detach(|| self.lock().with_dependent(|_, decoder| decoder.unused().to_vec()));
        PyBytes::new(py, &unused)
    }
}

impl Decompressor {
    /// Must not be waited for with the interpreter's lock held.
    fn lock(&self) -> MutexGuard<'_, OwnedPushDecoder> {
        self.decoder.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
