//! What a caller may choose.

use std::fmt;
use std::num::NonZeroUsize;
use std::str::FromStr;
use std::sync::Arc;

use crate::Codec;

/// How to compress or decompress. What concerns only the other direction is ignored.
#[derive(Clone)]
pub struct Options {
    pub(crate) codec: Codec,
    pub(crate) level: Option<ChunkLevel>,
    pub(crate) threads: Option<NonZeroUsize>,
    pub(crate) limits: Limits,
    pub(crate) progress: Option<Arc<dyn Fn(Progress) + Send + Sync>>,
}

impl Options {
    /// The defaults: brotli outside, chunks as long as the model's context, as many threads as there are cores.
    #[must_use]
    pub fn new() -> Self {
        Self {
            codec: Codec::Brotli,
            level: None,
            threads: None,
            limits: Limits::default(),
            progress: None,
        }
    }

    /// The general-purpose codec around the file's contents.
    #[must_use]
    pub fn codec(mut self, codec: Codec) -> Self {
        self.codec = codec;
        self
    }

    /// The length of chunks. Without it they are as long as the model's context; a level above that is lowered to it,
    /// which [`Summary::level_lowered`](crate::Summary::level_lowered) tells.
    #[must_use]
    pub fn level(mut self, level: ChunkLevel) -> Self {
        self.level = Some(level);
        self
    }

    /// The number of threads. Without it, as many as there are cores. It does not change the output.
    #[must_use]
    pub fn threads(mut self, threads: NonZeroUsize) -> Self {
        self.threads = Some(threads);
        self
    }

    /// What a file may demand when it is decompressed.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// A function to call now and then, from any thread, with the work done so far.
    #[must_use]
    pub fn on_progress(mut self, progress: impl Fn(Progress) + Send + Sync + 'static) -> Self {
        self.progress = Some(Arc::new(progress));
        self
    }
}

impl Default for Options {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("codec", &self.codec)
            .field("level", &self.level)
            .field("threads", &self.threads)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// The level of a CZIPv1 file, 1 to 5: chunks of 64, 128, 256, 512 or 1,024 tokens.
///
/// Longer chunks give smaller files and larger units of parallel work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ChunkLevel(u8);

impl ChunkLevel {
    /// Level 1 to 5.
    ///
    /// # Errors
    ///
    /// [`InvalidChunkLevel`] for any other.
    pub const fn new(level: u8) -> Result<Self, InvalidChunkLevel> {
        if matches!(level, 1..=5) {
            Ok(Self(level))
        } else {
            Err(InvalidChunkLevel)
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

impl FromStr for ChunkLevel {
    type Err = InvalidChunkLevel;

    fn from_str(level: &str) -> Result<Self, InvalidChunkLevel> {
        level.parse().map_err(|_| InvalidChunkLevel).and_then(Self::new)
    }
}

/// A level outside 1 to 5.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("levels are 1 to 5")]
pub struct InvalidChunkLevel;

/// What a file may demand when it is decompressed; a file that wants more is refused before the work is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// The longest text, in bytes. The format itself ends at 4 GiB.
    pub max_text_len: u64,
}

impl Limits {
    /// Limits with this longest text, in bytes.
    #[must_use]
    pub const fn max_text_len(bytes: u64) -> Self {
        Self { max_text_len: bytes }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::max_text_len(u32::MAX as u64)
    }
}

/// Work done and work to do, in tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// Tokens coded so far.
    pub done: u64,
    /// Tokens to code.
    pub total: u64,
}

impl Progress {
    pub(crate) const fn new(done: u64, total: u64) -> Self {
        Self { done, total }
    }
}
