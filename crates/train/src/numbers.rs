//! Functions of floats whose results are the same on every machine: none calls a mathematics library.

/// `2^exponent`, exactly, for exponents from -126 to 127.
pub(crate) fn power(exponent: i32) -> f32 {
    f32::from_bits(((127 + exponent) as u32) << 23)
}

/// The nearest integer, the even one of two, to a number below 2^22 in magnitude: as a float, and as one whose lowest bits
/// are those of the integer. Unlike `round_ties_even` this needs no instruction that processors may lack.
#[inline(always)]
pub(crate) fn round(x: f32) -> (f32, u32) {
    // Above 2^23 floats are integers; half of that again keeps negative numbers there.
    const SHIFTER: f32 = 1.5 * (1 << 23) as f32;
    let shifted = x + SHIFTER;
    (shifted - SHIFTER, shifted.to_bits())
}

/// `2^x` for x from -126 to 0, by a polynomial: the relative error is below 3e-7.
#[inline(always)]
pub(crate) fn exp2(x: f32) -> f32 {
    let x = x.max(-126.0);
    let (whole, bits) = round(x);
    let f = x - whole;
    // The series of exp(f ln 2), whose first term left out is below 1.2e-7.
    let p = 1.0
        + f * (std::f32::consts::LN_2
            + f * (0.240_226_5
                + f * (0.055_504_11 + f * (0.009_618_129 + f * (0.001_333_355_8 + f * 0.000_154_035_3)))));
    f32::from_bits((bits << 23).wrapping_add(127 << 23)) * p
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn powers_of_two() {
        assert_eq!(
            [-126, -9, 0, 1, 127].map(power),
            [f32::MIN_POSITIVE, 1.0 / 512.0, 1.0, 2.0, 2f32.powi(127)]
        );
    }

    #[test]
    fn rounding_to_even() {
        for (x, rounded) in [
            (0.5, 0),
            (1.5, 2),
            (2.5, 2),
            (-0.5, 0),
            (-1.5, -2),
            (-127.4, -127),
            (4_000_000.0, 4_000_000),
        ] {
            let (float, bits) = round(x);
            assert_eq!(float, rounded as f32, "{x}");
            assert_eq!(bits as i16, rounded as i16, "{x}");
        }
    }

    #[test]
    fn powers_are_close() {
        assert_eq!(
            [0.0, -1.0, -20.0, -126.0].map(exp2),
            [0, -1, -20, -126].map(power)
        );
        assert_eq!([-127.0, -1e30, f32::NEG_INFINITY].map(exp2), [power(-126); 3]);
        for i in 0..10_000 {
            let x = -(i as f32) / 1000.0;
            let exact = f64::from(x).exp2();
            let error = (f64::from(exp2(x)) / exact - 1.0).abs();
            assert!(error < 3e-7, "2^{x}: off by {error}");
        }
    }
}
