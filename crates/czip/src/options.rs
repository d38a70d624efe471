//! What a caller may choose.

use std::fmt;
use std::num::NonZeroUsize;
use std::ops::RangeInclusive;
use std::sync::Arc;

use czip_container::v2::{Level, Mode};

#[cfg(feature = "v1")]
use crate::v1::{ChunkLevel, Codec};

/// The function that is called with the progress.
pub(crate) type Watch = dyn Fn(Progress) + Send + Sync;

/// The function that is asked whether to stop.
pub(crate) type Stop = dyn Fn() -> bool + Send + Sync;

/// How to compress or decompress. Options that only concern the other direction are ignored.
///
/// ```
/// use std::num::NonZeroUsize;
///
/// use czip::{Level, Limits, Options};
///
/// let options = Options::new()
///     .level(Level::try_from(9)?)
///     .threads(NonZeroUsize::MIN)
///     .limits(Limits::new().with_text_len(1 << 30));
/// let file = czip::compress(None, b"Integers are the same everywhere.", &options)?;
/// assert_eq!(czip::decompress(None, &file, &options)?, b"Integers are the same everywhere.");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Options {
    pub(crate) level: Level,
    pub(crate) segment_len: Option<usize>,
    pub(crate) index: bool,
    #[cfg(feature = "v1")]
    pub(crate) v1_codec: Codec,
    #[cfg(feature = "v1")]
    pub(crate) v1_level: Option<ChunkLevel>,
    pub(crate) threads: Option<NonZeroUsize>,
    pub(crate) limits: Limits,
    pub(crate) only: Option<Mode>,
    pub(crate) progress: Option<Arc<Watch>>,
    pub(crate) stop: Option<Arc<Stop>>,
}

impl Options {
    /// The defaults: level 5, segments as long as the level has them, an index, and as many threads as there are cores. For
    /// CZIPv1: brotli around chunks as long as the model's context.
    #[must_use]
    pub fn new() -> Self {
        Self {
            level: Level::DEFAULT,
            segment_len: None,
            index: true,
            #[cfg(feature = "v1")]
            v1_codec: if cfg!(feature = "brotli") {
                Codec::Brotli
            } else {
                Codec::Zstd
            },
            #[cfg(feature = "v1")]
            v1_level: None,
            threads: None,
            limits: Limits::default(),
            only: None,
            progress: None,
            stop: None,
        }
    }

    /// How much work is done for a smaller file, 1 to 9.
    #[must_use]
    pub fn level(mut self, level: Level) -> Self {
        self.level = level;
        self
    }

    /// The most bytes of text in a segment. A number outside [`Options::SEGMENT_LENS`] is moved to the nearest one inside.
    /// The default depends on the level: 1, 2, 4, 1, 1, 2, 4, 8 and 16 MiB at levels 1 to 9; with large nets 64 KiB.
    ///
    /// Segments are independent: they are the units of parallel work, of seeking, and of what damage can spoil. Each
    /// begins without knowing anything of the text, so longer ones give smaller files.
    #[must_use]
    pub fn segment_len(mut self, bytes: usize) -> Self {
        self.segment_len = Some(bytes.clamp(*Self::SEGMENT_LENS.start(), *Self::SEGMENT_LENS.end()));
        self
    }

    /// The lengths that a segment may have, in bytes of text.
    pub const SEGMENT_LENS: RangeInclusive<usize> = 1 << 10..=czip_container::v2::MAX_TEXT_LEN;

    /// Whether a file of several segments ends with an index of them.
    #[must_use]
    pub fn index(mut self, index: bool) -> Self {
        self.index = index;
        self
    }

    /// Uses this mode for every segment, instead of the one that promises to be the smallest; or the next simpler one, if
    /// there is no model or the level has no net. A segment that does not get smaller is still stored.
    #[must_use]
    pub fn only(mut self, mode: Mode) -> Self {
        self.only = Some(mode);
        self
    }

    /// For CZIPv1: the general-purpose codec around the file's contents.
    #[cfg(feature = "v1")]
    #[must_use]
    pub fn v1_codec(mut self, codec: Codec) -> Self {
        self.v1_codec = codec;
        self
    }

    /// For CZIPv1: the length of chunks. Without it they are as long as the model's context. Chunks longer than that are
    /// shortened to it, and [`v1::Summary::level_lowered`](crate::v1::Summary::level_lowered) says so.
    #[cfg(feature = "v1")]
    #[must_use]
    pub fn v1_level(mut self, level: ChunkLevel) -> Self {
        self.v1_level = Some(level);
        self
    }

    /// The number of threads, at most [`Options::MAX_THREADS`]; a greater number means that many. The default is the number
    /// of cores. Threads do not change the output.
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

    /// A function to call often, from any thread. As soon as it returns `true` the work ends, with the error
    /// [`Error::Stopped`](crate::Error::Stopped).
    ///
    /// Each thread calls it at least once for every 64 KiB of text that it codes. Only cutting a text into tokens takes
    /// longer: that is done segment by segment, or for CZIPv1 all at once.
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
        let mut debug = f.debug_struct("Options");
        debug
            .field("level", &self.level)
            .field("segment_len", &self.segment_len)
            .field("index", &self.index)
            .field("only", &self.only)
            .field("threads", &self.threads)
            .field("limits", &self.limits);
        #[cfg(feature = "v1")]
        debug
            .field("v1_codec", &self.v1_codec)
            .field("v1_level", &self.v1_level);
        debug.finish_non_exhaustive()
    }
}

/// What a file may ask for when it is decompressed. A file that asks for more is refused before the work is done.
///
/// ```
/// use czip::{Limits, Options};
///
/// let options = Options::new().limits(Limits::new().with_text_len(1 << 20).with_memory(64 << 20));
/// let file = czip::compress(None, b"Integers are the same everywhere.", &options)?;
/// assert!(czip::decompress(None, &file, &options).is_ok());
/// # Ok::<(), czip::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// The longest text, in bytes; 2^64 - 1 by default.
    pub max_text_len: u64,
    /// The most bytes of memory that a file can make a decoder use. The default of 16 GiB is enough for some 100 threads at
    /// full speed. With less, fewer threads work, and fewer segments are decoded side by side.
    ///
    /// The limit covers segments that wait, their texts until they are handed out, and what decoding them takes: up to some
    /// 160 MiB for each thread, and 130 MiB for a single segment of 16 MiB of text; or the table of a CZIPv1 file's chunks.
    /// It does not cover what the caller has asked for in memory (a whole text, which `max_text_len` limits, or an
    /// [`Index`](crate::Index)), what only depends on the model, or the window of CZIPv1's outer codec, at most 128 MiB.
    pub max_memory: u64,
}

impl Limits {
    /// The defaults.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            max_text_len: u64::MAX,
            max_memory: 16 << 30,
        }
    }

    /// The same with another [`max_text_len`](Self::max_text_len).
    #[must_use]
    pub const fn with_text_len(mut self, bytes: u64) -> Self {
        self.max_text_len = bytes;
        self
    }

    /// The same with another [`max_memory`](Self::max_memory).
    #[must_use]
    pub const fn with_memory(mut self, bytes: u64) -> Self {
        self.max_memory = bytes;
        self
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::new()
    }
}

/// Work done and work to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// Coded so far.
    pub done: u64,
    /// The total to code, if it is known.
    pub total: Option<u64>,
    /// What is counted.
    pub unit: Unit,
}

impl Progress {
    pub(crate) const fn new(done: u64, total: Option<u64>, unit: Unit) -> Self {
        Self { done, total, unit }
    }
}

/// What [`Progress`] counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Unit {
    /// Bytes of text.
    Bytes,
    /// Tokens, for CZIPv1.
    Tokens,
}
