//! Models of version 2: `docs/spec/czm-v2.md`.

mod file;
mod transformer;
mod weights;

pub mod reference;

pub use file::{Contents, FORMAT, File};
pub use transformer::{Cache, MAX_BATCH, Scratch, Transformer};
pub use weights::{Config, Layer, Matrix, Weights};

use czip_fixed::RmsScale;

/// Elements of a query, key or value.
pub const HEAD_DIM: usize = czip_kernels::HEAD_DIM;

/// Positions of a chunk of CZIPv1: the largest power of two whose tokens' bytes fit the format's field of 16 bits whatever
/// the tokens are. The coder takes less than 31 bits for one of a total of 2^30.
pub const CHUNK_LENGTH: usize = 1 << 14;

/// The number formats between the matrices: an integer stands for a multiple of 2^-bits.
pub mod bits {
    /// The residual stream, queries and keys before their norm, and what the feed-forward network squares: int16.
    pub const WORD: u32 = 9;
    /// Normed activations and values of attention: int8.
    pub const ACTIVATION: u32 = 4;
    /// Outputs of attention: int16.
    pub const ATTENDED: u32 = 8;
    /// Squares, before their norm: int16.
    pub const SQUARE: u32 = 6;
    /// Squares after their norm: int8. They have a longer tail.
    pub const HIDDEN: u32 = 3;
    /// Logits, in octaves: int32.
    pub const LOGIT: u32 = 8;
}

/// The shift of a square of two [`bits::WORD`] numbers.
pub const SQUARE_SHIFT: u32 = 2 * bits::WORD - bits::SQUARE;

/// The norms of a model.
#[derive(Clone, Copy, Debug)]
pub struct Norms {
    /// Of the residual stream.
    pub residual: RmsScale,
    /// Of each query and key.
    pub head: RmsScale,
    /// Of the outputs of attention, all heads together.
    pub attended: RmsScale,
    /// Of the squares.
    pub hidden: RmsScale,
}

impl Norms {
    /// The norms of a model of these sizes.
    #[must_use]
    pub const fn new(config: &Config) -> Self {
        let unit = 1 << bits::ACTIVATION;
        Self {
            residual: RmsScale::new(config.d_model as u32, unit),
            head: RmsScale::new(HEAD_DIM as u32, unit),
            attended: RmsScale::new((config.heads * HEAD_DIM) as u32, unit),
            hidden: RmsScale::new(config.d_ff as u32, 1 << bits::HIDDEN),
        }
    }
}

/// The row of the table of pairs for a token and the one before it; `buckets` is a power of two, at least 2.
#[inline]
#[must_use]
pub const fn bigram_bucket(previous: u16, token: u16, buckets: usize) -> usize {
    // 2^32 over the golden ratio, and a prime that spreads the other factor.
    let hash = (previous as u32)
        .wrapping_mul(0x9e37_79b1)
        .wrapping_add((token as u32).wrapping_mul(0x85eb_ca77));
    // The products' upper bits depend on all bits of both.
    let hash = (hash ^ (hash >> 15)).wrapping_mul(0x2c1b_3c6d);
    (hash >> (32 - buckets.trailing_zeros())) as usize
}

/// Cosines and sines of a position, Q1.15, for the model's frequencies.
#[must_use]
pub fn rotation(
    frequencies: &[u16; HEAD_DIM / 2],
    position: u64,
) -> ([i16; HEAD_DIM / 2], [i16; HEAD_DIM / 2]) {
    use czip_fixed::tables::{TURN, sine};
    let position = (position % TURN as u64) as usize;
    let angles = frequencies.map(|frequency| position * usize::from(frequency) % TURN);
    (angles.map(|angle| sine(angle + TURN / 4)), angles.map(sine))
}

/// Bits of the largest frequency: as many as leave the sum of all within 2^30.
#[must_use]
pub const fn frequency_bits(vocab_size: usize) -> u32 {
    30 - vocab_size.next_power_of_two().trailing_zeros()
}
