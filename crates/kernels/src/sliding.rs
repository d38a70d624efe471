//! Attention of models of version 2: over a window that slides along the text.
//!
//! The softmax takes two passes, first the maximum and then the weights, and nothing is rounded between keys, so that
//! their order does not matter. Weights have 8 bits, as the products of bytes want them.

use czip_fixed::tables::EXP2;
use czip_fixed::{RmsFactor, RmsScale};

use crate::attention::{GROUP_BLOCKS, ValueLayout};
use crate::blocked::{BLOCK_ROWS, Block};
use crate::instruction_set::dispatch;
use crate::matrix::Workspace;
use crate::{HEAD_DIM, Kernels, KeyValueCache, words};

/// Bits between an entry of the table of powers and a weight of 8 bits.
pub(crate) const WEIGHT_SHIFT: u32 = 8;

/// Positions that lie in whole blocks around the longest window.
pub(crate) const MAX_POSITIONS: usize = SlidingAttention::MAX_WINDOW + 2 * BLOCK_ROWS;

/// What attention of one layer needs besides keys and values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlidingAttention {
    gains: Vec<u16>,
    sinks: Vec<i32>,
}

impl SlidingAttention {
    /// The most positions of a window.
    pub const MAX_WINDOW: usize = 1024;

    /// The gain of each head, which makes a product of query and key a score in 1/256 octaves as
    /// `floor(product * gain / 2^14)`, and the score of a key with the value zero that is always there.
    ///
    /// # Panics
    ///
    /// If there is not one sink for each gain.
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

/// Where the kernels' caller wants the weights that attention gave: for training.
pub type WeightsObserver<'a> = Option<&'a mut dyn FnMut(usize, &[u8], u32)>;

impl Kernels {
    /// `out[b][r] = sat16(floor(sums[b][r] / 2^shifts[r] + 1/2))`. Shifts are at most 24.
    ///
    /// # Panics
    ///
    /// If the lengths don't fit together.
    pub fn to_words(self, sums: &[i32], shifts: &[u8], out: &mut [i16]) {
        assert!(
            sums.len() == out.len() && sums.len().is_multiple_of(shifts.len()),
            "words"
        );
        for (sums, out) in sums
            .chunks_exact(shifts.len())
            .zip(out.chunks_exact_mut(shifts.len()))
        {
            dispatch!(self, to_words(sums, shifts, out));
        }
    }

    /// `residual[b][r] = sat16(residual[b][r] + floor(sums[b][r] / 2^shifts[r] + 1/2))`. Shifts are at most 24.
    ///
    /// # Panics
    ///
    /// If the lengths don't fit together.
    pub fn add_words(self, sums: &[i32], shifts: &[u8], residual: &mut [i16]) {
        assert!(
            sums.len() == residual.len() && sums.len().is_multiple_of(shifts.len()),
            "words"
        );
        for (sums, residual) in sums
            .chunks_exact(shifts.len())
            .zip(residual.chunks_exact_mut(shifts.len()))
        {
            dispatch!(self, add_words(sums, shifts, residual));
        }
    }

    /// `logits[b][r] = floor(logits[b][r] / 2^shifts[r] + 1/2)`. Shifts are at most 24.
    ///
    /// # Panics
    ///
    /// If the lengths don't fit together.
    pub fn to_logits(self, logits: &mut [i32], shifts: &[u8]) {
        assert!(logits.len().is_multiple_of(shifts.len()), "logits");
        for logits in logits.chunks_exact_mut(shifts.len()) {
            dispatch!(self, to_logits(logits, shifts));
        }
    }

    /// RMSNorm of 16-bit numbers to int8; returns the factor that it multiplied with.
    ///
    /// # Panics
    ///
    /// If the lengths differ.
    pub fn normalize(self, x: &[i16], scale: RmsScale, out: &mut [i8]) -> RmsFactor {
        assert_eq!(x.len(), out.len(), "norm");
        dispatch!(self, normalize(x, scale, out))
    }

    /// `x[i] = sat16(floor(max(x[i], 0)^2 / 2^shift + 1/2))`. The shift is at most 24.
    pub fn square_relu(self, x: &mut [i16], shift: u32) {
        dispatch!(self, square_relu(x, shift));
    }

    /// Rotary embedding of 16-bit numbers, in place: pairs element i with i + 32, by the angle of `cos[i]` and `sin[i]`,
    /// Q1.15. Those must be the cosine and the sine of some angle: the arithmetic has 32 bits for pairs no longer than 1.
    pub fn rotate_words(self, v: &mut [i16; HEAD_DIM], cos: &[i16; HEAD_DIM / 2], sin: &[i16; HEAD_DIM / 2]) {
        dispatch!(self, rotate_words(v, cos, sin));
    }

    /// Attention of all heads over the positions of `window` in a cache.
    ///
    /// `queries` are int8 `[heads, 64]`, normed so that no product of query and key exceeds 2^15; `out` is
    /// `[heads, 64]`, in 1/16 of a value. `weights` is called with each head's weights, 0 to 255, and their sum.
    ///
    /// # Panics
    ///
    /// If the window is empty, longer than [`SlidingAttention::MAX_WINDOW`] or exceeds the capacity, if a length doesn't
    /// fit the number of heads, or if the cache is of another level.
    #[expect(clippy::too_many_arguments, reason = "one step of a forward pass")]
    pub fn attend_window(
        self,
        attention: &SlidingAttention,
        cache: &KeyValueCache,
        window: std::ops::Range<usize>,
        queries: &[i8],
        workspace: &mut Workspace,
        out: &mut [i16],
        weights: WeightsObserver<'_>,
    ) {
        cache.check(self.instruction_set(), window.end);
        assert!(
            !window.is_empty() && window.len() <= SlidingAttention::MAX_WINDOW,
            "window {window:?}"
        );
        assert_eq!(queries.len(), attention.heads() * HEAD_DIM, "queries");
        assert_eq!(out.len(), queries.len(), "attention output");
        dispatch!(
            self,
            attend_window(attention, cache, window, queries, workspace, out, weights)
        );
    }

    /// The frequencies of symbols from their logits in 1/256 octaves: `max(1, floor(2^bits * exp2 / 2^16))` of the
    /// distance below the maximum. `bits` is at most 30.
    ///
    /// # Panics
    ///
    /// If the lengths differ.
    pub fn unscaled_frequencies(self, logits: &[i32], bits: u32, out: &mut [u32]) {
        assert_eq!(logits.len(), out.len(), "frequencies");
        dispatch!(self, unscaled_frequencies(logits, bits, &EXP2, out));
    }
}

/// Attention from the products of queries with all keys from `first` on, a multiple of 16.
#[inline(always)]
#[expect(
    clippy::too_many_arguments,
    reason = "what callers have in common, without a type made for one call"
)]
pub(crate) fn attend(
    sums: impl WeightedSums,
    attention: &SlidingAttention,
    values: &[Block],
    window: std::ops::Range<usize>,
    first: usize,
    products: &mut [i32],
    stride: usize,
    workspace: &mut Workspace,
    out: &mut [i16],
    mut weights_sink: WeightsObserver<'_>,
) {
    let inner = window.start - first..window.end - first;
    let values = &values[first / sums.layout().group() * GROUP_BLOCKS..];
    let weights = &mut workspace.weight_bytes[0];
    weights.resize(stride, 0);
    let heads = products
        .chunks_exact_mut(stride)
        .zip(out.as_chunks_mut::<HEAD_DIM>().0)
        .zip(attention.gains.iter().zip(&attention.sinks));
    for (head, ((scores, out), (&gain, &sink))) in heads.enumerate() {
        words::scale_products(scores, gain);
        let maximum = scores[inner.clone()]
            .iter()
            .fold(sink, |max, &score| max.max(score));
        words::weigh(scores, maximum, &EXP2, weights);
        weights[..inner.start].fill(0);
        weights[inner.end..].fill(0);
        let mut sink_weight = [0; BLOCK_ROWS];
        words::weigh(&[sink; BLOCK_ROWS], maximum, &EXP2, &mut sink_weight);
        let mut total = u32::from(sink_weight[0]);
        total += weights.iter().map(|&weight| u32::from(weight)).sum::<u32>();
        let mut acc = [0; HEAD_DIM];
        sums.weighted_sums(weights, values, &mut acc);
        words::divide_words(&acc, total, out);
        if let Some(sink) = &mut weights_sink {
            sink(head, &weights[inner.clone()], total);
        }
    }
}

/// Sums of values in a level's layout.
pub(crate) trait WeightedSums: Copy {
    /// How the level has values.
    fn layout(self) -> ValueLayout;

    /// Sums values, each weighted by a byte, into accumulators that are zero. There are 16 weights or a multiple of that,
    /// at most [`MAX_POSITIONS`].
    fn weighted_sums(self, weights: &[u8], values: &[Block], acc: &mut [i32; HEAD_DIM]);
}

/// Portable sums, over values in any layout.
#[derive(Clone, Copy)]
pub(crate) struct PortableSums(pub(crate) ValueLayout);

impl WeightedSums for PortableSums {
    #[inline(always)]
    fn layout(self) -> ValueLayout {
        self.0
    }

    #[inline(always)]
    fn weighted_sums(self, weights: &[u8], values: &[Block], acc: &mut [i32; HEAD_DIM]) {
        match self.0 {
            ValueLayout::Rows => {
                for (&weight, value) in weights.iter().zip(values) {
                    for (acc, &value) in acc.iter_mut().zip(&value.0) {
                        *acc += i32::from(weight) * i32::from(value);
                    }
                }
            }
            ValueLayout::WidePairs => {
                let groups = weights
                    .as_chunks::<2>()
                    .0
                    .iter()
                    .zip(values.as_chunks::<GROUP_BLOCKS>().0);
                for (&[a, b], values) in groups {
                    let (a, b) = (i32::from(a), i32::from(b));
                    let cells = values.iter().flat_map(|block| block.0.as_chunks::<4>().0);
                    for (acc, &[v, v_high, w, w_high]) in acc.iter_mut().zip(cells) {
                        let v = i16::from_ne_bytes([v as u8, v_high as u8]);
                        let w = i16::from_ne_bytes([w as u8, w_high as u8]);
                        *acc += a * i32::from(v) + b * i32::from(w);
                    }
                }
            }
            ValueLayout::Quads => {
                let groups = weights
                    .as_chunks::<4>()
                    .0
                    .iter()
                    .zip(values.as_chunks::<GROUP_BLOCKS>().0);
                for (weights, values) in groups {
                    let cells = values.iter().flat_map(|block| block.0.as_chunks::<4>().0);
                    for (acc, cell) in acc.iter_mut().zip(cells) {
                        *acc += (0..4)
                            .map(|i| i32::from(weights[i]) * i32::from(cell[i]))
                            .sum::<i32>();
                    }
                }
            }
        }
    }
}
