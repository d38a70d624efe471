//! Frequencies of rotations: turns of each pair of elements for each position, in 1/2^32.
//!
//! The frequency of pair i of n is base^(-i/n) / (2 pi) turns. The power is computed with square roots, products and
//! quotients of f64, which are rounded in the same way on every machine; `powf` is not.

use std::f64::consts::TAU;

/// base^(-i/n) for i from 0 to n - 1, with a relative error below 2^-45.
pub(crate) fn powers(base: f64, n: usize) -> Vec<f64> {
    (0..n).map(|i| 1.0 / power(base, i, n)).collect()
}

/// base^(i/n) for i < n: the product of base^(1/2), base^(1/4), ... for the binary digits of i/n that are 1.
fn power(base: f64, i: usize, n: usize) -> f64 {
    let (mut root, mut rest, mut product) = (base, i, 1.0);
    for _ in 0..64 {
        root = root.sqrt();
        rest *= 2;
        if rest >= n {
            rest -= n;
            product *= root;
        }
    }
    product
}

/// How the frequencies of a net for long texts differ from those of the net that it was made from: Llama 3.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Llama3Scaling {
    pub(crate) factor: f64,
    pub(crate) low_freq_factor: f64,
    pub(crate) high_freq_factor: f64,
    /// The context length of the net that this one was made from.
    pub(crate) original_context: f64,
}

impl Llama3Scaling {
    /// By what each frequency is divided, rounded to f32, as GGUF files have it: 1 if the wave is short, `factor` if it is
    /// long, and something between them between them.
    pub(crate) fn divisors(&self, frequencies: &[f64]) -> Vec<f32> {
        let divisor = |frequency: f64| {
            // How many waves fit into the original context.
            let waves = self.original_context * frequency / TAU;
            if waves > self.high_freq_factor {
                1.0
            } else if waves < self.low_freq_factor {
                self.factor
            } else {
                let smooth = (waves - self.low_freq_factor) / (self.high_freq_factor - self.low_freq_factor);
                1.0 / ((1.0 - smooth) / self.factor + smooth)
            }
        };
        frequencies
            .iter()
            .map(|&frequency| divisor(frequency) as f32)
            .collect()
    }
}

/// Turns for each position in 1/2^32, of radians for each position. `None` if there are a whole turn or more.
pub(crate) fn turns(radians: f64) -> Option<u32> {
    let turns = (radians / TAU * 4_294_967_296.0).round_ties_even();
    (0.0..4_294_967_296.0).contains(&turns).then_some(turns as u32)
}
