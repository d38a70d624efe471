//! Rows of numbers become int8 with a factor for each row, mantissa / 2^exponent.
//!
//! A row's largest magnitude becomes 127. Smaller factors, which clip it, were tried: no model lost less with them.

use czip_model::v3::Matrix;
use rayon::prelude::*;

use crate::error::Error;
use crate::rows::Rows;

/// Units of queries, keys, values, gates and biases for 1.
pub(crate) const VECTOR_SCALE: f64 = 4096.0;
/// Units of gains of queries and keys for 1.
const GAIN_SCALE: f64 = 1024.0;
/// The largest magnitude of a bias.
const MAX_BIAS: f64 = ((1 << 28) - 1) as f64;
/// The largest exponent of a factor.
const MAX_EXPONENT: i32 = 48;

/// A factor near `value`, which is not negative: with a mantissa of 15 bits, of fewer if the exponent would exceed
/// `max_exponent`. `None` if it is 2^15 or more.
pub(crate) fn factor(value: f64, max_exponent: i32) -> Option<(u16, u8)> {
    if value == 0.0 {
        return Some((0, 0));
    }
    // That of the binary digit of the highest value. A value below the normal numbers is far below 2^-48.
    let octave = (value.to_bits() >> 52) as i32 - 1023;
    let exponent = (14 - octave).min(max_exponent);
    if exponent < 0 || octave == 1024 {
        return None;
    }
    let scaled = |exponent| (value * power_of_two(exponent)).round_ties_even();
    match scaled(exponent) {
        // Rounded up to a number of 16 bits.
        32_768.0 if exponent == 0 => None,
        32_768.0 => Some((16_384, exponent as u8 - 1)),
        mantissa => Some((mantissa as u16, exponent as u8)),
    }
}

/// 2^n for n from -1022 to 1023.
pub(crate) fn power_of_two(n: i32) -> f64 {
    f64::from_bits(((n + 1023) as u64) << 52)
}

/// Appends rows to a matrix, in units of 1 / `scale`: the factors make products of inputs that are real numbers into
/// outputs with `scale` units to 1.
pub(crate) fn append(matrix: &mut Matrix, rows: &Rows, scale: f64, name: &str) -> Result<(), Error> {
    let cols = rows.cols;
    let start = matrix.weights.len();
    matrix.weights.resize(start + rows.numbers.len(), 0);
    let factors: Vec<Option<(u16, u8)>> = rows
        .numbers
        .par_chunks(cols)
        .zip(matrix.weights[start..].par_chunks_mut(cols))
        .with_min_len(8)
        .map(|(row, weights)| quantize(row, scale, weights))
        .collect();
    for (row, factor) in factors.into_iter().enumerate() {
        let Some((mantissa, exponent)) = factor else {
            return Err(Error::BadTensor {
                name: name.to_owned(),
                reason: format!("the weights of row {row} are too large"),
            });
        };
        matrix.mantissas.push(mantissa);
        matrix.exponents.push(exponent);
    }
    Ok(())
}

/// One row. `None` if its factor is too large for the format.
fn quantize(row: &[f32], scale: f64, weights: &mut [i8]) -> Option<(u16, u8)> {
    let largest = row.iter().fold(0.0_f32, |largest, x| largest.max(x.abs()));
    let (mantissa, exponent) = factor(f64::from(largest) / 127.0 * scale, MAX_EXPONENT)?;
    if mantissa == 0 {
        // Smaller than all that the format knows.
        weights.fill(0);
        return Some((0, 0));
    }
    // The weights make up for what the factor lost by rounding.
    let inverse = scale * power_of_two(exponent.into()) / f64::from(mantissa);
    for (weight, &x) in weights.iter_mut().zip(row) {
        *weight = (f64::from(x) * inverse).round_ties_even().clamp(-127.0, 127.0) as i8;
    }
    Some((mantissa, exponent))
}

/// Biases with 12 fraction bits. `None` if one is too large.
pub(crate) fn biases(biases: &[f32]) -> Option<Vec<i32>> {
    let biases = biases.iter().map(|&bias| {
        let bias = (f64::from(bias) * VECTOR_SCALE).round_ties_even();
        (bias.abs() <= MAX_BIAS).then_some(bias as i32)
    });
    biases.collect()
}

/// Gains of queries or keys with 10 fraction bits. `None` if one is too large.
pub(crate) fn gains(gains: &[f32]) -> Option<Vec<i16>> {
    let gains = gains.iter().map(|&gain| {
        let gain = (f64::from(gain) * GAIN_SCALE).round_ties_even();
        (-32_768.0..=32_767.0).contains(&gain).then_some(gain as i16)
    });
    gains.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn factors() {
        let factor = |value| factor(value, MAX_EXPONENT);
        assert_eq!(factor(0.0), Some((0, 0)));
        assert_eq!(factor(1.0), Some((16_384, 14)));
        assert_eq!(factor(0.75), Some((24_576, 15)));
        assert_eq!(factor(46.166_241_3), Some((23_637, 9)));
        assert_eq!(factor(32_767.4), Some((32_767, 0)));
        // Rounded up to the next octave.
        assert_eq!(factor(0.999_99), Some((16_384, 14)));
        // Rounded up to a number that has 16 bits.
        assert_eq!(factor(32_767.5), None);
        assert_eq!(factor(32_768.0), None);
        assert_eq!(factor(f64::INFINITY), None);
        // 2^-34 is the smallest with a mantissa of 15 bits; 2^-50 rounds to none.
        assert_eq!(factor(power_of_two(-34)), Some((16_384, 48)));
        assert_eq!(factor(power_of_two(-48)), Some((1, 48)));
        assert_eq!(factor(power_of_two(-50)), Some((0, 48)));
        assert_eq!(factor(f64::MIN_POSITIVE / 4.0), Some((0, 48)));
    }

    fn quantized(row: &[f32], scale: f64) -> (Vec<i8>, Option<(u16, u8)>) {
        let mut weights = vec![1; row.len()];
        let factor = quantize(row, scale, &mut weights);
        (weights, factor)
    }

    #[test]
    fn rows() {
        let row = [127.0, -63.5, 0.4, 0.5, 1.5, -127.0];
        assert_eq!(
            quantized(&row, 1.0),
            (vec![127, -64, 0, 0, 2, -127], Some((16_384, 14)))
        );
        assert_eq!(quantized(&[0.0; 3], 1.0), (vec![0; 3], Some((0, 0))));
        assert_eq!(quantized(&[1e-20; 3], 1.0), (vec![0; 3], Some((0, 0))));
        assert_eq!(quantized(&[1e7, 0.0], 4096.0).1, None);
    }

    #[test]
    fn biases_and_gains() {
        assert_eq!(
            biases(&[0.5, -1.0 / 8192.0, 65_535.0]),
            Some(vec![2048, 0, 268_431_360])
        );
        assert_eq!(biases(&[65_536.0]), None);
        assert_eq!(gains(&[1.0, -0.5, 31.999]), Some(vec![1024, -512, 32_767]));
        assert_eq!(gains(&[1.0, 32.0]), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn errors_are_half_a_step(row in prop::collection::vec(-2.0_f32..2.0, 1..40), octave in -10..10) {
            let scale = power_of_two(octave);
            let (weights, factor) = quantized(&row, scale);
            let (mantissa, exponent) = factor.unwrap();
            let unit = f64::from(mantissa) / power_of_two(exponent.into()) / scale;
            let largest = row.iter().fold(0.0_f32, |largest, x| largest.max(x.abs()));
            prop_assert!((unit * 127.0 / f64::from(largest) - 1.0).abs() < 1.0 / 32_768.0);
            for (&weight, &x) in weights.iter().zip(&row) {
                // The largest may be cut by what the factor lost.
                prop_assert!((f64::from(weight) * unit - f64::from(x)).abs() <= unit * 0.504, "{x}");
            }
        }
    }
}
