//! The tables of the specification's section 5, from bounds that leave each rounded value no choice.

use std::sync::LazyLock;

/// The largest logit.
pub(crate) const LIMIT: i64 = 3_071;

/// Fixed-point one: 62 fraction bits, so a product of two numbers up to one fits 128.
const ONE: u128 = 1 << 62;

static TABLES: LazyLock<Tables> = LazyLock::new(Tables::new);

struct Tables {
    /// For logits from 0.
    squash: Vec<i64>,
    /// For `i` from 2,048.
    stretch: Vec<i64>,
    ln: Vec<i64>,
}

impl Tables {
    fn new() -> Self {
        let squash = squash_from_0();
        let nearest = |i: i64| {
            let distance = |&x: &i64| (squash[x as usize] - (16 * i + 8)).abs();
            // Of equal ones this is the first, which has the smallest magnitude.
            (0..=LIMIT).min_by_key(distance).unwrap()
        };
        let stretch = (2_048..4_096).map(nearest).collect();
        Self {
            squash,
            stretch,
            ln: (0..1_024).map(ln_1_plus).collect(),
        }
    }
}

/// The nearest integer to `numerator / denominator`, where both are between the bounds given. They must agree on it.
fn nearest(numerator: [u128; 2], denominator: [u128; 2]) -> i64 {
    let round = |a: u128, b: u128| (2 * a / b).div_ceil(2);
    let low = round(numerator[0], denominator[1]);
    assert_eq!(
        low,
        round(numerator[1], denominator[0]),
        "too coarse for this value"
    );
    i64::try_from(low).unwrap()
}

/// round(2^16 / (1 + e^(-x / 256))).
fn squash_from_0() -> Vec<i64> {
    // e^(-1/256). Terms and sum are rounded down by less than 1 each, and those left out are below 1: there are fewer
    // than ten, so the sum is within 20 of the truth.
    let (mut sum, mut term) = (0, ONE as i128);
    for k in 1.. {
        sum += if k % 2 == 1 { term } else { -term };
        term /= 256 * k;
        if term == 0 {
            assert!(k < 10);
            break;
        }
    }
    let factor = sum as u128;
    // Each product adds less than 20 + 1 to what its first factor is off by.
    let off_by = 21 * (LIMIT as u128 + 1);
    let powers = std::iter::successors(Some(ONE), |power| Some((power * factor) >> 62));
    let value = |power: u128| nearest([ONE << 16; 2], [ONE + power - off_by, ONE + power + off_by]);
    // The first is exact, and its half is no tie.
    powers.map(value).take(LIMIT as usize + 1).collect()
}

/// round(ln(1 + i / 2^10) * 2^16), as ln(1 + z) = 2 artanh(z / (2 + z)).
fn ln_1_plus(i: u128) -> i64 {
    let t = ONE * i / (2_048 + i);
    let square = (t * t) >> 62;
    let (mut sum, mut power, mut count) = (0, t, 0);
    while power != 0 {
        sum += power / (2 * count + 1);
        power = (power * square) >> 62;
        count += 1;
    }
    // At most 1/3 to the power of twice the count is left. Each term is low by less than 4.
    assert!(count < 32);
    let off_by = 4 * 32;
    nearest([2 * sum, 2 * (sum + off_by)], [ONE >> 16; 2])
}

/// A logit's probability of true.
pub(crate) fn squash(x: i64) -> i64 {
    let x = x.clamp(-LIMIT, LIMIT);
    let above = TABLES.squash[x.unsigned_abs() as usize];
    // No value but that of 0 is a tie, so the rounding is the same from both sides.
    let p = if x < 0 { 65_536 - above } else { above };
    p.min(65_535)
}

/// A probability's logit.
pub(crate) fn stretch(p: i64) -> i64 {
    assert!((0..65_536).contains(&p));
    let i = p >> 4;
    match i {
        ..2_048 => -TABLES.stretch[(4_095 - i - 2_048) as usize],
        _ => TABLES.stretch[(i - 2_048) as usize],
    }
}

/// 2^16 times the natural logarithm of a number of up to 32 bits, nearly.
pub(crate) fn ln(x: i64) -> i64 {
    assert!((1..1 << 32).contains(&x));
    let bits_after_the_highest = i64::from(x.ilog2());
    let mantissa = (x << 10 >> bits_after_the_highest) - 1_024;
    bits_after_the_highest * 45_426 + TABLES.ln[mantissa as usize]
}

/// What part of a difference is learnt, in units of 2^-16.
pub(crate) fn rate(count: i64) -> i64 {
    assert!((0..256).contains(&count));
    (1 << 17) / (2 * count + 3)
}

#[test]
fn squash_has_the_values_of_the_specification() {
    assert_eq!(squash(0), 32_768);
    assert_eq!(squash(256), 47_911); // 65,536 / (1 + 1/e) = 47,911.06
    assert_eq!(squash(-256), 17_625);
    assert_eq!((squash(LIMIT), squash(5_000)), (65_535, 65_535));
    assert_eq!((squash(-LIMIT), squash(-5_000)), (0, 0)); // 0.40
    for x in -LIMIT..LIMIT {
        assert!(squash(x) <= squash(x + 1));
        assert!(squash(-x) == 65_536 - squash(x) || squash(x.abs()) == 65_535);
    }
}

#[test]
fn stretch_is_the_inverse_of_squash() {
    assert_eq!(
        [0, 15, 16, 32_767, 32_768, 65_535].map(stretch),
        [-2292, -2292, -2021, 0, 0, 2292]
    );
    for p in 0..65_536 {
        assert_eq!(stretch(p), -stretch(65_535 - p));
    }
    for p in (32_768..65_536).step_by(16) {
        let x = stretch(p);
        let error = |x| (squash(x) - (p + 8)).abs();
        assert!((0..x).all(|other| error(other) > error(x)));
        assert!((x..=LIMIT).all(|other| error(other) >= error(x)));
    }
}

#[test]
fn logarithms_and_rates() {
    assert_eq!(
        [1, 2, 3, 1_024, 1_025, 1 << 30].map(ln),
        [0, 45_426, 71_999, 454_260, 454_324, 1_362_780]
    );
    assert_eq!(ln((1 << 31) - 1), 30 * 45_426 + 45_394); // ln(1 + 1,023 / 1,024)
    assert_eq!([0, 1, 30, 255].map(rate), [43_690, 26_214, 2_080, 255]);
}

/// Every entry, as the tests of the library's own tables have them.
#[test]
fn tables_have_these_hashes() {
    fn hash<const N: usize>(entries: impl Iterator<Item = [u8; N]>) -> u64 {
        crate::reference::fnv1a(&entries.flatten().collect::<Vec<u8>>())
    }
    let squashed = (-LIMIT..=LIMIT).map(|x| (squash(x) as u16).to_le_bytes());
    assert_eq!(hash(squashed), 0x994e_1938_8487_b0c4);
    let stretched = (0..1 << 12).map(|i| (stretch(i << 4) as i16).to_le_bytes());
    assert_eq!(hash(stretched), 0x565b_fede_097a_2147);
    let logarithms = (1 << 10..1 << 11).map(|x| (ln(x) as i32).to_le_bytes());
    assert_eq!(hash(logarithms), 0xd824_06d9_189c_44ae);
}
