//! The file format czip v2.
//!
//! A file is one or more *members*, one after the other; its text is theirs, joined. A member is a [`Header`], then
//! *segments*, the last of which is marked, then perhaps an *index* of them. A segment is a [`SegmentHeader`], a
//! payload, and a checksum of all this and of the text that the payload stands for. The container knows how long that
//! text is, but decodes nothing: except where the [`Mode`] is [`Stored`](Mode::Stored), the text is for a codec to
//! find.
//!
//! * [`Writer`] writes a member, segment by segment, to any [`Write`](std::io::Write).
//! * [`Reader`] reads the segments of all members in order, from any [`Read`](std::io::Read).
//! * [`Index`] finds out where every segment is, so that some can be read without those before.
//! * [`Salvage`] finds what segments it can in a file that is damaged.
//!
//! Whoever decodes a segment must compare: [`Segment::verify`] takes the text and tells whether it is the right one.
//!
//! No payload exceeds 16 MiB, and memory is taken as its bytes arrive, so there are no limits to set.

mod error;
mod fields;
mod frame;
mod index;
mod read;
mod salvage;
mod segment;
mod source;
mod varint;
mod write;

pub use error::{FormatError, Part, ReadError, SegmentError, WriteError};
pub use fields::{Header, Level, Mode, ModelId};
pub use index::{Index, IndexEntry};
pub use read::Reader;
pub use salvage::{Remains, Salvage};
pub use segment::{MAX_TEXT_LEN, Segment, SegmentHeader, SegmentInfo};
pub use write::Writer;

/// The first three bytes of every member. 0xFA is in no UTF-8 text.
pub const MAGIC: [u8; 3] = [0xfa, b'c', b'z'];

/// The version of the format, in the upper three bits of the byte after [`MAGIC`].
pub const VERSION: u8 = 2;

/// The first three bytes of an index.
const INDEX_MAGIC: [u8; 3] = [0xfa, b'c', b'i'];

/// The last four bytes of an index.
const INDEX_END: [u8; 4] = [b'z', b'i', b'c', 0xfa];

/// Whether `bytes` begin as files of this format do, and those of later versions.
///
/// Three bytes are enough to know. Fewer are none of ours.
///
/// ```
/// use czip_container::v2;
///
/// assert!(v2::is_v2(b"\xfacz\x45"));
/// assert!(!v2::is_v2(b"CZIPv1"));
/// assert!(!v2::is_v2(b"\xfac"));
/// ```
#[must_use]
pub fn is_v2(bytes: &[u8]) -> bool {
    bytes.starts_with(&MAGIC)
}
