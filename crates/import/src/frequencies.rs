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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn powers_are_powers() {
        for base in [10_000.0, 100_000.0, 500_000.0, 1e6, 12_345.678] {
            for n in [1, 2, 16, 20, 24, 32, 40, 48, 64, 128] {
                for (i, power) in powers(base, n).into_iter().enumerate() {
                    let wanted = base.powf(-(i as f64) / n as f64);
                    assert!(
                        (power / wanted - 1.0).abs() < 1e-13,
                        "{base} {i}/{n}: {power} {wanted}"
                    );
                }
            }
        }
    }

    #[test]
    fn turns_of_radians() {
        // 2^32 / (2 pi) = 683565275.58
        assert_eq!(turns(1.0), Some(683_565_276));
        assert_eq!(turns(0.0), Some(0));
        assert_eq!(turns(6.283_185_305), Some(4_294_967_295));
        for radians in [TAU, -1.0, f64::NAN, f64::INFINITY] {
            assert_eq!(turns(radians), None, "{radians}");
        }
    }

    #[test]
    fn llama_3_scales_long_waves() {
        let scaling = Llama3Scaling {
            factor: 32.0,
            low_freq_factor: 1.0,
            high_freq_factor: 4.0,
            original_context: 8192.0,
        };
        // Of waves of 8192 / 4.5, 8192 / 2.5 and 8192 / 0.5 positions.
        let frequencies = [4.5, 2.5, 0.5].map(|waves| waves * TAU / 8192.0);
        // The second is halfway: (1/2) / 32 + 1/2 = 33 / 64.
        assert_eq!(scaling.divisors(&frequencies), [1.0, 64.0 / 33.0, 32.0]);
    }
}
