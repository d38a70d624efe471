//! The text of a compressed file, read at any place.

use std::io::{BufRead, Cursor, Read, Seek, SeekFrom};
use std::sync::{Mutex, MutexGuard, PoisonError};

use czip::{Error, Format, Options, decompress};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::interrupts::Interrupts;
use crate::models::Shelf;
use crate::python_file::PythonFile;
use crate::settings;
use crate::stream::{OwnedFileDecoder, file_decoder};

/// Reads the text of a binary file object. What `CzipFile` is made of.
#[pyclass(frozen, module = "czip._czip")]
pub(crate) struct Reader {
    interrupts: Interrupts,
    text: Mutex<Text>,
}

/// `None` until something of the file is needed.
struct Text {
    begin: Option<Begin>,
    source: Option<Source>,
}

/// What a source is made of.
struct Begin {
    file: PythonFile,
    shelf: Shelf,
    options: Options,
}

enum Source {
    V2(OwnedFileDecoder),
    /// A CZIPv1 file has to be restored as a whole.
    V1(Cursor<Vec<u8>>),
}

impl Begin {
    fn open(mut self) -> Result<Source, Error> {
        let start = self.file.peek(Format::DETECTION_LEN)?;
        if Format::detect(start) == Some(Format::V1) {
            let mut file = Vec::new();
            self.file.read_to_end(&mut file)?;
            return Ok(Source::V1(Cursor::new(decompress(
                &self.shelf,
                &file,
                &self.options,
            )?)));
        }
        if Format::detect(start).is_none() {
            let found = start.to_vec();
            return Err(Error::UnknownFormat { found });
        }
        Ok(Source::V2(file_decoder(self.shelf, self.file, &self.options)))
    }
}

impl Text {
    fn source(&mut self) -> Result<&mut Source, Error> {
        if let Some(begin) = self.begin.take() {
            self.source = Some(begin.open()?);
        }
        // A file that could not be opened stays so.
        self.source.as_mut().ok_or(Error::AfterError)
    }
}

impl Source {
    /// At most `len` bytes, in one piece: none only at the end.
    fn read(&mut self, len: usize) -> Result<Vec<u8>, Error> {
        fn piece(source: &mut impl BufRead, len: usize) -> Result<Vec<u8>, Error> {
            let rest = source.fill_buf()?;
            let bytes = rest[..rest.len().min(len)].to_vec();
            source.consume(bytes.len());
            Ok(bytes)
        }

        match self {
            Self::V2(decoder) => decoder.with_dependent_mut(|_, decoder| piece(decoder, len)),
            Self::V1(text) => piece(text, len),
        }
    }

    fn read_all(&mut self) -> Result<Vec<u8>, Error> {
        let mut text = Vec::new();
        match self {
            Self::V2(decoder) => decoder.with_dependent_mut(|_, decoder| decoder.read_to_end(&mut text))?,
            Self::V1(rest) => rest.read_to_end(&mut text)?,
        };
        Ok(text)
    }

    fn seek(&mut self, to: SeekFrom) -> Result<u64, Error> {
        let place = match self {
            Self::V2(decoder) => decoder.with_dependent_mut(|_, decoder| decoder.seek(to))?,
            Self::V1(text) => text.seek(to)?,
        };
        Ok(place)
    }
}

#[pymethods]
impl Reader {
    #[new]
    #[pyo3(signature = (file, *, model = None, threads = 0, max_text_len = None, max_memory = None))]
    fn new(
        file: Bound<'_, PyAny>,
        model: Option<&Bound<'_, PyAny>>,
        threads: usize,
        max_text_len: Option<u64>,
        max_memory: Option<u64>,
    ) -> PyResult<Self> {
        let interrupts = Interrupts::default();
        let options = settings::of_decoder(threads, settings::limits(max_text_len, max_memory));
        let begin = Begin {
            shelf: Shelf::of_decoder(model)?,
            file: PythonFile::new(file),
            options: interrupts.watched_by(options),
        };
        let text = Text {
            begin: Some(begin),
            source: None,
        };
        Ok(Self {
            interrupts,
            text: Mutex::new(text),
        })
    }

    /// At most `size` bytes; none only at the end.
    fn read<'py>(&self, py: Python<'py>, size: usize) -> PyResult<Bound<'py, PyBytes>> {
        let bytes = self.interrupts.run(py, || self.lock().source()?.read(size))?;
        Ok(PyBytes::new(py, &bytes))
    }

    /// All that is left.
    fn read_all<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let bytes = self.interrupts.run(py, || self.lock().source()?.read_all())?;
        Ok(PyBytes::new(py, &bytes))
    }

    /// Moves to a place in the text and returns it.
    fn seek(&self, py: Python<'_>, offset: i64, whence: u8) -> PyResult<u64> {
        let to = match whence {
            0 => SeekFrom::Start(
                u64::try_from(offset)
                    .map_err(|_| PyValueError::new_err(format!("negative seek position {offset}")))?,
            ),
            1 => SeekFrom::Current(offset),
            2 => SeekFrom::End(offset),
            _ => {
                return Err(PyValueError::new_err(format!(
                    "invalid value for whence: {whence}"
                )));
            }
        };
        self.interrupts.run(py, || self.lock().source()?.seek(to))
    }
}

impl Reader {
    /// Must not be waited for with the interpreter's lock held: reading takes that, too.
    fn lock(&self) -> MutexGuard<'_, Text> {
        self.text.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
