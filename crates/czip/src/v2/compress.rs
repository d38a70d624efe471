//! Texts to files.

use std::fmt;
use std::io::{self, Read, Write};

use czip_container::v2::{Header, Mode, WriteError, Writer};

use super::encode::{Encoded, Encoders};
use super::levels::segment_len;
use super::models::EncodingModel;
use crate::counted::Counted;
use crate::error::Error;
use crate::model::Model;
use crate::options::{Options, Unit};
use crate::summary::{Format, Summary};
use crate::work::{self, Counter};

/// Bytes of text that each thread is given at a time, or one segment if that is longer.
const BATCH_LEN: usize = 4 << 20;

/// Segments that each thread is given at a time, at most.
const BATCH_SEGMENTS: usize = 256;

/// Bytes of text that are encoded at a time: whole segments, at least one.
fn batch_len(model: Option<&Model>, options: &Options) -> usize {
    let segment_len = segment_len(model, options);
    let each = segment_len * (BATCH_LEN / segment_len).clamp(1, BATCH_SEGMENTS);
    // Where addresses are short there is no room for many threads.
    let threads = work::thread_count(options).clamp(1, (isize::MAX as usize / each).max(1));
    each * threads
}

/// Compresses what is written to it, to a file of the format czip v2.
///
/// Text is held until there are several segments of it for each thread. The file depends on the text, the model and the
/// options, but not on threads, nor on the pieces that the text is written in.
///
/// [`finish`](Self::finish) must be called: a file without its end is one that was cut short, and readers notice.
///
/// ```
/// use std::io::{Read, Write};
///
/// use czip::{Decoder, Encoder, Options};
///
/// let mut encoder = Encoder::new(None, Vec::new(), &Options::new());
/// encoder.write_all(b"Integers are the same everywhere.")?;
/// let (file, summary) = encoder.finish()?;
/// assert_eq!(summary.text_len, 33);
/// assert_eq!(summary.file_len, file.len() as u64);
///
/// let mut text = Vec::new();
/// Decoder::new(None, &file[..], &Options::new()).read_to_end(&mut text)?;
/// assert_eq!(text, b"Integers are the same everywhere.");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Encoder<'a, W> {
    options: Options,
    model: EncodingModel<'a>,
    encoders: Encoders<'a>,
    counter: Counter,
    writer: Writer<Counted<W>>,
    /// Nothing more can be written.
    failed: bool,
    /// Text that is not encoded yet: at most `batch_len` bytes, and empty only at the start.
    buffer: Vec<u8>,
    batch_len: usize,
    summary: Summary,
}

impl<'a, W: Write> Encoder<'a, W> {
    /// An encoder that writes to `inner`, which should be buffered. Without a model everything is coded as bytes.
    #[must_use]
    pub fn new(model: impl Into<Option<&'a Model>>, inner: W, options: &Options) -> Self {
        let model = EncodingModel::new(model.into());
        Self {
            model,
            encoders: Encoders::new(model, options),
            counter: Counter::new(Unit::Bytes, None, options),
            writer: begin(Counted::new(inner), options),
            failed: false,
            buffer: Vec::new(),
            batch_len: batch_len(model.model, options),
            summary: Summary::new(Format::V2),
            options: options.clone(),
        }
    }

    /// The writer.
    #[must_use]
    pub fn get_ref(&self) -> &W {
        &self.writer.get_ref().inner
    }

    /// The writer. What is written to it directly becomes a part of the file, and likely spoils it.
    pub fn get_mut(&mut self) -> &mut W {
        &mut self.writer.get_mut().inner
    }

    /// Encodes what is left, ends the file, flushes the writer and returns it.
    ///
    /// # Errors
    ///
    /// What the writer reports, and [`Error::AfterError`] if there was an error before.
    pub fn finish(mut self) -> Result<(W, Summary), Error> {
        if self.failed {
            return Err(Error::AfterError);
        }
        if !self.buffer.is_empty() {
            self.encode(true)?;
        }
        let mut summary = self.summary;
        if summary.segments == 0 {
            // An empty text also has one segment.
            summary.add_segment(Mode::Stored, 0);
        }
        let output = self.writer.finish().map_err(of_writing)?;
        summary.file_len = output.count;
        Ok((output.inner, summary))
    }

    /// Encodes and writes the text held, which may be the end of the whole.
    fn encode(&mut self, last: bool) -> Result<(), Error> {
        let encoded = self.try_encode(last);
        self.failed = encoded.is_err();
        encoded
    }

    fn try_encode(&mut self, last: bool) -> Result<(), Error> {
        let texts: Vec<&[u8]> = self
            .buffer
            .chunks(segment_len(self.model.model, &self.options))
            .collect();
        let encoded = self.encoders.encode(&texts, &self.counter)?;
        if self.summary.segments == 0 {
            let model = self.model.id().filter(|_| needs_model(&encoded, last));
            self.writer.set_model(model);
        }
        write_segments(&mut self.writer, &texts, &encoded, last, &mut self.summary)?;
        self.buffer.clear();
        Ok(())
    }
}

impl<W: Write> Write for Encoder<'_, W> {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        if self.failed {
            return Err(Error::AfterError.into());
        }
        // The last segment is marked, so a full buffer waits until more text comes or the end is known.
        if self.buffer.len() == self.batch_len && !text.is_empty() {
            self.encode(false)?;
        }
        let taken = text.len().min(self.batch_len - self.buffer.len());
        self.buffer.extend_from_slice(&text[..taken]);
        Ok(taken)
    }

    /// Flushes the writer. Text that is held stays: where segments end must not depend on this.
    fn flush(&mut self) -> io::Result<()> {
        if self.failed {
            return Err(Error::AfterError.into());
        }
        self.writer.get_mut().flush()
    }
}

/// Says how much has been done.
impl<W> fmt::Debug for Encoder<'_, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Encoder")
            .field("options", &self.options)
            .field("summary", &self.summary)
            .finish_non_exhaustive()
    }
}

/// Whether the header must name the model. A file of one segment names it only if it is needed. Of others the end is
/// not known when they begin, and how much is known must not matter.
fn needs_model(encoded: &[Encoded], last: bool) -> bool {
    !last || encoded.len() > 1 || encoded.iter().any(|encoded| encoded.mode.needs_model())
}

/// A writer of a file whose header names no model yet.
fn begin<W: Write>(inner: W, options: &Options) -> Writer<W> {
    let header = Header {
        level: options.level,
        model: None,
    };
    let writer = Writer::new(inner, header);
    if options.index {
        writer
    } else {
        writer.without_index()
    }
}

fn write_segments<W: Write>(
    writer: &mut Writer<W>,
    texts: &[&[u8]],
    encoded: &[Encoded],
    last: bool,
    summary: &mut Summary,
) -> Result<(), Error> {
    for (index, (text, encoded)) in texts.iter().zip(encoded).enumerate() {
        let last = last && index + 1 == texts.len();
        let (mode, payload) = (encoded.mode, encoded.payload(text));
        let written = if encoded.copies {
            writer.write_with_copies(mode, last, payload, text)
        } else {
            writer.write(mode, last, payload, text)
        };
        written.map_err(of_writing)?;
        summary.add_segment(encoded.mode, text.len());
    }
    Ok(())
}

fn of_writing(error: WriteError) -> Error {
    match error {
        WriteError::Io(error) => Error::Io(error),
        // The encoder only makes segments that the format allows.
        error => Error::Io(io::Error::other(error)),
    }
}

/// Compresses all of `input`.
pub(crate) fn compress_to(
    model: Option<&Model>,
    mut input: &mut dyn Read,
    output: &mut dyn Write,
    options: &Options,
) -> Result<Summary, Error> {
    let mut encoder = Encoder::new(model, output, options);
    loop {
        let room = encoder.batch_len - encoder.buffer.len();
        if room > 0 {
            let read = (&mut input).take(room as u64).read_to_end(&mut encoder.buffer)?;
            if read < room {
                break;
            }
        }
        // The buffer is full. One more byte tells whether this was the end.
        let mut next = [0];
        if read_one(&mut input, &mut next)? == 0 {
            break;
        }
        encoder.encode(false)?;
        encoder.buffer.push(next[0]);
    }
    let (_, summary) = encoder.finish()?;
    Ok(summary)
}

fn read_one(input: &mut impl Read, byte: &mut [u8; 1]) -> io::Result<usize> {
    loop {
        match input.read(byte) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// The file of a text.
pub(crate) fn compress(model: Option<&Model>, text: &[u8], options: &Options) -> Result<Vec<u8>, Error> {
    let model = EncodingModel::new(model);
    let counter = Counter::new(Unit::Bytes, Some(text.len() as u64), options);
    let segments: Vec<&[u8]> = text.chunks(segment_len(model.model, options)).collect();
    let encoded = Encoders::new(model, options).encode(&segments, &counter)?;
    file_of(model, &segments, &encoded, options)
}

/// The files of several texts, encoded side by side.
pub(crate) fn compress_many(
    model: Option<&Model>,
    texts: &[&[u8]],
    options: &Options,
) -> Vec<Result<Vec<u8>, Error>> {
    let model = EncodingModel::new(model);
    let total = texts.iter().map(|text| text.len() as u64).sum();
    let counter = Counter::new(Unit::Bytes, Some(total), options);
    let segments = texts
        .iter()
        .flat_map(|text| text.chunks(segment_len(model.model, options)));
    let segments: Vec<&[u8]> = segments.collect();
    let encoded = match Encoders::new(model, options).encode(&segments, &counter) {
        Ok(encoded) => encoded,
        // An error that ends the work on all texts is an error of each.
        Err(stopped) => return texts.iter().map(|_| Err(stopped.into())).collect(),
    };
    let (mut segments, mut encoded) = (&segments[..], &encoded[..]);
    let files = texts.iter().map(|text| {
        let count = text.len().div_ceil(segment_len(model.model, options));
        let (of_text, encoded_text);
        (of_text, segments) = segments.split_at(count);
        (encoded_text, encoded) = encoded.split_at(count);
        file_of(model, of_text, encoded_text, options)
    });
    files.collect()
}

/// The file of the segments of one text.
fn file_of(
    model: EncodingModel<'_>,
    texts: &[&[u8]],
    encoded: &[Encoded],
    options: &Options,
) -> Result<Vec<u8>, Error> {
    let mut writer = begin(Vec::new(), options);
    writer.set_model(model.id().filter(|_| needs_model(encoded, true)));
    write_segments(&mut writer, texts, encoded, true, &mut Summary::new(Format::V2))?;
    writer.finish().map_err(of_writing)
}
