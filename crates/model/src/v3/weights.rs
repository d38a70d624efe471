//! The sizes and the weights of a model, in memory. How they are stored is in `tensors`.

/// The matrices, by what they compute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MatrixKind {
    /// Queries, keys and values.
    Qkv,
    /// The output projection of attention.
    Out,
    /// Gates and values of the feed-forward network.
    GateUp,
    /// Its output projection.
    Down,
    /// The output head.
    Head,
}

impl MatrixKind {
    /// All, in the order of the metadata key `wide_inputs`.
    pub const ALL: [Self; 5] = [Self::Qkv, Self::Out, Self::GateUp, Self::Down, Self::Head];

    /// The name in the metadata.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Qkv => "qkv",
            Self::Out => "out",
            Self::GateUp => "gate_up",
            Self::Down => "down",
            Self::Head => "head",
        }
    }
}

/// The sizes of a model, and the constants of its arithmetic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Tokens in the vocabulary, V.
    pub vocab_size: usize,
    /// Layers.
    pub layers: usize,
    /// Elements of the residual stream, d.
    pub d_model: usize,
    /// Query heads, H.
    pub heads: usize,
    /// Key-value heads, G: a divisor of H.
    pub kv_heads: usize,
    /// Elements of a head, h.
    pub head_dim: usize,
    /// Elements of a head that are rotated, R.
    pub rotary_dim: usize,
    /// Units of the feed-forward network, F.
    pub d_ff: usize,
    /// Positions of the window, W: a token's own and those before it.
    pub window: usize,
    /// First positions that stay in view, s.
    pub sinks: usize,
    /// The token that a text begins with.
    pub start_token: u32,
    /// Whether each of [`MatrixKind::ALL`] takes inputs of 16 bits.
    pub wide_inputs: [bool; 5],
    /// Whether queries, keys and values have a bias.
    pub qkv_bias: bool,
    /// Whether queries and keys are normed.
    pub head_norms: bool,
    /// Epsilon of the norms over the residual: that of the mean square, times d, with twice the residual's fraction bits.
    pub epsilon: u32,
    /// Epsilon of the norms of queries and keys: that of the mean square, times h, with 24 fraction bits.
    pub head_epsilon: u32,
    /// The mantissa of the factor that makes a product of query and key a score in 1/256 octaves, with 15 fraction bits.
    pub score_mantissa: u16,
    /// By how many octaves more that factor is smaller, plus 15: a factor of 2^15 has the exponent 0.
    pub score_exponent: u8,
}

impl Config {
    /// Rows of the matrix that produces queries, keys and values.
    #[must_use]
    pub const fn qkv_rows(&self) -> usize {
        (self.heads + 2 * self.kv_heads) * self.head_dim
    }

    /// Elements of all heads' outputs.
    #[must_use]
    pub const fn attended(&self) -> usize {
        self.heads * self.head_dim
    }

    /// Whether a matrix takes inputs of 16 bits.
    #[must_use]
    pub const fn is_wide(&self, kind: MatrixKind) -> bool {
        self.wide_inputs[kind as usize]
    }

    /// Int8 multiply-adds per token in the matrices; attention adds `2 * h * H` for each position in the window, and
    /// inputs of 16 bits count twice.
    #[must_use]
    pub const fn multiply_adds(&self) -> usize {
        const fn passes(wide: bool) -> usize {
            if wide { 2 } else { 1 }
        }
        let [qkv, out, gate_up, down, head] = self.wide_inputs;
        let layer = passes(qkv) * self.qkv_rows() * self.d_model
            + passes(out) * self.attended() * self.d_model
            + passes(gate_up) * 2 * self.d_ff * self.d_model
            + passes(down) * self.d_ff * self.d_model;
        self.layers * layer + passes(head) * self.vocab_size * self.d_model
    }

    /// Weights of all matrices, and the embedding.
    #[must_use]
    pub const fn parameters(&self) -> usize {
        let layer = self.qkv_rows() + self.attended() + 3 * self.d_ff;
        (self.layers * layer + 2 * self.vocab_size) * self.d_model
    }
}

/// An int8 matrix with a factor for each row: row r stands for `weights[r] * mantissas[r] / 2^exponents[r]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Matrix {
    /// Row by row, `[rows, cols]`.
    pub weights: Vec<i8>,
    /// `[rows]`.
    pub mantissas: Vec<u16>,
    /// `[rows]`, at most 48.
    pub exponents: Vec<u8>,
}

impl Matrix {
    /// The number of rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.mantissas.len()
    }

    /// The number of columns.
    #[must_use]
    pub fn cols(&self) -> usize {
        self.weights.len() / self.rows().max(1)
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
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Layer {
    /// `[(H + 2 G) h, d]`: each head's query in turn, then each key, then each value.
    pub qkv: Matrix,
    /// `[(H + 2 G) h]`, with 12 fraction bits; empty if there is none.
    pub qkv_bias: Vec<i32>,
    /// Gains of the norm of queries, `[h]`, with 10 fraction bits; empty if there is none.
    pub query_gains: Vec<i16>,
    /// Gains of the norm of keys, as those of queries.
    pub key_gains: Vec<i16>,
    /// `[d, H h]`.
    pub out: Matrix,
    /// `[2 F, d]`: gates, then values.
    pub gate_up: Matrix,
    /// `[d, F]`.
    pub down: Matrix,
}

/// All weights of a model.
///
/// The fields are public and nothing checks them: an importer makes `Weights` from those of another program. Whoever does
/// so must keep the sizes and ranges of `docs/spec/czm-v3.md`. With other shapes, calls panic; with other values no memory
/// is at risk, but sums may overflow. [`Contents::to_bytes`](super::Contents::to_bytes) refuses weights that don't keep
/// them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Weights {
    /// The sizes.
    pub config: Config,
    /// Turns of each pair of elements for each position, in 1/2^32: `[R / 2]`.
    pub frequencies: Vec<u32>,
    /// `[V, d]`; a row's elements have the residual's fraction bits.
    pub embedding: Matrix,
    /// The layers, first to last.
    pub layers: Vec<Layer>,
    /// The output head: `[V, d]`, with logits in 1/256 octaves.
    pub head: Matrix,
}
