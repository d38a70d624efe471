//! Root-mean-square norms: what the forward pass records of one, and its backward pass.

use crate::matrix::dot;

/// The output of a norm of many rows.
#[derive(Debug, Default)]
pub(crate) struct Normed {
    /// `[rows, width]`.
    pub(crate) values: Vec<f32>,
    /// What one unit of each row's input became in the output: `[rows]`.
    pub(crate) factors: Vec<f32>,
}

impl Normed {
    pub(crate) fn clear(&mut self) {
        self.values.clear();
        self.factors.clear();
    }

    /// Replaces the gradients of the output, `[rows, width]`, by those of the input. Values of `limit` were clamped.
    pub(crate) fn backward(&self, limit: f32, dy: &mut [f32]) {
        let width = (self.values.len() / self.factors.len().max(1)).max(1);
        let rows = self.values.chunks_exact(width).zip(dy.chunks_exact_mut(width));
        for ((y, dy), &factor) in rows.zip(&self.factors) {
            backward_row(y, limit, factor, dy);
        }
    }
}

/// With y = x / rms(x) and the factor 1 / rms(x): dx = (dy - y mean(y dy)) / rms(x), in place. Nothing comes through
/// where y was clamped.
pub(crate) fn backward_row(y: &[f32], limit: f32, factor: f32, dy: &mut [f32]) {
    for (dy, &y) in dy.iter_mut().zip(y) {
        *dy = if y.abs() >= limit { 0.0 } else { *dy };
    }
    let mean = dot(y, dy) / y.len() as f32;
    for (dy, &y) in dy.iter_mut().zip(y) {
        *dy = (*dy - y * mean) * factor;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gradients_of_rows() {
        // Two rows of two; the rms of (3, 4) is sqrt(12.5).
        let normed = Normed {
            values: vec![0.6, 0.8, 1.0, -2.0],
            factors: vec![0.5, 4.0],
        };
        let mut dy = [1.0, 2.0, 3.0, 5.0];
        normed.backward(2.0, &mut dy);
        // Means of y dy: 1.1, and 1.5 without the clamped one.
        let expected = [
            (1.0 - 0.66) * 0.5,
            (2.0 - 0.88) * 0.5,
            (3.0 - 1.5) * 4.0,
            (0.0 + 3.0) * 4.0,
        ];
        for (found, expected) in dy.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-6, "{dy:?}");
        }
    }
}
