//! Factors of two integers, and the units of vectors that are rounded to 8 bits: `docs/spec/czm-v3.md`, section 6.

/// A factor: `mantissa / 2^exponent`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Factor {
    /// At most 15 bits.
    pub mantissa: u16,
    /// 0 to 63.
    pub exponent: u8,
}

/// The magnitude of a vector whose elements were shifted until the largest has 15 bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Level {
    /// The bits of the largest element before, at most 31; 0 if all are 0.
    pub bits: u32,
    /// The largest element afterwards, at most 2^15, or after a rotation sqrt(2) * 2^15; 0 if all are 0.
    pub largest: u32,
}

impl Level {
    /// What a 127th of the largest element stands for, if elements have this many fraction bits: 9 to 24, or less where
    /// the elements have fewer bits than 29.
    #[inline]
    #[must_use]
    pub const fn unit(self, fraction_bits: u32) -> Factor {
        if self.largest == 0 {
            return Factor {
                mantissa: 0,
                exponent: 1,
            };
        }
        Factor {
            mantissa: (self.largest * 64 / 127) as u16,
            exponent: (fraction_bits + 21 - self.bits) as u8,
        }
    }

    /// The same for a vector that is also divided by its root mean square. `squares` is the sum of the squares of its `len`
    /// shifted elements, and `epsilon` is added to it after the same shift; `largest` is that of the shifted elements, or
    /// of what has become of them.
    ///
    /// The mantissa is that of `2^24 * largest / (127 * sqrt(squares / len))`.
    #[inline]
    #[must_use]
    pub const fn normed_unit(self, squares: u64, epsilon: u32, len: u32) -> Factor {
        if self.largest == 0 {
            return Factor {
                mantissa: 0,
                exponent: 1,
            };
        }
        let epsilon = epsilon as u64;
        let squares = squares
            + if self.bits <= 15 {
                epsilon << (2 * (15 - self.bits))
            } else {
                let shift = 2 * (self.bits - 15);
                if shift < u64::BITS { epsilon >> shift } else { 0 }
            };
        let numerator = (self.largest as u128 * self.largest as u128 * len as u128) << 48;
        let root = (numerator / (16_129 * squares as u128)).isqrt() as u64;
        let excess = (u64::BITS - root.leading_zeros()).saturating_sub(15);
        Factor {
            mantissa: (root >> excess) as u16,
            exponent: (24 - excess) as u8,
        }
    }
}

/// `floor(x / 2^shift + 1/2)` in 64 bits, for `1 <= shift <= 62` and `|x| < 2^61`.
///
/// It shifts to the right an unsigned number, which every vector unit can do by a different amount in each lane.
#[inline(always)]
#[must_use]
pub const fn round_shr_i64(x: i64, shift: u32) -> i64 {
    const OFFSET: i64 = 1 << 62;
    let sum = x + (1 << (shift - 1)) + OFFSET;
    (sum as u64 >> shift) as i64 - (OFFSET >> shift)
}

/// Entries of [`SIGMOID`]: one for each 64th up to 16, and one more.
const SIGMOID_LEN: usize = 1026;

/// The logistic function, Q0.16: entry i is that of i / 64. From 16 on it is 1.
pub static SIGMOID: [u32; SIGMOID_LEN] = {
    let mut table = [1 << 16; SIGMOID_LEN];
    let mut i = 0;
    while i <= 1024 {
        let octaves = (i as u64 * crate::tables::LOG2E_OVER_64_Q24 as u64 + (1 << 15)) >> 16;
        let power = crate::tables::EXP2[(octaves % 256) as usize] as u64;
        let shift = octaves / 256;
        let inverse = (power + ((1 << shift) >> 1)) >> shift;
        table[i] = ((1 << 32) / ((1 << 16) + inverse)) as u32;
        i += 1;
    }
    table
};
