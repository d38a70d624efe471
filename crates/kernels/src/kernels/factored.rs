//! Loops over the int32 vectors between the matrices of a version 3 model.

use czip_fixed::{Factor, Level};

use super::{Kernels, dispatch};
use crate::cache::KeyValueCache;
use crate::layout::{BLOCK_ROWS, HEAD_DIM};
use crate::sliding::SlidingAttention;
use crate::workspace::Workspace;
use std::ops::Range;

impl Kernels {
    /// Shifts a vector until its largest element has 15 bits, rounding where it shifts to the right: int32 `[d]`, below
    /// 2^30 in magnitude, to int32 `[d]`, at most 2^15.
    ///
    /// # Panics
    ///
    /// If the lengths differ.
    pub fn level(self, x: &[i32], out: &mut [i32]) -> Level {
        assert_eq!(x.len(), out.len(), "levelled vector");
        dispatch!(self, level(x, out))
    }

    /// The sum of squares of elements of at most 2^15 in magnitude.
    #[must_use]
    pub fn sum_of_squares(self, x: &[i32]) -> u64 {
        dispatch!(self, sum_of_squares_i32(x))
    }

    /// A levelled vector in 8 bits: the largest element becomes 127.
    ///
    /// # Panics
    ///
    /// If the lengths differ.
    pub fn to_i8(self, x: &[i32], level: Level, out: &mut [i8]) {
        assert_eq!(x.len(), out.len(), "vector in 8 bits");
        dispatch!(self, to_i8(x, level.largest, out));
    }

    /// A levelled vector in 16 bits, `256 * high + low`: the largest element becomes 32,512.
    ///
    /// # Panics
    ///
    /// If the lengths differ.
    pub fn to_i8_pair(self, x: &[i32], level: Level, high: &mut [i8], low: &mut [i8]) {
        assert!(x.len() == high.len() && x.len() == low.len(), "vector in 16 bits");
        dispatch!(self, to_i8_pair(x, level.largest, high, low));
    }

    /// `high[i] = 4 * high[i] + floor(low[i] / 2^6 + 1/2)`: the sums of a vector of 16 bits from those of its parts, int32.
    ///
    /// # Panics
    ///
    /// If the lengths differ.
    pub fn join_sums(self, high: &mut [i32], low: &[i32]) {
        assert_eq!(high.len(), low.len(), "sums of a vector in 16 bits");
        dispatch!(self, join_sums(high, low));
    }

    /// Multiplies each sum by the factor of its row and by that of the vector's unit, and rounds: int32 in place, saturated
    /// at 2^28 - 1.
    ///
    /// # Panics
    ///
    /// If the lengths differ.
    pub fn scale(self, sums: &mut [i32], mantissas: &[u16], exponents: &[u8], unit: Factor) {
        assert!(
            sums.len() == mantissas.len() && sums.len() == exponents.len(),
            "factors of {} sums",
            sums.len()
        );
        dispatch!(self, scale(sums, mantissas, exponents, unit));
    }

    /// Adds to a vector what [`Kernels::scale`] makes of sums: int32, saturated at 2^28 - 1.
    ///
    /// # Panics
    ///
    /// If the lengths differ.
    pub fn add_scaled(
        self,
        sums: &[i32],
        mantissas: &[u16],
        exponents: &[u8],
        unit: Factor,
        residual: &mut [i32],
    ) {
        assert!(
            sums.len() == mantissas.len() && sums.len() == exponents.len() && sums.len() == residual.len(),
            "factors of {} sums",
            sums.len()
        );
        dispatch!(self, add_scaled(sums, mantissas, exponents, unit, residual));
    }

    /// Rotates a levelled vector: pairs element i with i + the number of angles, by the angle of `cos[i]` and `sin[i]`, Q1.15.
    /// Other elements stay.
    ///
    /// # Panics
    ///
    /// If there are more angles than pairs, or not as many sines as cosines.
    pub fn rotate_i32(self, x: &mut [i32], cos: &[i16], sin: &[i16]) {
        assert!(
            cos.len() == sin.len() && 2 * cos.len() <= x.len(),
            "angles of {} pairs",
            x.len() / 2
        );
        dispatch!(self, rotate_i32(&mut x[..2 * cos.len()], cos, sin));
    }

    /// `out[i] = sat(floor(silu(gates[i]) * values[i] / 2^12 + 1/2))`: int32 with 12 fraction bits, at most 2^28 - 1 in
    /// magnitude.
    ///
    /// # Panics
    ///
    /// If the lengths differ.
    pub fn gate(self, gates: &[i32], values: &[i32], out: &mut [i32]) {
        assert!(gates.len() == values.len() && gates.len() == out.len(), "gates");
        dispatch!(self, gate(gates, values, out));
    }

    /// The largest of some numbers; `i32::MIN` if there are none.
    #[must_use]
    pub fn maximum(self, x: &[i32]) -> i32 {
        dispatch!(self, maximum(x))
    }

    /// Scores in 1/256 octaves to weights: uint32 of 16 bits, 65,535 at the maximum. Returns their sum, modulo 2^32.
    ///
    /// # Panics
    ///
    /// If the lengths differ.
    pub fn weigh_scores(self, scores: &[i32], maximum: i32, out: &mut [u32]) -> u32 {
        assert_eq!(scores.len(), out.len(), "weights of scores");
        dispatch!(self, weigh_scores(scores, maximum, out))
    }

    /// Multiplies weights by the factors of their values' units, relative to the exponent `least`, and splits them into low
    /// and high bytes.
    ///
    /// # Panics
    ///
    /// If the lengths differ.
    pub fn weigh_values(
        self,
        weights: &[u32],
        mantissas: &[u16],
        exponents: &[u8],
        least: u8,
        low: &mut [u8],
        high: &mut [u8],
    ) {
        let len = weights.len();
        assert!(
            [mantissas.len(), exponents.len(), low.len(), high.len()] == [len; 4],
            "weights of {len} values"
        );
        dispatch!(
            self,
            weigh_values(weights, mantissas, exponents, least, low, high)
        );
    }

    /// The products of queries, int8 `[n, 64]`, with the keys of positions and of the others in their blocks of 16: int32
    /// `[n, positions in these blocks]`. Products with keys that were never stored may be anything.
    ///
    /// # Panics
    ///
    /// If there is no position or they exceed the capacity, if a length is wrong, or if the cache is of another instruction
    /// set.
    pub fn key_products(
        self,
        cache: &KeyValueCache,
        positions: Range<usize>,
        queries: &[i8],
        workspace: &mut Workspace,
        out: &mut Vec<i32>,
    ) {
        cache.check(self.instruction_set(), &positions);
        assert!(queries.len().is_multiple_of(HEAD_DIM), "queries");
        let keys = cache.keys(positions);
        dispatch!(self, key_products(keys, queries, &mut workspace.staging, out));
    }

    /// The sum of the values from position `first` on, each weighted by a byte: int32 `[64]`. `first` and the number of
    /// weights are multiples of 16.
    ///
    /// # Panics
    ///
    /// If they aren't, if there are more than 1,024 weights or the cache ends before them, or if the cache is of another
    /// instruction set.
    #[must_use]
    pub fn weighted_values(self, cache: &KeyValueCache, first: usize, weights: &[u8]) -> [i32; HEAD_DIM] {
        let mut sums = [0; HEAD_DIM];
        if weights.is_empty() {
            return sums;
        }
        cache.check(self.instruction_set(), &(first..first + 1));
        assert!(
            first.is_multiple_of(BLOCK_ROWS)
                && weights.len().is_multiple_of(BLOCK_ROWS)
                && weights.len() <= SlidingAttention::MAX_WINDOW,
            "{} weights from position {first} on",
            weights.len()
        );
        let values = cache.values(first..first + weights.len());
        dispatch!(self, weighted_values(weights, values, &mut sums));
        sums
    }
}
