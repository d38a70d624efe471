//! The weights of a model.

use czip_kernels::HEAD_DIM;

/// The sizes of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Tokens, V.
    pub vocab_size: usize,
    /// Layers.
    pub layers: usize,
    /// Elements of the residual stream, d.
    pub d_model: usize,
    /// Query heads, H. All share one key and one value.
    pub heads: usize,
    /// Units of the feed-forward network, F.
    pub d_ff: usize,
    /// Positions that attention reaches, W: a token and those before it.
    pub window: usize,
    /// Rows of the table of pairs, B; 0 for no table.
    pub bigram_buckets: usize,
    /// Elements of the residual stream that a row of the table of pairs adds to: the first ones.
    pub bigram_width: usize,
}

impl Config {
    /// Rows of the matrix that makes queries, key and value.
    #[must_use]
    pub const fn qkv_rows(&self) -> usize {
        (self.heads + 2) * HEAD_DIM
    }

    /// Multiply-adds of one token in the matrices; attention adds `2 * 64 * heads` for each position in the window.
    #[must_use]
    pub const fn multiply_adds(&self) -> usize {
        let layer = self.qkv_rows() * self.d_model
            + self.heads * HEAD_DIM * self.d_model
            + 2 * self.d_ff * self.d_model;
        self.layers * layer + self.vocab_size * self.d_model
    }

    /// Elements of all tensors that are trained.
    #[must_use]
    pub const fn parameters(&self) -> usize {
        // The tables are no multiply-adds; each head has a gain and a sink.
        self.multiply_adds()
            + self.vocab_size * self.d_model
            + self.bigram_buckets * self.bigram_width
            + self.layers * 2 * self.heads
    }
}

/// An int8 matrix with a power of two for each row: row r stands for `weights[r] * 2^e` where `e` follows from
/// `shifts[r]` and the formats of input and output.
#[derive(Clone, Debug, PartialEq, Eq)]
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

    /// A row.
    #[must_use]
    pub fn row(&self, row: usize) -> &[i8] {
        &self.weights[row * self.cols()..][..self.cols()]
    }
}

/// One layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    /// `[(H + 2) * 64, d]`: each head's query in turn, the key, the value.
    pub qkv: Matrix,
    /// The gain of each head's scores.
    pub gains: Vec<u16>,
    /// The score of each head's sink, in 1/256 octaves.
    pub sinks: Vec<i32>,
    /// `[d, H * 64]`.
    pub out: Matrix,
    /// `[F, d]`.
    pub up: Matrix,
    /// `[d, F]`.
    pub down: Matrix,
}

/// All weights of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Weights {
    /// The sizes.
    pub config: Config,
    /// Turns of each pair of elements in 2048 positions.
    pub frequencies: [u16; HEAD_DIM / 2],
    /// `[V, d]`, elements -8 to 7; shifts are to the left.
    pub embedding: Matrix,
    /// `[B, bigram_width]`, elements -8 to 7; shifts are to the left. Empty without a table of pairs.
    pub bigram: Matrix,
    /// The layers in order.
    pub layers: Vec<Layer>,
    /// `[V, d]`.
    pub head: Matrix,
}
