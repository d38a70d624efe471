//! Files that come in pieces, to their texts.

use std::fmt;
use std::io::{self, BufRead, Read};
use std::num::NonZeroUsize;

use super::Decoder;
use super::frames::{self, Begins};
use crate::error::Error;
use crate::models::Models;
use crate::options::Options;
use crate::summary::Format;

/// Restores the text of a file of the format czip v2, or of several joined, that comes in pieces: for callers who cannot wait
/// in a [`Read`], as with asynchronous input.
///
/// Text is handed out once its segment is there and was verified. Each file that is joined counts its progress, and the
/// places in its errors, from its own start.
///
/// ```
/// use czip::{Options, PushDecoder};
///
/// let text = b"Integers are the same everywhere. ".repeat(100);
/// let file = czip::compress(None, &text, &Options::new().segment_len(1 << 10))?;
///
/// let mut decoder = PushDecoder::new(None, &Options::new());
/// let mut restored = Vec::new();
/// for piece in file.chunks(100) {
///     restored.extend(decoder.push(piece, usize::MAX)?);
/// }
/// restored.extend(decoder.finish()?);
/// assert_eq!(restored, text);
/// # Ok::<(), czip::Error>(())
/// ```
pub struct PushDecoder<'a> {
    models: Models<'a>,
    options: Options,
    place: Place<'a>,
    /// Bytes of the file that no decoder has yet.
    arrived: Pending,
    /// Text that was not handed out yet.
    text: Pending,
    /// Bytes of text so far.
    text_len: u64,
    /// Whether nothing more can be done before more arrives.
    stalled: bool,
}

/// What is next in the file. Each member has a decoder of its own, which it is given in whole segments.
enum Place<'a> {
    /// A member's header. Only where the first must be, anything else is an error.
    Header {
        first: bool,
    },
    Segment(Decoder<'a, Pending>),
    /// An index, or what follows a member without one.
    Index(Decoder<'a, Pending>),
    /// Anything but a czip file.
    Ended,
    /// Nothing, after an error.
    Failed,
}

impl<'a> PushDecoder<'a> {
    /// A decoder at the start of a file. Segments of some modes need the model that their member was made with.
    #[must_use]
    pub fn new(models: impl Into<Models<'a>>, options: &Options) -> Self {
        Self {
            models: models.into(),
            options: options.clone(),
            place: Place::Header { first: true },
            arrived: Pending::default(),
            text: Pending::default(),
            text_len: 0,
            stalled: true,
        }
    }

    /// Takes a piece of the file, which may be empty. Returns what there is of the text that was not returned before, but at
    /// most `most` bytes; [`needs_input`](Self::needs_input) tells whether there is more.
    ///
    /// # Errors
    ///
    /// What is wrong with the file; [`Error::WholeOnly`] if it is one of CZIPv1.
    pub fn push(&mut self, piece: &[u8], most: usize) -> Result<Vec<u8>, Error> {
        self.arrived.push(piece);
        if matches!(self.place, Place::Header { first: true })
            && Format::detect(self.arrived.rest()) == Some(Format::V1)
        {
            return Err(Error::WholeOnly);
        }
        self.stalled = false;
        while !self.stalled && self.text.rest().len() < most {
            self.stalled = !self.step(most)?;
        }
        let text = self.text.rest();
        let text = text[..text.len().min(most)].to_vec();
        self.text.skip(text.len());
        Ok(text)
    }

    /// Whether there can be no more text before more of the file is there.
    #[must_use]
    pub fn needs_input(&self) -> bool {
        self.stalled && self.text.rest().is_empty() && !self.is_whole()
    }

    /// Whether what was taken is a whole file, and all of its text was returned. All the same its index may follow, or
    /// another file that is joined to it; then this is false until the end of that.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        let at_end = match self.place {
            Place::Header { first: false } | Place::Index(_) => self.arrived.rest().is_empty(),
            Place::Ended => true,
            _ => false,
        };
        at_end && self.text.rest().is_empty()
    }

    /// What came after the end of the file and does not begin like another.
    #[must_use]
    pub fn unused(&self) -> &[u8] {
        match self.place {
            Place::Ended => self.arrived.rest(),
            _ => &[],
        }
    }

    /// The rest of the text, once all of the file was taken.
    ///
    /// # Errors
    ///
    /// What is wrong with the file. It is of the kind [`Truncated`](crate::ErrorKind::Truncated) if the file ends early, and
    /// what comes after the file and is none is an error, too.
    pub fn finish(mut self) -> Result<Vec<u8>, Error> {
        let text = self.push(&[], usize::MAX)?;
        let whole = self.is_whole() && self.unused().is_empty();
        match std::mem::replace(&mut self.place, Place::Failed) {
            _ if whole => Ok(text),
            Place::Segment(decoder) | Place::Index(decoder) => Err(self.fault(decoder)),
            Place::Header { .. } | Place::Ended => Err(self.fault_at_start()),
            Place::Failed => Err(Error::AfterError),
        }
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
                let limits = self.options.limits;
                let limits = limits.with_text_len(limits.max_text_len - self.text_len);
                let options = self.options.clone().limits(limits);
                let mut decoder = Decoder::new(self.models, Pending::default(), &options);
                self.give(&mut decoder, len);
                self.place = Place::Segment(decoder);
                Ok(true)
            }
            Begins::Part => {
                self.place = Place::Header { first };
                Ok(false)
            }
            Begins::Other if first => Err(self.fault_at_start()),
            Begins::Other => {
                self.place = Place::Ended;
                Ok(false)
            }
        }
    }

    /// All segments that are there, side by side, but hardly more than `most` bytes of text.
    fn segments(&mut self, mut decoder: Decoder<'a, Pending>, most: usize) -> Result<bool, Error> {
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
        decoder.set_batch(batch);
        let mut left = text_len;
        loop {
            let piece = decoder.fill_buf()?;
            if left == 0 || piece.is_empty() {
                break;
            }
            let len = piece.len();
            self.text.push(piece);
            decoder.consume(len);
            left = left.saturating_sub(len);
            if left == 0 {
                break;
            }
        }
        self.text_len += text_len as u64;
        self.place = if last {
            Place::Index(decoder)
        } else {
            Place::Segment(decoder)
        };
        Ok(true)
    }

    fn index(&mut self, mut decoder: Decoder<'a, Pending>) -> Result<bool, Error> {
        match frames::index(self.arrived.rest()) {
            Begins::Whole(len) => self.give(&mut decoder, len),
            Begins::Part => {
                self.place = Place::Index(decoder);
                return Ok(false);
            }
            Begins::Other => {}
        }
        // At the end of the member the decoder checks the index.
        decoder.fill_buf()?;
        self.place = Place::Header { first: false };
        Ok(true)
    }

    /// Gives a decoder the next bytes.
    fn give(&mut self, decoder: &mut Decoder<'a, Pending>, len: usize) {
        decoder.get_mut().push(&self.arrived.rest()[..len]);
        self.arrived.skip(len);
    }

    /// The bytes that tell a format.
    fn next_bytes(&self) -> Vec<u8> {
        let rest = self.arrived.rest();
        rest[..rest.len().min(Format::DETECTION_LEN)].to_vec()
    }

    /// What is wrong with bytes that nothing can begin with.
    fn fault_at_start(&mut self) -> Error {
        let found = self.next_bytes();
        if Format::detect(&found) != Some(Format::V2) {
            return Error::UnknownFormat { found };
        }
        self.fault(Decoder::new(self.models, Pending::default(), &self.options))
    }

    /// What the decoder finds wrong with bytes that nothing can go on with.
    fn fault(&mut self, mut decoder: Decoder<'a, Pending>) -> Error {
        let found = self.next_bytes();
        self.give(&mut decoder, self.arrived.rest().len());
        match decoder.fill_buf().map(drop) {
            Err(error) => error.into(),
            Ok(()) => Error::UnknownFormat { found },
        }
    }
}

/// Says how much has been done.
impl fmt::Debug for PushDecoder<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PushDecoder")
            .field("text_len", &self.text_len)
            .finish_non_exhaustive()
    }
}

/// A reader of what is pushed to it.
#[derive(Debug, Default)]
struct Pending {
    bytes: Vec<u8>,
    /// Of these, how many were read.
    read: usize,
}

impl Pending {
    fn push(&mut self, bytes: &[u8]) {
        self.bytes.drain(..self.read);
        self.read = 0;
        self.bytes.extend_from_slice(bytes);
    }

    /// What is not read yet.
    fn rest(&self) -> &[u8] {
        &self.bytes[self.read..]
    }

    fn skip(&mut self, len: usize) {
        self.read = self.bytes.len().min(self.read + len);
    }
}

impl Read for Pending {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let len = self.rest().len().min(buffer.len());
        buffer[..len].copy_from_slice(&self.rest()[..len]);
        self.skip(len);
        Ok(len)
    }
}
