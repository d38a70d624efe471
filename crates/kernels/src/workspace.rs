//! Working space of the kernels, kept by the caller so nothing is allocated per token.

use crate::layout::Block;

/// Working space of products and attention. Nothing in it carries over from one call to the next.
#[derive(Clone, Debug, Default)]
pub struct Workspace {
    pub(crate) staging: Staging,
    /// Sums of a product on their way to activations, int32 `[batch, rows]`.
    pub(crate) sums: Vec<i32>,
    /// Products of queries and keys, then scores: int32 `[heads, keys]`, with keys padded to whole blocks.
    pub(crate) scores: Vec<i32>,
    pub(crate) weights: WeightSpace,
}

/// Activations made ready for the instructions of a product.
#[allow(dead_code, reason = "each instruction set uses some of it")]
#[derive(Clone, Debug, Default)]
pub(crate) struct Staging {
    /// Activations widened to 16 bits.
    pub(crate) widened: Vec<i16>,
    /// What the sums of each activation vector start at.
    pub(crate) starts: Vec<i32>,
    /// Activations in tiles.
    pub(crate) tiles: Vec<Block>,
    /// Activations of two vectors each, eight of the one after eight of the other.
    pub(crate) pairs: Vec<[[i8; 8]; 2]>,
}

/// Attention's weights of some keys.
#[cfg_attr(
    not(target_arch = "x86_64"),
    allow(dead_code, reason = "only instruction sets of x86-64 use all of it")
)]
#[derive(Clone, Debug, Default)]
pub(crate) struct WeightSpace {
    /// The weights.
    pub(crate) weights: Vec<u32>,
    /// Their bytes, low and high; weights of 8 bits are in the first.
    pub(crate) bytes: [Vec<u8>; 2],
    /// The weights in pairs.
    pub(crate) pairs: Vec<i16>,
    /// The pairs in which a sign bit got lost.
    pub(crate) halves: Vec<(usize, [i16; 2])>,
}
