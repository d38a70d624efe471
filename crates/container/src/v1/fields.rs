//! The fields of both headers that have their own rules.

use md5::{Digest, Md5};

use super::codec::Codec;
use super::error::FormatError;

/// The first six bytes of every file.
pub const MAGIC: [u8; 6] = *b"CZIPv1";

/// Bytes of the inner header before its table of chunk lengths.
pub(super) const INNER_FIXED_LEN: u32 = 12;

/// The header's flag bits. They do not change how a file decodes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Flags(u8);

impl Flags {
    /// Bit 0: the original is several files joined.
    pub const MULTI_FILE: Self = Self(1 << 0);
    /// Bit 1: the original is marked as training data.
    pub const TRAINING: Self = Self(1 << 1);

    const KNOWN: u8 = Self::MULTI_FILE.0 | Self::TRAINING.0;

    /// Flags from the header's byte. Bits 2 to 7 must be 0.
    pub const fn from_bits(bits: u8) -> Result<Self, FormatError> {
        match bits & !Self::KNOWN {
            0 => Ok(Self(bits)),
            unknown => Err(FormatError::Flags { unknown }),
        }
    }

    /// The header's byte.
    #[must_use]
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// Whether all flags of `other` are set.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

/// The binary logarithm of the number of tokens in a full chunk, as the inner header has it.
///
/// The field is 1 to 15, or 0, which stands for 6: early encoders wrote that. The two are kept apart here, so a file
/// can be written as it was read, but compare equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ContextLog2(u8);

impl ContextLog2 {
    /// The field for chunks of 2^`log2` tokens; `None` unless `log2` is 1 to 15.
    #[must_use]
    pub const fn new(log2: u8) -> Option<Self> {
        match log2 {
            1..=15 => Some(Self(log2)),
            _ => None,
        }
    }

    /// From the inner header's byte.
    pub const fn from_field(field: u8) -> Result<Self, FormatError> {
        match field {
            0..=15 => Ok(Self(field)),
            _ => Err(FormatError::Context { field }),
        }
    }

    /// The inner header's byte: 0 where an early encoder wrote that.
    #[must_use]
    pub const fn field(self) -> u8 {
        self.0
    }

    /// The logarithm meant, 1 to 15.
    #[must_use]
    pub const fn get(self) -> u8 {
        if self.0 == 0 { 6 } else { self.0 }
    }

    /// Number of tokens in a full chunk, 2 to 32,768.
    #[must_use]
    pub const fn chunk_tokens(self) -> u32 {
        1 << self.get()
    }
}

/// The 16 bytes at the start of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    flags: Flags,
    codec: Codec,
    original_len: u32,
    chunk_count: u32,
}

impl Header {
    /// Length of the header in bytes.
    pub const LEN: usize = 16;

    /// The greatest number of chunks whose table fits the inner header's length.
    pub(super) const MAX_CHUNKS: u32 = (u32::MAX - INNER_FIXED_LEN) / 2;

    /// A header for `chunk_count` chunks, at most [`Self::MAX_CHUNKS`].
    pub(super) fn new(flags: Flags, codec: Codec, original_len: u32, chunk_count: u32) -> Self {
        debug_assert!(chunk_count <= Self::MAX_CHUNKS);
        Self {
            flags,
            codec,
            original_len,
            chunk_count,
        }
    }

    /// Reads and checks a header.
    pub fn parse(bytes: &[u8; Self::LEN]) -> Result<Self, FormatError> {
        let [m @ .., flags, codec, o0, o1, o2, o3, i0, i1, i2, i3] = *bytes;
        if m != MAGIC {
            return Err(FormatError::Magic { found: m });
        }
        let flags = Flags::from_bits(flags)?;
        let codec = Codec::from_byte(codec).ok_or(FormatError::Codec { codec })?;
        let inner_len = u32::from_le_bytes([i0, i1, i2, i3]);
        match inner_len.checked_sub(INNER_FIXED_LEN) {
            Some(table_len) if table_len % 2 == 0 => Ok(Self {
                flags,
                codec,
                original_len: u32::from_le_bytes([o0, o1, o2, o3]),
                chunk_count: table_len / 2,
            }),
            _ => Err(FormatError::InnerLen { inner_len }),
        }
    }

    /// The header's bytes.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        bytes[..6].copy_from_slice(&MAGIC);
        bytes[6] = self.flags.bits();
        bytes[7] = self.codec.to_byte();
        bytes[8..12].copy_from_slice(&self.original_len.to_le_bytes());
        bytes[12..].copy_from_slice(&self.inner_len().to_le_bytes());
        bytes
    }

    /// The flags.
    #[must_use]
    pub fn flags(&self) -> Flags {
        self.flags
    }

    /// The outer codec.
    #[must_use]
    pub fn codec(&self) -> Codec {
        self.codec
    }

    /// Length of the original text in bytes. Nothing in the container depends on it.
    #[must_use]
    pub fn original_len(&self) -> u32 {
        self.original_len
    }

    /// Length of the inner header in bytes: 12 plus 2 for each chunk.
    #[must_use]
    pub fn inner_len(&self) -> u32 {
        INNER_FIXED_LEN + 2 * self.chunk_count
    }

    /// Number of chunks, as [`Self::inner_len`] tells.
    #[must_use]
    pub fn chunk_count(&self) -> u32 {
        self.chunk_count
    }
}

/// The number that encoders store for a model: the first four bytes of the MD5 of its path as the user typed it, read
/// as a big-endian number.
///
/// The same model gets another number from another folder, and another model the same from the same folder, so it
/// identifies nothing. It is written because existing files have it.
///
/// ```
/// let hash = czip_container::v1::model_id_hash("models/v001_eng.czm");
/// assert_eq!(hash, 0x271b_f17f);
/// assert_eq!(hash.to_le_bytes(), [0x7f, 0xf1, 0x1b, 0x27]); // as stored
/// ```
#[must_use]
pub fn model_id_hash(path: &str) -> u32 {
    let digest = Md5::digest(path.as_bytes());
    u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]])
}
