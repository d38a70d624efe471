//! The net, packed for one instruction set, and its batched forward pass: rows of tokens in, logits out, int32
//! `[rows, vocab]`. Between the matrices stand int8 `[rows, d]` and int16 `[rows, d]`; see [`bits`](super::bits).
//!
//! Apart from the oracle in `reference`, this is the only implementation of the integer net: coding and training both
//! run it.

use czip_fixed::tables::TURN;
use czip_kernels::{
    HEAD_DIM, Kernels, KeyValueCache, PackedMatrix, SlidingAttention, WeightsObserver, WindowInput, Workspace,
};

use super::observer::{Norm, Observer};
use super::{Config, Layer, Matrix, Norms, SQUARE_SHIFT, Weights, bigram_bucket, frequency_bits, rotation};
use crate::slot::CacheSlot;

/// One token to take at one position of one sequence.
///
/// A sequence may hold several texts one after another, as training packs them: each row says where its own begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// The index of the sequence's [`Cache`].
    pub sequence: usize,
    /// The position of the token, from 0; all positions before it have been taken, in this batch or earlier. It may itself
    /// have been taken: see [`Transformer::forward`].
    pub position: usize,
    /// The position at which the token's text begins, 0 unless the sequence holds several texts. Nothing before it is
    /// attended to or makes a bigram.
    pub start: usize,
    /// The token.
    pub token: u32,
}

impl From<crate::Row> for Row {
    fn from(row: crate::Row) -> Self {
        Self {
            sequence: row.sequence,
            position: row.position,
            start: 0,
            token: row.token,
        }
    }
}

/// Whether anything is to be observed: known when the code is compiled.
const fn observes<O: Observer>(_: &O) -> bool {
    O::ACTIVE
}

/// The most rows of a batch.
pub const MAX_BATCH: usize = 256;

/// Caches forget positions in groups of this many.
const POSITION_GROUP: usize = 16;

/// A model ready to run. It is immutable, and any number of threads can share one.
#[derive(Debug)]
pub struct Transformer {
    kernels: Kernels,
    config: Config,
    norms: Norms,
    embedding: Matrix,
    bigram: Matrix,
    layers: Vec<PackedLayer>,
    head: Linear,
    /// For each position modulo a full turn.
    rotations: Vec<([i16; HEAD_DIM / 2], [i16; HEAD_DIM / 2])>,
}

#[derive(Debug)]
struct PackedLayer {
    qkv: Linear,
    attention: SlidingAttention,
    out: Linear,
    up: Linear,
    down: Linear,
}

impl PackedLayer {
    fn new(kernels: Kernels, layer: &Layer) -> Self {
        Self {
            qkv: Linear::new(kernels, &layer.qkv),
            attention: SlidingAttention::new(layer.gains.clone(), layer.sinks.clone()),
            out: Linear::new(kernels, &layer.out),
            up: Linear::new(kernels, &layer.up),
            down: Linear::new(kernels, &layer.down),
        }
    }
}

#[derive(Debug)]
struct Linear {
    matrix: PackedMatrix,
    shifts: Vec<u8>,
}

impl Linear {
    fn new(kernels: Kernels, matrix: &Matrix) -> Self {
        Self {
            matrix: kernels.pack(&matrix.weights, matrix.rows(), matrix.cols()),
            shifts: matrix.shifts.clone(),
        }
    }
}

/// The newest tokens of one sequence, and their keys and values in every layer.
#[derive(Clone, Debug)]
pub struct Cache {
    layers: Vec<KeyValueCache>,
    /// The tokens at the same positions as the keys and values.
    tokens: Vec<u32>,
    capacity: usize,
    /// The position that is the first of those that are kept.
    first: usize,
}

impl Cache {
    /// Forgets the `count` oldest positions.
    fn discard(&mut self, count: usize) {
        self.layers.iter_mut().for_each(|layer| layer.discard(count));
        self.tokens.copy_within(count.., 0);
        self.first += count;
    }
}

impl CacheSlot<Self> for Cache {
    fn cache(&self) -> &Self {
        self
    }

    fn cache_mut(&mut self) -> &mut Self {
        self
    }
}

/// Working space for batches of up to a given number of rows, and the logits of the last one.
#[derive(Debug)]
pub struct Scratch {
    capacity: usize,
    rows: usize,
    vocab_size: usize,
    /// `[rows, d]`.
    residual: Vec<i16>,
    /// Normed activations, `[rows, widest input]`.
    normed: Vec<i8>,
    /// Sums of products, `[rows, widest output]`.
    sums: Vec<i32>,
    /// Those sums as 16-bit numbers, `[rows, widest output]`.
    int16: Vec<i16>,
    /// Outputs of attention, `[rows, heads * 64]`.
    attended: Vec<i16>,
    workspace: Workspace,
    logits: Vec<i32>,
}

impl Scratch {
    /// The largest batch.
    #[must_use]
    pub const fn capacity(&self) -> usize {
        self.capacity
    }

    /// The logits of a row of the last batch, in 1/256 octaves: int32 `[vocab]`.
    ///
    /// # Panics
    ///
    /// If the last batch had no such row.
    #[must_use]
    pub fn logits(&self, row: usize) -> &[i32] {
        assert!(row < self.rows, "row {row} of {}", self.rows);
        &self.logits[row * self.vocab_size..][..self.vocab_size]
    }
}

impl Transformer {
    /// Packs the weights for the instruction set of `kernels`.
    #[must_use]
    pub fn new(kernels: Kernels, weights: &Weights) -> Self {
        Self {
            kernels,
            config: weights.config.clone(),
            norms: Norms::new(&weights.config),
            embedding: weights.embedding.clone(),
            bigram: weights.bigram.clone(),
            layers: weights
                .layers
                .iter()
                .map(|layer| PackedLayer::new(kernels, layer))
                .collect(),
            head: Linear::new(kernels, &weights.head),
            rotations: (0..TURN as u64)
                .map(|position| rotation(&weights.frequencies, position))
                .collect(),
        }
    }

    /// The sizes of the model.
    #[must_use]
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// The kernels that run it.
    #[must_use]
    pub const fn kernels(&self) -> Kernels {
        self.kernels
    }

    /// Positions that a cache has room for: those that are kept and another window, so positions are seldom moved.
    const fn positions(&self) -> usize {
        self.kept() + self.config.window.next_multiple_of(POSITION_GROUP)
    }

    /// The newest positions that a cache keeps when it is full: a batch may begin [`MAX_BATCH`] positions before the one at
    /// which the cache was full, and its rows reach back as far as a window before the first of them.
    const fn kept(&self) -> usize {
        (self.config.window + MAX_BATCH).next_multiple_of(POSITION_GROUP)
    }

    /// An empty sequence.
    #[must_use]
    pub fn cache(&self) -> Cache {
        let capacity = self.positions();
        let layer = |_: &PackedLayer| self.kernels.key_value_cache(capacity);
        Cache {
            layers: self.layers.iter().map(layer).collect(),
            tokens: vec![0; capacity],
            capacity,
            first: 0,
        }
    }

    /// The most bytes that a cache takes, on any machine.
    #[must_use]
    pub const fn cache_len(&self) -> usize {
        // A key is int8; a value is int8 or widened to 16 bits.
        self.positions() * (self.config.layers * 3 * HEAD_DIM + size_of::<u16>())
    }

    /// Working space for batches of up to `rows` rows.
    ///
    /// # Panics
    ///
    /// If there are more than [`MAX_BATCH`].
    #[must_use]
    pub fn scratch(&self, rows: usize) -> Scratch {
        assert!(rows <= MAX_BATCH, "batches of {rows} rows");
        let Config {
            d_model,
            d_ff,
            heads,
            vocab_size,
            ..
        } = self.config;
        let attended = heads * HEAD_DIM;
        let output = self.config.qkv_rows().max(d_ff).max(d_model);
        let input = d_model
            .max(d_ff)
            .max(attended)
            .next_multiple_of(PackedMatrix::COLUMN_GROUP);
        Scratch {
            capacity: rows,
            rows: 0,
            vocab_size,
            residual: vec![0; rows * d_model],
            normed: vec![0; rows * input],
            sums: vec![0; rows * output],
            int16: vec![0; rows * output],
            attended: vec![0; rows * attended],
            workspace: Workspace::default(),
            logits: vec![0; rows * vocab_size],
        }
    }

    /// Takes a batch of tokens; afterwards `scratch` holds the logits of the token after each.
    ///
    /// The rows may belong to different sequences, or be consecutive positions of one, in order, or both. The result does
    /// not depend on how tokens are grouped into batches.
    ///
    /// A batch may go back in a sequence, so tokens can be guesses: its rows may begin at any of the [`MAX_BATCH`] newest
    /// positions that have been taken, and the result is as if the tokens from there on had not been. Position 0 begins
    /// another sequence.
    ///
    /// # Panics
    ///
    /// If there are more rows than `scratch` has room for, or a row's sequence, position, start or token is out of range.
    pub fn forward(&self, rows: &[Row], caches: &mut [impl CacheSlot<Cache>], scratch: &mut Scratch) {
        self.forward_observed(rows, caches, scratch, &mut ());
    }

    /// [`Transformer::forward`], with an observer of the numbers between the matrices.
    ///
    /// # Panics
    ///
    /// As [`Transformer::forward`].
    pub fn forward_observed(
        &self,
        rows: &[Row],
        caches: &mut [impl CacheSlot<Cache>],
        scratch: &mut Scratch,
        observer: &mut impl Observer,
    ) {
        assert!(
            rows.len() <= scratch.capacity,
            "{} rows in a scratch for {}",
            rows.len(),
            scratch.capacity
        );
        scratch.rows = rows.len();
        self.embed(rows, caches, scratch);
        for (index, layer) in self.layers.iter().enumerate() {
            self.normalize_residual(Norm::AttentionInput(index), scratch, observer);
            self.linear_to_int16(&layer.qkv, scratch);
            self.rotate_and_store(index, rows, caches, scratch, observer);
            self.attend(index, layer, rows, caches, scratch, observer);
            self.linear_to_residual(&layer.out, scratch);

            self.normalize_residual(Norm::FeedForwardInput(index), scratch, observer);
            self.linear_to_int16(&layer.up, scratch);
            self.square(index, layer, scratch, observer);
            self.linear_to_residual(&layer.down, scratch);
        }
        self.normalize_residual(Norm::HeadInput, scratch, observer);
        let vocab_size = self.config.vocab_size;
        let logits = &mut scratch.logits[..rows.len() * vocab_size];
        let normed = &scratch.normed[..rows.len() * self.config.d_model];
        self.kernels
            .matmul(&self.head.matrix, normed, &mut scratch.workspace, logits);
        self.kernels.to_logits(logits, &self.head.shifts);
        if observes(observer) {
            for (row, logits) in logits.chunks_exact(vocab_size).enumerate() {
                observer.logits(row, logits);
            }
        }
    }

    /// Makes room in the caches, and embeds each token and the bigram that it makes with the one before.
    fn embed(&self, rows: &[Row], caches: &mut [impl CacheSlot<Cache>], s: &mut Scratch) {
        let Config {
            d_model,
            bigram_buckets,
            window,
            ..
        } = self.config;
        for (row, residual) in rows.iter().zip(s.residual.chunks_exact_mut(d_model)) {
            assert!(row.start <= row.position, "{row:?}");
            let cache = caches[row.sequence].cache_mut();
            if row.position == 0 {
                cache.first = 0;
            }
            // The window, and the token before.
            let reach = row.position.saturating_sub(window).max(row.start);
            assert!(cache.first <= reach, "{row:?} goes too far back");
            if row.position - cache.first == cache.capacity {
                cache.discard(cache.capacity - self.kept());
            }
            let place = row.position - cache.first;
            let token = row.token as usize;
            let shift = self.embedding.shifts[token];
            for (x, &weight) in residual.iter_mut().zip(self.embedding.row(token)) {
                *x = i16::from(weight) << shift;
            }
            if bigram_buckets > 0 && row.position > row.start {
                let bucket = bigram_bucket(cache.tokens[place - 1], row.token, bigram_buckets);
                let shift = self.bigram.shifts[bucket];
                for (x, &weight) in residual.iter_mut().zip(self.bigram.row(bucket)) {
                    *x = x.saturating_add(i16::from(weight) << shift);
                }
            }
            cache.tokens[place] = row.token;
        }
    }

    fn normalize_residual(&self, norm: Norm, s: &mut Scratch, observer: &mut impl Observer) {
        let d = self.config.d_model;
        let rows = s.residual.chunks_exact(d).zip(s.normed.chunks_exact_mut(d));
        for (row, (residual, normed)) in rows.take(s.rows).enumerate() {
            let factor = self.kernels.normalize(residual, self.norms.residual, normed);
            observer.normed(norm, row, factor, normed);
        }
    }

    /// The sums of a matrix's products with the normed activations.
    fn linear(&self, linear: &Linear, s: &mut Scratch) {
        let input = &s.normed[..s.rows * linear.matrix.stride()];
        let sums = &mut s.sums[..s.rows * linear.matrix.rows()];
        self.kernels.matmul(&linear.matrix, input, &mut s.workspace, sums);
    }

    fn linear_to_int16(&self, linear: &Linear, s: &mut Scratch) {
        self.linear(linear, s);
        let len = s.rows * linear.matrix.rows();
        self.kernels
            .to_i16(&s.sums[..len], &linear.shifts, &mut s.int16[..len]);
    }

    fn linear_to_residual(&self, linear: &Linear, s: &mut Scratch) {
        self.linear(linear, s);
        let len = s.rows * self.config.d_model;
        self.kernels
            .add_i16(&s.sums[..len], &linear.shifts, &mut s.residual[..len]);
    }

    /// Rotates and norms queries and keys. Queries go to `normed`, `[rows, heads * 64]`; keys and values to the caches.
    fn rotate_and_store(
        &self,
        index: usize,
        rows: &[Row],
        caches: &mut [impl CacheSlot<Cache>],
        s: &mut Scratch,
        observer: &mut impl Observer,
    ) {
        let heads = self.config.heads;
        let vectors = s
            .int16
            .chunks_exact_mut(self.config.qkv_rows())
            .zip(s.normed.chunks_exact_mut(heads * HEAD_DIM));
        for (r, (row, (qkv, queries))) in rows.iter().zip(vectors).enumerate() {
            let (cos, sin) = &self.rotations[row.position % TURN];
            let vectors = qkv.as_chunks_mut::<HEAD_DIM>().0;
            let queries = queries.as_chunks_mut::<HEAD_DIM>().0;
            for (head, (vector, query)) in vectors.iter_mut().zip(queries).enumerate() {
                self.kernels.rotate_i16(vector, cos, sin);
                let factor = self.kernels.normalize(vector, self.norms.head, query);
                observer.query(index, r, head, factor, query);
            }
            let mut key = [0; HEAD_DIM];
            self.kernels.rotate_i16(&mut vectors[heads], cos, sin);
            let factor = self.kernels.normalize(&vectors[heads], self.norms.head, &mut key);
            let value = vectors[heads + 1].map(|x| x.clamp(-127, 127) as i8);
            observer.key_value(index, r, factor, &key, &value);
            let cache = caches[row.sequence].cache_mut();
            let position = row.position - cache.first;
            self.kernels
                .store(&mut cache.layers[index], position, &key, &value);
        }
    }

    /// Attends with the queries in `normed`, and norms the result back into `normed`.
    fn attend(
        &self,
        index: usize,
        layer: &PackedLayer,
        rows: &[Row],
        caches: &[impl CacheSlot<Cache>],
        s: &mut Scratch,
        observer: &mut impl Observer,
    ) {
        let Config { heads, window, .. } = self.config;
        let width = heads * HEAD_DIM;
        let vectors = s
            .attended
            .chunks_exact_mut(width)
            .zip(s.normed.chunks_exact(width));
        for (r, (row, (out, queries))) in rows.iter().zip(vectors).enumerate() {
            let cache = caches[row.sequence].cache();
            let end = row.position + 1;
            let first = end.saturating_sub(window).max(row.start);
            let input = WindowInput {
                attention: &layer.attention,
                cache: &cache.layers[index],
                window: first - cache.first..end - cache.first,
                queries,
            };
            let active = observes(observer);
            let mut observe = |head: usize, weights: &[u8], total: u32| {
                observer.attention(index, r, head, weights, total);
            };
            let weights: WeightsObserver<'_> = if active { Some(&mut observe) } else { None };
            self.kernels.attend_window(input, &mut s.workspace, out, weights);
        }
        let rows = s
            .attended
            .chunks_exact(width)
            .zip(s.normed.chunks_exact_mut(width));
        for (row, (attended, normed)) in rows.take(s.rows).enumerate() {
            let factor = self.kernels.normalize(attended, self.norms.attended, normed);
            observer.normed(Norm::Attended(index), row, factor, normed);
        }
    }

    /// The feed-forward network's nonlinearity: squares of what is positive in `int16`, normed.
    fn square(&self, index: usize, layer: &PackedLayer, s: &mut Scratch, observer: &mut impl Observer) {
        let d_ff = self.config.d_ff;
        let up = &mut s.int16[..s.rows * d_ff];
        if observes(observer) {
            for (row, up) in up.chunks_exact(d_ff).enumerate() {
                observer.up(index, row, up);
            }
        }
        self.kernels.square_relu(up, SQUARE_SHIFT);
        let stride = layer.down.matrix.stride();
        let rows = up.chunks_exact(d_ff).zip(s.normed.chunks_exact_mut(stride));
        for (row, (squares, normed)) in rows.enumerate() {
            let normed = &mut normed[..d_ff];
            let factor = self.kernels.normalize(squares, self.norms.hidden, normed);
            observer.normed(Norm::Hidden(index), row, factor, normed);
        }
    }

    /// The frequencies of all tokens from their logits, uint32 `[vocab]`, each at least 1. Returns their sum, at most
    /// 2^30.
    ///
    /// # Panics
    ///
    /// If a length is not the vocabulary's.
    pub fn frequencies(&self, logits: &[i32], out: &mut [u32]) -> u32 {
        let bits = frequency_bits(self.config.vocab_size);
        self.kernels.unscaled_frequencies(logits, bits, out);
        self.kernels.sum(out)
    }
}
