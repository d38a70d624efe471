//! Copies: passages of a text that are in it before, left out of what a segment codes.

use super::error::CopiesError;
use super::mode::Mode;
use super::segment::Segment;
use super::varint;

/// A passage that is in the text before. Lengths are in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CopiedPassage {
    /// How much of the rest there is between the end of the passage before, or the start of the text, and this one.
    pub rest: u32,
    /// Its length.
    pub len: u32,
    /// How far before its start the text has the same bytes. If that is less than its length, it repeats itself.
    pub distance: u32,
}

/// The copied passages of a text, in their order. The *rest* is the text without them.
///
/// ```
/// use czip_container::v2::{CopiedPassage, Copies};
///
/// let copied = CopiedPassage { rest: 3, len: 7, distance: 3 };
/// let copies = Copies::new(vec![copied], 12)?;
/// assert_eq!(copies.rest_of(b"abcabcabcaXY"), b"abcXY");
/// assert_eq!(copies.restore(b"abcXY"), b"abcabcabcaXY");
/// # Ok::<(), czip_container::v2::CopiesError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copies {
    passages: Vec<CopiedPassage>,
    rest_len: u32,
}

impl Copies {
    /// The copies of a text of `text_len` bytes. There must be at least one; none may be empty, start with bytes from before
    /// the text, or go beyond its end.
    pub fn new(passages: Vec<CopiedPassage>, text_len: u32) -> Result<Self, CopiesError> {
        if passages.is_empty() {
            return Err(CopiesError::None);
        }
        let (mut end, mut copied) = (0, 0);
        for passage in &passages {
            let start = u64::from(passage.rest) + end;
            end = start + u64::from(passage.len);
            if passage.len == 0 || end > u64::from(text_len) {
                return Err(CopiesError::Len {
                    start,
                    len: passage.len,
                    text_len,
                });
            }
            if passage.distance == 0 || u64::from(passage.distance) > start {
                return Err(CopiesError::Distance {
                    start,
                    distance: passage.distance,
                });
            }
            copied += passage.len;
        }
        Ok(Self {
            passages,
            rest_len: text_len - copied,
        })
    }

    /// The copies at the start of a payload for a text of `text_len` bytes, and what follows them.
    pub fn parse(payload: &[u8], text_len: u32) -> Result<(Self, &[u8]), CopiesError> {
        let mut after = payload;
        let mut number = || {
            let read = varint::read(|| {
                let (&first, others) = after.split_first().ok_or(CopiesError::Truncated)?;
                after = others;
                Ok(first)
            });
            read?.ok_or(CopiesError::Number)
        };
        // Memory is taken as passages arrive: a count says little.
        let mut passages = Vec::new();
        for _ in 0..number()? {
            passages.push(CopiedPassage {
                rest: number()?,
                len: number()?,
                distance: number()?,
            });
        }
        Ok((Self::new(passages, text_len)?, after))
    }

    /// The copied passages, in the order of the text.
    #[must_use]
    pub fn passages(&self) -> &[CopiedPassage] {
        &self.passages
    }

    /// The bytes that come before the coded rest in a payload.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        // A text of 2^24 bytes has no more passages.
        varint::push(self.passages.len() as u32, &mut bytes);
        for &CopiedPassage { rest, len, distance } in &self.passages {
            for number in [rest, len, distance] {
                varint::push(number, &mut bytes);
            }
        }
        bytes
    }

    /// Length of the rest in bytes.
    #[must_use]
    pub fn rest_len(&self) -> u32 {
        self.rest_len
    }

    /// A text without its copied passages.
    ///
    /// # Panics
    ///
    /// If the text is not as long as the one that these are of.
    #[must_use]
    pub fn rest_of(&self, text: &[u8]) -> Vec<u8> {
        let mut rest = Vec::with_capacity(self.rest_len as usize);
        let mut at = 0;
        for passage in &self.passages {
            let start = at + passage.rest as usize;
            rest.extend_from_slice(&text[at..start]);
            at = start + passage.len as usize;
        }
        rest.extend_from_slice(&text[at..]);
        assert_eq!(rest.len(), self.rest_len as usize, "length of the rest");
        rest
    }

    /// The text of this rest.
    ///
    /// # Panics
    ///
    /// If the rest is not [`rest_len`](Self::rest_len) bytes long.
    #[must_use]
    pub fn restore(&self, rest: &[u8]) -> Vec<u8> {
        assert_eq!(rest.len(), self.rest_len as usize, "length of the rest");
        let copied: usize = self.passages.iter().map(|passage| passage.len as usize).sum();
        let mut text = Vec::with_capacity(rest.len() + copied);
        let mut rest = rest;
        for passage in &self.passages {
            let (before, after) = rest.split_at(passage.rest as usize);
            text.extend_from_slice(before);
            rest = after;
            let from = text.len() - passage.distance as usize;
            let end = text.len() + passage.len as usize;
            while text.len() < end {
                // A passage that repeats itself has twice as much to copy from each time.
                let len = (end - text.len()).min(text.len() - from);
                text.extend_from_within(from..from + len);
            }
        }
        text.extend_from_slice(rest);
        text
    }
}

impl Segment {
    /// The segment's copies, if it has some, and the coded rest: all of the payload if there are none.
    pub fn copies(&self) -> Result<(Option<Copies>, &[u8]), CopiesError> {
        let header = self.info.header;
        if !header.has_copies() {
            return Ok((None, &self.payload));
        }
        let (copies, coded) = Copies::parse(&self.payload, header.text_len())?;
        let (rest_len, coded_len) = (copies.rest_len as usize, coded.len());
        let fits = if header.mode() == Mode::Stored {
            coded_len == rest_len
        } else {
            coded_len < rest_len
        };
        if !fits {
            return Err(CopiesError::Rest { coded_len, rest_len });
        }
        Ok((Some(copies), coded))
    }
}
