//! Types of tensors: how bytes of a file become numbers, f32.
//!
//! Types of GGUF with `Q` in their name have blocks of elements that share a scale, and perhaps an offset. Every number is
//! computed with single roundings to f32 in the order given here, so it is the same on every machine.

use crate::error::Error;

/// The type of a tensor's elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ElementType {
    F32,
    F16,
    Bf16,
    Q8_0,
    Q4_0,
    Q4_1,
    Q5_0,
    Q5_1,
    Q4K,
    Q5K,
    Q6K,
}

/// The number in a GGUF file, the name there, elements and bytes of a block.
type Properties = (u32, &'static str, usize, usize);

impl ElementType {
    const ALL: [Self; 11] = [
        Self::F32,
        Self::F16,
        Self::Bf16,
        Self::Q8_0,
        Self::Q4_0,
        Self::Q4_1,
        Self::Q5_0,
        Self::Q5_1,
        Self::Q4K,
        Self::Q5K,
        Self::Q6K,
    ];

    const fn properties(self) -> Properties {
        match self {
            Self::F32 => (0, "F32", 1, 4),
            Self::F16 => (1, "F16", 1, 2),
            Self::Bf16 => (30, "BF16", 1, 2),
            Self::Q8_0 => (8, "Q8_0", 32, 34),
            Self::Q4_0 => (2, "Q4_0", 32, 18),
            Self::Q4_1 => (3, "Q4_1", 32, 20),
            Self::Q5_0 => (6, "Q5_0", 32, 22),
            Self::Q5_1 => (7, "Q5_1", 32, 24),
            Self::Q4K => (12, "Q4_K", 256, 144),
            Self::Q5K => (13, "Q5_K", 256, 176),
            Self::Q6K => (14, "Q6_K", 256, 210),
        }
    }

    /// The type of this number in a GGUF file.
    pub(crate) fn of_gguf(number: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.properties().0 == number)
    }

    /// The type of this name: those that safetensors have are named as in GGUF.
    pub(crate) fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    pub(crate) const fn name(self) -> &'static str {
        self.properties().1
    }

    /// The bytes of a row, unless its elements are not whole blocks.
    pub(crate) fn row_len(self, cols: usize) -> Option<u64> {
        let (_, _, elements, bytes) = self.properties();
        if cols.is_multiple_of(elements) {
            (cols as u64 / elements as u64).checked_mul(bytes as u64)
        } else {
            None
        }
    }

    /// The bytes of a tensor, if there are dimensions, the last has whole blocks, and the product is a number.
    pub(crate) fn byte_len(self, shape: &[usize]) -> Option<u64> {
        let (&cols, outer) = shape.split_last()?;
        let mut sizes = outer.iter().map(|&size| u64::try_from(size).ok());
        sizes.try_fold(self.row_len(cols)?, |len, size| len.checked_mul(size?))
    }

    /// Decodes whole rows. There are as many bytes as [`ElementType::row_len`] says.
    pub(crate) fn decode(self, bytes: &[u8], numbers: &mut [f32]) {
        let (_, _, elements, len) = self.properties();
        debug_assert_eq!(bytes.len() / len, numbers.len() / elements);
        let blocks = bytes.chunks_exact(len).zip(numbers.chunks_exact_mut(elements));
        match self {
            Self::F32 => blocks.for_each(|(block, out)| out[0] = f32::from_le_bytes(bytes_of(block, 0))),
            Self::F16 => blocks.for_each(|(block, out)| out[0] = f16(block, 0)),
            Self::Bf16 => blocks.for_each(|(block, out)| out[0] = bf16(block)),
            Self::Q8_0 => blocks.for_each(|(block, out)| q8_0(block, out)),
            Self::Q4_0 => blocks.for_each(|(block, out)| q4_0(block, out)),
            Self::Q4_1 => blocks.for_each(|(block, out)| q4_1(block, out)),
            Self::Q5_0 => blocks.for_each(|(block, out)| q5_0(block, out)),
            Self::Q5_1 => blocks.for_each(|(block, out)| q5_1(block, out)),
            Self::Q4K => blocks.for_each(|(block, out)| q4_k(block, out)),
            Self::Q5K => blocks.for_each(|(block, out)| q5_k(block, out)),
            Self::Q6K => blocks.for_each(|(block, out)| q6_k(block, out)),
        }
    }
}

/// The error for a number of a type that is not known.
pub(crate) fn unsupported(tensor: &str, found: &str) -> Error {
    Error::BadTensor {
        name: tensor.to_owned(),
        reason: format!(
            "type {found} is not supported; F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, Q4_K, Q5_K and Q6_K are"
        ),
    }
}

/// The name that a GGUF file's number stands for, for types that are not supported.
pub(crate) fn gguf_type_name(number: u32) -> String {
    let known = match number {
        9 => "Q8_1",
        10 => "Q2_K",
        11 => "Q3_K",
        15 => "Q8_K",
        16 => "IQ2_XXS",
        17 => "IQ2_XS",
        18 => "IQ3_XXS",
        19 => "IQ1_S",
        20 => "IQ4_NL",
        21 => "IQ3_S",
        22 => "IQ2_S",
        23 => "IQ4_XS",
        24 => "I8",
        25 => "I16",
        26 => "I32",
        27 => "I64",
        28 => "F64",
        29 => "IQ1_M",
        _ => return format!("number {number}"),
    };
    known.to_owned()
}

fn bytes_of<const N: usize>(block: &[u8], at: usize) -> [u8; N] {
    block[at..at + N].try_into().expect("N bytes")
}

/// IEEE binary16, which every f32 can hold.
pub(crate) fn f16_to_f32(bits: u16) -> f32 {
    let (exponent, fraction) = (u32::from(bits) >> 10 & 31, u32::from(bits) & 0x3ff);
    let magnitude = match exponent {
        // A multiple of 2^-24.
        0 => fraction as f32 / 16_777_216.0,
        31 => f32::from_bits(0x7f80_0000 | fraction << 13),
        _ => f32::from_bits((exponent + 112) << 23 | fraction << 13),
    };
    if bits >> 15 == 0 { magnitude } else { -magnitude }
}

fn f16(block: &[u8], at: usize) -> f32 {
    f16_to_f32(u16::from_le_bytes(bytes_of(block, at)))
}

fn bf16(block: &[u8]) -> f32 {
    f32::from_bits(u32::from(u16::from_le_bytes(bytes_of(block, 0))) << 16)
}

/// f16 scale, then 32 signed bytes.
fn q8_0(block: &[u8], out: &mut [f32]) {
    let scale = f16(block, 0);
    for (out, &q) in out.iter_mut().zip(&block[2..]) {
        *out = scale * f32::from(q.cast_signed());
    }
}

/// The element `i` of 32 in 16 bytes: the first half in the low halves of the bytes, the second in the high ones.
fn nibble(quants: &[u8], i: usize) -> u8 {
    let byte = quants[i % 16];
    if i < 16 { byte & 15 } else { byte >> 4 }
}

/// f16 scale, then 32 elements of 4 bits, less 8.
fn q4_0(block: &[u8], out: &mut [f32]) {
    let scale = f16(block, 0);
    for (i, out) in out.iter_mut().enumerate() {
        *out = scale * (f32::from(nibble(&block[2..], i)) - 8.0);
    }
}

/// f16 scale, f16 offset, then 32 elements of 4 bits.
fn q4_1(block: &[u8], out: &mut [f32]) {
    let (scale, offset) = (f16(block, 0), f16(block, 2));
    for (i, out) in out.iter_mut().enumerate() {
        *out = scale * f32::from(nibble(&block[4..], i)) + offset;
    }
}

/// An element of 5 bits: bit `i` of four bytes is the highest.
fn five_bits(high: u32, quants: &[u8], i: usize) -> f32 {
    f32::from(nibble(quants, i) | ((high >> i & 1) as u8) << 4)
}

/// f16 scale, 32 highest bits, 32 times the other four, less 16.
fn q5_0(block: &[u8], out: &mut [f32]) {
    let (scale, high) = (f16(block, 0), u32::from_le_bytes(bytes_of(block, 2)));
    for (i, out) in out.iter_mut().enumerate() {
        *out = scale * (five_bits(high, &block[6..], i) - 16.0);
    }
}

/// f16 scale, f16 offset, 32 highest bits, 32 times the other four.
fn q5_1(block: &[u8], out: &mut [f32]) {
    let (scale, offset) = (f16(block, 0), f16(block, 2));
    let high = u32::from_le_bytes(bytes_of(block, 4));
    for (i, out) in out.iter_mut().enumerate() {
        *out = scale * five_bits(high, &block[8..], i) + offset;
    }
}

/// Scale and offset, of 6 bits each, of the group `j` of eight, in 12 bytes.
fn scale_and_offset(packed: &[u8], j: usize) -> (f32, f32) {
    let (scale, offset) = if j < 4 {
        (packed[j] & 63, packed[j + 4] & 63)
    } else {
        (
            (packed[j + 4] & 15) | (packed[j - 4] >> 6) << 4,
            (packed[j + 4] >> 4) | (packed[j] >> 6) << 4,
        )
    };
    (f32::from(scale), f32::from(offset))
}

/// Eight groups of 32 elements. f16 scale of the scales, f16 scale of the offsets, 12 bytes of both, then the elements:
/// each 32 bytes have a group in their low halves and the next in their high ones.
fn q4_k(block: &[u8], out: &mut [f32]) {
    let (scale, offset) = (f16(block, 0), f16(block, 2));
    for (j, out) in out.chunks_exact_mut(32).enumerate() {
        let (s, o) = scale_and_offset(&block[4..16], j);
        let (scale, offset) = (scale * s, offset * o);
        let quants = &block[16 + j / 2 * 32..][..32];
        for (out, q) in out.iter_mut().zip(quants) {
            *out = scale * f32::from(q >> (j % 2 * 4) & 15) - offset;
        }
    }
}

/// As [`q4_k`], with 32 bytes before the elements: bit `j` of byte `i` is the highest of element `i` of group `j`.
fn q5_k(block: &[u8], out: &mut [f32]) {
    let (scale, offset) = (f16(block, 0), f16(block, 2));
    for (j, out) in out.chunks_exact_mut(32).enumerate() {
        let (s, o) = scale_and_offset(&block[4..16], j);
        let (scale, offset) = (scale * s, offset * o);
        let quants = &block[48 + j / 2 * 32..][..32];
        for ((out, q), high) in out.iter_mut().zip(quants).zip(&block[16..48]) {
            *out = scale * f32::from((q >> (j % 2 * 4) & 15) | (high >> j & 1) << 4) - offset;
        }
    }
}

/// Sixteen groups of 16 elements of 6 bits, less 32. The low four bits of all, the high two of all, a signed scale for each
/// group, f16 scale of the scales.
///
/// In each half, the elements of quarter `k` have their low bits in the low halves of 64 bytes if `k` is 0 or 1, in the
/// high ones if it is 2 or 3, and their high bits in bits `2 k` and `2 k + 1` of 32 bytes.
fn q6_k(block: &[u8], out: &mut [f32]) {
    let scale = f16(block, 208);
    for (i, out) in out.iter_mut().enumerate() {
        let (half, k, l) = (i / 128, i % 128 / 32, i % 32);
        let low = block[half * 64 + k % 2 * 32 + l] >> (k / 2 * 4) & 15;
        let high = block[128 + half * 32 + l] >> (2 * k) & 3;
        let q = f32::from(low | high << 4) - 32.0;
        *out = scale * f32::from(block[192 + i / 16].cast_signed()) * q;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers from a seed, which look random.
    struct Random(u64);

    impl Random {
        fn below(&mut self, n: u64) -> u64 {
            self.0 = self
                .0
                .wrapping_mul(0x5851_f42d_4c95_7f2d)
                .wrapping_add(0x1405_7b7e_f767_814f);
            (self.0 >> 33) % n
        }

        fn numbers<const N: usize>(&mut self, below: u64) -> [u8; N] {
            std::array::from_fn(|_| self.below(below) as u8)
        }

        /// A scale: a multiple of 2^-10 below 1, and its bits in f16.
        fn scale(&mut self) -> (f64, [u8; 2]) {
            let number = self.below(1023) + 1;
            let octave = number.ilog2();
            let bits = (octave + 5) << 10 | ((number as u32) << (10 - octave) & 0x3ff);
            (number as f64 / 1024.0, (bits as u16).to_le_bytes())
        }
    }

    fn decoded(kind: ElementType, block: &[u8]) -> Vec<f64> {
        let (_, _, elements, len) = kind.properties();
        assert_eq!(block.len(), len, "{kind:?}");
        let mut out = vec![f32::NAN; elements];
        kind.decode(block, &mut out);
        out.into_iter().map(f64::from).collect()
    }

    /// What a block must decode to. All numbers of these tests have few digits, so f32 holds them exactly.
    fn check(kind: ElementType, block: &[u8], wanted: impl Iterator<Item = f64>) {
        assert_eq!(decoded(kind, block), wanted.collect::<Vec<_>>(), "{kind:?}");
    }

    #[test]
    fn every_f16() {
        for bits in 0..=u16::MAX {
            let (exponent, fraction) = (i32::from(bits >> 10 & 31), f64::from(bits & 0x3ff));
            let magnitude = match exponent {
                0 => fraction * 2_f64.powi(-24),
                31 if fraction > 0.0 => f64::NAN,
                31 => f64::INFINITY,
                _ => (1.0 + fraction / 1024.0) * 2_f64.powi(exponent - 15),
            };
            let wanted = if bits >> 15 == 1 { -magnitude } else { magnitude };
            let found = f64::from(f16_to_f32(bits));
            assert!(
                found.to_bits() == wanted.to_bits() || (found.is_nan() && wanted.is_nan()),
                "{bits:x}"
            );
        }
    }

    #[test]
    fn numbers_without_blocks() {
        check(ElementType::F32, &1.5_f32.to_le_bytes(), [1.5].into_iter());
        check(ElementType::F16, &[0x00, 0xc1], [-2.5].into_iter());
        check(ElementType::Bf16, &[0x20, 0xc0], [-2.5].into_iter());
    }

    #[test]
    fn blocks_of_32() {
        let mut random = Random(1);
        for _ in 0..100 {
            let (scale, scale_bytes) = random.scale();
            let (offset, offset_bytes) = random.scale();
            let both = [scale_bytes, offset_bytes].concat();

            let q: [u8; 32] = random.numbers(256);
            let wanted = q.iter().map(|&q| scale * f64::from(q as i8));
            check(ElementType::Q8_0, &[&scale_bytes[..], &q].concat(), wanted);

            let q: [u8; 32] = random.numbers(32);
            // Two elements half a block apart share a byte; the fifth bits are apart, the first in the lowest.
            let halves: Vec<u8> = (0..16).map(|i| q[i] % 16 + q[i + 16] % 16 * 16).collect();
            let fifths = (0..32)
                .map(|i| u32::from(q[i] / 16) * 2_u32.pow(i as u32))
                .sum::<u32>()
                .to_le_bytes();
            let four = |q: &u8| f64::from(q % 16);
            let five = |q: &u8| f64::from(*q);
            let block = [&scale_bytes[..], &halves].concat();
            check(
                ElementType::Q4_0,
                &block,
                q.iter().map(|q| scale * (four(q) - 8.0)),
            );
            let block = [&both[..], &halves].concat();
            check(
                ElementType::Q4_1,
                &block,
                q.iter().map(|q| scale * four(q) + offset),
            );
            let block = [&scale_bytes[..], &fifths, &halves].concat();
            check(
                ElementType::Q5_0,
                &block,
                q.iter().map(|q| scale * (five(q) - 16.0)),
            );
            let block = [&both[..], &fifths, &halves].concat();
            check(
                ElementType::Q5_1,
                &block,
                q.iter().map(|q| scale * five(q) + offset),
            );
        }
    }

    #[test]
    fn blocks_of_256() {
        let mut random = Random(2);
        for _ in 0..100 {
            let (scale, scale_bytes) = random.scale();
            let (offset, offset_bytes) = random.scale();
            let both = [scale_bytes, offset_bytes].concat();

            // Eight groups, whose scales and offsets have 6 bits. The first four are whole in eight bytes, and leave two bits
            // of each, which are the high ones of the last four.
            let scales: [u8; 8] = random.numbers(64);
            let offsets: [u8; 8] = random.numbers(64);
            let mut packed = [0; 12];
            for j in 0..4 {
                packed[j] = scales[j] + scales[j + 4] / 16 * 64;
                packed[j + 4] = offsets[j] + offsets[j + 4] / 16 * 64;
                packed[j + 8] = scales[j + 4] % 16 + offsets[j + 4] % 16 * 16;
            }
            let q: [[u8; 32]; 8] = std::array::from_fn(|_| random.numbers(32));
            let halves: Vec<u8> = (0..128)
                .map(|i| {
                    let (pair, l) = (i / 32, i % 32);
                    q[2 * pair][l] % 16 + q[2 * pair + 1][l] % 16 * 16
                })
                .collect();
            let fifths: [u8; 32] = std::array::from_fn(|l| (0..8).map(|j| (q[j][l] / 16) << j).sum());
            let wanted = |bits: u8| {
                let element = move |i: usize| {
                    let (j, q) = (i / 32, q[i / 32][i % 32] % bits);
                    scale * f64::from(scales[j]) * f64::from(q) - offset * f64::from(offsets[j])
                };
                (0..256).map(element)
            };
            check(
                ElementType::Q4K,
                &[&both[..], &packed, &halves].concat(),
                wanted(16),
            );
            check(
                ElementType::Q5K,
                &[&both[..], &packed, &fifths, &halves].concat(),
                wanted(32),
            );

            // Sixteen groups of 16. Elements 0, 32, 64 and 96 of a half, and so on, share a byte of high bits.
            let scales: [u8; 16] = random.numbers(256);
            let q: [u8; 256] = random.numbers(64);
            let mut low = [0; 128];
            let mut high = [0; 64];
            for (i, q) in q.into_iter().enumerate() {
                let (half, quarter, l) = (i / 128, i % 128 / 32, i % 32);
                let at = half * 64 + [0, 32, 0, 32][quarter] + l;
                low[at] += q % 16 * [1, 1, 16, 16][quarter];
                high[half * 32 + l] += q / 16 * [1, 4, 16, 64][quarter];
            }
            let block = [&low[..], &high, &scales, &scale_bytes].concat();
            let wanted = q.iter().enumerate();
            let wanted =
                wanted.map(|(i, &q)| scale * f64::from(scales[i / 16] as i8) * (f64::from(q) - 32.0));
            check(ElementType::Q6K, &block, wanted);
        }
    }

    #[test]
    fn lengths() {
        assert_eq!(ElementType::F16.byte_len(&[3, 5]), Some(30));
        assert_eq!(ElementType::Q4_1.byte_len(&[64]), Some(40));
        assert_eq!(ElementType::Q6K.byte_len(&[2, 2, 512]), Some(1680));
        assert_eq!(ElementType::Q4_0.byte_len(&[2, 33]), None);
        assert_eq!(ElementType::F32.byte_len(&[]), None);
        assert_eq!(ElementType::F32.byte_len(&[usize::MAX, 2]), None);
        assert_eq!(ElementType::F32.byte_len(&[usize::MAX]), None);
    }

    #[test]
    fn types_are_found_by_number_and_name() {
        for kind in ElementType::ALL {
            assert_eq!(ElementType::of_gguf(kind.properties().0), Some(kind));
            assert_eq!(ElementType::of_name(kind.name()), Some(kind));
        }
        assert_eq!(ElementType::of_gguf(10), None);
        assert_eq!(
            (gguf_type_name(10), gguf_type_name(99)),
            ("Q2_K".into(), "number 99".into())
        );
    }
}
