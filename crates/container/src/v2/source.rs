//! Bytes of a file, with the place they come from.

use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};

use xxhash_rust::xxh3::Xxh3;

use super::error::{FormatError, Part, ReadError};
use super::fields::{Header, MAGIC};
use super::frame::{self, Expected, INDEX_END, INDEX_MAGIC};
use super::mode::ModelId;
use super::segment::SegmentHeader;
use super::varint;

/// Bytes are read in pieces of this many.
const BUFFER_LEN: usize = 32 << 10;

/// What may begin where a member can.
pub(super) enum Frame {
    Header(Header),
    /// An index, of which the first four bytes were read.
    Index {
        tag: u8,
    },
    End,
}

pub(super) struct Source<R> {
    inner: BufReader<R>,
    offset: u64,
    /// Reading stops here as if the file ended.
    end: u64,
}

impl<R: Read> Source<R> {
    /// All bytes of `reader`, which has been read up to `offset`.
    pub(super) fn new(reader: R, offset: u64) -> Self {
        Self {
            inner: BufReader::with_capacity(BUFFER_LEN, reader),
            offset,
            end: u64::MAX,
        }
    }

    pub(super) fn get_ref(&self) -> &R {
        self.inner.get_ref()
    }

    pub(super) fn get_mut(&mut self) -> &mut R {
        self.inner.get_mut()
    }

    pub(super) fn into_inner(self) -> R {
        self.inner.into_inner()
    }

    /// Bytes read so far, from the start of the file.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// Some of the next bytes: none only at the end.
    fn fill(&mut self) -> Result<&[u8], ReadError> {
        loop {
            match self.inner.fill_buf() {
                Ok(_) => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(source) => {
                    return Err(ReadError::Io {
                        offset: self.offset,
                        source,
                    });
                }
            }
        }
        let buffer = self.inner.buffer();
        let left = usize::try_from(self.end - self.offset).unwrap_or(usize::MAX);
        Ok(&buffer[..buffer.len().min(left)])
    }

    fn consume(&mut self, len: usize) {
        self.inner.consume(len);
        self.offset += len as u64;
    }

    fn truncated(&self, part: Part) -> ReadError {
        FormatError::Truncated {
            offset: self.offset,
            part,
        }
        .into()
    }

    /// Gives the next `len` bytes to `take`, in pieces as they come.
    fn pieces(&mut self, len: u32, part: Part, mut take: impl FnMut(&[u8])) -> Result<(), ReadError> {
        let mut left = len as usize;
        while left > 0 {
            let piece = self.fill()?;
            let piece = &piece[..piece.len().min(left)];
            if piece.is_empty() {
                return Err(self.truncated(part));
            }
            take(piece);
            let taken = piece.len();
            left -= taken;
            self.consume(taken);
        }
        Ok(())
    }

    /// Appends `len` bytes to `bytes`, whose memory grows as they come.
    pub(super) fn append(&mut self, len: u32, part: Part, bytes: &mut Vec<u8>) -> Result<(), ReadError> {
        self.pieces(len, part, |piece| bytes.extend_from_slice(piece))
    }

    pub(super) fn array<const N: usize>(&mut self, part: Part) -> Result<[u8; N], ReadError> {
        let mut bytes = [0; N];
        let mut at = 0;
        self.pieces(N as u32, part, |piece| {
            bytes[at..at + piece.len()].copy_from_slice(piece);
            at += piece.len();
        })?;
        Ok(bytes)
    }

    pub(super) fn number(&mut self, part: Part) -> Result<u32, ReadError> {
        let offset = self.offset;
        let number = varint::read(|| self.array(part).map(|[byte]| byte))?;
        Ok(number.ok_or(FormatError::Number { offset })?)
    }

    /// Reads what begins at the start of the file, or after a member or its index.
    ///
    /// At the start only a header may come. Later the file may also end, and if `index_allowed`, an index may come.
    pub(super) fn frame(&mut self, index_allowed: bool) -> Result<Frame, ReadError> {
        let offset = self.offset;
        let mut bytes = Vec::with_capacity(4);
        while bytes.len() < 4 && !self.fill()?.is_empty() {
            bytes.extend(self.array::<1>(Part::Header)?);
        }
        if bytes.is_empty() && offset > 0 {
            return Ok(Frame::End);
        }
        let start = &bytes[..bytes.len().min(3)];
        let index = index_allowed && INDEX_MAGIC.starts_with(start) && !MAGIC.starts_with(start);
        if !index && !MAGIC.starts_with(start) {
            return Err(if offset == 0 {
                FormatError::Magic {
                    found: start.to_vec(),
                }
            } else {
                FormatError::TrailingBytes { offset }
            }
            .into());
        }
        let Some(&tag) = bytes.get(3) else {
            return Err(self.truncated(if index { Part::Index } else { Part::Header }));
        };
        if index {
            return Ok(Frame::Index { tag });
        }
        let (level, has_model) = Header::parse_tag(tag, offset + 3)?;
        let model = if has_model {
            Some(ModelId(self.array(Part::Header)?))
        } else {
            None
        };
        Ok(Frame::Header(Header { level, model }))
    }

    pub(super) fn segment_header(&mut self, member: &Header) -> Result<SegmentHeader, ReadError> {
        let offset = self.offset;
        let first = self.number(Part::SegmentHeader)?;
        let second = self.number(Part::SegmentHeader)?;
        let segment = SegmentHeader::from_numbers(first, second)
            .and_then(|segment| member.check_mode(segment.mode()).map(|()| segment));
        Ok(segment.map_err(|error| FormatError::Segment { offset, error })?)
    }

    pub(super) fn checksum(&mut self, segment: &SegmentHeader) -> Result<u64, ReadError> {
        Ok(if segment.checksum_len() == 4 {
            u32::from_le_bytes(self.array(Part::Checksum)?).into()
        } else {
            u64::from_le_bytes(self.array(Part::Checksum)?)
        })
    }

    /// Reads an index from its fifth byte on, and checks that it fits the member it is of.
    pub(super) fn check_index(
        &mut self,
        tag: u8,
        member: &Header,
        expected: &Expected,
    ) -> Result<(), ReadError> {
        let mut entries = Xxh3::new();
        self.index_frame(tag, |source, body_len, count, hash| {
            if tag != member.tag() || !expected.fits(body_len, count) {
                return Ok(false);
            }
            source.pieces(body_len - varint::len(count), Part::Index, |piece| {
                hash.update(piece);
                entries.update(piece);
            })?;
            Ok(entries.digest() == expected.digest())
        })
    }

    /// Reads an index from its fifth byte on.
    ///
    /// `body` reads the entries, given the length of the body, the number of entries, and a hash to update with their
    /// bytes. It returns whether they are right.
    pub(super) fn index_frame(
        &mut self,
        tag: u8,
        body: impl FnOnce(&mut Self, u32, u32, &mut Xxh3) -> Result<bool, ReadError>,
    ) -> Result<(), ReadError> {
        let offset = self.offset - u64::from(frame::START_LEN);
        Header::parse_tag(tag, offset + 3)?;
        let body_len = self.number(Part::Index)?;
        let count = self.number(Part::Index)?;
        let mut start = INDEX_MAGIC.to_vec();
        start.push(tag);
        varint::push(body_len, &mut start);
        varint::push(count, &mut start);
        let mut hash = Xxh3::new();
        hash.update(&start);

        let frame_len = frame::frame_len(body_len);
        if frame_len.is_none() || !body(self, body_len, count, &mut hash)? {
            return Err(FormatError::IndexMismatch { offset }.into());
        }
        let found = hash.digest() as u32;
        let expected = u32::from_le_bytes(self.array(Part::Index)?);
        if found != expected {
            return Err(FormatError::IndexChecksum {
                offset,
                expected,
                found,
            }
            .into());
        }
        let len = u32::from_le_bytes(self.array(Part::Index)?);
        if Some(len) != frame_len || self.array(Part::Index)? != INDEX_END {
            return Err(FormatError::IndexEnd { offset }.into());
        }
        Ok(())
    }
}

impl<R: Read + Seek> Source<R> {
    /// The bytes of `reader` from `offset` on, with the file's end at `end`.
    pub(super) fn between(mut reader: R, offset: u64, end: u64) -> Result<Self, ReadError> {
        debug_assert!(offset <= end);
        reader
            .seek(SeekFrom::Start(offset))
            .map_err(|source| ReadError::Io { offset, source })?;
        // A few bytes must not cost a full piece: a file may have an index every hundred bytes.
        let buffer_len = usize::try_from(end - offset).map_or(BUFFER_LEN, |len| len.min(BUFFER_LEN));
        Ok(Self {
            inner: BufReader::with_capacity(buffer_len, reader),
            offset,
            end,
        })
    }

    pub(super) fn skip(&mut self, len: u32, part: Part) -> Result<(), ReadError> {
        if self.end - self.offset < u64::from(len) {
            self.offset = self.end;
            return Err(self.truncated(part));
        }
        let offset = self.offset;
        self.inner
            .seek_relative(i64::from(len))
            .map_err(|source| ReadError::Io { offset, source })?;
        self.offset += u64::from(len);
        Ok(())
    }
}
