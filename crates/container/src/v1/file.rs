//! A file in memory.

use std::{fmt, iter::FusedIterator, slice};

use super::codec::Codec;
use super::error::FormatError;
use super::fields::{ContextLog2, Flags, Header, INNER_FIXED_LEN};

/// What a file says about itself apart from its chunks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Params {
    /// The header's flags.
    pub flags: Flags,
    /// The outer codec.
    pub codec: Codec,
    /// A number for the model; see [`model_id_hash`](super::model_id_hash). Never rely on it.
    pub model_id_hash: u32,
    /// A number for the tokenizer. Only 0 is defined; the container passes any through.
    pub tokenizer_id: u8,
    /// Tokens in a full chunk.
    pub context: ContextLog2,
}

impl Params {
    /// The number of tokens in this many chunks, the last of which has `last_chunk_tokens`.
    pub(super) fn token_count(&self, chunks: u32, last_chunk_tokens: u16) -> u64 {
        match chunks.checked_sub(1) {
            None => 0,
            Some(full) => {
                u64::from(full) * u64::from(self.context.chunk_tokens()) + u64::from(last_chunk_tokens)
            }
        }
    }
}

/// A CZIPv1 file: its parameters and its chunks.
///
/// Whatever a `File` holds can be written: it comes from [`read`](super::read) or a [`Builder`], which both check.
#[derive(Clone, PartialEq, Eq)]
pub struct File {
    params: Params,
    original_len: u32,
    last_chunk_tokens: u16,
    chunk_lens: Vec<u16>,
    /// The chunks back to back.
    payload: Vec<u8>,
}

impl File {
    /// A file of parts that have been checked: at most [`Header::MAX_CHUNKS`] chunks, whose lengths sum to the payload's.
    pub(super) fn from_checked(
        params: Params,
        original_len: u32,
        last_chunk_tokens: u16,
        chunk_lens: Vec<u16>,
        payload: Vec<u8>,
    ) -> Self {
        Self {
            params,
            original_len,
            last_chunk_tokens,
            chunk_lens,
            payload,
        }
    }

    /// The parameters.
    #[must_use]
    pub fn params(&self) -> &Params {
        &self.params
    }

    /// The file's first 16 bytes, as numbers.
    #[must_use]
    pub fn header(&self) -> Header {
        Header::new(
            self.params.flags,
            self.params.codec,
            self.original_len,
            self.chunk_count(),
        )
    }

    /// Length of the original text in bytes, as declared.
    #[must_use]
    pub fn original_len(&self) -> u32 {
        self.original_len
    }

    /// Number of chunks.
    #[must_use]
    pub fn chunk_count(&self) -> u32 {
        self.chunk_lens.len() as u32
    }

    /// Number of tokens in the last chunk, or in a full chunk if there is none.
    #[must_use]
    pub fn last_chunk_tokens(&self) -> u16 {
        self.last_chunk_tokens
    }

    /// Number of tokens in all chunks together.
    #[must_use]
    pub fn token_count(&self) -> u64 {
        self.params
            .token_count(self.chunk_count(), self.last_chunk_tokens)
    }

    /// The bytes of each chunk, in order. All but the last hold [`ContextLog2::chunk_tokens`] tokens.
    #[must_use]
    pub fn chunks(&self) -> Chunks<'_> {
        Chunks {
            lens: self.chunk_lens.iter(),
            payload: &self.payload,
        }
    }

    /// All chunks back to back.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// The inner header's bytes.
    pub(super) fn inner_header(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(INNER_FIXED_LEN as usize + 2 * self.chunk_lens.len());
        bytes.extend_from_slice(&self.params.model_id_hash.to_le_bytes());
        bytes.extend_from_slice(&self.chunk_count().to_le_bytes());
        bytes.extend_from_slice(&self.last_chunk_tokens.to_le_bytes());
        bytes.push(self.params.tokenizer_id);
        bytes.push(self.params.context.field());
        bytes.extend(self.chunk_lens.iter().flat_map(|len| len.to_le_bytes()));
        bytes
    }
}

/// Shows the payload's length instead of its bytes.
impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("File")
            .field("params", &self.params)
            .field("original_len", &self.original_len)
            .field("last_chunk_tokens", &self.last_chunk_tokens)
            .field("chunk_count", &self.chunk_lens.len())
            .field("payload_len", &self.payload.len())
            .finish_non_exhaustive()
    }
}

/// Iterator over the bytes of each chunk; see [`File::chunks`].
#[derive(Clone, Debug)]
pub struct Chunks<'a> {
    lens: slice::Iter<'a, u16>,
    /// What the remaining lengths sum to.
    payload: &'a [u8],
}

impl<'a> Iterator for Chunks<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let (chunk, rest) = self.payload.split_at(usize::from(*self.lens.next()?));
        self.payload = rest;
        Some(chunk)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.lens.size_hint()
    }
}

impl ExactSizeIterator for Chunks<'_> {}
impl FusedIterator for Chunks<'_> {}

/// Makes a [`File`] from its chunks.
#[derive(Clone, Debug)]
pub struct Builder {
    params: Params,
    chunk_lens: Vec<u16>,
    payload: Vec<u8>,
}

impl Builder {
    /// A builder without chunks.
    #[must_use]
    pub fn new(params: Params) -> Self {
        Self {
            params,
            chunk_lens: Vec::new(),
            payload: Vec::new(),
        }
    }

    /// Appends a chunk of 1 to 65,535 bytes. A chunk that is refused leaves the builder as it was.
    pub fn push(&mut self, chunk: &[u8]) -> Result<(), FormatError> {
        // No more than `MAX_CHUNKS`, which fits.
        let number = self.chunk_lens.len() as u32;
        if number == Header::MAX_CHUNKS {
            return Err(FormatError::TooManyChunks {
                max: Header::MAX_CHUNKS,
            });
        }
        match u16::try_from(chunk.len()) {
            Ok(0) => Err(FormatError::ChunkEmpty { chunk: number }),
            Ok(len) => {
                self.chunk_lens.push(len);
                self.payload.extend_from_slice(chunk);
                Ok(())
            }
            Err(_) => Err(FormatError::ChunkTooLong {
                chunk: number,
                len: chunk.len(),
            }),
        }
    }

    /// The file of an original of `original_len` bytes and `token_count` tokens.
    ///
    /// The tokens must fill all chunks but the last, and it at least with one: without tokens there is no chunk.
    pub fn finish(self, original_len: u64, token_count: u64) -> Result<File, FormatError> {
        let Ok(original_len) = u32::try_from(original_len) else {
            return Err(FormatError::OriginalTooLong { len: original_len });
        };
        let chunk_tokens = self.params.context.chunk_tokens();
        if token_count.div_ceil(u64::from(chunk_tokens)) != self.chunk_lens.len() as u64 {
            return Err(FormatError::TokenCount {
                tokens: token_count,
                chunks: self.chunk_lens.len() as u32,
                chunk_tokens,
            });
        }
        // A remainder of 0 means that the last chunk is full, or that there is none, and the field is the same.
        let last_chunk_tokens = match token_count % u64::from(chunk_tokens) {
            0 => chunk_tokens as u16,
            remainder => remainder as u16,
        };
        let Self {
            params,
            chunk_lens,
            payload,
        } = self;
        Ok(File::from_checked(
            params,
            original_len,
            last_chunk_tokens,
            chunk_lens,
            payload,
        ))
    }
}
