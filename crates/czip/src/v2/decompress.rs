//! Files to texts: any reader in, a reader of the text out.

use std::collections::VecDeque;
use std::fmt;
use std::io::{self, BufRead, Read, Seek, SeekFrom};
use std::num::NonZeroUsize;
use std::ops::Range;

use czip_container::v2::{Index, IndexEntry, ReadError, Reader, Segment};

use super::decode::{self, Decoders, WithCoding};
use super::models::Coding;
use crate::error::Error;
use crate::models::Models;
use crate::options::{Options, Unit};
use crate::summary::{Format, Summary};
use crate::work::{Counter, Stopped};

/// Bytes of text and payload that are decoded at a time for each thread, or one segment if that is longer.
const BATCH_LEN: u64 = 8 << 20;

/// Segments that are decoded at a time for each thread, at most.
const BATCH_SEGMENTS: usize = 256;

/// Restores the text of a file of the format czip v2, or of several joined, as the text is read.
///
/// Some segments for each thread are read and decoded at a time. All text that is handed out has been verified, but an
/// error may still follow: only the end of the text shows that the file is whole. If the file ends early, the error is
/// of the kind [`UnexpectedEof`](io::ErrorKind::UnexpectedEof). Any error holds an [`Error`](crate::Error), unless the
/// reader's own came through: `czip::Error::from` gets it back.
///
/// The text can also be read in pieces, without copying it: see [`BufRead`].
///
/// If the reader can seek, so can the decoder, in the text: by the file's index if it has one, else by the headers of
/// its segments, which are then read once. The file must be all that the reader has. What is handed out has been
/// verified. That it is from the place sought has been, too, if there is an index, and otherwise only if all text
/// before it has been read.
///
/// ```
/// use std::io::{Cursor, Read, Seek, SeekFrom};
///
/// use czip::{Decoder, Options};
///
/// let options = Options::new().segment_len(1 << 10);
/// let text = b"Integers are the same everywhere. ".repeat(100);
/// let file = czip::compress(None, &text, &options)?;
///
/// let mut decoder = Decoder::new(None, Cursor::new(file), &options);
/// decoder.seek(SeekFrom::Start(2380))?;
/// let mut found = [0; 8];
/// decoder.read_exact(&mut found)?;
/// assert_eq!(&found, b"Integers");
/// assert_eq!(decoder.read_range(3375..3378)?, b"are");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Decoder<'a, R> {
    decoders: Decoders<'a>,
    counter: Counter,
    max_text_len: u64,
    /// Segments that are read and decoded at a time, at most.
    max_batch: usize,
    reader: Box<Reader<R>>,
    /// Members that have begun, while the file is read from its start.
    members: u64,
    /// Where segments are, once that has been asked for.
    index: Option<Indexed<R>>,
    /// Whether the reader is at an unknown place.
    lost: bool,
    /// Decoded and not handed out yet.
    ready: VecDeque<Result<Vec<u8>, Error>>,
    /// The text that is being handed out, and the offset of what is left of it.
    current: Vec<u8>,
    at: usize,
    /// Where the end of `current` is in the text.
    position: u64,
    /// Bytes of the next segment to skip to reach the place sought.
    skipped: usize,
    failed: bool,
    summary: Summary,
}

/// A file whose segments can be found.
struct Indexed<R> {
    /// [`Index::read_segment`] for a reader that can seek.
    read: fn(&Index, &mut R, usize) -> Result<Segment, ReadError>,
    index: Index,
    /// The next segment.
    next: usize,
    /// How many may be decoded at a time: few after each seek, since perhaps few are wanted.
    batch: usize,
}

impl<'a, R: Read> Decoder<'a, R> {
    /// A decoder at the start of a file. Segments of some modes need the model that their member was made with.
    #[must_use]
    pub fn new(models: impl Into<Models<'a>>, reader: R, options: &Options) -> Self {
        Self {
            decoders: Decoders::new(models.into(), options),
            counter: Counter::new(Unit::Bytes, None, options),
            max_text_len: options.limits.max_text_len,
            max_batch: usize::MAX,
            reader: Box::new(Reader::new(reader)),
            members: 0,
            index: None,
            lost: false,
            ready: VecDeque::new(),
            current: Vec::new(),
            at: 0,
            position: 0,
            skipped: 0,
            failed: false,
            summary: Summary::new(Format::V2),
        }
    }

    /// The reader. It may have been read further than the text.
    #[must_use]
    pub fn get_ref(&self) -> &R {
        self.reader.get_ref()
    }

    /// The reader. It may have been read further than the text, and what is read from it directly is missing here.
    pub fn get_mut(&mut self) -> &mut R {
        self.reader.get_mut()
    }

    /// The reader, which may have been read further than the text.
    #[must_use]
    pub fn into_inner(self) -> R {
        self.reader.into_inner()
    }

    /// From here on, reads and decodes at most this many segments at a time, instead of some for each thread.
    ///
    /// A decoder reads no further than these segments need, so text can be had before the rest of its file has arrived:
    /// once `segments` of them are there, as many are decoded side by side.
    pub fn set_batch(&mut self, segments: NonZeroUsize) {
        self.max_batch = segments.get();
    }

    /// What has been read and decoded so far. The length of the file is not known here.
    pub(crate) fn summary(&self) -> Summary {
        self.summary
    }

    /// The next piece of text, of which nothing has been handed out; `None` at the end.
    pub(crate) fn next_piece(&mut self) -> Result<Option<&[u8]>, Error> {
        if !self.fill()? {
            return Ok(None);
        }
        let piece = &self.current[self.at..];
        self.at = self.current.len();
        Ok(Some(piece))
    }

    /// Decodes more if there is no text to hand out. Returns whether there is some.
    fn fill(&mut self) -> Result<bool, Error> {
        if self.failed {
            return Err(Error::AfterError);
        }
        let filled = self.try_fill();
        self.failed = filled.is_err();
        filled
    }

    fn try_fill(&mut self) -> Result<bool, Error> {
        while self.at == self.current.len() {
            if self.ready.is_empty() {
                self.decode_more()?;
            }
            let Some(text) = self.ready.pop_front() else {
                return Ok(false);
            };
            self.current = text?;
            self.position += self.current.len() as u64;
            self.at = std::mem::take(&mut self.skipped).min(self.current.len());
        }
        Ok(true)
    }

    /// Reads and decodes some segments in order.
    fn decode_more(&mut self) -> Result<(), Error> {
        self.counter.stops();
        self.counter.check()?;
        if self.lost {
            return Err(Error::AfterError);
        }
        let (batch, end) = match &mut self.index {
            Some(indexed) => {
                let mut batch = Batch::new(&self.decoders, indexed.batch.min(self.max_batch));
                indexed.batch = indexed.batch.saturating_mul(4);
                let (reader, decoders) = (self.reader.get_mut(), &mut self.decoders);
                indexed.next = indexed.read_from(reader, indexed.next, usize::MAX, decoders, &mut batch)?;
                (batch, None)
            }
            None => self.read_some()?,
        };
        self.ready = batch.decode(&mut self.decoders, &self.counter)?.into();
        self.ready.extend(end.map(Err));
        Ok(())
    }

    /// Reads the next segments, for a file that is read from its start, and the error after them.
    fn read_some(&mut self) -> Result<(Batch<'a>, Option<Error>), Error> {
        let mut batch = Batch::new(&self.decoders, self.max_batch);
        while !batch.is_full() {
            let segment = match self.reader.read() {
                Ok(Some(segment)) => segment,
                Ok(None) => break,
                Err(error) => return Ok((batch, Some(error.into()))),
            };
            let (info, header) = (&segment.info, &segment.info.header);
            self.members += u64::from(info.number == 0);
            // A file that needs another model is refused before anything of it is decoded.
            let coding = self.decoders.admit(info)?;
            let text_len = info.text_offset + u64::from(header.text_len());
            if let Err(error) = within(text_len, self.max_text_len) {
                return Ok((batch, Some(error)));
            }
            self.summary
                .add_segment(header.mode(), header.text_len() as usize);
            batch.push(self.members - 1, segment, coding);
        }
        Ok((batch, None))
    }
}

impl<R> Indexed<R> {
    /// Reads segments from number `first` to `end` until the batch is full. Returns where it has stopped.
    fn read_from<'a>(
        &self,
        reader: &mut R,
        first: usize,
        end: usize,
        decoders: &mut Decoders<'a>,
        batch: &mut Batch<'a>,
    ) -> Result<usize, Error> {
        let entries = self.index.segments();
        let begun = |entries: &[IndexEntry]| entries.iter().filter(|entry| entry.number == 0).count() as u64;
        let mut members = begun(&entries[..first]);
        let mut next = first;
        while next < end.min(entries.len()) && !batch.is_full() {
            let segment = (self.read)(&self.index, reader, next)?;
            let coding = decoders.admit(&segment.info)?;
            members += begun(&entries[next..=next]);
            batch.push(members.saturating_sub(1), segment, coding);
            next += 1;
        }
        Ok(next)
    }
}

impl<R: Read + Seek> Decoder<'_, R> {
    /// Where the file's segments are. The first call reads it.
    ///
    /// # Errors
    ///
    /// A file that cannot be read, is malformed, or has more text than the limit.
    pub fn index(&mut self) -> Result<&Index, Error> {
        self.indexed().map(|indexed| &indexed.index)
    }

    /// The bytes of the text in this range, or those of them that the text has. Where reading goes on is not changed.
    ///
    /// # Errors
    ///
    /// What is wrong with the file, or with the segments that the range is in.
    pub fn read_range(&mut self, range: Range<u64>) -> Result<Vec<u8>, Error> {
        let index = self.index()?;
        let end = range.end.min(index.text_len());
        let (Some(first), Some(last)) = (
            index.find(range.start),
            end.checked_sub(1).and_then(|last| index.find(last)),
        ) else {
            return Ok(Vec::new());
        };
        if range.start >= end {
            return Ok(Vec::new());
        }
        let first_offset = index.segments()[first].text_offset;
        let mut text = Vec::new();
        let mut next = first;
        while next <= last {
            let mut batch = Batch::new(&self.decoders, usize::MAX);
            let indexed = self.index.as_ref().ok_or(Error::AfterError)?;
            let (decoders, reader) = (&mut self.decoders, self.reader.get_mut());
            next = indexed.read_from(reader, next, last + 1, decoders, &mut batch)?;
            for piece in batch.decode(&mut self.decoders, &self.counter)? {
                text.extend_from_slice(&piece?);
            }
        }
        // All lengths are those of segments that have been decoded.
        text.truncate((end - first_offset) as usize);
        text.drain(..(range.start - first_offset) as usize);
        Ok(text)
    }

    /// Finds out where segments are, unless that is known.
    fn indexed(&mut self) -> Result<&mut Indexed<R>, Error> {
        if self.lost {
            return Err(Error::AfterError);
        }
        if self.index.is_none() {
            // Until the next place is known.
            self.lost = true;
            let index = Index::open(self.reader.get_mut())?;
            within(index.text_len(), self.max_text_len)?;
            self.lost = false;
            self.index = Some(Indexed {
                read: |index, reader, segment| index.read_segment(reader, segment),
                next: self.next_in(&index),
                index,
                batch: usize::MAX,
            });
        }
        self.index.as_mut().ok_or(Error::AfterError)
    }

    /// The segment after those that have been read from the file's start.
    fn next_in(&self, index: &Index) -> usize {
        let ready = self.ready.iter().flatten();
        let read = self.position + ready.map(|text| text.len() as u64).sum::<u64>();
        let past = |entry: &IndexEntry| entry.text_offset < read || self.members > 0 && entry.text_len == 0;
        index.segments().iter().take_while(|entry| past(entry)).count()
    }

    /// Goes on in the piece that is being handed out, if it has this place of the text. Returns whether it has.
    fn move_within(&mut self, target: u64) -> bool {
        let start = self.position - self.current.len() as u64;
        let here = (start..=self.position).contains(&target);
        if here {
            self.at = (target - start) as usize;
            self.skipped = 0;
        }
        here
    }

    /// Goes on at another place of the text and drops what has been decoded.
    fn jump(&mut self, target: u64) -> Result<(), Error> {
        self.ready.clear();
        self.current.clear();
        self.at = 0;
        self.skipped = 0;
        self.position = target;
        let indexed = self.indexed()?;
        indexed.batch = 1;
        let Some(segment) = indexed.index.find(target) else {
            indexed.next = indexed.index.segments().len();
            return Ok(());
        };
        indexed.next = segment;
        let offset = indexed.index.segments()[segment].text_offset;
        self.skipped = (target - offset) as usize;
        self.position = offset;
        Ok(())
    }
}

/// The place in the text to seek to, from `here` in a text of this many bytes.
fn target(to: SeekFrom, here: u64, text_len: u64) -> io::Result<u64> {
    let target = match to {
        SeekFrom::Start(offset) => Some(offset),
        SeekFrom::End(offset) => text_len.checked_add_signed(offset),
        SeekFrom::Current(offset) => here.checked_add_signed(offset),
    };
    target.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "a place before the start"))
}

pub(super) fn within(text_len: u64, limit: u64) -> Result<(), Error> {
    if text_len > limit {
        return Err(Error::TextLimit {
            declared: text_len,
            limit,
        });
    }
    Ok(())
}

impl<R: Read> Read for Decoder<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        let rest = self.fill_buf()?;
        let len = rest.len().min(buffer.len());
        buffer[..len].copy_from_slice(&rest[..len]);
        self.consume(len);
        Ok(len)
    }
}

/// The buffer is the rest of a segment's text.
impl<R: Read> BufRead for Decoder<'_, R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.fill()?;
        Ok(&self.current[self.at..])
    }

    fn consume(&mut self, len: usize) {
        self.at = self.current.len().min(self.at + len);
    }
}

/// Offsets are those of the text. After an error, reading can go on from another place.
impl<R: Read + Seek> Seek for Decoder<'_, R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let here = self.stream_position()?;
        let target = target(to, here, self.index()?.text_len())?;
        // After an error the decoded text does not continue from here: the segment in error is missing.
        let failed = std::mem::take(&mut self.failed);
        if failed || !self.move_within(target) {
            self.jump(target)?;
        }
        Ok(target)
    }

    fn stream_position(&mut self) -> io::Result<u64> {
        Ok(self.position - (self.current.len() - self.at) as u64 + self.skipped as u64)
    }
}

/// Says how far the text is read.
impl<R> fmt::Debug for Decoder<'_, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decoder")
            .field(
                "position",
                &(self.position - (self.current.len() - self.at) as u64),
            )
            .finish_non_exhaustive()
    }
}

/// Segments to decode together.
pub(super) struct Batch<'a> {
    segments: Vec<Member<'a>>,
    /// Bytes of segments and texts.
    len: u64,
    /// `None` if they belong to the caller.
    max_len: Option<u64>,
    max_segments: usize,
}

/// A segment, the number of its member, and how it is decoded.
struct Member<'a> {
    number: u64,
    segment: Segment,
    coding: Coding<'a>,
}

impl<'a> Batch<'a> {
    /// A batch that is full at some segments for each thread, at `max_segments`, or at the limit of memory.
    pub(super) fn new(decoders: &Decoders<'a>, max_segments: usize) -> Self {
        // No more than 2^10 threads.
        let threads = decoders.threads();
        Self {
            segments: Vec::new(),
            len: 0,
            max_len: Some(decoders.max_batch_len().min(BATCH_LEN * threads as u64)),
            max_segments: max_segments.min(BATCH_SEGMENTS * threads),
        }
    }

    /// A batch that is never full.
    fn of_all() -> Self {
        Self {
            segments: Vec::new(),
            len: 0,
            max_len: None,
            max_segments: usize::MAX,
        }
    }

    /// An empty batch is not full, whatever the limits are: without that, a file could be taken for one without segments.
    pub(super) fn is_full(&self) -> bool {
        let full =
            self.max_len.is_some_and(|max| self.len >= max) || self.segments.len() >= self.max_segments;
        full && !self.segments.is_empty()
    }

    pub(super) fn push(&mut self, number: u64, segment: Segment, coding: Coding<'a>) {
        self.len += decode::segment_len(&segment.info);
        self.segments.push(Member {
            number,
            segment,
            coding,
        });
    }

    pub(super) fn decode(
        &self,
        decoders: &mut Decoders<'a>,
        counter: &Counter,
    ) -> Result<Vec<Result<Vec<u8>, Error>>, Stopped> {
        let segments = self.segments.iter();
        let segments: Vec<WithCoding<'_, '_>> =
            segments.map(|member| (&member.segment, member.coding)).collect();
        let held = self.max_len.map_or(0, |_| self.len);
        let decoded = decoders.decode(&segments, held, counter)?;
        let named = decoded.into_iter().zip(&self.segments).map(|(text, member)| {
            text.map_err(|fault| Error::Segment {
                member: member.number,
                segment: member.segment.info.number,
                offset: member.segment.info.offset,
                fault,
            })
        });
        Ok(named.collect())
    }
}

/// The texts of several files, whose segments are all decoded side by side.
pub(crate) fn decompress_many(
    models: Models<'_>,
    files: &[&[u8]],
    options: &Options,
) -> Vec<Result<Vec<u8>, Error>> {
    let mut decoders = Decoders::new(models, options);
    let counter = Counter::new(Unit::Bytes, None, options);
    let mut batch = Batch::of_all();
    // Of each file, how many of the batch's segments it has, or why it is not decoded at all.
    let mut counts = Vec::with_capacity(files.len());
    for file in files {
        let before = batch.segments.len();
        let read = read_all(file, &mut decoders, options, &mut batch);
        if read.is_err() {
            batch.segments.truncate(before);
        }
        counts.push(read.map(|()| batch.segments.len() - before));
    }
    let mut decoded = match batch.decode(&mut decoders, &counter) {
        Ok(decoded) => decoded.into_iter(),
        // An error that ends the decoding of all is an error of each.
        Err(stopped) => {
            let of_file = |read: Result<usize, Error>| Err(read.err().unwrap_or_else(|| stopped.into()));
            return counts.into_iter().map(of_file).collect();
        }
    };
    let mut text = |count: usize| {
        let mut text = Vec::new();
        let mut end = Ok(());
        for piece in decoded.by_ref().take(count) {
            match piece {
                Ok(piece) if text.is_empty() => text = piece,
                Ok(piece) => text.extend_from_slice(&piece),
                // The first error counts; what comes after is another file's.
                Err(error) => end = end.and(Err(error)),
            }
        }
        end.map(|()| text)
    };
    counts
        .into_iter()
        .map(|count| count.and_then(&mut text))
        .collect()
}

fn read_all<'a>(
    file: &[u8],
    decoders: &mut Decoders<'a>,
    options: &Options,
    batch: &mut Batch<'a>,
) -> Result<(), Error> {
    let mut members = 0;
    for segment in Reader::new(file) {
        let segment = segment?;
        let (info, header) = (&segment.info, &segment.info.header);
        members += u64::from(info.number == 0);
        let coding = decoders.admit(info)?;
        within(
            info.text_offset + u64::from(header.text_len()),
            options.limits.max_text_len,
        )?;
        batch.push(members - 1, segment, coding);
    }
    Ok(())
}
