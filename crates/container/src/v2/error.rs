//! What can be wrong with a file, or with what is to be written as one.

use std::{fmt, io};

use super::mode::{Mode, ModelId};

/// A part of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Part {
    /// A member's header.
    Header,
    /// The two numbers before a payload.
    SegmentHeader,
    /// A segment's payload.
    Payload,
    /// The checksum after a payload.
    Checksum,
    /// The index of a member.
    Index,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Header => "header",
            Self::SegmentHeader => "segment header",
            Self::Payload => "payload",
            Self::Checksum => "checksum",
            Self::Index => "index",
        })
    }
}

/// A rule on segments that the numbers in a header break.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SegmentError {
    /// The text is longer than [`MAX_TEXT_LEN`](super::MAX_TEXT_LEN).
    #[error("text length {len} is more than the format's 16777216")]
    TextTooLong {
        /// Its length in bytes.
        len: usize,
    },
    /// The payload of a stored segment is not as long as its text.
    #[error("{payload_len} bytes of payload are stored for {text_len} bytes of text")]
    StoredLen {
        /// Length of the payload in bytes.
        payload_len: usize,
        /// Length of the text in bytes.
        text_len: usize,
    },
    /// The payload of a coded segment is not shorter than its text.
    #[error("{payload_len} bytes of payload are no fewer than the {text_len} bytes of text that they code")]
    NotShorter {
        /// Length of the payload in bytes.
        payload_len: usize,
        /// Length of the text in bytes.
        text_len: usize,
    },
    /// A segment without text is not the last of its member.
    #[error("a segment without text is not the last")]
    Empty,
    /// The mode needs a model, but the header names none.
    #[error("mode {mode} needs a model, but the header names none")]
    NoModel {
        /// The segment's mode.
        mode: Mode,
    },
}

/// A rule on the copies at the start of a payload that they break.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CopiesError {
    /// The payload ends inside the copies.
    #[error("its payload ends inside the copied passages")]
    Truncated,
    /// A number is not in its shortest form or does not fit 32 bits.
    #[error("malformed number in its copied passages, not in its shortest form or of more than 32 bits")]
    Number,
    /// There is no copied passage.
    #[error("it is said to have copied passages, but has none")]
    None,
    /// A passage is empty or goes beyond the end of the text.
    #[error("a copied passage of {len} bytes at byte {start} of {text_len}")]
    Len {
        /// Where it starts in the text of the segment.
        start: u64,
        /// Its length in bytes.
        len: u32,
        /// Length of the segment's text in bytes.
        text_len: u32,
    },
    /// A passage is said to be copied from itself or from before the text.
    #[error("a passage at byte {start} is copied from {distance} bytes before")]
    Distance {
        /// Where it starts in the text of the segment.
        start: u64,
        /// The distance in bytes.
        distance: u32,
    },
    /// A stored rest is not as long as it must be, or a coded one is no shorter than what it codes.
    #[error("{coded_len} bytes of payload for the {rest_len} bytes that are not copied")]
    Rest {
        /// Bytes of payload after the copies.
        coded_len: usize,
        /// Bytes of text that are not copied.
        rest_len: usize,
    },
}

/// A rule of the format that a file breaks.
///
/// Offsets are in bytes from the start of the file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FormatError {
    /// The file does not start with [`MAGIC`](super::MAGIC).
    #[error("not a czip v2 file: it starts with \"{}\" instead of \"\\xfacz\"", found.escape_ascii())]
    Magic {
        /// The first bytes, at most three.
        found: Vec<u8>,
    },
    /// The file ends too early.
    #[error("file ends at byte {offset}, inside or before a {part}")]
    Truncated {
        /// Length of the file.
        offset: u64,
        /// What is missing or incomplete.
        part: Part,
    },
    /// The version is not [`VERSION`](super::VERSION).
    #[error("unsupported version {version} at byte {offset}: only version 2 is known")]
    Version {
        /// The version found.
        version: u8,
        /// Where the byte with the version is.
        offset: u64,
    },
    /// The level is 0, or 10 to 15.
    #[error("unsupported level {level} at byte {offset}: levels 1 to 9 are known")]
    Level {
        /// The level found.
        level: u8,
        /// Where the byte with the level is.
        offset: u64,
    },
    /// A number of variable length is not in its shortest form or does not fit 32 bits.
    #[error("malformed number at byte {offset}, not in its shortest form or of more than 32 bits")]
    Number {
        /// Where it starts.
        offset: u64,
    },
    /// The numbers in a segment's header break a rule.
    #[error("malformed segment header at byte {offset}: {error}")]
    Segment {
        /// Where it starts.
        offset: u64,
        /// The rule.
        error: SegmentError,
    },
    /// A member is followed by neither another nor the end of the file.
    #[error("trailing bytes from byte {offset}, where a member has ended")]
    TrailingBytes {
        /// Where they start.
        offset: u64,
    },
    /// An index does not describe its member.
    #[error("index at byte {offset} does not fit the member before it")]
    IndexMismatch {
        /// Where it starts.
        offset: u64,
    },
    /// The checksum of an index is wrong.
    #[error("index at byte {offset} has the checksum {found:08x} instead of {expected:08x}")]
    IndexChecksum {
        /// Where it starts.
        offset: u64,
        /// The checksum in the file.
        expected: u32,
        /// The checksum of what is there.
        found: u32,
    },
    /// An index does not end with its length and the four closing bytes.
    #[error("index at byte {offset} does not end with its length and \"zic\\xfa\"")]
    IndexEnd {
        /// Where it starts.
        offset: u64,
    },
    /// A segment is not the one that the index describes.
    #[error("segment at byte {offset} has other lengths than the index says")]
    IndexEntry {
        /// Where the segment starts.
        offset: u64,
    },
    /// A decoded text does not have the length that its segment declares.
    #[error("segment at byte {offset} decodes to {found} bytes instead of {expected}")]
    TextLen {
        /// Where the segment starts.
        offset: u64,
        /// Bytes that the segment declares.
        expected: u32,
        /// Bytes decoded.
        found: usize,
    },
    /// A segment and the text it decodes to do not have the checksum that the segment declares.
    ///
    /// The file is damaged, or it was decoded with another model than it was made with.
    #[error("segment at byte {offset} has the checksum {found:x} instead of {expected:x}")]
    Checksum {
        /// Where the segment starts.
        offset: u64,
        /// The checksum in the file.
        expected: u64,
        /// The checksum of what is there.
        found: u64,
        /// The model that the header names.
        model: Option<ModelId>,
    },
}

impl FormatError {
    /// Whether the file ends too early, which it may do because it has not been written to its end.
    #[must_use]
    pub const fn is_truncation(&self) -> bool {
        match self {
            Self::Truncated { .. } => true,
            Self::Magic { found } => found.is_empty(),
            _ => false,
        }
    }
}

/// Why a file cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The reader failed.
    #[error("cannot read on from byte {offset}")]
    Io {
        /// Bytes read before.
        offset: u64,
        /// What the reader says.
        source: io::Error,
    },
    /// The file is not valid.
    #[error(transparent)]
    Format(#[from] FormatError),
}

/// Why a segment cannot be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// The writer failed.
    #[error("cannot write")]
    Io(#[from] io::Error),
    /// The format has no such segment.
    #[error(transparent)]
    Segment(#[from] SegmentError),
    /// The last segment has already been written.
    #[error("a segment after the last of its member")]
    AfterLast,
}
