//! Models of all versions behind one set of types: files, sizes, and the net from rows of tokens to logits, int32
//! `[rows, vocab]`, and frequencies, uint32 `[vocab]`.

use czip_kernels::{Interval, Kernels};

use crate::envelope::{Envelope, Metadata};
use crate::slot::CacheSlot;
use crate::{Error, Extras, v1, v2, v3};

/// A model file of any version, validated.
///
/// [`ModelFile::from_bytes`] has checked every rule of the format that concerns metadata and tensors, so nothing after
/// it checks again. It has not checked the tokenizer and the priors, which are text and bytes to this crate.
#[derive(Clone, Debug)]
pub enum ModelFile<'a> {
    /// Of the format czip-model-v1.
    V1(Box<v1::Weights<'a>>),
    /// Of the format czip-model-v2.
    V2(Box<v2::File<'a>>),
    /// Of the format czip-model-v3.
    V3(Box<v3::File>),
}

impl<'a> ModelFile<'a> {
    /// Reads a model file and checks every tensor's type, shape and range against the metadata.
    ///
    /// # Errors
    ///
    /// Any deviation from the pages of the formats in `docs/spec`, by the name of the key or tensor.
    pub fn from_bytes(bytes: &'a [u8]) -> Result<Self, Error> {
        let envelope = Envelope::read(bytes)?;
        let metadata = Metadata(&envelope.metadata);
        match metadata.text("format")? {
            v1::FORMAT => Ok(Self::V1(Box::new(v1::Weights::from_envelope(&envelope)?))),
            v2::FORMAT => Ok(Self::V2(Box::new(v2::File::from_envelope(&envelope)?))),
            v3::FORMAT => Ok(Self::V3(Box::new(v3::File::from_bytes(bytes)?))),
            _ => Err(metadata.bad("format", "only czip-model-v1, -v2 and -v3 are known")),
        }
    }

    /// What the file holds in addition to the net.
    #[must_use]
    pub fn extras(&self) -> &Extras<'a> {
        match self {
            Self::V1(weights) => &weights.extras,
            Self::V2(file) => &file.extras,
            Self::V3(file) => &file.extras,
        }
    }
}

/// The sizes of a model of any version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ModelInfo {
    /// The name of the format.
    pub format: &'static str,
    /// Tokens in the vocabulary.
    pub vocab_size: usize,
    /// Layers.
    pub layers: usize,
    /// Query heads.
    pub heads: usize,
    /// Heads of keys and values, each for as many query heads.
    pub kv_heads: usize,
    /// Elements of the residual.
    pub d_model: usize,
    /// Units of the feed-forward network.
    pub d_ff: usize,
    /// The most positions of a chunk of CZIPv1: a power of two, 2 to 2^15.
    pub context_length: usize,
    /// Positions that attention reaches; `None` if it reaches all of them.
    pub window: Option<usize>,
    /// First positions that attention reaches besides.
    pub sinks: usize,
    /// Rows of the bigram embedding; 0 if there is none.
    pub bigram_buckets: usize,
    /// Int8 multiply-adds per token, without attention.
    pub multiply_adds: usize,
    /// Trained parameters.
    pub parameters: usize,
    /// The token that every text starts with, if the model names one; else its tokenizer does.
    pub start_token: Option<u32>,
}

impl ModelInfo {
    /// The number of bits in a position: the logarithm of the context length.
    #[must_use]
    pub const fn context_log2(&self) -> u8 {
        self.context_length.trailing_zeros() as u8
    }

    fn v1(config: &v1::Config) -> Self {
        Self {
            format: v1::FORMAT,
            vocab_size: config.vocab_size,
            layers: config.layers,
            heads: config.heads,
            kv_heads: 1,
            d_model: config.d_model,
            d_ff: config.d_ff,
            context_length: config.context_length,
            window: None,
            sinks: 0,
            bigram_buckets: 0,
            multiply_adds: config.multiply_adds(),
            parameters: config.parameters(),
            start_token: None,
        }
    }

    fn v3(config: &v3::Config) -> Self {
        Self {
            format: v3::FORMAT,
            vocab_size: config.vocab_size,
            layers: config.layers,
            heads: config.heads,
            kv_heads: config.kv_heads,
            d_model: config.d_model,
            d_ff: config.d_ff,
            context_length: v3::CHUNK_LENGTH,
            window: Some(config.window),
            sinks: config.sinks,
            bigram_buckets: 0,
            multiply_adds: config.multiply_adds(),
            parameters: config.parameters(),
            start_token: Some(config.start_token),
        }
    }

    fn v2(config: &v2::Config) -> Self {
        Self {
            format: v2::FORMAT,
            vocab_size: config.vocab_size,
            layers: config.layers,
            heads: config.heads,
            kv_heads: 1,
            d_model: config.d_model,
            d_ff: config.d_ff,
            context_length: v2::CHUNK_LENGTH,
            window: Some(config.window),
            sinks: 0,
            bigram_buckets: config.bigram_buckets,
            multiply_adds: config.multiply_adds(),
            parameters: config.parameters(),
            start_token: None,
        }
    }
}

/// One token to take at one position of one sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// The index of the sequence's [`AnyCache`].
    pub sequence: usize,
    /// The position of the token, from 0; all positions before it have been taken, in this batch or earlier. It may itself
    /// have been taken: see [`AnyTransformer::forward`].
    pub position: usize,
    /// The token.
    pub token: u32,
}

/// A net of any version, ready to run. It is immutable, and any number of threads can share one.
#[derive(Debug)]
pub struct AnyTransformer {
    net: Net,
    config: ModelInfo,
}

#[derive(Debug)]
enum Net {
    V1(Box<v1::Transformer>),
    V2(Box<v2::Transformer>),
    V3(Box<v3::Transformer>),
}

impl From<v1::Transformer> for AnyTransformer {
    fn from(net: v1::Transformer) -> Self {
        Self {
            config: ModelInfo::v1(net.config()),
            net: Net::V1(Box::new(net)),
        }
    }
}

impl From<v2::Transformer> for AnyTransformer {
    fn from(net: v2::Transformer) -> Self {
        Self {
            config: ModelInfo::v2(net.config()),
            net: Net::V2(Box::new(net)),
        }
    }
}

impl From<v3::Transformer> for AnyTransformer {
    fn from(net: v3::Transformer) -> Self {
        Self {
            config: ModelInfo::v3(net.config()),
            net: Net::V3(Box::new(net)),
        }
    }
}

/// The keys and values of one sequence.
#[derive(Clone, Debug)]
pub struct AnyCache(CacheOf);

#[derive(Clone, Debug)]
enum CacheOf {
    V1(v1::Cache),
    V2(v2::Cache),
    V3(v3::Cache),
}

impl AnyCache {
    /// The number of positions that fit. A model with a window forgets old ones, so any number does.
    #[must_use]
    pub const fn capacity(&self) -> usize {
        match &self.0 {
            CacheOf::V1(cache) => cache.capacity(),
            CacheOf::V2(_) | CacheOf::V3(_) => usize::MAX,
        }
    }
}

const OTHER_CACHE: &str = "a cache of a model of another version";

impl CacheSlot<v1::Cache> for AnyCache {
    fn cache(&self) -> &v1::Cache {
        match &self.0 {
            CacheOf::V1(cache) => cache,
            _ => panic!("{OTHER_CACHE}"),
        }
    }

    fn cache_mut(&mut self) -> &mut v1::Cache {
        match &mut self.0 {
            CacheOf::V1(cache) => cache,
            _ => panic!("{OTHER_CACHE}"),
        }
    }
}

impl CacheSlot<v2::Cache> for AnyCache {
    fn cache(&self) -> &v2::Cache {
        match &self.0 {
            CacheOf::V2(cache) => cache,
            _ => panic!("{OTHER_CACHE}"),
        }
    }

    fn cache_mut(&mut self) -> &mut v2::Cache {
        match &mut self.0 {
            CacheOf::V2(cache) => cache,
            _ => panic!("{OTHER_CACHE}"),
        }
    }
}

impl CacheSlot<v3::Cache> for AnyCache {
    fn cache(&self) -> &v3::Cache {
        match &self.0 {
            CacheOf::V3(cache) => cache,
            _ => panic!("{OTHER_CACHE}"),
        }
    }

    fn cache_mut(&mut self) -> &mut v3::Cache {
        match &mut self.0 {
            CacheOf::V3(cache) => cache,
            _ => panic!("{OTHER_CACHE}"),
        }
    }
}

/// Working space for batches of up to a given number of rows, and the logits of the last one.
#[derive(Debug)]
pub struct AnyScratch(ScratchOf);

#[derive(Debug)]
enum ScratchOf {
    V1(v1::Scratch),
    V2 {
        scratch: v2::Scratch,
        rows: Vec<v2::Row>,
    },
    V3(v3::Scratch),
}

impl AnyScratch {
    /// The largest batch.
    #[must_use]
    pub const fn capacity(&self) -> usize {
        match &self.0 {
            ScratchOf::V1(scratch) => scratch.capacity(),
            ScratchOf::V2 { scratch, .. } => scratch.capacity(),
            ScratchOf::V3(scratch) => scratch.capacity(),
        }
    }

    /// The logits of a row of the last batch: int32 `[vocab]`.
    ///
    /// # Panics
    ///
    /// If the last batch had no such row.
    #[must_use]
    pub fn logits(&self, row: usize) -> &[i32] {
        match &self.0 {
            ScratchOf::V1(scratch) => scratch.logits(row),
            ScratchOf::V2 { scratch, .. } => scratch.logits(row),
            ScratchOf::V3(scratch) => scratch.logits(row),
        }
    }
}

impl AnyTransformer {
    /// Packs the weights for the instruction set of `kernels`. The file's bytes are no longer needed.
    #[must_use]
    pub fn new(kernels: Kernels, file: ModelFile<'_>) -> Self {
        match file {
            ModelFile::V1(weights) => v1::Transformer::new(kernels, &weights).into(),
            ModelFile::V2(file) => v2::Transformer::new(kernels, &file.weights).into(),
            ModelFile::V3(file) => v3::Transformer::new(kernels, file.weights).into(),
        }
    }

    /// The sizes of the model.
    #[must_use]
    pub const fn config(&self) -> &ModelInfo {
        &self.config
    }

    /// The kernels that run it.
    #[must_use]
    pub const fn kernels(&self) -> Kernels {
        match &self.net {
            Net::V1(net) => net.kernels(),
            Net::V2(net) => net.kernels(),
            Net::V3(net) => net.kernels(),
        }
    }

    /// An empty sequence with room for `capacity` positions. A model with a window has room for any number.
    ///
    /// # Panics
    ///
    /// If `capacity` exceeds the context length of a model without a window.
    #[must_use]
    pub fn cache(&self, capacity: usize) -> AnyCache {
        AnyCache(match &self.net {
            Net::V1(net) => CacheOf::V1(net.cache(capacity)),
            Net::V2(net) => CacheOf::V2(net.cache()),
            Net::V3(net) => CacheOf::V3(net.cache()),
        })
    }

    /// The most bytes that a cache for `capacity` positions takes, on any machine.
    #[must_use]
    pub fn cache_len(&self, capacity: usize) -> usize {
        match &self.net {
            Net::V1(net) => net.cache_len(capacity),
            Net::V2(net) => net.cache_len(),
            Net::V3(net) => net.cache_len(),
        }
    }

    /// The most rows of a batch: the window of a model of version 2 or 3 bounds them.
    #[must_use]
    pub const fn max_batch(&self) -> usize {
        match &self.net {
            Net::V1(_) => usize::MAX,
            Net::V2(_) => v2::MAX_BATCH,
            Net::V3(_) => v3::MAX_BATCH,
        }
    }

    /// The most threads that compute a batch together: models of version 1 and 2 are too small to be shared out.
    #[must_use]
    pub const fn max_threads(&self) -> usize {
        match &self.net {
            Net::V1(_) | Net::V2(_) => 1,
            Net::V3(_) => usize::MAX,
        }
    }

    /// Working space for batches of up to `rows` rows, computed by one thread.
    ///
    /// # Panics
    ///
    /// If there are more than [`AnyTransformer::max_batch`].
    #[must_use]
    pub fn scratch(&self, rows: usize) -> AnyScratch {
        self.scratch_for(rows, 1)
    }

    /// Working space for batches of up to `rows` rows, which up to `threads` threads compute together, or as many as
    /// [`AnyTransformer::max_threads`] allows. The result is the same.
    ///
    /// # Panics
    ///
    /// If there are more rows than [`AnyTransformer::max_batch`], or no threads.
    #[must_use]
    pub fn scratch_for(&self, rows: usize, threads: usize) -> AnyScratch {
        AnyScratch(match &self.net {
            Net::V1(net) => ScratchOf::V1(net.scratch(rows)),
            Net::V2(net) => ScratchOf::V2 {
                scratch: net.scratch(rows),
                rows: Vec::with_capacity(rows),
            },
            Net::V3(net) => ScratchOf::V3(net.scratch(rows, threads)),
        })
    }

    /// Takes a batch of tokens; afterwards `scratch` holds the logits of the token after each.
    ///
    /// The rows may belong to different sequences, all of which one pass over the weights serves, or be consecutive
    /// positions of one whose tokens are known, or both. The result does not depend on how tokens are grouped into
    /// batches.
    ///
    /// A batch may go back in a sequence, so tokens can be guesses: its rows may begin at any of the [`v2::MAX_BATCH`] newest
    /// positions that have been taken, and the result is as if the tokens from there on had not been. Position 0 begins
    /// another sequence.
    ///
    /// # Panics
    ///
    /// If there are more rows than `scratch` has room for, if a row's sequence, position or token is out of range, or if a
    /// cache or the scratch was made by a model of another version or of other sizes.
    pub fn forward(&self, rows: &[Row], caches: &mut [AnyCache], scratch: &mut AnyScratch) {
        match (&self.net, &mut scratch.0) {
            (Net::V1(net), ScratchOf::V1(scratch)) => net.forward(rows, caches, scratch),
            (Net::V2(net), ScratchOf::V2 { scratch, rows: of_v2 }) => {
                of_v2.clear();
                of_v2.extend(rows.iter().map(|&row| v2::Row::from(row)));
                net.forward(of_v2, caches, scratch);
            }
            (Net::V3(net), ScratchOf::V3(scratch)) => net.forward(rows, caches, scratch),
            _ => panic!("scratch of a model of another version"),
        }
    }

    /// Takes a batch of tokens like [`AnyTransformer::forward`], but only to store the keys and values that later tokens
    /// attend to. Whether there are logits afterwards is unspecified.
    ///
    /// # Panics
    ///
    /// As [`AnyTransformer::forward`].
    pub fn remember(&self, rows: &[Row], caches: &mut [AnyCache], scratch: &mut AnyScratch) {
        match (&self.net, &mut scratch.0) {
            (Net::V1(net), ScratchOf::V1(scratch)) => net.remember(rows, caches, scratch),
            _ => self.forward(rows, caches, scratch),
        }
    }

    /// The frequencies of all tokens from their logits, uint32 `[vocab]`, each at least 1. Returns their sum, at most
    /// 2^30.
    ///
    /// # Panics
    ///
    /// If a length is not the vocabulary's.
    pub fn frequencies(&self, logits: &[i32], out: &mut [u32]) -> u32 {
        match &self.net {
            Net::V1(net) => {
                net.frequencies(logits, out);
                net.total()
            }
            Net::V2(net) => net.frequencies(logits, out),
            Net::V3(net) => net.frequencies(logits, out),
        }
    }

    /// The interval of a token among [`AnyTransformer::frequencies`].
    ///
    /// # Panics
    ///
    /// If the token is not in the vocabulary.
    #[must_use]
    pub fn interval(&self, frequencies: &[u32], token: u32) -> Interval {
        self.kernels().interval(frequencies, token as usize)
    }

    /// The token whose interval holds `target`, among [`AnyTransformer::frequencies`].
    #[must_use]
    pub fn find(&self, frequencies: &[u32], target: u32) -> Interval {
        self.kernels().find(frequencies, target)
    }
}
