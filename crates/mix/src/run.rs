//! Cell 0 of a bucket: a check, and what came last in the context and how often in a row.

/// How the 32 bits are divided: the symbol in the lowest, then four bits of count, then the check.
///
/// Alphabets of more than 65,536 symbols take bits from the check.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RunLayout {
    symbol_bits: u32,
}

impl RunLayout {
    /// The layout for an alphabet of this many symbols, at most [`Tree::MAX_SYMBOLS`](crate::Tree::MAX_SYMBOLS).
    pub(crate) fn of(symbol_count: usize) -> Self {
        Self {
            symbol_bits: symbol_count.next_power_of_two().ilog2().max(16),
        }
    }

    /// The bits of the check.
    #[inline(always)]
    pub(crate) fn check_mask(self) -> u32 {
        u32::MAX << (self.symbol_bits + 4)
    }

    #[inline(always)]
    pub(crate) fn symbol(self, cell: u32) -> u32 {
        cell & ((1 << self.symbol_bits) - 1)
    }

    /// How often the symbol came in a row, up to 15; 0 if there was none.
    #[inline(always)]
    pub(crate) fn count(self, cell: u32) -> u32 {
        cell >> self.symbol_bits & 15
    }

    /// The cell after one more symbol.
    #[inline(always)]
    pub(crate) fn after(self, cell: u32, symbol: u32) -> u32 {
        let count = if self.symbol(cell) == symbol {
            (self.count(cell) + 1).min(15)
        } else {
            1
        };
        (cell & self.check_mask()) + (count << self.symbol_bits) + symbol
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_alphabets_take_bits_from_the_check() {
        let mask = |symbol_count| RunLayout::of(symbol_count).check_mask();
        assert_eq!([1, 256, 257, 1 << 16].map(mask), [0xfff0_0000; 4]);
        assert_eq!([(1 << 16) + 1, 1 << 17].map(mask), [0xffe0_0000; 2]);
        assert_eq!([(1 << 17) + 1, 1 << 18].map(mask), [0xffc0_0000; 2]);
    }

    #[test]
    fn equal_symbols_are_counted_up_to_fifteen() {
        for (symbol_count, check, one) in [(300, 0xabc0_0000, 1 << 16), (1 << 18, 0xabc0_0000, 1 << 18)] {
            let layout = RunLayout::of(symbol_count);
            let mut cell = check;
            assert_eq!(layout.count(cell), 0);
            for count in [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 15, 15] {
                cell = layout.after(cell, 299);
                assert_eq!(cell, check + count * one + 299);
                assert_eq!((layout.symbol(cell), layout.count(cell)), (299, count));
            }
            assert_eq!(layout.after(cell, 0), check + one);
            let last = symbol_count as u32 - 1;
            assert_eq!(layout.after(cell, last - 1), check + one + last - 1);
        }
    }
}
