//! The transformer, packed for one instruction set, and its batched forward pass: rows of tokens in, logits out, int32
//! `[rows, vocab]`. The residual is int32 `[rows, d]`; what goes into and comes out of matrices is int8.

use czip_kernels::{
    Attention, AttentionInput, HEAD_DIM, Interval, Kernels, KeyValueCache, PackedMatrix, Requantization,
    Softmax, Workspace,
};

use crate::Row;
use crate::slot::CacheSlot;

use super::weights::{Config, LayerWeights, Linear, Rotation, Weights};

/// A model ready to run. It is immutable, and any number of threads can share one.
#[derive(Debug)]
pub struct Transformer {
    kernels: Kernels,
    config: Config,
    embedding: Vec<i8>,
    /// The first layer's queries, key and value of every token before their rotation, int8 `[vocab, d + 128]`: they
    /// depend on nothing else. Empty where it would be too large.
    first_qkv: Vec<i8>,
    layers: Vec<Layer>,
    norm: Vec<i8>,
    head: PackedMatrix,
    softmax: Softmax,
    rotations: Vec<Rotation>,
}

#[derive(Debug)]
struct Layer {
    attention_norm: Vec<i8>,
    qkv: Packed,
    attention: Attention,
    out: Packed,
    attention_out_norm: Vec<i8>,
    feed_forward_norm: Vec<i8>,
    up: Packed,
    down: Packed,
    feed_forward_out_norm: Vec<i8>,
}

#[derive(Debug)]
struct Packed {
    matrix: PackedMatrix,
    requantization: Requantization,
}

impl Packed {
    fn new(kernels: Kernels, linear: &Linear<'_>) -> Self {
        let matrix = kernels.pack(linear.weight, linear.rows, linear.cols);
        Self {
            matrix,
            requantization: linear.requantization,
        }
    }
}

impl Layer {
    fn new(kernels: Kernels, weights: &LayerWeights<'_>) -> Self {
        Self {
            attention_norm: weights.attention_norm.to_vec(),
            qkv: Packed::new(kernels, &weights.qkv),
            attention: weights.attention.clone(),
            out: Packed::new(kernels, &weights.out),
            attention_out_norm: weights.attention_out_norm.to_vec(),
            feed_forward_norm: weights.feed_forward_norm.to_vec(),
            up: Packed::new(kernels, &weights.up),
            down: Packed::new(kernels, &weights.down),
            feed_forward_out_norm: weights.feed_forward_out_norm.to_vec(),
        }
    }
}

/// The keys and values of one sequence in every layer.
#[derive(Clone, Debug)]
pub struct Cache {
    layers: Vec<KeyValueCache>,
    capacity: usize,
}

impl Cache {
    /// The number of positions that fit.
    #[must_use]
    pub const fn capacity(&self) -> usize {
        self.capacity
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
    residual: Vec<i32>,
    /// Normed activations, `[rows, d]`.
    normed: Vec<i8>,
    /// Outputs of a matrix, requantised.
    activation: Vec<i8>,
    /// Outputs of attention, `[rows, d]`.
    attended: Vec<i8>,
    /// Outputs of the gated unit, `[rows, stride of the down matrix]`.
    gated: Vec<i8>,
    workspace: Workspace,
    logits: Vec<i32>,
}

impl Scratch {
    /// The largest batch.
    #[must_use]
    pub const fn capacity(&self) -> usize {
        self.capacity
    }

    /// The logits of a row of the last batch: int32 `[vocab]`.
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
    /// Packs the weights for the instruction set of `kernels`. The file's bytes are no longer needed.
    #[must_use]
    pub fn new(kernels: Kernels, weights: &Weights<'_>) -> Self {
        let mut transformer = Self {
            kernels,
            config: weights.config.clone(),
            embedding: weights.embedding.to_vec(),
            first_qkv: Vec::new(),
            layers: weights
                .layers
                .iter()
                .map(|layer| Layer::new(kernels, layer))
                .collect(),
            norm: weights.norm.to_vec(),
            head: kernels.pack(weights.head, weights.config.vocab_size, weights.config.d_model),
            softmax: weights.softmax.clone(),
            rotations: weights.rotations.clone(),
        };
        transformer.first_qkv = transformer.tabulate_first_qkv();
        transformer
    }

    /// Larger tables than this, in bytes, would cost more in memory traffic and start-up than the product they save.
    const MAX_TABLE_LEN: usize = 4 << 20;

    fn tabulate_first_qkv(&self) -> Vec<i8> {
        let Config { vocab_size, .. } = self.config;
        let row_len = self.config.qkv_rows();
        let mut table = Vec::new();
        if vocab_size * row_len > Self::MAX_TABLE_LEN {
            return table;
        }
        table.reserve_exact(vocab_size * row_len);
        let tokens: Vec<u32> = (0..vocab_size).map(|token| token as u32).collect();
        let mut scratch = self.scratch(64);
        for tokens in tokens.chunks(scratch.capacity) {
            scratch.rows = tokens.len();
            self.embed(tokens.iter().copied(), &mut scratch);
            self.normalize(&self.layers[0].attention_norm, &mut scratch);
            self.linear(&self.layers[0].qkv, Input::Normed, &mut scratch);
            table.extend_from_slice(&scratch.activation[..tokens.len() * row_len]);
        }
        table
    }

    fn embed(&self, tokens: impl Iterator<Item = u32>, s: &mut Scratch) {
        let d = self.config.d_model;
        for (token, residual) in tokens.zip(s.residual.chunks_exact_mut(d)) {
            let embedding = &self.embedding[token as usize * d..][..d];
            residual
                .iter_mut()
                .zip(embedding)
                .for_each(|(to, &from)| *to = from.into());
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

    /// The sum of all frequencies.
    #[must_use]
    pub const fn total(&self) -> u32 {
        self.softmax.total()
    }

    /// An empty sequence with room for `capacity` positions.
    ///
    /// # Panics
    ///
    /// If `capacity` exceeds the model's context length.
    #[must_use]
    pub fn cache(&self, capacity: usize) -> Cache {
        let context = self.config.context_length;
        assert!(
            capacity <= context,
            "cache of {capacity} positions for a context of {context}"
        );
        Cache {
            layers: self
                .layers
                .iter()
                .map(|_| self.kernels.key_value_cache(capacity))
                .collect(),
            capacity,
        }
    }

    /// The most bytes that a cache for `capacity` positions takes, on any machine.
    #[must_use]
    pub fn cache_len(&self, capacity: usize) -> usize {
        // A key is int8; a value is int8 or widened to 16 bits.
        self.layers.len() * capacity.next_multiple_of(16) * 3 * HEAD_DIM
    }

    /// Working space for batches of up to `rows` rows.
    #[must_use]
    pub fn scratch(&self, rows: usize) -> Scratch {
        let Config {
            d_model,
            d_ff,
            vocab_size,
            ..
        } = self.config;
        let widest = self.config.qkv_rows().max(2 * d_ff);
        Scratch {
            capacity: rows,
            rows: 0,
            vocab_size,
            residual: vec![0; rows * d_model],
            normed: vec![0; rows * d_model],
            activation: vec![0; rows * widest],
            attended: vec![0; rows * d_model],
            gated: vec![
                0;
                rows * self
                    .layers
                    .iter()
                    .map(|layer| layer.down.matrix.stride())
                    .max()
                    .unwrap_or(0)
            ],
            workspace: Workspace::default(),
            logits: vec![0; rows * vocab_size],
        }
    }

    /// Takes a batch of tokens; afterwards `scratch` holds the logits of the token after each.
    ///
    /// The rows may belong to different sequences, all of which one pass over the weights serves, or be consecutive
    /// positions of one whose tokens are known, or both. The result does not depend on how tokens are grouped into
    /// batches.
    ///
    /// A batch may go back in a sequence, so tokens can be guesses: its rows may begin at any position that has been taken,
    /// and the result is as if the tokens from there on had not been.
    ///
    /// # Panics
    ///
    /// If there are more rows than `scratch` has room for, or a row's sequence, position or token is out of range.
    pub fn forward(&self, rows: &[Row], caches: &mut [impl CacheSlot<Cache>], scratch: &mut Scratch) {
        self.begin(rows, scratch);
        for (index, layer) in self.layers.iter().enumerate() {
            self.store(index, rows, caches, scratch);
            self.finish_layer(index, layer, rows, caches, scratch);
        }
        self.normalize(&self.norm, scratch);
        let logits = &mut scratch.logits[..rows.len() * self.config.vocab_size];
        self.kernels.matmul(
            &self.head,
            &scratch.normed[..rows.len() * self.config.d_model],
            &mut scratch.workspace,
            logits,
        );
    }

    /// Takes a batch of tokens like [`Transformer::forward`], but only for what later ones attend to: there are no
    /// logits. What the last layer does after storing keys and values is left out, which is nearly everything if there
    /// is one layer.
    ///
    /// # Panics
    ///
    /// As [`Transformer::forward`].
    pub fn remember(&self, rows: &[Row], caches: &mut [impl CacheSlot<Cache>], scratch: &mut Scratch) {
        self.begin(rows, scratch);
        for (index, layer) in self.layers.iter().enumerate() {
            self.store(index, rows, caches, scratch);
            if index + 1 < self.layers.len() {
                self.finish_layer(index, layer, rows, caches, scratch);
            }
        }
        scratch.rows = 0;
    }

    fn begin(&self, rows: &[Row], scratch: &mut Scratch) {
        assert!(
            rows.len() <= scratch.capacity,
            "{} rows in a scratch for {}",
            rows.len(),
            scratch.capacity
        );
        scratch.rows = rows.len();
        self.embed(rows.iter().map(|row| row.token), scratch);
    }

    /// All of a layer after [`Transformer::store`].
    fn finish_layer(
        &self,
        index: usize,
        layer: &Layer,
        rows: &[Row],
        caches: &[impl CacheSlot<Cache>],
        s: &mut Scratch,
    ) {
        self.attend(index, layer, rows, caches, s);
        self.linear(&layer.out, Input::Attended, s);
        self.add_normalized(&layer.attention_out_norm, s);

        self.normalize(&layer.feed_forward_norm, s);
        self.linear(&layer.up, Input::Normed, s);
        self.gate(layer.down.matrix.stride(), s);
        self.linear(&layer.down, Input::Gated, s);
        self.add_normalized(&layer.feed_forward_out_norm, s);
    }

    /// The frequencies of all tokens from their logits, uint32 `[vocab]`, with sum [`Transformer::total`].
    ///
    /// # Panics
    ///
    /// If a length is not the vocabulary's.
    pub fn frequencies(&self, logits: &[i32], out: &mut [u32]) {
        self.kernels.frequencies(&self.softmax, logits, out);
    }

    /// The interval of a token among [`Transformer::frequencies`].
    ///
    /// # Panics
    ///
    /// If the token is not in the vocabulary.
    #[must_use]
    pub fn interval(&self, frequencies: &[u32], token: u32) -> Interval {
        self.kernels.interval(frequencies, token as usize)
    }

    /// The token whose interval holds `target`, among [`Transformer::frequencies`].
    #[must_use]
    pub fn find(&self, frequencies: &[u32], target: u32) -> Interval {
        self.kernels.find(frequencies, target)
    }

    fn normalize(&self, gain: &[i8], s: &mut Scratch) {
        let d = self.config.d_model;
        let rows = s.residual.chunks_exact(d).zip(s.normed.chunks_exact_mut(d));
        rows.take(s.rows)
            .for_each(|(residual, normed)| self.kernels.rms_norm(residual, gain, normed));
    }

    fn add_normalized(&self, gain: &[i8], s: &mut Scratch) {
        let d = self.config.d_model;
        let rows = s.activation.chunks_exact(d).zip(s.residual.chunks_exact_mut(d));
        rows.take(s.rows)
            .for_each(|(activation, residual)| self.kernels.add_rms_norm(activation, gain, residual));
    }

    fn linear(&self, packed: &Packed, input: Input, s: &mut Scratch) {
        let Packed {
            matrix,
            requantization,
        } = packed;
        let input = match input {
            Input::Normed => &s.normed,
            Input::Attended => &s.attended,
            Input::Gated => &s.gated,
        };
        let input = &input[..s.rows * matrix.stride()];
        let out = &mut s.activation[..s.rows * matrix.rows()];
        self.kernels
            .matmul_requantized(matrix, input, *requantization, &mut s.workspace, out);
    }

    fn look_up_qkv(&self, rows: &[Row], s: &mut Scratch) {
        let row_len = self.config.qkv_rows();
        for (row, qkv) in rows.iter().zip(s.activation.chunks_exact_mut(row_len)) {
            qkv.copy_from_slice(&self.first_qkv[row.token as usize * row_len..][..row_len]);
        }
    }

    /// Computes queries, keys and values of a layer, and stores every row's key and value.
    fn store(&self, index: usize, rows: &[Row], caches: &mut [impl CacheSlot<Cache>], s: &mut Scratch) {
        if index == 0 && !self.first_qkv.is_empty() {
            self.look_up_qkv(rows, s);
        } else {
            self.normalize(&self.layers[index].attention_norm, s);
            self.linear(&self.layers[index].qkv, Input::Normed, s);
        }
        let d = self.config.d_model;
        for (row, qkv) in rows
            .iter()
            .zip(s.activation.chunks_exact_mut(self.config.qkv_rows()))
        {
            let (cos, sin) = &self.rotations[row.position];
            let ([key, value], []) = qkv[d..].as_chunks_mut::<HEAD_DIM>() else {
                unreachable!("d queries, a key and a value")
            };
            self.kernels.rotate_key(key, cos, sin);
            self.kernels.store(
                &mut caches[row.sequence].cache_mut().layers[index],
                row.position,
                key,
                value,
            );
        }
    }

    /// Attends with every row's queries.
    fn attend(
        &self,
        index: usize,
        layer: &Layer,
        rows: &[Row],
        caches: &[impl CacheSlot<Cache>],
        s: &mut Scratch,
    ) {
        let d = self.config.d_model;
        let vectors = s
            .activation
            .chunks_exact_mut(self.config.qkv_rows())
            .zip(s.attended.chunks_exact_mut(d));
        for (row, (qkv, out)) in rows.iter().zip(vectors) {
            let (cos, sin) = &self.rotations[row.position];
            let queries = &mut qkv[..d];
            for query in queries.as_chunks_mut::<HEAD_DIM>().0 {
                self.kernels.rotate_query(query, cos, sin);
            }
            let input = AttentionInput {
                attention: &layer.attention,
                cache: &caches[row.sequence].cache().layers[index],
                length: row.position + 1,
                queries,
            };
            self.kernels.attend(input, &mut s.workspace, out);
        }
    }

    fn gate(&self, stride: usize, s: &mut Scratch) {
        let d_ff = self.config.d_ff;
        let rows = s
            .activation
            .chunks_exact(2 * d_ff)
            .zip(s.gated.chunks_exact_mut(stride));
        for (up, gated) in rows.take(s.rows) {
            let (gate, value) = up.split_at(d_ff);
            self.kernels.reglu(gate, value, &mut gated[..d_ff]);
        }
    }
}

/// Which buffer a matrix takes its input from.
#[derive(Clone, Copy)]
enum Input {
    Normed,
    Attended,
    Gated,
}
