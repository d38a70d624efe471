//! Models of version 2: `docs/spec/czm-v2.md`.
//!
//! A [`File`] is read from bytes and holds [`Weights`]; [`Contents`] writes one. A [`Transformer`] packs weights for an
//! instruction set and takes batches of [`Row`]s to logits, int32 `[rows, vocab]`, with a [`Cache`] for each sequence
//! and a [`Scratch`] for each thread. An [`Observer`] sees the numbers on the way, which training needs.
//! [`reference::Reference`] computes the same one token at a time, in the plainest way.

mod file;
mod observer;
mod tensors;
mod transformer;
mod weights;

pub mod reference;

pub use file::{Contents, FORMAT, File};
pub use observer::{Norm, Observer};
pub use transformer::{Cache, MAX_BATCH, Row, Scratch, Transformer};
pub use weights::{Config, Layer, Matrix, Weights};

use czip_fixed::RmsScale;

/// Elements of a query, key or value.
pub const HEAD_DIM: usize = czip_kernels::HEAD_DIM;

/// Positions in a chunk of CZIPv1: the largest power of two at which the chunk's bytes fit the format's 16-bit length
/// whatever the tokens are. The coder spends less than 31 bits on a token, since frequencies sum to at most 2^30.
pub const CHUNK_LENGTH: usize = 1 << 14;

/// The number formats between the matrices: an integer stands for a multiple of 2^-bits.
pub mod bits {
    /// The residual stream, queries and keys before their norm, and what the feed-forward network squares: int16.
    pub const RESIDUAL: u32 = 9;
    /// Normed activations and values of attention: int8.
    pub const ACTIVATION: u32 = 4;
    /// Outputs of attention: int16.
    pub const ATTENDED: u32 = 8;
    /// Squares, before their norm: int16.
    pub const SQUARE: u32 = 6;
    /// Squares after their norm: int8. They have a longer tail.
    pub const HIDDEN: u32 = 3;
    /// Logits, in octaves (powers of two): int32.
    pub const LOGIT: u32 = 8;
}

/// The shift of a square of a [`bits::RESIDUAL`] number.
pub const SQUARE_SHIFT: u32 = 2 * bits::RESIDUAL - bits::SQUARE;

/// The scales of a model's norms.
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
    /// The scales for a model of these sizes.
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

/// The row of the bigram embedding for a token and the one before it; `buckets` is a power of two, at least 2.
#[inline]
#[must_use]
pub const fn bigram_bucket(previous: u32, token: u32, buckets: usize) -> usize {
    // 2^32 over the golden ratio, and a prime that spreads the other factor.
    let hash = previous
        .wrapping_mul(0x9e37_79b1)
        .wrapping_add(token.wrapping_mul(0x85eb_ca77));
    // The products' upper bits depend on all bits of both.
    let hash = (hash ^ (hash >> 15)).wrapping_mul(0x2c1b_3c6d);
    (hash >> (32 - buckets.trailing_zeros())) as usize
}

/// The cosines and sines that rotate the pairs of a vector at a position, Q1.15: `[32]` each.
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

/// The frequencies of tokens are below two to this power, so their sum is at most 2^30.
#[must_use]
pub const fn frequency_bits(vocab_size: usize) -> u32 {
    30 - vocab_size.next_power_of_two().trailing_zeros()
}
