//! The look-up tables of `crates/fixed`, computed exactly.
//!
//! Every number is an integer multiple of 2^-[`FRACTION_BITS`], held in a big integer. Where that isn't
//! exact, the error is bounded below, and each bound is far smaller than [`MARGIN_BITS`] allows: an entry
//! whose computed value keeps 2^-40 away from a rounding tie has the rounding of the true value.

use std::{array, fmt::Write as _};

use num_bigint::{BigInt, BigUint, Sign};

use crate::{Result, files::ensure_file_contents};

const COMMAND: &str = "cargo xtask codegen tables";

const FRACTION_BITS: u32 = 128;

/// No entry may lie within 2^-`MARGIN_BITS` of a tie between two roundings.
const MARGIN_BITS: u32 = 40;

const ROPE_THETA: u32 = 10_000;
const ROPE_ROWS: usize = 1024;
const ROPE_PAIRS: usize = 32;

/// The parts of a full turn in the table of sines.
const TURN: u32 = 2048;

/// Writes the tables, or compares them with the committed ones.
pub(crate) fn codegen(check: bool) -> Result<()> {
    let mut rounding = Rounding::new();
    let exp2 = exp2_table(&mut rounding)?;
    let log2e = log2e_constants(&mut rounding)?;
    let rope = rope_table(&mut rounding)?;
    let sine = sine_table(&mut rounding)?;
    ensure_file_contents(
        "crates/fixed/src/tables/exp2.rs",
        exp2_source(&exp2, log2e).as_bytes(),
        check,
        COMMAND,
    )?;
    ensure_file_contents("crates/fixed/src/tables/rope_10000.bin", &rope, check, COMMAND)?;
    ensure_file_contents("crates/fixed/src/tables/sine_2048.bin", &sine, check, COMMAND)?;
    println!(
        "tables: the entry nearest to a rounding tie is {} of a unit away from it",
        rounding.margin()
    );
    Ok(())
}

fn one() -> BigInt {
    BigInt::from(1) << FRACTION_BITS
}

/// The product of two fixed-point numbers, rounded down: at most one unit of 2^-`FRACTION_BITS` too small.
fn mul(a: &BigInt, b: &BigInt) -> BigInt {
    (a * b) >> FRACTION_BITS
}

/// Rounds fixed-point numbers to integers and remembers the smallest distance from a tie.
struct Rounding {
    smallest: BigInt,
}

impl Rounding {
    fn new() -> Self {
        Self {
            smallest: one() >> 1_u32,
        }
    }

    /// The integer nearest to `value`; an error names `entry` if a tie is too near to be sure of it.
    fn nearest(&mut self, value: &BigInt, entry: impl Fn() -> String) -> Result<i32> {
        let half = one() >> 1_u32;
        let nearest = (value + &half) >> FRACTION_BITS;
        let residue = value - (&nearest << FRACTION_BITS);
        let distance = half - BigInt::from(residue.magnitude().clone());
        if distance < one() >> MARGIN_BITS {
            return Err(format!("{} lies within 2^-{MARGIN_BITS} of a rounding tie", entry()).into());
        }
        self.smallest = distance.min(self.smallest.clone());
        Ok(i32::try_from(&nearest)?)
    }

    /// The smallest distance so far, in decimal.
    fn margin(&self) -> String {
        format!("0.{:09}", (&self.smallest * 1_000_000_000_u32) >> FRACTION_BITS)
    }
}

/// round(2^(-i/256) * 2^16), at most 65535.
///
/// The 256th root is rounded down, so a value is less than one unit of 2^-`FRACTION_BITS` too small. Entry 0
/// is exactly 65536. No other entry can be a tie: 2^(-i/256) is irrational for 0 < i < 256.
fn exp2_table(rounding: &mut Rounding) -> Result<[u16; 256]> {
    let mut table = [u16::MAX; 256];
    for (i, entry) in table.iter_mut().enumerate().skip(1) {
        let power = BigUint::from(1_u32) << ((16 + FRACTION_BITS as usize) * 256 - i);
        let value = BigInt::from(power.nth_root(256));
        *entry = u16::try_from(rounding.nearest(&value, || format!("exp2[{i}]"))?)?;
    }
    Ok(table)
}

/// round(log2(e) / 64 * 2^24) and a tenth of that, rounded on its own.
///
/// log2(e) = 1 / ln 2 is irrational, so neither can be a tie. ln 2 = 2 atanh(1/3) = 2 * sum of 3^-(2k+1) /
/// (2k+1): fewer than 128 terms, each less than two units too small, and a rest below one unit; as 1 / ln 2
/// has a slope of magnitude 2.1, log2(e) is off by less than 2^11 units. Scaled by 2^18, that is below 2^-98.
fn log2e_constants(rounding: &mut Rounding) -> Result<[i32; 2]> {
    let log2e = (one() << FRACTION_BITS) / ln2();
    let scaled = log2e << 18_u32;
    let constants = [
        rounding.nearest(&scaled, || "log2(e)/64".into())?,
        rounding.nearest(&(scaled / 10_u32), || "log2(e)/640".into())?,
    ];
    // The format names these two numbers; a generator that disagrees is wrong.
    assert_eq!(constants, [378_194, 37_819]);
    Ok(constants)
}

fn ln2() -> BigInt {
    let mut power = one() / 3_u32;
    let mut sum = BigInt::ZERO;
    let mut odd = 1_u32;
    while power.sign() == Sign::Plus {
        sum += &power / odd;
        power /= 9_u32;
        odd += 2;
    }
    sum << 1_u32
}

/// Rows of 32 cosines, then 32 sines, of pos * theta^(-i/32).
///
/// An entry is round(x * 2^15), at most 32767, a little-endian i16.
///
/// Row 0 is exact: cos 0 = 1 and sin 0 = 0. No other entry can be a tie: its angle is a nonzero algebraic
/// number, and the cosine and sine of such a number are transcendental (Lindemann and Weierstrass), so never
/// a rational k/2^16.
///
/// Error, with u = 2^-`FRACTION_BITS`: let w = cos f + i sin f for the frequency f. `frequency` is off by
/// less than u and `cos_sin` by less than 257 u in each part, so w is off by less than 2^9 u in magnitude.
/// One step multiplies by w and rounds each part, which adds less than (2^9 + 2) u to the error, up to a
/// factor 1 + 2^-100. After 1023 steps it is below 2^20 u; scaled by 2^15, below 2^-93.
fn rope_table(rounding: &mut Rounding) -> Result<Vec<u8>> {
    let steps: [_; ROPE_PAIRS] = array::from_fn(|i| cos_sin(&frequency(i)));
    let mut points: [_; ROPE_PAIRS] = array::from_fn(|_| (one(), BigInt::ZERO));
    let mut bytes = Vec::with_capacity(ROPE_ROWS * ROPE_PAIRS * 4);
    for pos in 0..ROPE_ROWS {
        let mut quantise = |value: &BigInt, name: &str, i: usize| -> Result<[u8; 2]> {
            let rounded = rounding.nearest(&(value << 15_u32), || format!("{name}[{pos}][{i}]"))?;
            Ok(i16::try_from(rounded.min(i16::MAX.into()))?.to_le_bytes())
        };
        for (i, (cos, _)) in points.iter().enumerate() {
            bytes.extend(quantise(cos, "cos", i)?);
        }
        for (i, (_, sin)) in points.iter().enumerate() {
            bytes.extend(quantise(sin, "sin", i)?);
        }
        for (point, step) in points.iter_mut().zip(&steps) {
            *point = rotate(point, step);
        }
    }
    Ok(bytes)
}

/// A quarter of a turn: sin(2 pi i / [`TURN`]) for i = 0 to a quarter of `TURN`.
///
/// An entry is round(x * 2^15), at most 32767, a little-endian i16.
///
/// The first and the last are exact, 0 and 1. No other can be a tie: the sine of a rational part of a turn that is
/// itself rational is 0, 1/2 or 1 (Niven), and 1/2 is that of a twelfth, which is no multiple of 1/2048.
///
/// Error, with u = 2^-`FRACTION_BITS`: pi is off by less than 2^13 u, the angle of a step by less than 2^4 u, its sine
/// and cosine by less than 2^9 u; after 511 steps, as for [`rope_table`], the error is below 2^19 u; scaled by 2^15,
/// below 2^-94.
fn sine_table(rounding: &mut Rounding) -> Result<Vec<u8>> {
    let step = cos_sin(&(pi() / (TURN / 2)));
    let mut point = (one(), BigInt::ZERO);
    let mut bytes = Vec::new();
    for i in 0..TURN / 4 {
        let rounded = rounding.nearest(&(&point.1 << 15_u32), || format!("sin[{i}]"))?;
        bytes.extend(i16::try_from(rounded.min(i16::MAX.into()))?.to_le_bytes());
        point = rotate(&point, &step);
    }
    bytes.extend(i16::MAX.to_le_bytes());
    Ok(bytes)
}

/// pi = 16 atan(1/5) - 4 atan(1/239), by Machin (1706).
///
/// Each series has fewer than 64 terms, of which each is less than two units off, and a rest below one unit.
fn pi() -> BigInt {
    let atan_of_inverse = |x: u32| {
        let mut power = one() / x;
        let mut sum = BigInt::ZERO;
        let mut odd = 1_u32;
        while power.sign() == Sign::Plus {
            if odd % 4 == 1 {
                sum += &power / odd;
            } else {
                sum -= &power / odd;
            }
            power /= x * x;
            odd += 2;
        }
        sum
    };
    (atan_of_inverse(5) << 4_u32) - (atan_of_inverse(239) << 2_u32)
}

/// theta^(-i/32), rounded down.
///
/// The root of a floor has the floor of the root, so the two roundings here make one.
fn frequency(i: usize) -> BigInt {
    let pairs = ROPE_PAIRS as u32;
    let power = (BigUint::from(1_u32) << (FRACTION_BITS * pairs)) / BigUint::from(ROPE_THETA).pow(i as u32);
    BigInt::from(power.nth_root(pairs))
}

/// Cosine and sine of `x` from 0 to 1 by their Taylor series.
///
/// With u = 2^-`FRACTION_BITS`: a term is made from the one before by two floors and a divisor of at least 2,
/// with x^2 off by less than u, so its error stays below 4 u. Fewer than 63 terms are summed, since 63!
/// exceeds 1 / u by far; the rest, alternating and shrinking, is below its first term's 4 u. In all that is
/// less than 256 u.
fn cos_sin(x: &BigInt) -> (BigInt, BigInt) {
    let square = mul(x, x);
    let series = |first: BigInt, mut n: u32| {
        let mut term = first;
        let mut sum = BigInt::ZERO;
        while term.sign() != Sign::NoSign {
            sum += &term;
            // The magnitude is rounded, so a term ends at 0 and never stays at -1.
            let magnitude = mul(&BigInt::from(term.magnitude().clone()), &square) / ((n + 1) * (n + 2));
            term = if term.sign() == Sign::Plus {
                -magnitude
            } else {
                magnitude
            };
            n += 2;
        }
        sum
    };
    (series(one(), 0), series(x.clone(), 1))
}

/// The point on the unit circle at the sum of two angles.
fn rotate((cos, sin): &(BigInt, BigInt), (step_cos, step_sin): &(BigInt, BigInt)) -> (BigInt, BigInt) {
    let new_cos = (cos * step_cos - sin * step_sin) >> FRACTION_BITS;
    let new_sin = (sin * step_cos + cos * step_sin) >> FRACTION_BITS;
    (new_cos, new_sin)
}

fn exp2_source(exp2: &[u16; 256], [log2e_over_64, log2e_over_640]: [i32; 2]) -> String {
    let mut rows = String::new();
    for row in exp2.chunks_exact(8) {
        let row: Vec<String> = row.iter().map(u16::to_string).collect();
        let _ = writeln!(rows, "    {},", row.join(", "));
    }
    format!(
        "\
//! Powers of two between 1/2 and 1, and log2(e), for exponential weights.
//!
//! Generated by `{COMMAND}`: edit the generator, not this file.

/// `EXP2[i]` = round(2^(-i/256) * 2^16), at most 65535: Q0.16.
#[rustfmt::skip]
pub const EXP2: [u16; 256] = [
{rows}];

/// round(log2(e) / 64 * 2^24): turns attention scores into powers of two.
pub const LOG2E_OVER_64_Q24: u32 = {};

/// round(0.1 * log2(e) / 64 * 2^24): turns logits into powers of two, where a model names no other factor.
pub const LOG2E_OVER_640_Q24: u32 = {};
",
        grouped(log2e_over_64),
        grouped(log2e_over_640),
    )
}

/// A number of four to six digits in the form of a Rust literal.
fn grouped(number: i32) -> String {
    format!("{}_{:03}", number / 1000, number % 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first 30 decimals of a fixed-point number below 1.
    fn decimals(value: &BigInt) -> String {
        format!("{:030}", (value * BigInt::from(10).pow(30)) >> FRACTION_BITS)
    }

    #[test]
    fn constants_of_analysis() {
        assert_eq!(decimals(&ln2()), "693147180559945309417232121458");
        assert_eq!(
            decimals(&(pi() - one() * 3_u32)),
            "141592653589793238462643383279"
        );
        let (cos, sin) = cos_sin(&one());
        assert_eq!(decimals(&cos), "540302305868139717400936607442");
        assert_eq!(decimals(&sin), "841470984807896506652502321630");
        assert_eq!(cos_sin(&BigInt::ZERO), (one(), BigInt::ZERO));
    }

    #[test]
    fn frequencies_are_roots_of_theta() {
        assert_eq!(frequency(0), one());
        assert_eq!(frequency(8), one() / 10);
        assert_eq!(frequency(16), one() / 100);
        assert_eq!(frequency(24), one() / 1000);
        assert_eq!(decimals(&frequency(1)), "749894209332455827302184275615");
    }

    #[test]
    fn rotation_adds_angles() {
        let tenth = cos_sin(&(one() / 10));
        let mut point = (one(), BigInt::ZERO);
        for _ in 0..10 {
            point = rotate(&point, &tenth);
        }
        assert_eq!(decimals(&point.0), "540302305868139717400936607442");
        assert_eq!(decimals(&point.1), "841470984807896506652502321630");
    }

    #[test]
    fn rounding_is_to_nearest_and_refuses_ties() {
        let mut rounding = Rounding::new();
        let entry = || "x[3]".to_owned();
        assert_eq!(rounding.nearest(&(one() * 7_u32 / 4_u32), entry).unwrap(), 2);
        assert_eq!(rounding.nearest(&(-one() * 7_u32 / 4_u32), entry).unwrap(), -2);
        assert_eq!(rounding.margin(), "0.250000000");
        assert_eq!(rounding.nearest(&(one() * 11_u32 / 8_u32), entry).unwrap(), 1);
        assert_eq!(rounding.margin(), "0.125000000");

        let tie = one() * 3_u32 / 2_u32;
        let margin = one() >> MARGIN_BITS;
        assert_eq!(rounding.nearest(&(&tie + &margin), entry).unwrap(), 2);
        assert_eq!(rounding.nearest(&(&tie - &margin), entry).unwrap(), 1);
        for value in [tie.clone(), &tie + &margin - 1_u32, &tie - &margin + 1_u32] {
            let error = rounding.nearest(&value, entry).unwrap_err();
            assert_eq!(error.to_string(), "x[3] lies within 2^-40 of a rounding tie");
        }
    }

    #[test]
    fn literals_are_grouped() {
        assert_eq!(grouped(378_194), "378_194");
        assert_eq!(grouped(37_019), "37_019");
    }
}
