//! What can be wrong with a file.

use std::io;

use super::codec::{Codec, CodecNotBuilt};

/// A rule of the format, or a limit of the caller, that a file breaks.
///
/// Offsets are in bytes from the start of the file where they speak of the file, and of the decompressed stream where
/// they speak of the inner header or a chunk. Chunks are counted from 0.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FormatError {
    /// The input ends inside the header.
    #[error("input of {len} bytes is too short for a CZIPv1 file, whose header alone takes 16")]
    HeaderTruncated {
        /// Length of the input in bytes.
        len: usize,
    },
    /// The input does not start with [`MAGIC`](super::MAGIC).
    #[error("not a CZIPv1 file: it starts with \"{}\" instead of \"CZIPv1\"", found.escape_ascii())]
    Magic {
        /// The first six bytes.
        found: [u8; 6],
    },
    /// Reserved flag bits are set.
    #[error("unknown flags {unknown:#04x} at byte 6")]
    Flags {
        /// The bits without a meaning, in their places.
        unknown: u8,
    },
    /// No codec has this number.
    #[error("unknown outer codec {codec} at byte 7")]
    Codec {
        /// The number found.
        codec: u8,
    },
    /// The inner header's length is not 12 plus 2 for each chunk.
    #[error("inner header length {inner_len} at byte 12 is not 12 plus an even number")]
    InnerLen {
        /// The length found, in bytes.
        inner_len: u32,
    },
    /// The file ends before the outer codec's stream does.
    #[error("file ends at byte {offset}, inside its {codec} stream")]
    StreamTruncated {
        /// The outer codec.
        codec: Codec,
        /// Length of the file.
        offset: u64,
    },
    /// The outer codec cannot decompress the stream.
    #[error("broken {codec} stream before byte {offset}: {reason}")]
    Stream {
        /// The outer codec.
        codec: Codec,
        /// How far the stream was read, from the start of the file.
        offset: u64,
        /// What the codec says.
        reason: String,
    },
    /// The file goes on after the outer codec's stream.
    #[error("trailing bytes from byte {offset}, where the {codec} stream has ended")]
    TrailingBytes {
        /// The outer codec.
        codec: Codec,
        /// Where they start.
        offset: u64,
    },
    /// The decompressed stream ends inside the inner header.
    #[error("inner header ends after {found} of its {expected} bytes")]
    InnerTruncated {
        /// Bytes that the header declares.
        expected: u32,
        /// Bytes there are.
        found: u32,
    },
    /// The chunk count does not fit the length of the inner header.
    #[error("chunk count {count} at byte 4 of the inner header does not fit its length of {inner_len} bytes")]
    ChunkCount {
        /// The count found.
        count: u32,
        /// Length of the inner header in bytes.
        inner_len: u32,
    },
    /// The number of tokens in the last chunk is 0 or more than a chunk holds, or no chunk's in a file without any.
    #[error(
        "{tokens} tokens in the last of {chunks} chunks of up to {chunk_tokens}, at byte 8 of the inner header"
    )]
    LastChunkTokens {
        /// The number found.
        tokens: u16,
        /// Number of chunks.
        chunks: u32,
        /// Tokens in a full chunk.
        chunk_tokens: u32,
    },
    /// The context field is more than 15.
    #[error("context field {field} at byte 11 of the inner header is more than 15")]
    Context {
        /// The value found.
        field: u8,
    },
    /// A chunk has no bytes. Even the shortest message of the arithmetic coder takes one.
    #[error("chunk {chunk} is empty")]
    ChunkEmpty {
        /// Number of the chunk.
        chunk: u32,
    },
    /// The decompressed stream ends inside a chunk.
    #[error("payload ends after {found} of the {expected} bytes of chunk {chunk}")]
    PayloadTruncated {
        /// Number of the chunk.
        chunk: u32,
        /// Bytes that the table declares for it.
        expected: u16,
        /// Bytes there are.
        found: u16,
    },
    /// The decompressed stream ends inside a chunk, and which is not known.
    #[error("payload ends after {found} of its {len} bytes")]
    PayloadShort {
        /// Sum of the chunk lengths.
        len: u64,
        /// Bytes there are.
        found: u64,
    },
    /// The decompressed stream goes on after the last chunk.
    #[error("trailing bytes in the payload after its {len} bytes")]
    TrailingPayload {
        /// Sum of the chunk lengths.
        len: u64,
    },
    /// The original length exceeds [`Limits::max_original_len`](super::Limits::max_original_len).
    #[error("original length {len} at byte 8 exceeds the limit of {max}")]
    OriginalLenLimit {
        /// The length found, in bytes.
        len: u32,
        /// The limit.
        max: u32,
    },
    /// The number of chunks exceeds [`Limits::max_chunks`](super::Limits::max_chunks).
    #[error("{count} chunks exceed the limit of {max}")]
    ChunkCountLimit {
        /// Number of chunks, as the inner header's length tells.
        count: u32,
        /// The limit.
        max: u32,
    },
    /// The payload's length exceeds [`Limits::max_payload_len`](super::Limits::max_payload_len).
    #[error("payload exceeds the limit of {max} bytes in chunk {chunk}")]
    PayloadLenLimit {
        /// The first chunk that does not fit.
        chunk: u32,
        /// The limit.
        max: u64,
    },
    /// The format cannot carry an original of 4 GiB or more.
    #[error("original length {len} is more than the format's 4294967295")]
    OriginalTooLong {
        /// The length in bytes.
        len: u64,
    },
    /// The format cannot carry a chunk of more than 65,535 bytes.
    #[error("chunk {chunk} has {len} bytes, more than the format's 65535")]
    ChunkTooLong {
        /// Number of the chunk.
        chunk: u32,
        /// Its length in bytes.
        len: usize,
    },
    /// The format cannot carry more chunks.
    #[error("more chunks than the format's {max}")]
    TooManyChunks {
        /// The greatest number of chunks.
        max: u32,
    },
    /// The tokens do not fill the chunks.
    #[error("{tokens} tokens do not fill {chunks} chunks of {chunk_tokens}")]
    TokenCount {
        /// Number of tokens.
        tokens: u64,
        /// Number of chunks.
        chunks: u32,
        /// Tokens in a full chunk.
        chunk_tokens: u32,
    },
}

impl FormatError {
    /// Whether the file ends too early, which it may do because it has not been written to its end.
    #[must_use]
    pub const fn is_truncation(&self) -> bool {
        matches!(self, Self::HeaderTruncated { .. } | Self::StreamTruncated { .. })
    }

    /// Whether the file is one that the format allows, but exceeds one of the caller's [`Limits`](super::Limits).
    #[must_use]
    pub const fn is_limit(&self) -> bool {
        matches!(
            self,
            Self::OriginalLenLimit { .. } | Self::ChunkCountLimit { .. } | Self::PayloadLenLimit { .. }
        )
    }

    /// Whether a text is too large for the format.
    #[must_use]
    pub const fn is_too_large(&self) -> bool {
        matches!(
            self,
            Self::OriginalTooLong { .. } | Self::ChunkTooLong { .. } | Self::TooManyChunks { .. }
        )
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
    /// The feature for the file's outer codec is off.
    #[error(transparent)]
    CodecNotBuilt(#[from] CodecNotBuilt),
}
