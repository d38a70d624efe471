//! The file format czip v2.
//!
//! A file is one or more *members*, one after the other; its text is theirs, joined. A member is a [`Header`], then
//! *segments*, the last of which is marked, then perhaps an *index* of them. A segment is a [`SegmentHeader`], a
//! payload, and a checksum of all this and of the text that the payload stands for. The container knows how long that
//! text is, but decodes nothing: except where the [`Mode`] is [`Stored`](Mode::Stored), the text is for a codec to
//! restore.
//!
//! * [`Writer`] writes a member, segment by segment, to any [`Write`](std::io::Write).
//! * [`Reader`] reads the segments of all members in order, from any [`Read`](std::io::Read).
//! * [`Index`] finds out where every segment is, so one can be read without those before.
//! * [`Copies`] are passages of a text that its segment need not code.
//! * [`Salvage`] finds what segments it can in a file that is damaged.
//!
//! Whoever decodes a segment must verify it: [`Segment::verify`] takes the text and tells whether it is the right one.
//!
//! No payload exceeds 16 MiB, and memory is taken as its bytes arrive, so there are no limits to set.

mod copies;
mod error;
mod fields;
mod frame;
mod index;
mod level;
mod mode;
mod read;
mod salvage;
mod segment;
mod source;
mod varint;
mod write;

pub use copies::{CopiedPassage, Copies};
pub use error::{CopiesError, FormatError, Part, ReadError, SegmentError, WriteError};
pub use fields::{Header, MAGIC, VERSION, is_v2};
pub use index::{Index, IndexEntry};
pub use level::{InvalidLevel, Level};
pub use mode::{Mode, ModelId};
pub use read::Reader;
pub use salvage::{Remains, Salvage};
pub use segment::{MAX_TEXT_LEN, Segment, SegmentHeader, SegmentInfo};
pub use write::Writer;
