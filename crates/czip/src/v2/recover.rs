//! What can be restored of a damaged file: what is left of each member in, texts and what is missing out.

use std::io::{self, Read, Seek, SeekFrom, Write};
use std::ops::Range;

use czip_container::v2::{FormatError, Index, IndexEntry, Mode, Part, ReadError, Remains, Salvage};

use super::decode::Decoders;
use super::decompress::{Batch, within};
use crate::error::Error;
use crate::models::Models;
use crate::options::{Options, Unit};
use crate::summary::{Format, Summary};
use crate::work::Counter;

/// What [`recover_to`](crate::recover_to) has restored, and what is missing.
#[derive(Debug)]
#[non_exhaustive]
pub struct Recovery {
    /// What was restored. The length of the file is that of all of it.
    pub summary: Summary,
    /// What was not, in the order of the file.
    pub missing: Vec<Missing>,
}

impl Recovery {
    /// Whether all of the text was restored and nothing of the file is damaged.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.missing.is_empty()
    }
}

/// A part of a file that could not be restored.
#[derive(Debug)]
#[non_exhaustive]
pub struct Missing {
    /// Where the text is missing in what was written: after this many bytes.
    pub written: u64,
    /// Where the text that is missing starts in the whole text, in bytes; `None` if something of unknown length is
    /// missing before it.
    pub text_offset: Option<u64>,
    /// Bytes of text that are missing; `None` if that is unknown. It is 0 where only the structure is damaged:
    /// a header that the index repeats, or an index.
    ///
    /// Without a valid index the length is the one that the segment itself declares, which may also be damaged.
    pub text_len: Option<u64>,
    /// The bytes of the file.
    pub file: Range<u64>,
    /// The member, by its number among those that were found, from 0.
    pub member: u64,
    /// The segment's number in its member, from 0; `None` if it is none, or more than one.
    pub segment: Option<u64>,
    /// Why.
    pub reason: Error,
}

/// Restores what it can of a damaged file.
pub(crate) fn recover_to(
    models: Models<'_>,
    input: impl Read + Seek,
    output: impl Write,
    options: &Options,
) -> Result<Recovery, Error> {
    let counter = Counter::new(Unit::Bytes, None, options);
    let input = Stoppable {
        inner: input,
        counter: &counter,
    };
    let result = try_recover(models, input, output, &counter, options);
    // If the work was stopped, that is the error, whatever the reader has reported.
    counter.check()?;
    result
}

/// A reader that fails once the work is stopped, since a search may take long.
struct Stoppable<'c, R> {
    inner: R,
    counter: &'c Counter,
}

impl<R: Read> Read for Stoppable<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.counter.stops() {
            return Err(Error::Stopped.into());
        }
        self.inner.read(buffer)
    }
}

impl<R: Seek> Seek for Stoppable<'_, R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.inner.seek(to)
    }
}

fn try_recover(
    models: Models<'_>,
    input: impl Read + Seek,
    output: impl Write,
    counter: &Counter,
    options: &Options,
) -> Result<Recovery, Error> {
    let mut salvage = Salvage::new(input)?;
    let mut recoverer = Recoverer {
        decoders: Decoders::new(models, options),
        counter,
        max_text_len: options.limits.max_text_len,
        output,
        text_offset: Some(0),
        recovery: Recovery {
            summary: Summary::new(Format::V2),
            missing: Vec::new(),
        },
    };
    recoverer.recovery.summary.file_len = salvage.file_len();
    let mut number = 0;
    while let Some(remains) = salvage.next_member()? {
        recoverer.member(number, remains, &mut salvage)?;
        number += 1;
    }
    recoverer.output.flush()?;
    Ok(recoverer.recovery)
}

struct Recoverer<'a, 'c, W> {
    decoders: Decoders<'a>,
    counter: &'c Counter,
    max_text_len: u64,
    output: W,
    /// Where the text goes on, if that is known.
    text_offset: Option<u64>,
    recovery: Recovery,
}

/// A segment's mode and text.
type Restored = Result<(Mode, Vec<u8>), Error>;

/// A segment whose text was not restored.
struct Failed {
    entry: IndexEntry,
    reason: Error,
}

impl Failed {
    /// Whether the segment may still be intact.
    fn lacks_model(&self) -> bool {
        matches!(self.reason, Error::MissingModel { .. })
    }
}

impl<W: Write> Recoverer<'_, '_, W> {
    fn member<R: Read + Seek>(
        &mut self,
        number: u64,
        remains: Remains,
        salvage: &mut Salvage<R>,
    ) -> Result<(), Error> {
        let Remains {
            start,
            index,
            header_fault,
            lost,
            index_len,
            ..
        } = remains;
        if let Some(fault) = header_fault {
            let end = index.segments().first().map_or(start, |first| first.offset);
            self.miss(number, None, start..end, Some(0), ReadError::Format(fault).into());
        }
        // Segments that have failed wait for one that is restored: it shows that they were where they seemed to be.
        let mut failed: Vec<Failed> = Vec::new();
        let mut ended = false;
        let mut next = 0;
        while next < index.segments().len() {
            for (entry, text) in self.some_segments(number, &index, &mut next, salvage.reader())? {
                match text {
                    Ok((mode, text)) => {
                        self.miss_each(number, failed.drain(..));
                        self.write(mode, &text)?;
                        ended = entry.last;
                    }
                    Err(reason) => {
                        failed.push(Failed { entry, reason });
                        ended = false;
                    }
                }
            }
        }
        let Some((offset, error)) = lost else {
            self.miss_each(number, failed.drain(..));
            return Ok(());
        };
        let in_index = matches!(
            error,
            FormatError::Truncated {
                part: Part::Index,
                ..
            }
        );
        let error = ReadError::Format(error).into();
        // Lengths have led nowhere, so those of segments that have failed may be wrong.
        if failed.iter().all(Failed::lacks_model) {
            self.miss_each(number, failed.drain(..));
        }
        let mut failed = failed.into_iter();
        let first = failed.next();
        let from = first.as_ref().map_or(offset, |first| first.entry.offset);
        let end = salvage.resume(from)?;
        // If the last segment was restored and only an index is missing, no text is missing.
        let only_index = index_len.is_some_and(|len| end - from == len || end - from < len && in_index);
        let text_len = (ended && only_index).then_some(0);
        let reason = match first {
            Some(first) if !first.lacks_model() => first.reason,
            Some(_) => failed
                .find(|failed| !failed.lacks_model())
                .map_or(error, |failed| failed.reason),
            None => error,
        };
        self.miss(number, None, from..end, text_len, reason);
        Ok(())
    }

    /// Reads and decodes some segments from number `next` on, and advances `next`.
    fn some_segments<R: Read + Seek>(
        &mut self,
        member: u64,
        index: &Index,
        next: &mut usize,
        reader: &mut R,
    ) -> Result<Vec<(IndexEntry, Restored)>, Error> {
        let mut batch = Batch::new(&self.decoders, usize::MAX);
        let mut read: Vec<(IndexEntry, Result<Mode, Error>)> = Vec::new();
        // Text that is not restored does not count.
        let mut text_len = self.recovery.summary.text_len;
        while !batch.is_full() && *next < index.segments().len() {
            let entry = index.segments()[*next];
            let segment = match index.read_segment(&mut *reader, *next) {
                Err(error @ ReadError::Io { .. }) => return Err(error.into()),
                segment => segment.map_err(Error::from),
            };
            let mode = segment.and_then(|segment| {
                let mode = segment.info.header.mode();
                let with_it = text_len + u64::from(entry.text_len);
                within(with_it, self.max_text_len)?;
                let coding = self.decoders.admit(&segment.info)?;
                text_len = with_it;
                batch.push(member, segment, coding);
                Ok(mode)
            });
            read.push((entry, mode));
            *next += 1;
        }
        let mut decoded = batch.decode(&mut self.decoders, self.counter)?.into_iter();
        let texts = read.into_iter().map(|(entry, mode)| {
            let text = mode.and_then(|mode| match decoded.next() {
                Some(text) => Ok((mode, text?)),
                None => unreachable!("each segment of the batch has a text or an error"),
            });
            (entry, text)
        });
        Ok(texts.collect())
    }

    fn write(&mut self, mode: Mode, text: &[u8]) -> Result<(), Error> {
        self.output.write_all(text)?;
        self.recovery.summary.add_segment(mode, text.len());
        self.text_offset = self.text_offset.map(|offset| offset + text.len() as u64);
        Ok(())
    }

    fn miss_each(&mut self, member: u64, failed: impl Iterator<Item = Failed>) {
        for Failed { entry, reason } in failed {
            let file = entry.offset..entry.offset + u64::from(entry.len);
            let text_len = u64::from(entry.text_len);
            self.miss(member, Some(entry.number), file, Some(text_len), reason);
        }
    }

    fn miss(
        &mut self,
        member: u64,
        segment: Option<u64>,
        file: Range<u64>,
        text_len: Option<u64>,
        reason: Error,
    ) {
        let missing = Missing {
            written: self.recovery.summary.text_len,
            text_offset: self.text_offset,
            text_len,
            file,
            member,
            segment,
            reason,
        };
        self.text_offset = self.text_offset.zip(text_len).map(|(offset, len)| offset + len);
        match self.recovery.missing.last_mut() {
            Some(last) if last.goes_on_with(&missing) => {
                last.text_len = last.text_len.zip(missing.text_len).map(|(len, more)| len + more);
                last.file.end = missing.file.end;
                last.segment = None;
            }
            _ => self.recovery.missing.push(missing),
        }
    }
}

impl Missing {
    /// Whether both are segments of one member, one after the other, that lack the same model.
    fn goes_on_with(&self, next: &Self) -> bool {
        let model = |missing: &Self| match missing.reason {
            Error::MissingModel { file, .. } => file,
            _ => None,
        };
        let place = |missing: &Self| (missing.member, missing.written);
        model(self).is_some()
            && model(self) == model(next)
            && place(self) == place(next)
            && self.file.end == next.file.start
    }
}
