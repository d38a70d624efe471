//! The modes of segments, and the names of models.

use std::fmt;

/// What a segment's payload is. There are exactly four modes, the values of two bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// The text as it is; number 0.
    Stored,
    /// Bytes, predicted by mixing; number 1.
    Bytes,
    /// The model's tokens, predicted by mixing; number 2.
    Tokens,
    /// The model's tokens, predicted by its net and mixing; number 3.
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
