//! A file object of Python as a reader.

use std::io::{self, Read, Seek, SeekFrom};

use pyo3::prelude::*;

use crate::data::Data;

/// Reads a binary file object from where it stands; that is the place 0 of this reader.
pub(crate) struct PythonFile {
    file: Py<PyAny>,
    /// Where the object stood, if it can tell.
    start: u64,
    /// Bytes from the start that were read to look at them, and how many of them are left to be read.
    peeked: Vec<u8>,
    left: usize,
}

impl PythonFile {
    pub(crate) fn new(file: Bound<'_, PyAny>) -> Self {
        let start = file.call_method0("tell").and_then(|start| start.extract());
        Self {
            start: start.unwrap_or(0),
            file: file.unbind(),
            peeked: Vec::new(),
            left: 0,
        }
    }

    /// The first bytes, fewer only at the end of the file. Must come before all reading.
    pub(crate) fn peek(&mut self, len: usize) -> io::Result<&[u8]> {
        let mut bytes = Vec::new();
        self.take(len as u64).read_to_end(&mut bytes)?;
        self.left = bytes.len();
        self.peeked = bytes;
        Ok(&self.peeked)
    }

    fn seek_to(&self, offset: i128, whence: u8) -> io::Result<u64> {
        Python::attach(|py| {
            let to = self.file.call_method1(py, "seek", (offset, whence))?;
            // Raw files of other libraries may return nothing.
            if to.is_none(py) {
                return self.file.call_method0(py, "tell")?.extract(py);
            }
            to.extract::<u64>(py)
        })
        .map_err(io::Error::from)
    }
}

impl Read for PythonFile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left > 0 {
            let rest = &self.peeked[self.peeked.len() - self.left..];
            let len = rest.len().min(buffer.len());
            buffer[..len].copy_from_slice(&rest[..len]);
            self.left -= len;
            return Ok(len);
        }
        Python::attach(|py| {
            let read = self.file.call_method1(py, "read", (buffer.len(),))?;
            if read.is_none(py) {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            let bytes: Data = read.extract(py)?;
            let Some(filled) = buffer.get_mut(..bytes.len()) else {
                return Err(io::Error::other(
                    "read() has returned more bytes than it was asked for",
                ));
            };
            filled.copy_from_slice(&bytes);
            Ok(bytes.len())
        })
    }
}

impl Seek for PythonFile {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let left = std::mem::take(&mut self.left) as i128;
        let place = match to {
            SeekFrom::Start(offset) => self.seek_to(i128::from(self.start) + i128::from(offset), 0)?,
            SeekFrom::Current(offset) => self.seek_to(i128::from(offset) - left, 1)?,
            SeekFrom::End(offset) => self.seek_to(i128::from(offset), 2)?,
        };
        place
            .checked_sub(self.start)
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "a place before the file's start"))
    }
}
