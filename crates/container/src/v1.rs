//! The CZIPv1 file format.
//!
//! A file is a 16-byte [`Header`], then one [`Codec`] stream to the file's end. Decompressed, the stream is the *inner
//! header*, a table with the byte length of each chunk, and the *payload*, the chunks back to back.
//!
//! [`Reader`] reads a file some chunks at a time, and [`inspect`] only what it says about itself.
//! [`read`] turns a file into a [`File`], [`write()`] does the reverse, and a [`Builder`] makes a [`File`] from chunks.
//! A `File` can only hold what the format can carry, so that writing one fails for I/O alone. The payload is held once.

mod error;
mod fields;
mod file;
mod outer;
mod read;
mod write;

pub use error::{FormatError, ReadError};
pub use fields::{Codec, ContextLog2, Flags, Header, UnknownCodecName, model_id_hash};
pub use file::{Builder, Chunks, File, Params};
pub use read::{Inspection, Limits, Reader, inspect, read};
pub use write::write;

/// The first six bytes of every file.
pub const MAGIC: [u8; 6] = *b"CZIPv1";

/// Bytes of the inner header before its table of chunk lengths.
const INNER_FIXED_LEN: u32 = 12;
