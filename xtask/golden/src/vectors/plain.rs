//! Arithmetic, entropy coder and tokenizer once more, each as its definition has it: the vectors must not come from the
//! code that they are to check.

use std::cmp::{Ordering, Reverse};
use std::collections::HashMap;

use fancy_regex::Regex;

use xtask::Result;

/// SplitMix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014).
pub(super) struct Random(u64);

impl Random {
    pub(super) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    /// A number from `low` to `high`. The remainder's bias is far below what the vectors could notice.
    pub(super) fn within(&mut self, low: i64, high: i64) -> i64 {
        low + (self.next() % (high - low + 1) as u64) as i64
    }
}

/// Round half to even: the nearer neighbour, or the even one of two as near.
pub(super) fn rne(x: i128, n: i128) -> i128 {
    let floor = x.div_euclid(n);
    match (2 * (x - floor * n)).cmp(&n) {
        Ordering::Less => floor,
        Ordering::Greater => floor + 1,
        Ordering::Equal => floor + floor.rem_euclid(2),
    }
}

pub(super) fn requantize(acc: i64, mult: i64, shift: i64) -> i128 {
    let product = i128::from(acc) * i128::from(mult);
    rne(product, 1 << shift.max(0)).clamp(-127, 127)
}

/// By bisection.
pub(super) fn isqrt(x: u64) -> u64 {
    let (mut low, mut high) = (0, 1 << 32);
    while high - low > 1 {
        let middle: u64 = low + (high - low) / 2;
        if u128::from(middle).pow(2) <= u128::from(x) {
            low = middle;
        } else {
            high = middle;
        }
    }
    low
}

pub(super) fn inverse_rms(sum_of_squares: u32, len: u32) -> i128 {
    let mean_square = u64::from(sum_of_squares / len) + 1;
    let root = isqrt(mean_square << 16);
    rne(1 << 23, root.into()).clamp(1, 32768)
}

pub(super) fn exp_weight(diff: i64, coefficient: u32) -> u64 {
    if diff >= 0 {
        return 65535;
    }
    let z = (diff.unsigned_abs() * u64::from(coefficient) + (1 << 23)) >> 24;
    let (octaves, fraction) = (z >> 8, (z & 255) as usize);
    if octaves >= 31 {
        return 1;
    }
    let power = u64::from(czip_fixed::tables::EXP2[fraction]);
    (((65536 >> octaves) * power + 32768) >> 16).clamp(1, 65535)
}

/// A symbol for the coder: it owns `low..high` out of `total`.
pub(super) type Share = [u32; 3];

/// The arithmetic coder, bit by bit.
pub(super) fn code(symbols: impl IntoIterator<Item = Share>) -> Vec<u8> {
    const TOP: u64 = 1 << 31;
    const SECOND: u64 = 1 << 30;
    const MASK: u64 = (1 << 32) - 1;
    let (mut low, mut high, mut underflow) = (0, MASK, 0);
    let mut bits = Vec::new();
    for symbol in symbols {
        let [lo, hi, total] = symbol.map(u64::from);
        let range = high - low + 1;
        high = low + hi * range / total - 1;
        low += lo * range / total;
        loop {
            if (low ^ high) & TOP == 0 {
                let bit = low & TOP != 0;
                bits.push(bit);
                bits.extend(std::iter::repeat_n(!bit, underflow));
                underflow = 0;
                low = low << 1 & MASK;
                high = (high << 1 | 1) & MASK;
            } else if low & SECOND != 0 && high & SECOND == 0 {
                underflow += 1;
                low = (low << 1 ^ TOP) & MASK;
                high = ((high ^ TOP) << 1 | TOP | 1) & MASK;
            } else {
                break;
            }
        }
    }
    bits.push(true);
    let byte = |bits: &[bool]| (0..8).fold(0, |byte, i| byte << 1 | u8::from(bits.get(i) == Some(&true)));
    bits.chunks(8).map(byte).collect()
}

/// The tokenizer: special tokens, pattern and merges, each by search.
pub(super) struct Tokenizer {
    pattern: Regex,
    ranks: HashMap<Vec<u8>, u32>,
    special: Vec<(String, u32)>,
}

impl Tokenizer {
    pub(super) fn new(pattern: &str, mergeable: &[Vec<u8>], special: &[&str]) -> Result<Self> {
        Ok(Self {
            pattern: Regex::new(pattern)?,
            ranks: mergeable.iter().cloned().zip(0..).collect(),
            special: special
                .iter()
                .map(|&literal| literal.to_owned())
                .zip(mergeable.len() as u32..)
                .collect(),
        })
    }

    pub(super) fn encode(&self, mut text: &str) -> Result<Vec<u32>> {
        let mut tokens = Vec::new();
        loop {
            let found = self
                .special
                .iter()
                .filter_map(|(literal, id)| Some((text.find(literal.as_str())?, Reverse(literal.len()), *id)))
                .min();
            let Some((start, Reverse(len), id)) = found else {
                self.encode_part(text, &mut tokens)?;
                return Ok(tokens);
            };
            self.encode_part(&text[..start], &mut tokens)?;
            tokens.push(id);
            text = &text[start + len..];
        }
    }

    fn encode_part(&self, part: &str, tokens: &mut Vec<u32>) -> Result<()> {
        let mut end = 0;
        for piece in self.pattern.find_iter(part) {
            let piece = piece?;
            if piece.start() != end {
                return Err(format!("the pattern skips byte {end} of {part:?}").into());
            }
            end = piece.end();
            tokens.extend(self.merge(piece.as_str().as_bytes()));
        }
        if end != part.len() {
            return Err(format!("the pattern ends at byte {end} of {part:?}").into());
        }
        Ok(())
    }

    fn merge(&self, piece: &[u8]) -> Vec<u32> {
        if let Some(&id) = self.ranks.get(piece) {
            return vec![id];
        }
        let mut parts: Vec<Vec<u8>> = piece.iter().map(|&byte| vec![byte]).collect();
        loop {
            let pairs = parts.windows(2).enumerate();
            let ranked = pairs.filter_map(|(place, pair)| Some((*self.ranks.get(&pair.concat())?, place)));
            let Some((_, place)) = ranked.min() else {
                return parts.iter().map(|part| self.ranks[part]).collect();
            };
            let right = parts.remove(place + 1);
            parts[place].extend(right);
        }
    }
}
