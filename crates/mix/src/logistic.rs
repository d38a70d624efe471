//! Probabilities to logits (`stretch`) and back (`squash`), as Mahoney names them; frequencies to logits.
//!
//! A *logit* is `ln(p / (1 - p))` with 8 fraction bits, at most [`LOGIT_LIMIT`] in magnitude. A probability is that of a
//! true bit, Q0.16.

/// The largest magnitude of a logit: 12.
pub(crate) const LOGIT_LIMIT: i32 = 3071;

/// `e^(-1/256)` with 63 fraction bits.
const EXP_STEP: u64 = 9_187_413_517_043_429_148;

/// `round(2^16 / (1 + e^(-x/256)))` for x from `-LOGIT_LIMIT` to `LOGIT_LIMIT`, Q0.16, at most 65535.
static SQUASH: [u16; 2 * LOGIT_LIMIT as usize + 1] = squash_table();

/// The logit of each 12-bit probability `(i + 1/2) / 2^12`, by [`SQUASH`].
static STRETCH: [i16; 1 << 12] = stretch_table();

/// `round(ln(1 + i / 2^10) * 2^16)`.
static LN: [u16; 1 << 10] = ln_table();

const fn squash_table() -> [u16; 2 * LOGIT_LIMIT as usize + 1] {
    let mut table = [0; 2 * LOGIT_LIMIT as usize + 1];
    // e^(-x/256) with 63 fraction bits.
    let mut power = 1u128 << 63;
    let mut x = 0;
    while x <= LOGIT_LIMIT as usize {
        let one = (1u128 << 63) + power;
        let high = ((1u128 << 79) + one / 2) / one;
        // 65536 does not fit 16 bits.
        table[LOGIT_LIMIT as usize + x] = (high - (high >> 16)) as u16;
        table[LOGIT_LIMIT as usize - x] = (65536 - high) as u16;
        power = (power * EXP_STEP as u128 + (1 << 62)) >> 63;
        x += 1;
    }
    table
}

const fn stretch_table() -> [i16; 1 << 12] {
    let mut table = [0; 1 << 12];
    let mut x = 0;
    let mut i = 1 << 11;
    while i < 1 << 12 {
        let p = 16 * i as i32 + 8;
        // The nearest of a rising table; of equally near ones the first. Large logits share probabilities.
        // The largest is far below the limit.
        loop {
            let here = SQUASH[LOGIT_LIMIT as usize + x] as i32;
            let mut other = x + 1;
            while SQUASH[LOGIT_LIMIT as usize + other] as i32 == here {
                other += 1;
            }
            let next = SQUASH[LOGIT_LIMIT as usize + other] as i32;
            if (next - p).abs() >= (here - p).abs() {
                break;
            }
            x = other;
        }
        table[i] = x as i16;
        table[(1 << 12) - 1 - i] = -(x as i16);
        i += 1;
    }
    table
}

const fn ln_table() -> [u16; 1 << 10] {
    let mut table = [0; 1 << 10];
    let mut i = 0;
    while i < 1 << 10 {
        // ln(1 + y) = 2 artanh(y / (2 + y)), by its series, with 60 fraction bits.
        let z = ((i as u128) << 60) / (2048 + i as u128);
        let square = (z * z) >> 60;
        let (mut power, mut sum, mut odd) = (z, 0, 1);
        while power > 0 {
            sum += power / odd;
            power = (power * square) >> 60;
            odd += 2;
        }
        table[i] = ((2 * sum + (1 << 43)) >> 44) as u16;
        i += 1;
    }
    table
}

/// The probability of a logit, which is clamped: Q0.16, 0..=65535.
#[inline(always)]
pub(crate) fn squash(logit: i32) -> u16 {
    let clamped = logit.clamp(-LOGIT_LIMIT, LOGIT_LIMIT);
    SQUASH[(clamped + LOGIT_LIMIT) as usize]
}

/// The logit of a probability, Q0.16, of which the upper 12 bits count.
#[inline(always)]
pub(crate) fn stretch(p: u16) -> i16 {
    STRETCH[usize::from(p >> 4)]
}

/// `ln(x)` with 16 fraction bits, from the upper 11 bits of x, which must not be 0.
#[inline(always)]
pub(crate) fn ln(x: u32) -> i32 {
    /// `round(ln(2) * 2^16)`.
    const LN_2: u32 = 45_426;
    let zeros = x.leading_zeros();
    let mantissa = ((x << zeros) >> 21) as usize & 1023;
    ((31 - zeros) * LN_2 + u32::from(LN[mantissa])) as i32
}

/// The logit of the second of two alternatives with these frequencies, both above 0.
#[inline(always)]
pub(crate) fn logit_of(first: u32, second: u32) -> i32 {
    ((ln(second) - ln(first) + 128) >> 8).clamp(-LOGIT_LIMIT, LOGIT_LIMIT)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::Fnv1a;

    #[test]
    fn squash_is_the_logistic_function() {
        assert_eq!([squash(0), squash(256), squash(-256)], [32768, 47911, 17625]);
        assert_eq!([squash(3071), squash(-3071), squash(9999)], [65535, 0, 65535]);
        assert_eq!([squash(2048), squash(1)], [65514, 32832]);
        for x in 1..=LOGIT_LIMIT {
            assert!(squash(x) >= squash(x - 1));
            assert!(u32::from(squash(x)) + u32::from(squash(-x)) <= 65536);
        }
    }

    #[test]
    fn stretch_is_its_inverse() {
        assert_eq!([stretch(1 << 15), stretch((1 << 15) - 1)], [0, 0]);
        assert_eq!([stretch(47911), stretch(65535), stretch(0)], [256, 2292, -2292]);
        for p in 0..1u16 << 12 {
            let (p, mirrored) = (p << 4, (4095 - p) << 4);
            assert_eq!(stretch(p), -stretch(mirrored));
            let back = i32::from(squash(stretch(p).into()));
            assert!((back - i32::from(p) - 8).abs() <= 32, "{p}");
        }
    }

    #[test]
    fn logarithms() {
        assert_eq!([ln(1), ln(2), ln(4), ln(3)], [0, 45426, 90852, 45426 + 26573]);
        assert_eq!(ln(1 << 30), 30 * 45426);
        assert_eq!([logit_of(1, 1), logit_of(1, 3), logit_of(3, 1)], [0, 281, -281]);
        assert_eq!(logit_of(1, u32::MAX), LOGIT_LIMIT);
    }

    /// Every entry: FNV-1a of the tables, little-endian. The tests in `tests/it/tables.rs` find the same for values that
    /// are computed in another way.
    #[test]
    fn tables_are_those_of_the_definitions() {
        fn hash<const N: usize>(entries: impl Iterator<Item = [u8; N]>) -> u64 {
            let mut hash = Fnv1a::new();
            entries.for_each(|entry| hash.write(&entry));
            hash.finish()
        }
        let squashed = (-LOGIT_LIMIT..=LOGIT_LIMIT).map(|logit| squash(logit).to_le_bytes());
        assert_eq!(hash(squashed), 0x994e_1938_8487_b0c4);
        let stretched = (0..1 << 12).map(|i: u16| stretch(i << 4).to_le_bytes());
        assert_eq!(hash(stretched), 0x565b_fede_097a_2147);
        let logarithms = (1 << 10..1 << 11).map(|x| ln(x).to_le_bytes());
        assert_eq!(hash(logarithms), 0xd824_06d9_189c_44ae);
    }
}
