//! Probabilities that follow what they see: the rate at which they move, and the entry of a map.

/// `floor(2^17 / (2 n + 3))`, the weight `1 / (n + 1.5)` of the newest of n + 1 observations, Q0.16.
pub(crate) static RATE: [u16; 256] = rate_table();

const fn rate_table() -> [u16; 256] {
    let mut table = [0; 256];
    let mut n = 0;
    while n < table.len() {
        table[n] = ((1 << 17) / (2 * n + 3)) as u16;
        n += 1;
    }
    table
}

/// A probability that adapts, and the entry of all maps: the upper 22 bits are the probability of a true bit, and the
/// lower 10 count what it has seen, up to 255.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Adaptive(u32);

impl Adaptive {
    /// A probability, Q0.16, that has seen `count` bits.
    pub(crate) fn new(p: u16, count: u8) -> Self {
        Self((u32::from(p) << 16) + u32::from(count))
    }

    /// The probability, Q0.16.
    #[inline(always)]
    pub(crate) fn p(self) -> u16 {
        (self.0 >> 16) as u16
    }

    pub(crate) fn count(self) -> u8 {
        self.0 as u8
    }

    /// Moves towards a bit, by `1 / (n + 1.5)` after n bits, and never by less than after 255.
    #[inline(always)]
    pub(crate) fn update(&mut self, bit: bool) {
        let count = self.0 & 255;
        let p = (self.0 >> 10) as i32;
        let target = if bit { (1 << 22) - 1 } else { 0 };
        let change = (i64::from(target - p) * i64::from(RATE[count as usize])) >> 16;
        let count = (count + 1).min(255);
        self.0 = (((p + change as i32) as u32) << 10) + count;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates() {
        assert_eq!([RATE[0], RATE[1], RATE[255]], [43690, 26214, 255]);
        // The sum of floor(131072 / (2 n + 3)).
        assert_eq!(RATE.iter().map(|&rate| u32::from(rate)).sum::<u32>(), 361_148);
    }

    /// By hand, in 22 bits: 2097152 + floor(2097151 * 43690 / 65536) = 3495231; 3495231 - ceil(3495231 * 26214 / 65536).
    #[test]
    fn probabilities_move_towards_bits() {
        let mut entry = Adaptive::new(1 << 15, 0);
        entry.update(true);
        assert_eq!((entry, entry.count()), (Adaptive((3_495_231 << 10) + 1), 1));
        entry.update(false);
        assert_eq!((entry, entry.p()), (Adaptive((2_097_159 << 10) + 2), 32_768));
    }

    #[test]
    fn counts_stop_at_255() {
        let mut entry = Adaptive::new(7, 253);
        let counts = [(); 4].map(|()| {
            entry.update(false);
            entry.count()
        });
        assert_eq!(counts, [254, 255, 255, 255]);
    }
}
