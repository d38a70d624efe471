//! What a caller may choose.

use std::fmt;
use std::num::NonZeroUsize;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::sync::Arc;

use czip_container::v2::{Level, Mode};

use crate::Codec;
use crate::v2::Plan;

const DEFAULT_LEVEL: Level = match Level::new(5) {
    Some(level) => level,
    None => unreachable!(),
};

/// What is called with the progress.
pub(crate) type Watch = dyn Fn(Progress) + Send + Sync;

/// What is asked whether to stop.
pub(crate) type Stop = dyn Fn() -> bool + Send + Sync;

/// How to compress or decompress. What concerns only the other direction is ignored.
#[derive(Clone)]
pub struct Options {
    pub(crate) level: Level,
    segment_len: Option<usize>,
    pub(crate) index: bool,
    pub(crate) codec: Codec,
    pub(crate) chunk_level: Option<ChunkLevel>,
    pub(crate) threads: Option<NonZeroUsize>,
    pub(crate) limits: Limits,
    pub(crate) only: Option<Mode>,
    pub(crate) progress: Option<Arc<Watch>>,
    pub(crate) stop: Option<Arc<Stop>>,
}

impl Options {
    /// The defaults: level 5, segments as long as the level has them, an index; for CZIPv1, brotli outside and chunks as long as the model's
    /// context; as many threads as there are cores.
    #[must_use]
    pub fn new() -> Self {
        Self {
            level: DEFAULT_LEVEL,
            segment_len: None,
            index: true,
            codec: Codec::Brotli,
            chunk_level: None,
            threads: None,
            limits: Limits::default(),
            only: None,
            progress: None,
            stop: None,
        }
    }

    /// How much is done for a smaller file, 1 to 9.
    #[must_use]
    pub fn level(mut self, level: Level) -> Self {
        self.level = level;
        self
    }

    /// The most bytes of text in a segment, within [`Options::SEGMENT_LENS`]; other numbers are moved there. Without it
    /// they are 1 MiB, and 4 MiB at level 9.
    ///
    /// Segments are independent: they are the units of parallel work, of seeking, and of what damage can spoil. Each
    /// begins without knowing anything of the text, so that longer ones give smaller files.
    #[must_use]
    pub fn segment_len(mut self, bytes: usize) -> Self {
        self.segment_len = Some(bytes.clamp(*Self::SEGMENT_LENS.start(), *Self::SEGMENT_LENS.end()));
        self
    }

    /// The lengths that a segment may have, in bytes of text.
    pub const SEGMENT_LENS: RangeInclusive<usize> = 1 << 10..=czip_container::v2::MAX_TEXT_LEN;

    /// The most bytes of text in a segment at the level chosen.
    pub(crate) fn segment_bytes(&self) -> usize {
        self.segment_len.unwrap_or(Plan::of(self.level).segment_len)
    }

    /// Whether a file of several segments ends with an index of them.
    #[must_use]
    pub fn index(mut self, index: bool) -> Self {
        self.index = index;
        self
    }

    /// Takes this mode for every segment, in place of the one that promises to be the smallest; or the next simpler one,
    /// where there is no model or the level has no net. What does not get smaller is stored all the same.
    #[must_use]
    pub fn only(mut self, mode: Mode) -> Self {
        self.only = Some(mode);
        self
    }

    /// CZIPv1: the general-purpose codec around the file's contents.
    #[must_use]
    pub fn codec(mut self, codec: Codec) -> Self {
        self.codec = codec;
        self
    }

    /// CZIPv1: the length of chunks. Without it they are as long as the model's context; a level above that is lowered
    /// to it, which [`v1::Summary::level_lowered`](crate::v1::Summary::level_lowered) tells.
    #[must_use]
    pub fn chunk_level(mut self, level: ChunkLevel) -> Self {
        self.chunk_level = Some(level);
        self
    }

    /// The number of threads, at most [`Options::MAX_THREADS`]; a greater number means that one. Without it, as many as there
    /// are cores. It does not change the output.
    #[must_use]
    pub fn threads(mut self, threads: NonZeroUsize) -> Self {
        self.threads = Some(threads.min(Self::MAX_THREADS));
        self
    }

    /// The most threads there are.
    pub const MAX_THREADS: NonZeroUsize = match NonZeroUsize::new(1024) {
        Some(threads) => threads,
        None => unreachable!(),
    };

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

    /// A function to call often, from any thread, with what was asked for at an end as soon as it says `true`: the result
    /// is [`Error::Stopped`](crate::Error::Stopped).
    ///
    /// It is called before 64 KiB of text are coded since the last time, by each thread. The one thing that takes longer is
    /// to cut a text into tokens, which is done segment by segment, or for CZIPv1 all at once.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use std::sync::atomic::{AtomicBool, Ordering};
    ///
    /// use czip::{Error, Options};
    ///
    /// let interrupted = Arc::new(AtomicBool::new(true));
    /// let options = Options::new().stop_when(move || interrupted.load(Ordering::Relaxed));
    /// let error = czip::compress(None, b"Integers are the same everywhere.", &options).unwrap_err();
    /// assert!(matches!(error, Error::Stopped));
    /// ```
    #[must_use]
    pub fn stop_when(mut self, stop: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        self.stop = Some(Arc::new(stop));
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
            .field("level", &self.level)
            .field("segment_len", &self.segment_len)
            .field("index", &self.index)
            .field("only", &self.only)
            .field("codec", &self.codec)
            .field("chunk_level", &self.chunk_level)
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
///
/// ```
/// use czip::{Limits, Options};
///
/// let options = Options::new().limits(Limits::max_text_len(1 << 20).with_memory(64 << 20));
/// let file = czip::compress(None, b"Integers are the same everywhere.", &options)?;
/// assert!(czip::decompress(None, &file, &options).is_ok());
/// # Ok::<(), czip::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// The longest text, in bytes; 2^64 - 1 by default.
    pub max_text_len: u64,
    /// The most bytes of memory that a file can make a decoder take; 16 GiB by default, which is enough for some 100 threads
    /// at the speed they have without a limit. With less, fewer threads work, and fewer segments side by side.
    ///
    /// It holds segments that wait, their texts until they are handed out, and what decoding them takes: up to some 160 MiB
    /// for each thread, and 130 MiB for a single segment of 16 MiB of text; or the table of a CZIPv1 file's chunks. It does
    /// not hold what the caller has asked for in memory (a whole text, which `max_text_len` limits, or an
    /// [`Index`](crate::Index)), nor what depends on the model alone, nor the window of CZIPv1's outer codec, which has at
    /// most 128 MiB.
    pub max_memory: u64,
}

impl Limits {
    /// The defaults, with this longest text, in bytes.
    #[must_use]
    pub const fn max_text_len(bytes: u64) -> Self {
        Self {
            max_text_len: bytes,
            max_memory: 16 << 30,
        }
    }

    /// The same with this most memory, in bytes.
    #[must_use]
    pub const fn with_memory(mut self, bytes: u64) -> Self {
        self.max_memory = bytes;
        self
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::max_text_len(u64::MAX)
    }
}

/// Work done and work to do: in bytes of text, or for CZIPv1 in tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// Coded so far.
    pub done: u64,
    /// To code in all, if that is known.
    pub total: Option<u64>,
}

impl Progress {
    pub(crate) const fn new(done: u64, total: Option<u64>) -> Self {
        Self { done, total }
    }
}
