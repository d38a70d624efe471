//! Texts to files.

use std::fmt;
use std::io::{self, Read, Write};

use czip_container::v2::{Header, WriteError, Writer};

use super::codec::Codec;
use super::encode::{Encoded, Encoders};
use crate::options::Options;
use crate::summary::{Counted, Format, Summary};
use crate::work::{self, Counter};
use crate::{Error, Model};

/// Bytes of text that each thread is given at a time, or one segment if that is longer.
const BATCH_LEN: usize = 4 << 20;

/// Segments that each thread is given at a time, at most.
const BATCH_SEGMENTS: usize = 256;

/// Bytes of text that are encoded at a time: whole segments, and one at least.
fn batch_len(options: &Options) -> usize {
    let segment_len = options.segment_bytes();
    let each = segment_len * (BATCH_LEN / segment_len).clamp(1, BATCH_SEGMENTS);
    // Where addresses are short there is no room for many threads.
    let threads = work::thread_count(options).clamp(1, (isize::MAX as usize / each).max(1));
    each * threads
}

/// Compresses what is written to it, to a file of the format czip v2.
///
/// Text is held until there are some segments of it for each thread. The file depends on the text, the model and the
/// options, but neither on threads nor on the pieces that the text is written in.
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
    codec: Codec<'a>,
    encoders: Encoders<'a>,
    counter: Counter,
    output: Output<W>,
    /// Text that is not encoded: at most `batch_len` bytes, and none only before the first.
    buffer: Vec<u8>,
    batch_len: usize,
    summary: Summary,
}

impl<'a, W: Write> Encoder<'a, W> {
    /// An encoder that writes to `inner`, which should be buffered. Without a model all is coded as bytes.
    #[must_use]
    pub fn new(model: impl Into<Option<&'a Model>>, inner: W, options: &Options) -> Self {
        let codec = Codec::new(model.into());
        Self {
            codec,
            encoders: Encoders::new(codec, options),
            counter: Counter::new(None, options),
            output: Output::Fresh(Counted::new(inner)),
            buffer: Vec::new(),
            batch_len: batch_len(options),
            summary: Summary::new(Format::V2),
            options: options.clone(),
        }
    }

    /// Encodes what is left, ends the file, flushes the writer and returns it.
    ///
    /// # Errors
    ///
    /// What the writer reports.
    pub fn finish(mut self) -> Result<(W, Summary), Error> {
        if !self.buffer.is_empty() {
            self.encode(true)?;
        }
        let mut summary = self.summary;
        let header = self.header(false);
        let output = match self.output {
            Output::Fresh(inner) => {
                // An empty text is one segment, too.
                summary.add_segment(czip_container::v2::Mode::Stored, 0);
                Writer::new(inner, header).finish()
            }
            Output::Begun(writer) => writer.finish(),
            Output::Failed => return Err(Error::AfterError),
        };
        let output = output.map_err(of_writing)?;
        summary.file_len = output.count;
        Ok((output.inner, summary))
    }

    fn header(&self, needs_model: bool) -> Header {
        Header {
            level: self.options.level,
            model: self.codec.model_id().filter(|_| needs_model),
        }
    }

    /// Encodes and writes the text held, whose end may be that of the whole.
    fn encode(&mut self, last: bool) -> Result<(), Error> {
        // A failure leaves no output behind.
        let output = std::mem::replace(&mut self.output, Output::Failed);
        let texts: Vec<&[u8]> = self.buffer.chunks(self.options.segment_bytes()).collect();
        let encoded = self.encoders.encode(&texts, &self.counter)?;
        let mut writer = match output {
            Output::Fresh(inner) => {
                let header = self.header(needs_model(&encoded, last));
                begin(inner, header, &self.options)
            }
            Output::Begun(writer) => writer,
            Output::Failed => return Err(Error::AfterError),
        };
        write_segments(&mut writer, &texts, &encoded, last, &mut self.summary)?;
        self.output = Output::Begun(writer);
        self.buffer.clear();
        Ok(())
    }
}

impl<W: Write> Write for Encoder<'_, W> {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        if matches!(self.output, Output::Failed) {
            return Err(Error::AfterError.into());
        }
        // The last segment is marked, so a full buffer waits until there is more, or nothing.
        if self.buffer.len() == self.batch_len && !text.is_empty() {
            self.encode(false)?;
        }
        let taken = text.len().min(self.batch_len - self.buffer.len());
        self.buffer.extend_from_slice(&text[..taken]);
        Ok(taken)
    }

    /// Flushes the writer. Text that is held stays: where segments end must not depend on this.
    fn flush(&mut self) -> io::Result<()> {
        match &mut self.output {
            Output::Fresh(inner) => inner.flush(),
            Output::Begun(writer) => writer.get_mut().flush(),
            Output::Failed => Err(Error::AfterError.into()),
        }
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

enum Output<W> {
    Fresh(Counted<W>),
    Begun(Writer<Counted<W>>),
    Failed,
}

/// Whether the header must name the model. A file of one segment does not do so in vain. Of others the end is not known
/// when they begin, and how much is known must not matter.
fn needs_model(encoded: &[Encoded], last: bool) -> bool {
    !last || encoded.len() > 1 || encoded.iter().any(|encoded| encoded.mode.needs_model())
}

fn begin<W: Write>(inner: W, header: Header, options: &Options) -> Writer<W> {
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
        writer
            .write(encoded.mode, last, encoded.payload(text), text)
            .map_err(of_writing)?;
        summary.add_segment(encoded.mode, text.len());
    }
    Ok(())
}

fn of_writing(error: WriteError) -> Error {
    match error {
        WriteError::Io(error) => Error::Io(error),
        // The encoder makes no other segments than the format has.
        error => Error::Io(io::Error::other(error)),
    }
}

/// Compresses all of `input`.
pub(crate) fn compress_to(
    model: Option<&Model>,
    mut input: impl Read,
    output: impl Write,
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

/// The files of texts, all of which are encoded side by side.
pub(crate) fn compress_many(
    model: Option<&Model>,
    texts: &[&[u8]],
    options: &Options,
) -> Result<Vec<(Vec<u8>, Summary)>, Error> {
    let codec = Codec::new(model);
    let total = texts.iter().map(|text| text.len() as u64).sum();
    let counter = Counter::new(Some(total), options);
    let segments: Vec<&[u8]> = texts
        .iter()
        .flat_map(|text| text.chunks(options.segment_bytes()))
        .collect();
    let encoded = Encoders::new(codec, options).encode(&segments, &counter)?;
    let mut first = 0;
    let mut files = Vec::with_capacity(texts.len());
    for text in texts {
        let end = first + text.len().div_ceil(options.segment_bytes());
        let (segments, encoded) = (&segments[first..end], &encoded[first..end]);
        first = end;
        let header = Header {
            level: options.level,
            model: codec.model_id().filter(|_| needs_model(encoded, true)),
        };
        let mut summary = Summary::new(Format::V2);
        let mut writer = begin(Vec::new(), header, options);
        write_segments(&mut writer, segments, encoded, true, &mut summary)?;
        if text.is_empty() {
            summary.add_segment(czip_container::v2::Mode::Stored, 0);
        }
        let file = writer.finish().map_err(of_writing)?;
        summary.file_len = file.len() as u64;
        files.push((file, summary));
    }
    Ok(files)
}
