//! Attention of version 2, over a window that slides along the text: queries, int8 `[heads, 64]`, and a cache of keys and
//! values in, int16 `[heads, 64]` out. All heads share one key and one value for each position.
//!
//! The softmax takes two passes, first the maximum and then the weights, and nothing is rounded between keys, so their
//! order does not matter. Weights have 8 bits, to suit the products of bytes. `docs/spec/czm-v2.md` defines the
//! arithmetic.

use std::ops::Range;

use czip_fixed::tables::EXP2;

use crate::attention::Portable;
use crate::cache::KeyValueCache;
use crate::layout::{BLOCK_ROWS, Block, HEAD_DIM};
use crate::rounding::round_shr;
use crate::workspace::WeightSpace;

/// Bits between an entry of the table of powers and a weight of 8 bits.
const WEIGHT_SHIFT: u32 = 8;

/// Positions that lie in whole blocks around the longest window.
#[cfg_attr(
    not(target_arch = "x86_64"),
    allow(dead_code, reason = "only instruction sets of x86-64 use all of it")
)]
pub(crate) const MAX_POSITIONS: usize = SlidingAttention::MAX_WINDOW + 2 * BLOCK_ROWS;

/// The parameters of attention over a window in one layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlidingAttention {
    gains: Vec<u16>,
    sinks: Vec<i32>,
}

impl SlidingAttention {
    /// The most positions of a window.
    pub const MAX_WINDOW: usize = 1024;

    /// The gain of each head, which makes a product of query and key a score in 1/256 octaves,
    /// `floor(product * gain / 2^14)`, and the score of each head's attention sink, a key that is always present, with the
    /// value zero.
    ///
    /// # Panics
    ///
    /// If there are not as many attention sinks as gains.
    #[must_use]
    pub fn new(gains: Vec<u16>, sinks: Vec<i32>) -> Self {
        assert_eq!(gains.len(), sinks.len(), "gains and sinks of heads");
        Self { gains, sinks }
    }

    /// The number of heads.
    #[must_use]
    pub fn heads(&self) -> usize {
        self.gains.len()
    }

    /// The gain and the sink's score of a head.
    pub(crate) fn head(&self, head: usize) -> (u16, i32) {
        (self.gains[head], self.sinks[head])
    }
}

/// What attention of one position over a window reads: see [`Kernels::attend_window`](crate::Kernels::attend_window).
#[derive(Clone, Debug)]
pub struct WindowInput<'a> {
    /// The parameters of the layer.
    pub attention: &'a SlidingAttention,
    /// The keys and values of the sequence in the layer.
    pub cache: &'a KeyValueCache,
    /// The positions of the cache that are attended to: at least one, at most [`SlidingAttention::MAX_WINDOW`].
    pub window: Range<usize>,
    /// The queries, int8 `[heads, 64]`, normed so no product with a key exceeds 2^15 in magnitude.
    pub queries: &'a [i8],
}

/// Sees the weights of attention, for training: it is called for each head in order with the head, the weight of each
/// position of the window, 0 to 255, and the sum of these and the weight of the attention sink.
pub type WeightsObserver<'a> = Option<&'a mut dyn FnMut(usize, &[u8], u32)>;

/// Attention of all heads, given the products of queries with the keys of the window and the others in their blocks of
/// 16, as [`KeyValueCache::keys`] has them: int32 `[heads, stride]`.
///
/// # Safety
///
/// The machine must have the instructions of `S`, and the caller their features enabled.
#[inline(always)]
pub(crate) unsafe fn attend<S: WeightedSums>(
    input: WindowInput<'_>,
    products: &mut [i32],
    stride: usize,
    space: &mut WeightSpace,
    out: &mut [i16],
    mut observer: WeightsObserver<'_>,
) {
    let WindowInput {
        attention,
        cache,
        window,
        ..
    } = input;
    let first = window.start / BLOCK_ROWS * BLOCK_ROWS;
    let inner = window.start - first..window.end - first;
    let values = cache.values_from(first);
    let weights = &mut space.bytes[0];
    weights.resize(stride, 0);
    let heads = products
        .chunks_exact_mut(stride)
        .zip(out.as_chunks_mut::<HEAD_DIM>().0)
        .zip(attention.gains.iter().zip(&attention.sinks));
    for (head, ((scores, out), (&gain, &sink))) in heads.enumerate() {
        scale_products(scores, gain);
        let maximum = scores[inner.clone()]
            .iter()
            .fold(sink, |max, &score| max.max(score));
        // SAFETY: the caller vouches for the instructions.
        unsafe { S::weigh(scores, maximum, &EXP2, weights) };
        weights[..inner.start].fill(0);
        weights[inner.end..].fill(0);
        let mut sink_weight = [0; BLOCK_ROWS];
        weigh(&[sink; BLOCK_ROWS], maximum, &EXP2, &mut sink_weight);
        let mut total = u32::from(sink_weight[0]);
        // Bytes, of not many more positions than the longest window has.
        total += weights
            .iter()
            .fold(0u32, |sum, &weight| sum.wrapping_add(weight.into()));
        let mut acc = [0; HEAD_DIM];
        // SAFETY: the caller vouches for the instructions.
        unsafe { S::weighted_sums(weights, values, &mut acc) };
        divide(&acc, total, out);
        if let Some(observe) = &mut observer {
            observe(head, &weights[inner.clone()], total);
        }
    }
}

/// Weights of positions, and sums of values in an instruction set's layout.
///
/// # Safety
///
/// An implementation's unsafe methods need its instructions, and have to be inlined into a function with the features
/// enabled. They access what their descriptions say and nothing else.
pub(crate) unsafe trait WeightedSums {
    /// The weight of each score below the maximum: see [`weigh`], which is its plainest form. Both have the same length, 16
    /// or a multiple of that.
    ///
    /// # Safety
    ///
    /// The machine must have the instructions.
    #[inline(always)]
    unsafe fn weigh(scores: &[i32], maximum: i32, exp2: &[u16; 256], weights: &mut [u8]) {
        weigh(scores, maximum, exp2, weights);
    }

    /// Sums values, each weighted by a byte, into accumulators that are zero. There are 16 weights or a multiple of that,
    /// at most [`MAX_POSITIONS`].
    ///
    /// # Safety
    ///
    /// The machine must have the instructions.
    unsafe fn weighted_sums(weights: &[u8], values: &[Block], acc: &mut [i32; HEAD_DIM]);
}

// SAFETY: the method is safe code.
unsafe impl WeightedSums for Portable {
    #[inline(always)]
    unsafe fn weighted_sums(weights: &[u8], values: &[Block], acc: &mut [i32; HEAD_DIM]) {
        for (&weight, value) in weights.iter().zip(values) {
            for (acc, &value) in acc.iter_mut().zip(&value.0) {
                // At most MAX_POSITIONS products of a byte and an int8.
                *acc = acc.wrapping_add(i32::from(weight) * i32::from(value));
            }
        }
    }
}

/// Products of queries and keys to scores in 1/256 octaves: `floor(product * gain / 2^14)`.
///
/// Products with keys of the window are at most 2^15. Around it lie positions that may never have been stored: zeros,
/// which instruction sets with a bias take for -128 everywhere. Those products may be larger, and what they wrap to does
/// not count.
#[inline(always)]
pub(crate) fn scale_products(products: &mut [i32], gain: u16) {
    for product in products {
        *product = product.wrapping_mul(gain.into()) >> 14;
    }
}

/// Scores that [`weigh_block`] handles at a time.
const BLOCK: usize = 16;

/// The weight of each score below the maximum, 0 to 255. All lengths are multiples of 16.
#[inline(always)]
pub(crate) fn weigh(scores: &[i32], maximum: i32, exp2: &[u16; 256], weights: &mut [u8]) {
    for (scores, weights) in scores
        .as_chunks::<BLOCK>()
        .0
        .iter()
        .zip(weights.as_chunks_mut::<BLOCK>().0)
    {
        weigh_block(scores, maximum, exp2, weights);
    }
}

#[inline(always)]
fn weigh_block(scores: &[i32; BLOCK], maximum: i32, exp2: &[u16; 256], weights: &mut [u8; BLOCK]) {
    let (mut fractions, mut octaves, mut powers) = ([0u8; BLOCK], [0u32; BLOCK], [0u16; BLOCK]);
    for ((&score, fraction), octaves) in scores.iter().zip(&mut fractions).zip(&mut octaves) {
        // Scores above the maximum are outside the window, and their weights do not count.
        let distance = maximum.wrapping_sub(score) as u32;
        *fraction = distance as u8;
        *octaves = (distance >> 8).min(16);
    }
    for (power, &fraction) in powers.iter_mut().zip(&fractions) {
        *power = exp2[usize::from(fraction)];
    }
    for ((&octaves, &power), weight) in octaves.iter().zip(&powers).zip(weights) {
        *weight = round_shr(power.into(), WEIGHT_SHIFT + octaves).min(255) as u8;
    }
}

/// `out[i] = floor(sums[i] * 16 / total + 1/2)`, where no sum exceeds `127 * total` in magnitude, and the total is 255 to
/// 2^18.
///
/// The division is a multiplication by the reciprocal, rounded down, so the quotient is too small by at most 1. Only the
/// dividend's sum of a negative and a positive part wraps.
#[inline(always)]
pub(crate) fn divide(sums: &[i32; HEAD_DIM], total: u32, out: &mut [i16; HEAD_DIM]) {
    /// More than a quotient's magnitude, so none is negative.
    const OFFSET: u32 = 2048;
    let divisor = 2 * total;
    let offset = divisor * OFFSET;
    let reciprocal = (1u64 << 40) / u64::from(divisor);
    for (&sum, out) in sums.iter().zip(out) {
        let dividend = (sum.wrapping_mul(32) as u32)
            .wrapping_add(total)
            .wrapping_add(offset);
        let mut quotient = (u64::from(dividend).wrapping_mul(reciprocal) >> 40) as u32;
        let remainder = dividend.wrapping_sub(quotient.wrapping_mul(divisor));
        quotient = quotient.wrapping_add(u32::from(remainder >= divisor));
        *out = (quotient as i32).wrapping_sub(OFFSET as i32) as i16;
    }
}
