//! The sizes and the weights of a model, in memory. How they are stored is in `tensors`.

use czip_kernels::HEAD_DIM;

/// The sizes of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Tokens in the vocabulary, V.
    pub vocab_size: usize,
    /// Layers.
    pub layers: usize,
    /// Elements of the residual stream, d.
    pub d_model: usize,
    /// Query heads, H. All share one key and one value.
    pub heads: usize,
    /// Units of the feed-forward network, F.
    pub d_ff: usize,
    /// Positions that attention reaches, W: a token's own and those before it.
    pub window: usize,
    /// Rows of the bigram embedding, B; 0 if there is none.
    pub bigram_buckets: usize,
    /// Elements of the residual stream that a row of the bigram embedding is added to: the first ones.
    pub bigram_width: usize,
}

impl Config {
    /// The sizes in the order of the fields.
    #[must_use]
    pub const fn to_array(&self) -> [usize; 8] {
        [
            self.vocab_size,
            self.layers,
            self.d_model,
            self.heads,
            self.d_ff,
            self.window,
            self.bigram_buckets,
            self.bigram_width,
        ]
    }

    /// The inverse of [`Config::to_array`].
    #[must_use]
    pub const fn from_array(sizes: [usize; 8]) -> Self {
        let [
            vocab_size,
            layers,
            d_model,
            heads,
            d_ff,
            window,
            bigram_buckets,
            bigram_width,
        ] = sizes;
        Self {
            vocab_size,
            layers,
            d_model,
            heads,
            d_ff,
            window,
            bigram_buckets,
            bigram_width,
        }
    }

    /// Rows of the matrix that produces queries, key and value.
    #[must_use]
    pub const fn qkv_rows(&self) -> usize {
        (self.heads + 2) * HEAD_DIM
    }

    /// Multiply-adds per token in the matrices; attention adds `2 * 64 * heads` for each position in the window.
    #[must_use]
    pub const fn multiply_adds(&self) -> usize {
        let layer = self.qkv_rows() * self.d_model
            + self.heads * HEAD_DIM * self.d_model
            + 2 * self.d_ff * self.d_model;
        self.layers * layer + self.vocab_size * self.d_model
    }

    /// Trained parameters: the elements of all tensors but the shifts and the rotary frequencies.
    #[must_use]
    pub const fn parameters(&self) -> usize {
        // The embeddings are not multiplied; each head has a gain and an attention sink.
        self.multiply_adds()
            + self.vocab_size * self.d_model
            + self.bigram_buckets * self.bigram_width
            + self.layers * 2 * self.heads
    }
}

/// An int8 matrix with a power of two for each row: row r stands for `weights[r] * 2^e`, where `e` follows from
/// `shifts[r]` and the formats of input and output.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Matrix {
    /// Row by row, `[rows, cols]`.
    pub weights: Vec<i8>,
    /// `[rows]`.
    pub shifts: Vec<u8>,
}

impl Matrix {
    /// The number of rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.shifts.len()
    }

    /// The number of columns.
    #[must_use]
    pub fn cols(&self) -> usize {
        self.weights.len() / self.shifts.len().max(1)
    }

    /// One row.
    ///
    /// # Panics
    ///
    /// If there is no such row.
    #[must_use]
    pub fn row(&self, row: usize) -> &[i8] {
        &self.weights[row * self.cols()..][..self.cols()]
    }
}

/// One layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    /// `[(H + 2) * 64, d]`: each head's query in turn, then the key, then the value.
    pub qkv: Matrix,
    /// The gain of each head's scores: uint16 `[H]`.
    pub gains: Vec<u16>,
    /// The score of each head's attention sink, in 1/256 octaves: int32 `[H]`.
    pub sinks: Vec<i32>,
    /// `[d, H * 64]`.
    pub out: Matrix,
    /// `[F, d]`.
    pub up: Matrix,
    /// `[d, F]`.
    pub down: Matrix,
}

/// All weights of a model.
///
/// The fields are public and nothing checks them: a trainer makes `Weights` from its parameters. Whoever does so
/// must ensure what the rest of this module relies on:
///
/// * the sizes are those that `docs/spec/czm-v2.md` allows, and every tensor has the shape that they demand;
/// * elements of the embeddings are -8 to 7 and their shifts at most 8, shifts of matrices are at most 24, sinks are at
///   most 2^20 in magnitude.
///
/// With other shapes, calls panic. With other values no memory is at risk, but sums may overflow, and instruction sets
/// may disagree. The weights of a [`File`](super::File) keep all of this, since reading has checked it, and
/// [`Contents::to_bytes`](super::Contents::to_bytes) refuses weights that don't.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Weights {
    /// The sizes.
    pub config: Config,
    /// Turns of each pair of elements in 2048 positions.
    pub frequencies: [u16; HEAD_DIM / 2],
    /// `[V, d]`, elements -8 to 7, shifted to the left by their row's shift.
    pub embedding: Matrix,
    /// The hashed bigram embedding, `[B, bigram_width]`, elements -8 to 7, shifted to the left by their row's shift.
    /// Empty if there is none.
    pub bigram: Matrix,
    /// The layers, first to last.
    pub layers: Vec<Layer>,
    /// The output head: `[V, d]`.
    pub head: Matrix,
}
