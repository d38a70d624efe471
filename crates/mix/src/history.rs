//! What has been coded so far: symbols and their bytes in, hashes of the contexts made of them out.

use crate::hash::combine;

/// A context: the part of the history from which one prediction is made. The numbers are those of the format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Context {
    /// No context: how often each symbol comes at all.
    Order0,
    /// The last symbol.
    Order1,
    Order2,
    Order3,
    Order4,
    Order6,
    /// The start of the current word.
    Word,
    /// The start of the word, and the word before.
    Word2,
    /// The start of the word, and the two words before.
    Word3,
    /// The start of the word, and the last word but one.
    WordSkip,
    /// The last symbol but one.
    Skip1,
    /// The three bytes above, in the line before, and the last symbol.
    Above,
    /// The first four bytes of the line and the number of the field.
    Field,
    /// The shape of the last eight characters.
    Shape,
    /// The last three bytes.
    Bytes3,
    /// The last five bytes.
    Bytes5,
    /// Bytes 2 and 3 back.
    Sparse23,
    /// Bytes 3 and 4 back.
    Sparse34,
    /// Byte 4 back and the last one.
    Sparse14,
    /// The byte one record back and the position in the record.
    Column,
    /// The byte one record back and the last one.
    RecordLast,
    /// Bytes one and two records back.
    Records,
}

/// The symbols and bytes so far.
#[derive(Debug, Default)]
pub(crate) struct History {
    pub(crate) symbols: Vec<u32>,
    bytes: Vec<u8>,
    /// The last eight bytes, the newest in the lowest.
    last: u64,
    /// Hash of the word's bytes so far, 0 between words.
    word: u64,
    /// Hashes of the last word and of the one before.
    words: [u64; 2],
    /// Where the line begins, and where the line before it does.
    lines: [usize; 2],
    /// The first four bytes of the line.
    line_head: u32,
    field: u32,
    shape: u64,
    records: Records,
}

impl History {
    pub(crate) fn reset(&mut self) {
        self.symbols.clear();
        self.bytes.clear();
        *self = Self {
            symbols: std::mem::take(&mut self.symbols),
            bytes: std::mem::take(&mut self.bytes),
            ..Self::default()
        };
    }

    /// Takes a symbol and its bytes.
    pub(crate) fn push(&mut self, symbol: u32, bytes: &[u8], track_records: bool) {
        self.symbols.push(symbol);
        for &byte in bytes {
            self.push_byte(byte);
            if track_records {
                self.records.push(byte, self.bytes.len());
            }
        }
    }

    fn push_byte(&mut self, byte: u8) {
        let column = self.bytes.len() - self.lines[0];
        self.bytes.push(byte);
        self.last = (self.last << 8) + u64::from(byte);
        let class = match byte {
            b'a'..=b'z' | b'A'..=b'Z' | 128.. => b'a',
            b'0'..=b'9' => b'0',
            other => other,
        };
        if class as u64 != self.shape & 0xff {
            self.shape = (self.shape << 8) + u64::from(class);
        }
        if class == b'a' || class == b'0' {
            self.word = combine(self.word, u64::from(byte.to_ascii_lowercase()) + 1);
        } else {
            if self.word != 0 {
                self.words = [self.word, self.words[0]];
                self.word = 0;
            }
            if byte != b' ' {
                self.words[0] = combine(self.words[0], u64::from(byte));
            }
        }
        if byte == b'\n' {
            self.lines = [self.bytes.len(), self.lines[0]];
            self.line_head = 0;
            self.field = 0;
        } else {
            if column < 4 {
                self.line_head = (self.line_head << 8) + u32::from(byte);
            }
            self.field += u32::from(matches!(byte, b' ' | b',' | b'\t'));
        }
    }

    /// The symbol `back` symbols ago, from 1.
    fn symbol(&self, back: usize) -> u64 {
        match self.symbols.len().checked_sub(back) {
            Some(at) => u64::from(self.symbols[at]) + 1,
            None => 0,
        }
    }

    fn symbols(&self, count: usize) -> u64 {
        (1..=count).fold(0, |hash, back| combine(hash, self.symbol(back)))
    }

    /// The last symbol, or 0 at the start.
    pub(crate) fn last_symbol(&self) -> u32 {
        self.symbols.last().copied().unwrap_or(0)
    }

    fn byte_at(&self, at: Option<usize>) -> u64 {
        at.and_then(|at| self.bytes.get(at))
            .map_or(0, |&byte| u64::from(byte))
    }

    /// Three bytes of the line before, from the column of the next byte.
    fn above(&self) -> u64 {
        let from = self.lines[1] + (self.bytes.len() - self.lines[0]);
        let end = self.lines[0];
        (from..from + 3).fold(0, |bytes, at| {
            (bytes << 8) + if at < end { u64::from(self.bytes[at]) } else { 0 }
        })
    }

    /// The hash of a context.
    pub(crate) fn context(&self, context: Context) -> u64 {
        let last = |count: u32| self.last & ((1 << (8 * count)) - 1);
        let back = |distance: usize| self.byte_at(self.bytes.len().checked_sub(distance));
        let record = self.records.length;
        let value = match context {
            Context::Order0 => 0,
            Context::Order1 => self.symbol(1),
            Context::Order2 => self.symbols(2),
            Context::Order3 => self.symbols(3),
            Context::Order4 => self.symbols(4),
            Context::Order6 => self.symbols(6),
            Context::Word => self.word,
            Context::Word2 => combine(self.word, self.words[0]),
            Context::Word3 => combine(combine(self.word, self.words[0]), self.words[1]),
            Context::WordSkip => combine(self.word, self.words[1]),
            Context::Skip1 => self.symbol(2),
            Context::Above => combine(self.above(), self.symbol(1)),
            Context::Field => (u64::from(self.line_head) << 32) + u64::from(self.field),
            Context::Shape => self.shape,
            Context::Bytes3 => last(3),
            Context::Bytes5 => last(5),
            Context::Sparse23 => self.last >> 8 & 0xffff,
            Context::Sparse34 => self.last >> 16 & 0xffff,
            Context::Sparse14 => ((self.last >> 24 & 0xff) << 8) + last(1),
            Context::Column => {
                let column = (self.bytes.len() % record) as u64;
                (column << 8) + back(record)
            }
            Context::RecordLast => (back(record) << 8) + last(1),
            Context::Records => (back(record) << 8) + back(2 * record),
        };
        combine(value, context as u64 + 1)
    }
}

/// How many votes make a distance the length of records.
const VOTES: u32 = 16;

/// Finds the length of fixed-size records, after the record model of PAQ8 (Mahoney).
#[derive(Debug)]
struct Records {
    /// Where each byte value was last, and the distance to the time before.
    seen: Box<[(u32, u32); 256]>,
    candidate: u32,
    votes: u32,
    length: usize,
}

impl Default for Records {
    fn default() -> Self {
        Self {
            seen: Box::new([(0, 0); 256]),
            candidate: 0,
            votes: 0,
            length: 1,
        }
    }
}

impl Records {
    fn push(&mut self, byte: u8, position: usize) {
        let (at, before) = self.seen[usize::from(byte)];
        let distance = position as u32 - at;
        self.seen[usize::from(byte)] = (position as u32, distance);
        if distance != before || distance < 2 {
            return;
        }
        if distance == self.candidate {
            self.votes += 1;
            if self.votes == VOTES {
                self.length = distance as usize;
                self.votes = 0;
            }
        } else {
            self.candidate = distance;
            self.votes = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The record length after each byte.
    fn lengths(bytes: impl IntoIterator<Item = u8>) -> Vec<usize> {
        let mut records = Records::default();
        (1..)
            .zip(bytes)
            .map(|(position, byte)| {
                records.push(byte, position);
                records.length
            })
            .collect()
    }

    #[test]
    fn records_have_a_length_of_two_or_more() {
        assert_eq!(lengths([7; 100]), [1; 100]);
        // `a` is at 1, with the distance 1 from 0, `b` at 2, with the distance 2. At 4 `b` has that distance again and
        // makes it the candidate. From 5 on each byte votes, and the 16th vote is at 20.
        let pairs = lengths((0..30).map(|i| b"ab"[i % 2]));
        assert_eq!(pairs, [vec![1; 19], vec![2; 11]].concat());
    }

    #[test]
    fn a_vote_for_another_length_begins_anew() {
        let mut records = Records::default();
        for at in 1..=17 {
            records.push(7, 5 * at);
        }
        assert_eq!((records.candidate, records.votes, records.length), (5, 15, 1));
        for at in 1..=2 {
            records.push(8, 100 * at);
        }
        assert_eq!((records.candidate, records.votes, records.length), (100, 0, 1));
        records.push(7, 90);
        assert_eq!((records.candidate, records.votes, records.length), (5, 0, 1));
        for at in 19..=34 {
            records.push(7, 5 * at);
        }
        assert_eq!((records.candidate, records.votes, records.length), (5, 0, 5));
    }
}
