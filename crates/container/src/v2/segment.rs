//! Segments: their headers, their checksums, and what a reader knows about them.

use std::fmt;

use xxhash_rust::xxh3::Xxh3;

use super::error::{FormatError, SegmentError};
use super::fields::Header;
use super::mode::Mode;
use super::varint;

/// The most bytes of text in a segment: 2^24.
pub const MAX_TEXT_LEN: usize = 1 << 24;

/// From this length of text on, a checksum takes 8 bytes instead of 4.
const LONG_TEXT_LEN: u32 = 1 << 16;

/// The two numbers before a segment's payload, and what they mean.
///
/// A value of this type keeps all of the format's rules, except that its mode may need a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SegmentHeader {
    mode: Mode,
    last: bool,
    copies: bool,
    payload_len: u32,
    text_len: u32,
}

/// The bit of a segment's second number that says whether it has copies. The lower ones are the length of the text.
const COPIES: u32 = 1 << 25;

impl SegmentHeader {
    /// The header of a segment whose payload of `payload_len` bytes stands for `text_len` bytes of text.
    ///
    /// A text has at most [`MAX_TEXT_LEN`] bytes. A stored payload is as long as its text, and any other is shorter.
    /// Only the last segment of a member may be without text.
    pub const fn new(
        mode: Mode,
        last: bool,
        payload_len: usize,
        text_len: usize,
    ) -> Result<Self, SegmentError> {
        if text_len > MAX_TEXT_LEN {
            return Err(SegmentError::TextTooLong { len: text_len });
        }
        if matches!(mode, Mode::Stored) {
            if payload_len != text_len {
                return Err(SegmentError::StoredLen {
                    payload_len,
                    text_len,
                });
            }
            if text_len == 0 && !last {
                return Err(SegmentError::Empty);
            }
        } else if payload_len >= text_len {
            return Err(SegmentError::NotShorter {
                payload_len,
                text_len,
            });
        }
        Ok(Self {
            mode,
            last,
            copies: false,
            payload_len: payload_len as u32,
            text_len: text_len as u32,
        })
    }

    /// The header of a segment whose payload begins with [`Copies`](super::Copies). The mode is that of the rest.
    ///
    /// The payload is shorter than the text, which has at most [`MAX_TEXT_LEN`] bytes, even if the rest is stored.
    pub const fn with_copies(
        mode: Mode,
        last: bool,
        payload_len: usize,
        text_len: usize,
    ) -> Result<Self, SegmentError> {
        if text_len > MAX_TEXT_LEN {
            return Err(SegmentError::TextTooLong { len: text_len });
        }
        if payload_len >= text_len {
            return Err(SegmentError::NotShorter {
                payload_len,
                text_len,
            });
        }
        Ok(Self {
            mode,
            last,
            copies: true,
            payload_len: payload_len as u32,
            text_len: text_len as u32,
        })
    }

    /// The header with these two numbers.
    pub fn from_numbers(first: u32, second: u32) -> Result<Self, SegmentError> {
        let new = if second & COPIES == 0 {
            Self::new
        } else {
            Self::with_copies
        };
        new(
            Mode::from_bits(first),
            first & 4 != 0,
            (first >> 3) as usize,
            (second & !COPIES) as usize,
        )
    }

    /// What the payload is, or what follows the copies in it.
    #[must_use]
    pub const fn mode(&self) -> Mode {
        self.mode
    }

    /// Whether the segment is the last of its member.
    #[must_use]
    pub const fn last(&self) -> bool {
        self.last
    }

    /// Whether the payload begins with [`Copies`](super::Copies).
    #[must_use]
    pub const fn has_copies(&self) -> bool {
        self.copies
    }

    /// Length of the payload in bytes.
    #[must_use]
    pub const fn payload_len(&self) -> u32 {
        self.payload_len
    }

    /// Length of the text in bytes.
    #[must_use]
    pub const fn text_len(&self) -> u32 {
        self.text_len
    }

    /// Length of the checksum in bytes: 4 for a text of less than 65,536 bytes, else 8.
    #[must_use]
    pub const fn checksum_len(&self) -> u32 {
        if self.text_len < LONG_TEXT_LEN { 4 } else { 8 }
    }

    /// Length of the whole segment in bytes: of the header, the payload and the checksum.
    #[must_use]
    pub fn segment_len(&self) -> u32 {
        varint::len(self.first_number())
            + varint::len(self.second_number())
            + self.payload_len
            + self.checksum_len()
    }

    /// The header's bytes, 2 to 8.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(8);
        varint::push(self.first_number(), &mut bytes);
        varint::push(self.second_number(), &mut bytes);
        bytes
    }

    /// The checksum of the segment that has the number `number`, from 0, in a member with the header `member`.
    ///
    /// It is the XXH3-64, with the number as its seed, of both headers, the payload and the text; for a checksum of 4
    /// bytes, the lower half.
    #[must_use]
    pub fn checksum(&self, member: &Header, number: u64, payload: &[u8], text: &[u8]) -> u64 {
        let mut hash = Xxh3::with_seed(number);
        hash.update(&member.to_bytes());
        hash.update(&self.to_bytes());
        hash.update(payload);
        hash.update(text);
        let digest = hash.digest();
        if self.checksum_len() == 4 {
            digest & u64::from(u32::MAX)
        } else {
            digest
        }
    }

    fn first_number(&self) -> u32 {
        self.payload_len << 3 | u32::from(self.last) << 2 | u32::from(self.mode.number())
    }

    fn second_number(&self) -> u32 {
        if self.copies {
            COPIES | self.text_len
        } else {
            self.text_len
        }
    }
}

/// What is known of a segment in a file, apart from its payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentInfo {
    /// The header of its member.
    pub member: Header,
    /// Its number in its member, from 0.
    pub number: u64,
    /// Where it starts in the file, in bytes.
    pub offset: u64,
    /// Where its text starts in the file's text, in bytes.
    pub text_offset: u64,
    /// Its header.
    pub header: SegmentHeader,
    /// Its checksum, as the file has it.
    pub checksum: u64,
}

impl SegmentInfo {
    /// Checks that `payload` and the `text` it was decoded to have the length and the checksum that the segment says.
    pub fn verify(&self, payload: &[u8], text: &[u8]) -> Result<(), FormatError> {
        if text.len() != self.header.text_len as usize {
            return Err(FormatError::TextLen {
                offset: self.offset,
                expected: self.header.text_len,
                found: text.len(),
            });
        }
        let found = self.header.checksum(&self.member, self.number, payload, text);
        if found != self.checksum {
            return Err(FormatError::Checksum {
                offset: self.offset,
                expected: self.checksum,
                found,
                model: self.member.model,
            });
        }
        Ok(())
    }
}

/// A segment read from a file.
///
/// Its text is not verified, not even if it is stored.
#[derive(Clone, PartialEq, Eq)]
pub struct Segment {
    /// What is known of it.
    pub info: SegmentInfo,
    /// Its payload.
    pub payload: Vec<u8>,
}

impl Segment {
    /// Checks that this is the segment that was written, and `text` its text.
    ///
    /// The text of a stored segment is its payload.
    pub fn verify(&self, text: &[u8]) -> Result<(), FormatError> {
        self.info.verify(&self.payload, text)
    }
}

/// Leaves out the bytes of the payload; their number is in the header.
impl fmt::Debug for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Segment")
            .field("info", &self.info)
            .finish_non_exhaustive()
    }
}
