//! The levels of CZIPv1.

use std::{fmt, str::FromStr};

/// The level of a CZIPv1 file, 1 to 5: chunks of 64, 128, 256, 512 or 1,024 tokens.
///
/// Longer chunks give smaller files and larger units of parallel work.
///
/// ```
/// use czip::v1::ChunkLevel;
///
/// let level: ChunkLevel = "5".parse()?;
/// assert_eq!(level.context_log2(), 10);
/// let error = ChunkLevel::try_from(6).unwrap_err();
/// assert_eq!(error.to_string(), "level \"6\" is not a number from 1 to 5");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChunkLevel(u8);

impl ChunkLevel {
    /// The level of the shortest chunks, 1.
    pub const MIN: Self = Self(1);
    /// The level of the longest chunks, 5.
    pub const MAX: Self = Self(5);

    /// The level with this number; `None` unless it is 1 to 5.
    #[must_use]
    pub const fn new(level: u8) -> Option<Self> {
        match level {
            1..=5 => Some(Self(level)),
            _ => None,
        }
    }

    /// The level, 1 to 5.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0
    }

    /// The base-2 logarithm of the tokens in a chunk.
    #[must_use]
    pub const fn context_log2(self) -> u8 {
        self.0 + 5
    }
}

/// From the level's number.
impl TryFrom<u8> for ChunkLevel {
    type Error = InvalidChunkLevel;

    fn try_from(level: u8) -> Result<Self, InvalidChunkLevel> {
        Self::new(level).ok_or_else(|| InvalidChunkLevel {
            found: level.to_string(),
        })
    }
}

/// From the level's number in decimal digits.
impl FromStr for ChunkLevel {
    type Err = InvalidChunkLevel;

    fn from_str(level: &str) -> Result<Self, InvalidChunkLevel> {
        let number = level.parse().ok();
        number.and_then(Self::new).ok_or_else(|| InvalidChunkLevel {
            found: level.to_owned(),
        })
    }
}

impl From<ChunkLevel> for u8 {
    fn from(level: ChunkLevel) -> Self {
        level.get()
    }
}

impl fmt::Display for ChunkLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What is not the number of a [`ChunkLevel`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("level \"{found}\" is not a number from 1 to 5")]
#[non_exhaustive]
pub struct InvalidChunkLevel {
    /// What was given instead.
    pub found: String,
}
