//! A file that comes in pieces to its text.

use std::io::BufRead;
use std::num::NonZeroUsize;
use std::sync::{Mutex, MutexGuard, PoisonError};

use czip::{Error, Format, Limits, Options};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::data::Data;
use crate::errors::UnsupportedError;
use crate::frames::{self, Begins};
use crate::interrupts::Interrupts;
use crate::models::Shelf;
use crate::pending::Pending;
use crate::settings;
use crate::stream::{OwnedPendingDecoder, pending_decoder};

/// Restores the text of a file that comes in pieces.
///
/// Text is returned once its segment is there and was verified. A file that is several joined is one file here, as it is
/// elsewhere. CZIPv1 files cannot be restored in pieces.
#[pyclass(frozen, module = "czip")]
pub(crate) struct Decompressor {
    interrupts: Interrupts,
    state: Mutex<State>,
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
        let state = State {
            shelf: Shelf::of_decoder(model)?,
            options,
            limits,
            place: Place::Header { first: true },
            arrived: Pending::default(),
            text: Pending::default(),
            text_len: 0,
            stalled: true,
        };
        Ok(Self {
            interrupts,
            state: Mutex::new(state),
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
        let text = self.interrupts.run(py, || self.lock().take(&data, most))?;
        match text {
            Some(text) => Ok(PyBytes::new(py, &text)),
            None => Err(UnsupportedError::new_err(
                "a CZIPv1 file can only be restored as a whole, by czip.decompress",
            )),
        }
    }

    /// Whether what was taken is a whole file, and all of its text was returned. All the same its index may follow, or
    /// another file that is joined to it; then this is false until the end of that.
    #[getter]
    fn eof(&self, py: Python<'_>) -> bool {
        py.detach(|| self.lock().is_whole())
    }

    /// Whether there can be no more text before more of the file is there.
    #[getter]
    fn needs_input(&self, py: Python<'_>) -> bool {
        py.detach(|| {
            let state = self.lock();
            state.stalled && state.text.rest().is_empty() && !state.is_whole()
        })
    }

    /// What came after the end of the file and does not begin like another.
    #[getter]
    fn unused_data<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        let unused = py.detach(|| {
            let state = self.lock();
            match state.place {
                Place::Ended => state.arrived.rest().to_vec(),
                _ => Vec::new(),
            }
        });
        PyBytes::new(py, &unused)
    }
}

impl Decompressor {
    /// Must not be waited for with the interpreter's lock held.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What has arrived, and how far it was restored.
struct State {
    shelf: Shelf,
    options: Options,
    limits: Limits,
    place: Place,
    /// Bytes of the file that no decoder has yet.
    arrived: Pending,
    /// Text that was not returned yet.
    text: Pending,
    /// Bytes of text so far.
    text_len: u64,
    /// Whether nothing more can be done before more arrives.
    stalled: bool,
}

/// What is next in the file. Each member has a decoder of its own, which it is given in whole segments.
enum Place {
    /// A member's header. Only where the first must be, anything else is an error.
    Header {
        first: bool,
    },
    Segment(OwnedPendingDecoder),
    /// An index, or what follows a member without one.
    Index(OwnedPendingDecoder),
    /// Anything but a czip file.
    Ended,
    /// Nothing, after an error.
    Failed,
}

impl State {
    /// `None` for a CZIPv1 file.
    fn take(&mut self, data: &[u8], most: usize) -> Result<Option<Vec<u8>>, Error> {
        self.arrived.push(data);
        if matches!(self.place, Place::Header { first: true })
            && Format::detect(self.arrived.rest()) == Some(Format::V1)
        {
            return Ok(None);
        }
        self.stalled = false;
        while !self.stalled && self.text.rest().len() < most {
            self.stalled = !self.step(most)?;
        }
        let text = self.text.rest();
        let text = text[..text.len().min(most)].to_vec();
        self.text.skip(text.len());
        Ok(Some(text))
    }

    fn is_whole(&self) -> bool {
        let at_end = match self.place {
            Place::Header { first: false } | Place::Index(_) => self.arrived.rest().is_empty(),
            Place::Ended => true,
            _ => false,
        };
        at_end && self.text.rest().is_empty()
    }

    /// Restores what comes next. Returns whether it could.
    fn step(&mut self, most: usize) -> Result<bool, Error> {
        match std::mem::replace(&mut self.place, Place::Failed) {
            Place::Header { first } => self.header(first),
            Place::Segment(decoder) => self.segments(decoder, most),
            Place::Index(decoder) => self.index(decoder),
            Place::Ended => {
                self.place = Place::Ended;
                Ok(false)
            }
            Place::Failed => Err(Error::AfterError),
        }
    }

    fn header(&mut self, first: bool) -> Result<bool, Error> {
        match frames::header(self.arrived.rest()) {
            Begins::Whole(len) => {
                let left = self.limits.max_text_len - self.text_len;
                let options = self.options.clone().limits(self.limits.with_text_len(left));
                let mut decoder = pending_decoder(self.shelf.clone(), &options);
                self.give(&mut decoder, len);
                self.place = Place::Segment(decoder);
                Ok(true)
            }
            Begins::Part => {
                self.place = Place::Header { first };
                Ok(false)
            }
            Begins::Other if first => Err(self.fault(pending_decoder(self.shelf.clone(), &self.options))),
            Begins::Other => {
                self.place = Place::Ended;
                Ok(false)
            }
        }
    }

    /// All segments that are there, side by side, but hardly more than `most` bytes of text.
    fn segments(&mut self, mut decoder: OwnedPendingDecoder, most: usize) -> Result<bool, Error> {
        let (mut count, mut len, mut text_len, mut last) = (0, 0, 0, false);
        while !last && text_len < most {
            match frames::segment(&self.arrived.rest()[len..]) {
                // An empty last segment is alone: what verifies it reads on to the member's end.
                Begins::Whole(frame) if frame.text_len == 0 && count > 0 => break,
                Begins::Whole(frame) => {
                    count += 1;
                    len += frame.len;
                    text_len += frame.text_len;
                    last = frame.last;
                }
                Begins::Other if count == 0 => return Err(self.fault(decoder)),
                Begins::Part | Begins::Other => break,
            }
        }
        let Some(batch) = NonZeroUsize::new(count) else {
            self.place = Place::Segment(decoder);
            return Ok(false);
        };
        self.give(&mut decoder, len);
        decoder.with_dependent_mut(|_, decoder| {
            decoder.set_batch(batch);
            let mut left = text_len;
            loop {
                let piece = decoder.fill_buf()?;
                if left == 0 || piece.is_empty() {
                    return Ok::<_, Error>(());
                }
                let len = piece.len();
                self.text.push(piece);
                decoder.consume(len);
                left = left.saturating_sub(len);
                if left == 0 {
                    return Ok(());
                }
            }
        })?;
        self.text_len += text_len as u64;
        self.place = if last {
            Place::Index(decoder)
        } else {
            Place::Segment(decoder)
        };
        Ok(true)
    }

    fn index(&mut self, mut decoder: OwnedPendingDecoder) -> Result<bool, Error> {
        match frames::index(self.arrived.rest()) {
            Begins::Whole(len) => self.give(&mut decoder, len),
            Begins::Part => {
                self.place = Place::Index(decoder);
                return Ok(false);
            }
            Begins::Other => {}
        }
        // At the end of the member the decoder checks the index.
        decoder.with_dependent_mut(|_, decoder| decoder.fill_buf().map(drop))?;
        self.place = Place::Header { first: false };
        Ok(true)
    }

    /// Gives a decoder the next bytes.
    fn give(&mut self, decoder: &mut OwnedPendingDecoder, len: usize) {
        let bytes = &self.arrived.rest()[..len];
        decoder.with_dependent_mut(|_, decoder| decoder.get_mut().push(bytes));
        self.arrived.skip(len);
    }

    /// What the decoder finds wrong with bytes that nothing can begin with.
    fn fault(&mut self, mut decoder: OwnedPendingDecoder) -> Error {
        let rest = self.arrived.rest();
        let found = rest[..rest.len().min(Format::DETECTION_LEN)].to_vec();
        self.give(&mut decoder, self.arrived.rest().len());
        match decoder.with_dependent_mut(|_, decoder| decoder.fill_buf().map(drop)) {
            Err(error) => error.into(),
            Ok(()) => Error::UnknownFormat { found },
        }
    }
}
