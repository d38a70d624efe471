//! The match model: the latest symbols in, the symbol that followed their last occurrence and the length of the
//! repetition out.

use crate::hash::combine;

/// How many symbols back a repetition is verified, at most.
const VERIFIED: usize = 40;

/// Predicts that what followed the last occurrence of the latest symbols follows again.
#[derive(Debug, Default)]
pub(crate) struct MatchModel {
    /// How many of the latest symbols are looked up: the longer length first.
    lengths: [usize; 2],
    /// The position after the newest occurrence of this many symbols, by their hash, for the longer length; 0 for none.
    long: Vec<u32>,
    /// The same for the shorter length.
    short: Vec<u32>,
    /// The position of the symbol that is expected next, if `length` is not 0.
    at: usize,
    /// The length of the repetition so far, or 0.
    length: usize,
}

/// How many classes of lengths [`MatchModel::class`] tells apart.
pub(crate) const LENGTH_CLASSES: usize = 16;

impl MatchModel {
    /// Forgets everything, and makes tables of `2^table_log2` entries.
    pub(crate) fn reset(&mut self, table_log2: u32, lengths: [usize; 2]) {
        self.lengths = lengths;
        for table in [&mut self.long, &mut self.short] {
            table.clear();
            table.resize(1 << table_log2, 0);
        }
        (self.at, self.length) = (0, 0);
    }

    /// The symbol that comes next if the repetition goes on.
    pub(crate) fn expected(&self, symbols: &[u32]) -> Option<u32> {
        (self.length > 0).then(|| symbols[self.at])
    }

    /// The class of the length so far: 0 without a repetition.
    pub(crate) fn class(&self) -> usize {
        match self.length {
            0..=8 => self.length,
            9..=10 => 9,
            11..=12 => 10,
            13..=16 => 11,
            17..=20 => 12,
            21..=28 => 13,
            29..=39 => 14,
            _ => 15,
        }
    }

    /// Updates the model after the last of `symbols`.
    pub(crate) fn update(&mut self, symbols: &[u32]) {
        let end = symbols.len();
        if self.length > 0 && symbols[self.at] == symbols[end - 1] {
            self.length = (self.length + 1).min(VERIFIED);
            self.at += 1;
        } else {
            self.length = 0;
        }
        let [long, short] = self.lengths;
        if end < short {
            return;
        }
        let hash = |count: usize| {
            symbols[end - count..]
                .iter()
                .fold(0, |hash, &symbol| combine(hash, u64::from(symbol) + 1))
        };
        let bits = self.long.len().trailing_zeros();
        if end >= long {
            let index = (hash(long) >> (64 - bits)) as usize;
            if self.length < long {
                self.verify(self.long[index] as usize, long, symbols);
            }
            self.long[index] = end as u32;
        }
        let index = (hash(short) >> (64 - bits)) as usize;
        if self.length == 0 {
            self.verify(self.short[index] as usize, short, symbols);
        }
        self.short[index] = end as u32;
    }

    /// Starts a repetition of the symbols before `at`, if at least this many are equal to the latest. Nothing is before
    /// 0, which stands for no occurrence.
    fn verify(&mut self, at: usize, least: usize, symbols: &[u32]) {
        let before = symbols[..at].iter().rev();
        let equal = before
            .zip(symbols.iter().rev())
            .take(VERIFIED)
            .take_while(|(a, b)| a == b)
            .count();
        if equal >= least {
            (self.at, self.length) = (at, equal);
        }
    }
}
