//! Attention of version 1, over all positions of a sequence so far: queries, int8 `[heads, 64]`, and a cache of keys and
//! values in, int8 `[heads, 64]` out. All heads share one key and one value for each position.
//!
//! The format's softmax runs online: it takes keys in order, and rescales what it has at each new maximum. The rescaling
//! rounds, so its places matter; but from one new maximum to the next, the order of sums is free. Such a *run* of keys is
//! what the vector code works on. In a random order the k-th key is a new maximum with probability 1/k, which makes about
//! ln(n) runs.

use czip_fixed::exp_weight;
use czip_fixed::tables::ATTENTION_COEFFICIENT;

use crate::cache::KeyValueCache;
use crate::layout::{Block, HEAD_DIM, ValueLayout};
use crate::rounding::rne_shr_i32;
use crate::workspace::WeightSpace;
use crate::{exp, frequencies};

/// The parameters of attention in one layer.
#[derive(Clone, Debug)]
pub struct Attention {
    /// The score factor of each head, Q15.
    pub(crate) score_mult: Vec<i32>,
    /// The attention sink: a key without rotation and with the value zero, always present.
    pub(crate) sink_key: Option<[i8; HEAD_DIM]>,
    /// `round(2^(-i/256) * 65536)`.
    pub(crate) exp2: Box<[u16; 256]>,
}

impl Attention {
    /// Score factors above this in magnitude are refused: up to here scores and their differences fit 32 bits.
    pub const MAX_SCORE_MULT: u32 = 1 << 27;

    /// The score factor of each head (Q15), the sink key if the layer has one, and the table
    /// `round(2^(-i/256) * 65536)`.
    ///
    /// # Errors
    ///
    /// A factor that exceeds [`Attention::MAX_SCORE_MULT`] in magnitude.
    pub fn new(
        score_mult: Vec<i32>,
        sink_key: Option<[i8; HEAD_DIM]>,
        exp2: &[u16; 256],
    ) -> Result<Self, i32> {
        match score_mult
            .iter()
            .find(|mult| mult.unsigned_abs() > Self::MAX_SCORE_MULT)
        {
            Some(&mult) => Err(mult),
            None => Ok(Self {
                score_mult,
                sink_key,
                exp2: Box::new(*exp2),
            }),
        }
    }

    /// Whether the layer has a sink key: the attention sink, a learned key that is always present, with the value zero.
    #[must_use]
    pub fn has_sink_key(&self) -> bool {
        self.sink_key.is_some()
    }

    /// The number of heads.
    #[must_use]
    pub fn heads(&self) -> usize {
        self.score_mult.len()
    }
}

/// What attention of one position reads: see [`Kernels::attend`](crate::Kernels::attend).
#[derive(Clone, Copy, Debug)]
pub struct AttentionInput<'a> {
    /// The parameters of the layer.
    pub attention: &'a Attention,
    /// The keys and values of the sequence in the layer.
    pub cache: &'a KeyValueCache,
    /// The position attends to the first `length` positions of the cache, at least one. Usually it is the last of them.
    pub length: usize,
    /// The rotated queries, int8 `[heads, 64]`.
    pub queries: &'a [i8],
}

/// Consecutive keys of which none but the first can be a new maximum.
#[derive(Clone, Copy)]
pub(crate) struct Run<'a> {
    /// The position of the first key.
    pub(crate) first: usize,
    /// The scores of the keys.
    pub(crate) scores: &'a [i32],
    /// The maximum of these and all earlier scores.
    pub(crate) maximum: i32,
}

impl Run<'_> {
    /// The weights of the scores below the maximum. Their sum fits 32 bits: a context has at most 2^15 positions.
    #[inline(always)]
    pub(crate) fn weights<'w>(self, exp2: &[u16; 256], weights: &'w mut Vec<u32>) -> &'w [u32] {
        let distance = |&score: &i32| self.maximum.wrapping_sub(score) as u32;
        weights.clear();
        weights.extend(self.scores.iter().map(distance));
        exp::weights(weights, ATTENTION_COEFFICIENT, exp2);
        weights
    }
}

/// The step of attention that instruction sets do in their own ways.
///
/// # Safety
///
/// An implementation's unsafe method needs its instructions, and has to be inlined into a function with the features
/// enabled. It accesses what its description says and nothing else.
pub(crate) unsafe trait RunSums {
    /// How the instruction set has values.
    const VALUES: ValueLayout;

    /// Adds the values of a run, times the weights of its scores, to `acc`, and returns the sum of the weights. `values`
    /// begin with the group of the run's first position.
    ///
    /// # Safety
    ///
    /// The machine must have the instructions.
    unsafe fn add_run(
        exp2: &[u16; 256],
        run: Run<'_>,
        values: &[Block],
        space: &mut WeightSpace,
        acc: &mut [i32; HEAD_DIM],
    ) -> u64;
}

/// Portable sums, over values one after another.
pub(crate) struct Portable;

// SAFETY: the method is safe code.
unsafe impl RunSums for Portable {
    const VALUES: ValueLayout = ValueLayout::Rows;

    #[inline(always)]
    unsafe fn add_run(
        exp2: &[u16; 256],
        run: Run<'_>,
        values: &[Block],
        space: &mut WeightSpace,
        acc: &mut [i32; HEAD_DIM],
    ) -> u64 {
        let weights = run.weights(exp2, &mut space.weights);
        let values = &values[run.first % Self::VALUES.group()..];
        for (&weight, value) in weights.iter().zip(values) {
            for (acc, &value) in acc.iter_mut().zip(&value.0) {
                *acc = acc.wrapping_add((weight as i32).wrapping_mul(value.into()));
            }
        }
        u64::from(frequencies::sum(weights))
    }
}

/// Attention of all heads, given the products of queries and keys, int32 `[heads, stride]`, where the stride is the
/// length or more.
///
/// # Safety
///
/// The machine must have the instructions of `S`, and the caller their features enabled.
#[inline(always)]
pub(crate) unsafe fn attend<S: RunSums>(
    input: AttentionInput<'_>,
    products: &mut [i32],
    stride: usize,
    space: &mut WeightSpace,
    out: &mut [i8],
) {
    let Attention {
        score_mult,
        sink_key,
        exp2,
    } = input.attention;
    let cache = input.cache;
    let vectors = input
        .queries
        .as_chunks::<HEAD_DIM>()
        .0
        .iter()
        .zip(out.as_chunks_mut::<HEAD_DIM>().0);
    let scores = products.chunks_exact_mut(stride);
    for (((query, out), scores), &mult) in vectors.zip(scores).zip(score_mult) {
        // Scores beyond the length as well: whole vectors are faster than a remainder.
        scale_scores(scores, mult);
        let scores = &scores[..input.length];
        let mut acc = [0; HEAD_DIM];
        let (mut sum, mut maximum, mut first) = (0, i32::MIN, 0);
        if let Some(key) = sink_key {
            let mut score = [dot(query, key)];
            scale_scores(&mut score, mult);
            (sum, maximum) = (65535, score[0]);
            first = first_above(scores, maximum);
            let scores = &scores[..first];
            let run = Run {
                first: 0,
                scores,
                maximum,
            };
            // SAFETY: the caller vouches for the instructions. (A closure would be a function that lacks the features.)
            sum += unsafe { S::add_run(exp2, run, cache.values_from(0), space, &mut acc) };
        }
        while first < scores.len() {
            if sum > 0 {
                let distance = i64::from(maximum) - i64::from(scores[first]);
                let scale = exp_weight(distance, ATTENTION_COEFFICIENT, exp2);
                sum = (sum * u64::from(scale) + 32768) >> 16;
                rescale(&mut acc, scale);
            }
            maximum = scores[first];
            let end = first + 1 + first_above(&scores[first + 1..], maximum);
            let scores = &scores[first..end];
            let run = Run {
                first,
                scores,
                maximum,
            };
            // SAFETY: as above.
            sum += unsafe { S::add_run(exp2, run, cache.values_from(first), space, &mut acc) };
            first = end;
        }
        divide(&acc, sum, out);
    }
}

/// The product of a query and a key.
#[inline(always)]
pub(crate) fn dot(query: &[i8; HEAD_DIM], key: &[i8; HEAD_DIM]) -> i32 {
    query
        .iter()
        .zip(key)
        .map(|(&q, &k)| i32::from(q) * i32::from(k))
        .sum()
}

/// Products of queries and keys to scores: `RNE(RNE(product / 4) * mult / 2^15)`.
#[inline(always)]
pub(crate) fn scale_scores(products: &mut [i32], mult: i32) {
    for product in products {
        let scaled = i64::from(rne_shr_i32(*product, 2)) * i64::from(mult);
        // `rne_shr` of 15, with logical shifts: the result fits 32 bits, so what they bring in is cut off. Few
        // instruction sets have arithmetic shifts of 64 bits.
        let odd = (scaled as u64 >> 15) & 1;
        *product = ((scaled as u64).wrapping_add((1 << 14) - 1 + odd) >> 15) as i32;
    }
}

/// Scores looked at together by [`first_above`].
const SCAN: usize = 32;

/// The index of the first score above `maximum`, or the number of scores.
#[inline(always)]
pub(crate) fn first_above(scores: &[i32], maximum: i32) -> usize {
    let above = |scores: &[i32]| scores.iter().fold(i32::MIN, |max, &score| max.max(score)) > maximum;
    let whole = scores
        .chunks_exact(SCAN)
        .take_while(|scores| !above(scores))
        .count()
        * SCAN;
    scores[whole..]
        .iter()
        .position(|&score| score > maximum)
        .map_or(scores.len(), |index| whole + index)
}

/// [`oracle::rescale`](crate::oracle::rescale) in 32 bits.
///
/// With `acc = high * 2^16 + low` the product is `high * scale * 2^16 + low * scale`, and only the second part is
/// rounded. Subtracting the half before the floor, as for negative products, gives one less than adding it.
#[inline(always)]
pub(crate) fn rescale(acc: &mut [i32; HEAD_DIM], scale: u32) {
    for acc in acc {
        let (high, low) = (*acc >> 16, *acc as u32 & 0xffff);
        // The scale has 16 bits, as `low` has.
        let rounded = low.wrapping_mul(scale).wrapping_add(32768) >> 16;
        let negative = (*acc >> 31) & 1;
        *acc = high
            .wrapping_mul(scale as i32)
            .wrapping_add(rounded as i32)
            .wrapping_sub(negative);
    }
}

/// `clamp127(RNE(acc / sum))` for all elements. `sum` is at least 65535, the weight of a maximum.
///
/// The division is a multiplication by the reciprocal `floor(2^47 / sum)`: it is too small by less than 1, so the
/// quotient of a 32-bit number is too small by less than 2^-15, and as an integer by at most 1. So nothing here wraps.
#[inline(always)]
pub(crate) fn divide(acc: &[i32; HEAD_DIM], sum: u64, out: &mut [i8; HEAD_DIM]) {
    // Sums do not exceed 65535 * (2^15 + 1), less than 2^32. The bound spares a check for zero.
    let sum = sum.max(65535) as u32;
    let reciprocal = (1u64 << 47) / u64::from(sum);
    for (&acc, out) in acc.iter().zip(out) {
        let magnitude = acc.unsigned_abs();
        let mut quotient = (u64::from(magnitude).wrapping_mul(reciprocal) >> 47) as u32;
        let mut remainder = magnitude.wrapping_sub(quotient.wrapping_mul(sum));
        if remainder >= sum {
            quotient = quotient.wrapping_add(1);
            remainder = remainder.wrapping_sub(sum);
        }
        let to_next = sum.wrapping_sub(remainder);
        let up = remainder > to_next || (remainder == to_next && quotient & 1 == 1);
        let rounded = quotient.wrapping_add(u32::from(up)).min(127) as i32;
        *out = (if acc < 0 { -rounded } else { rounded }) as i8;
    }
}
