//! The inner loops of a gated linear mixer: several rows of weights, int16 `[N]`, chosen for each decision, times one
//! vector of inputs, int16 `[N]`, and what the rows learn from the outcome.

use super::{Kernels, dispatch};
use crate::mixing::WeightRow;

impl Kernels {
    /// The products of the chosen rows with the inputs, int16 `[N]`: int32 sums that wrap, so their order is free.
    ///
    /// # Panics
    ///
    /// If there is no such row.
    #[inline]
    #[must_use]
    pub fn mix<const N: usize, const ROWS: usize>(
        self,
        weights: &[WeightRow<N>],
        rows: [usize; ROWS],
        x: &[i16; N],
    ) -> [i32; ROWS] {
        dispatch!(self, mix(weights, rows, x))
    }

    /// Moves the chosen rows: `weight += (x * step + 2^14) >> 15`, where steps are int16, one for each row, and both
    /// the term and the sum are clamped to int16. A row that is chosen twice is moved twice, in the order of `rows`.
    ///
    /// # Panics
    ///
    /// If there is no such row.
    #[inline]
    pub fn train<const N: usize, const ROWS: usize>(
        self,
        weights: &mut [WeightRow<N>],
        rows: [usize; ROWS],
        x: &[i16; N],
        steps: [i16; ROWS],
    ) {
        dispatch!(self, train(weights, rows, x, steps));
    }
}
