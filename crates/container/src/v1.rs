//! The CZIPv1 file format.
//!
//! A file is a 16-byte [`Header`], then one [`Codec`] stream to the file's end. Decompressed, the stream is the *inner
//! header*, a table with the byte length of each chunk, and the *payload*, the chunks back to back.
//!
//! [`Reader`] reads a file some chunks at a time, and [`inspect`] only what it says about itself.
//! [`read`] turns a file into a [`File`], [`write()`] does the reverse, and a [`Builder`] makes a [`File`] from chunks.
//! A `File` can only hold what the format can carry, so writing one fails only for I/O, or if its codec is not built. The
//! payload is held once.

#[cfg(feature = "brotli")]
mod brotli;
mod codec;
mod decode;
mod error;
mod fields;
mod file;
mod outer;
mod read;
mod write;
#[cfg(feature = "zstd")]
mod zstd;

pub use codec::{Codec, CodecNotBuilt, UnknownCodecName};
pub use error::{FormatError, ReadError};
pub use fields::{ContextLog2, Flags, Header, MAGIC, model_id_hash};
pub use file::{Builder, Chunks, File, Params};
pub use read::{Inspection, Limits, Reader, inspect, read};
pub use write::write;
