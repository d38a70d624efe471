//! Bytes that a call is given.

use std::ops::Deref;

use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::{PyBytes, PyMemoryView};

/// The bytes of an object that has the buffer protocol. Those of `bytes` are borrowed. All others are copied, since another
/// thread could change them while they are read.
pub(crate) struct Data(PyBackedBytes);

impl<'a, 'py> FromPyObject<'a, 'py> for Data {
    type Error = PyErr;

    fn extract(object: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        if let Ok(bytes) = object.cast::<PyBytes>() {
            return Ok(Self(bytes.to_owned().into()));
        }
        // In the order of its elements, whatever their size and layout.
        let bytes = PyMemoryView::from(&object)?.call_method0("tobytes")?;
        Ok(Self(bytes.cast_into::<PyBytes>()?.into()))
    }
}

impl Deref for Data {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl AsRef<[u8]> for Data {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}
