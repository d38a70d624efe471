//! The levels of a file.

use std::{fmt, str::FromStr};

/// How much work went into a file, and how much memory decoding takes: 1, least, to 9.
///
/// What a level means is defined by whoever codes the segments, not here.
///
/// ```
/// use czip_container::v2::Level;
///
/// let level: Level = "9".parse()?;
/// assert_eq!(level.get(), 9);
/// assert_eq!(Level::new(9), Some(level));
/// let error = Level::try_from(10).unwrap_err();
/// assert_eq!(error.to_string(), "level \"10\" is not a number from 1 to 9");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Level(u8);

impl Level {
    /// The fastest level, 1.
    pub const MIN: Self = Self(1);
    /// The level to use if there is no wish, 5.
    pub const DEFAULT: Self = Self(5);
    /// The level of the smallest files, 9.
    pub const MAX: Self = Self(9);

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

/// [`Level::DEFAULT`].
impl Default for Level {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// From the level's number.
impl TryFrom<u8> for Level {
    type Error = InvalidLevel;

    fn try_from(level: u8) -> Result<Self, InvalidLevel> {
        Self::new(level).ok_or_else(|| InvalidLevel {
            found: level.to_string(),
        })
    }
}

/// From the level's number in decimal digits.
impl FromStr for Level {
    type Err = InvalidLevel;

    fn from_str(level: &str) -> Result<Self, InvalidLevel> {
        let number = level.parse().ok();
        number.and_then(Self::new).ok_or_else(|| InvalidLevel {
            found: level.to_owned(),
        })
    }
}

impl From<Level> for u8 {
    fn from(level: Level) -> Self {
        level.get()
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What is not the number of a [`Level`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("level \"{found}\" is not a number from 1 to 9")]
#[non_exhaustive]
pub struct InvalidLevel {
    /// What was given instead.
    pub found: String,
}
