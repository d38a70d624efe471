//! The fields of a member's header, and the modes of segments.

use std::fmt;

use super::{FormatError, MAGIC, SegmentError, VERSION};

/// How much work went into a file, and how much memory decoding takes: 1, least, to 9.
///
/// What a level means is defined by the codec, not here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Level(u8);

impl Level {
    /// The level with this number; `None` unless it is 1 to 9.
    #[must_use]
    pub const fn new(level: u8) -> Option<Self> {
        match level {
            1..=9 => Some(Self(level)),
            _ => None,
        }
    }

    /// The level's number, 1 to 9.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The first four bytes of a model's content hash.
///
/// The hash is the XXH3-128 of the model file's bytes, in its canonical form, the highest byte first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ModelId(pub [u8; 4]);

/// Eight hexadecimal digits.
impl fmt::Display for ModelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", u32::from_be_bytes(self.0))
    }
}

/// What a member says about all of its segments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Header {
    /// The level.
    pub level: Level,
    /// The model that decoding takes. Without it, segments of some [modes](Mode::needs_model) are not allowed.
    pub model: Option<ModelId>,
}

const MODEL_FLAG: u8 = 1 << 4;

impl Header {
    /// The most bytes of a header.
    const MAX_LEN: usize = 8;

    /// Length of the header in bytes: 8 with a model, 4 without.
    #[must_use]
    pub const fn byte_len(&self) -> usize {
        Self::len_of(self.model.is_some())
    }

    /// Length in bytes of a header with or without a model.
    pub(super) const fn len_of(has_model: bool) -> usize {
        if has_model { Self::MAX_LEN } else { 4 }
    }

    /// The fourth byte, which tells version, level, and whether there is a model.
    pub(super) fn tag(&self) -> u8 {
        VERSION << 5 | if self.model.is_some() { MODEL_FLAG } else { 0 } | self.level.get()
    }

    /// The header's bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(Self::MAX_LEN);
        bytes.extend_from_slice(&MAGIC);
        bytes.push(self.tag());
        if let Some(ModelId(id)) = self.model {
            bytes.extend_from_slice(&id);
        }
        bytes
    }

    /// Checks a fourth byte found at `offset`. Returns the level, and whether a model follows.
    pub(super) fn parse_tag(tag: u8, offset: u64) -> Result<(Level, bool), FormatError> {
        let version = tag >> 5;
        if version != VERSION {
            return Err(FormatError::Version { version, offset });
        }
        let level = tag & 0x0f;
        let level = Level::new(level).ok_or(FormatError::Level { level, offset })?;
        Ok((level, tag & MODEL_FLAG != 0))
    }

    /// Checks that segments of `mode` may follow this header.
    pub(super) fn check_mode(&self, mode: Mode) -> Result<(), SegmentError> {
        if mode.needs_model() && self.model.is_none() {
            return Err(SegmentError::NoModel { mode });
        }
        Ok(())
    }
}

/// What a segment's payload is. There are exactly four modes, the values of two bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// The text as it is; number 0.
    Stored,
    /// Bytes, predicted by adaptive mixing; number 1.
    Bytes,
    /// The model's tokens, predicted by adaptive mixing; number 2.
    Tokens,
    /// The model's tokens, predicted by its network and adaptive mixing; number 3.
    Net,
}

impl Mode {
    /// The number in the segment's header.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Stored => 0,
            Self::Bytes => 1,
            Self::Tokens => 2,
            Self::Net => 3,
        }
    }

    /// Whether decoding takes the model that the header names: [`Tokens`](Self::Tokens) and [`Net`](Self::Net).
    #[must_use]
    pub const fn needs_model(self) -> bool {
        matches!(self, Self::Tokens | Self::Net)
    }

    /// The mode in the lowest two bits.
    pub(super) const fn from_bits(bits: u32) -> Self {
        match bits & 3 {
            0 => Self::Stored,
            1 => Self::Bytes,
            2 => Self::Tokens,
            _ => Self::Net,
        }
    }
}

/// The mode's name: `stored`, `bytes`, `tokens` or `net`.
impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Stored => "stored",
            Self::Bytes => "bytes",
            Self::Tokens => "tokens",
            Self::Net => "net",
        })
    }
}
