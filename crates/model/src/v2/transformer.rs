//! The net, packed for one instruction set, and its batched forward pass.

use std::borrow::BorrowMut;

use czip_fixed::tables::TURN;
use czip_kernels::{
    HEAD_DIM, Kernels, KeyValueCache, PackedMatrix, SlidingAttention, WindowInput, Workspace,
};

use super::{Config, Layer, Matrix, Norms, SQUARE_SHIFT, Weights, bigram_bucket, frequency_bits, rotation};
use crate::Row;

/// The most rows of a batch.
pub const MAX_BATCH: usize = 256;

/// Caches forget positions in groups of this many.
const POSITION_GROUP: usize = 16;

/// A model ready to run. Immutable, so that any number of threads share one.
#[derive(Debug)]
pub struct Transformer {
    kernels: Kernels,
    config: Config,
    norms: Norms,
    embedding: Matrix,
    bigram: Matrix,
    layers: Vec<PackedLayer>,
    head: Linear,
    /// For each position of a turn.
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

/// The newest keys and values of one sequence in every layer, and its newest token.
#[derive(Clone, Debug)]
pub struct Cache {
    layers: Vec<KeyValueCache>,
    capacity: usize,
    /// The position whose key and value are the first that are kept.
    first: usize,
    previous: u16,
}

/// Working space for batches of up to a given number of rows, and the logits of the last one.
#[derive(Debug)]
pub struct Scratch {
    capacity: usize,
    rows: usize,
    vocab_size: usize,
    residual: Vec<i16>,
    /// Normed activations, `[rows, widest input]`.
    normed: Vec<i8>,
    /// Sums of products, `[rows, widest output]`.
    sums: Vec<i32>,
    words: Vec<i16>,
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

    /// Positions that a cache has room for: those that are kept, and a window more, so that moving them costs little.
    const fn positions(&self) -> usize {
        self.kept() + self.config.window.next_multiple_of(POSITION_GROUP)
    }

    /// The newest positions that a cache keeps when it is full: the rows of a batch may reach as far back as a window
    /// before the first of them.
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
            capacity,
            first: 0,
            previous: 0,
        }
    }

    /// The most bytes that a cache takes, on any machine.
    #[must_use]
    pub const fn cache_len(&self) -> usize {
        // A key is int8; a value is int8 or widened to 16 bits.
        self.config.layers * self.positions() * 3 * HEAD_DIM
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
            words: vec![0; rows * output],
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
    /// # Panics
    ///
    /// If there are more rows than `scratch` has room for, or a row's sequence, position or token is out of range.
    pub fn forward(&self, rows: &[Row], caches: &mut [impl BorrowMut<Cache>], scratch: &mut Scratch) {
        assert!(
            rows.len() <= scratch.capacity,
            "{} rows in a scratch for {}",
            rows.len(),
            scratch.capacity
        );
        scratch.rows = rows.len();
        self.embed(rows, caches, scratch);
        for (index, layer) in self.layers.iter().enumerate() {
            self.normalize_residual(scratch);
            self.linear(&layer.qkv, rows.len(), scratch);
            let len = rows.len() * self.config.qkv_rows();
            self.kernels
                .to_i16(&scratch.sums[..len], &layer.qkv.shifts, &mut scratch.words[..len]);
            self.attend(index, layer, rows, caches, scratch);
            self.linear_to_residual(&layer.out, scratch);

            self.normalize_residual(scratch);
            self.linear(&layer.up, rows.len(), scratch);
            let d_ff = self.config.d_ff;
            let words = &mut scratch.words[..rows.len() * d_ff];
            self.kernels
                .to_i16(&scratch.sums[..words.len()], &layer.up.shifts, words);
            self.kernels.square_relu(words, SQUARE_SHIFT);
            let stride = layer.down.matrix.stride();
            for (words, normed) in words
                .chunks_exact(d_ff)
                .zip(scratch.normed.chunks_exact_mut(stride))
            {
                self.kernels
                    .normalize(words, self.norms.hidden, &mut normed[..d_ff]);
            }
            self.linear_to_residual(&layer.down, scratch);
        }
        self.normalize_residual(scratch);
        let logits = &mut scratch.logits[..rows.len() * self.config.vocab_size];
        let normed = &scratch.normed[..rows.len() * self.config.d_model];
        self.kernels
            .matmul(&self.head.matrix, normed, &mut scratch.workspace, logits);
        self.kernels.to_logits(logits, &self.head.shifts);
    }

    /// Makes room in the caches, and embeds each token and the pair that it makes with the one before.
    fn embed(&self, rows: &[Row], caches: &mut [impl BorrowMut<Cache>], s: &mut Scratch) {
        let Config {
            d_model,
            bigram_buckets,
            ..
        } = self.config;
        for (row, residual) in rows.iter().zip(s.residual.chunks_exact_mut(d_model)) {
            let cache = caches[row.sequence].borrow_mut();
            if row.position == 0 {
                cache.first = 0;
            }
            if row.position - cache.first == cache.capacity {
                let count = cache.capacity - self.kept();
                cache.layers.iter_mut().for_each(|layer| layer.discard(count));
                cache.first += count;
            }
            let token = usize::from(row.token);
            let shift = self.embedding.shifts[token];
            for (x, &weight) in residual.iter_mut().zip(self.embedding.row(token)) {
                *x = i16::from(weight) << shift;
            }
            if bigram_buckets > 0 && row.position > 0 {
                let bucket = bigram_bucket(cache.previous, row.token, bigram_buckets);
                let shift = self.bigram.shifts[bucket];
                for (x, &weight) in residual.iter_mut().zip(self.bigram.row(bucket)) {
                    *x = x.saturating_add(i16::from(weight) << shift);
                }
            }
            cache.previous = row.token;
        }
    }

    fn normalize_residual(&self, s: &mut Scratch) {
        let d = self.config.d_model;
        let rows = s.residual.chunks_exact(d).zip(s.normed.chunks_exact_mut(d));
        for (residual, normed) in rows.take(s.rows) {
            self.kernels.normalize(residual, self.norms.residual, normed);
        }
    }

    /// The sums of a matrix's products with the normed activations.
    fn linear(&self, linear: &Linear, rows: usize, s: &mut Scratch) {
        let input = &s.normed[..rows * linear.matrix.stride()];
        let sums = &mut s.sums[..rows * linear.matrix.rows()];
        self.kernels.matmul(&linear.matrix, input, &mut s.workspace, sums);
    }

    fn linear_to_residual(&self, linear: &Linear, s: &mut Scratch) {
        self.linear(linear, s.rows, s);
        let len = s.rows * self.config.d_model;
        self.kernels
            .add_i16(&s.sums[..len], &linear.shifts, &mut s.residual[..len]);
    }

    /// Turns and norms queries and keys, stores keys and values, attends, and norms what comes of it.
    fn attend(
        &self,
        index: usize,
        layer: &PackedLayer,
        rows: &[Row],
        caches: &mut [impl BorrowMut<Cache>],
        s: &mut Scratch,
    ) {
        let Config { heads, window, .. } = self.config;
        let width = heads * HEAD_DIM;
        let row_len = self.config.qkv_rows();
        let queries = &mut s.normed[..rows.len() * width];
        let vectors = s
            .words
            .chunks_exact_mut(row_len)
            .zip(queries.chunks_exact_mut(width));
        for (row, (words, queries)) in rows.iter().zip(vectors) {
            let (cos, sin) = &self.rotations[row.position % TURN];
            let vectors = words.as_chunks_mut::<HEAD_DIM>().0;
            for (vector, query) in vectors.iter_mut().zip(queries.chunks_exact_mut(HEAD_DIM)) {
                self.kernels.rotate_i16(vector, cos, sin);
                self.kernels.normalize(vector, self.norms.head, query);
            }
            let (key, value) = (&mut vectors[heads..], &mut [0; HEAD_DIM]);
            self.kernels.rotate_i16(&mut key[0], cos, sin);
            for (to, &from) in value.iter_mut().zip(&key[1]) {
                *to = from.clamp(-127, 127) as i8;
            }
            let mut normed = [0; HEAD_DIM];
            self.kernels.normalize(&key[0], self.norms.head, &mut normed);
            let cache = caches[row.sequence].borrow_mut();
            self.kernels.store(
                &mut cache.layers[index],
                row.position - cache.first,
                &normed,
                value,
            );
        }
        let outputs = s
            .attended
            .chunks_exact_mut(width)
            .zip(queries.chunks_exact(width));
        for (row, (out, queries)) in rows.iter().zip(outputs) {
            let cache: &Cache = caches[row.sequence].borrow();
            let end = row.position + 1;
            let window = end.saturating_sub(window) - cache.first..end - cache.first;
            let input = WindowInput {
                attention: &layer.attention,
                cache: &cache.layers[index],
                window,
                queries,
            };
            self.kernels.attend_window(input, &mut s.workspace, out, None);
        }
        let rows = s
            .attended
            .chunks_exact(width)
            .zip(s.normed.chunks_exact_mut(width));
        for (attended, normed) in rows.take(s.rows) {
            self.kernels.normalize(attended, self.norms.attended, normed);
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
