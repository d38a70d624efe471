//! Matrices of f32, and what is done to their rows.

use rayon::prelude::*;

use crate::turn::Turn;

/// A matrix, row by row.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Rows {
    pub(crate) numbers: Vec<f32>,
    pub(crate) cols: usize,
}

impl Rows {
    pub(crate) fn count(&self) -> usize {
        self.numbers.len() / self.cols
    }

    /// Adds all rows, in order, to a row of sums.
    pub(crate) fn add_to(&self, sums: &mut [f64]) {
        for row in self.numbers.chunks_exact(self.cols) {
            for (sum, &x) in sums.iter_mut().zip(row) {
                *sum += f64::from(x);
            }
        }
    }

    /// Changes every row, with several threads. Numbers are f64 meanwhile, and rounded to f32 at the end.
    fn map(&mut self, change: impl Fn(&mut [f64]) + Sync) {
        let cols = self.cols;
        self.numbers.par_chunks_mut(cols).with_min_len(8).for_each_init(
            || vec![0.0; cols],
            |wide, row| {
                for (wide, &narrow) in wide.iter_mut().zip(row.iter()) {
                    *wide = f64::from(narrow);
                }
                change(wide);
                for (narrow, &wide) in row.iter_mut().zip(wide.iter()) {
                    *narrow = wide as f32;
                }
            },
        );
    }

    /// Multiplies each column by its gain, and turns each row.
    pub(crate) fn fold_and_turn(&mut self, gains: &[f32], turn: &Turn) {
        self.map(|row| {
            for (x, &gain) in row.iter_mut().zip(gains) {
                *x *= f64::from(gain);
            }
            turn.apply(row);
        });
    }

    /// Turns each row, part by part.
    pub(crate) fn turn(&mut self, turn: &Turn) {
        self.map(|row| row.chunks_exact_mut(turn.len()).for_each(|part| turn.apply(part)));
    }

    /// Turns each column, part by part.
    pub(crate) fn turn_columns(&mut self, turn: &Turn) {
        let mut columns = self.transposed();
        columns.turn(turn);
        *self = columns.transposed();
    }

    /// Rows become columns.
    pub(crate) fn transposed(&self) -> Self {
        // So many columns at once that their lines of a cache are read for all of them.
        const TILE: usize = 16;
        let (rows, cols) = (self.count(), self.cols);
        let mut numbers = vec![0.0; self.numbers.len()];
        numbers
            .par_chunks_mut(TILE * rows)
            .enumerate()
            .for_each(|(tile, out)| {
                let first = tile * TILE;
                for (r, row) in self.numbers.chunks_exact(cols).enumerate() {
                    for (c, &x) in row[first..cols.min(first + TILE)].iter().enumerate() {
                        out[c * rows + r] = x;
                    }
                }
            });
        Self { numbers, cols: rows }
    }

    /// Takes rows in another order: row `r` becomes the one that was at `from(r)`.
    pub(crate) fn reordered(&self, from: impl Fn(usize) -> usize) -> Self {
        let cols = self.cols;
        let mut numbers = Vec::with_capacity(self.numbers.len());
        for r in 0..self.count() {
            numbers.extend_from_slice(&self.numbers[from(r) * cols..][..cols]);
        }
        Self { numbers, cols }
    }
}
