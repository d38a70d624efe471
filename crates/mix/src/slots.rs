//! Adaptive bits: what a context has seen at each decision, in a hash table of small subtrees.

use czip_kernels::prefetch;

use crate::adaptive::RATE;
use crate::hash::combine;

/// One half as a probability of 16 bits.
const HALF: u16 = 1 << 15;

/// One decision in one context, 32 bits.
///
/// From the lowest: the probability of 1 (16 bits, with the highest one inverted, so that an unused slot is 0), the
/// history (9 bits: the last bit, and two counts of at most 15 of ones and zeros), the number of updates (5 bits).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Slot(pub(crate) u32);

/// The histories that a slot can have.
pub(crate) const HISTORIES: usize = 1 << 9;

/// Updates after which a probability adapts no slower.
const COUNT_LIMIT: u32 = 30;

/// The history after a zero and after a one.
static NEXT: [[u16; HISTORIES]; 2] = next_table();

const fn next_table() -> [[u16; HISTORIES]; 2] {
    let mut table = [[0; HISTORIES]; 2];
    let mut history = 0;
    while history < HISTORIES {
        let (zeros, ones) = (history >> 1 & 15, history >> 5);
        let more_zeros = if zeros < 15 { zeros + 1 } else { 15 };
        let more_ones = if ones < 15 { ones + 1 } else { 15 };
        table[0][history] = (halved(ones) << 5 | more_zeros << 1) as u16;
        table[1][history] = (more_ones << 5 | halved(zeros) << 1 | 1) as u16;
        history += 1;
    }
    table
}

/// What is left of a count when the opposite comes: old statistics give way.
const fn halved(count: usize) -> usize {
    if count > 2 { count / 2 + 1 } else { count }
}

impl Slot {
    #[inline(always)]
    pub(crate) fn p(self) -> u16 {
        self.0 as u16 ^ HALF
    }

    #[inline(always)]
    pub(crate) fn history(self) -> usize {
        (self.0 >> 16) as usize & (HISTORIES - 1)
    }

    /// The history's counts, each up to 7: ones * 8 + zeros.
    #[inline(always)]
    pub(crate) fn counts(self) -> usize {
        let (zeros, ones) = (self.history() >> 1 & 15, self.history() >> 5);
        ones.min(7) * 8 + zeros.min(7)
    }

    #[inline(always)]
    pub(crate) fn update(self, bit: bool) -> Self {
        let p = i32::from(self.p());
        let count = self.0 >> 25 & 31;
        let target = if bit { 65535 } else { 0 };
        let p = p + (((target - p) * i32::from(RATE[count as usize] >> 1)) >> 15);
        let p = p.clamp(32, 65503) as u32 ^ u32::from(HALF);
        let history = u32::from(NEXT[usize::from(bit)][self.history()]);
        Self((count + u32::from(count < COUNT_LIMIT)) << 25 | history << 16 | p)
    }
}

/// Three levels of decisions below one node in one context: word 0 tells which, the others are slots in the order of a
/// heap.
pub(crate) type Bucket = [u32; 8];

/// Two buckets in one cache line.
#[derive(Clone, Copy, Debug, Default)]
#[repr(align(64))]
struct Line([Bucket; 2]);

/// All buckets of a stream.
#[derive(Debug, Default)]
pub(crate) struct Buckets {
    lines: Vec<Line>,
    shift: u32,
}

/// The bits of word 0 that tell contexts apart; the rest is the caller's.
pub(crate) const CHECK: u32 = 0xfff << 20;

impl Buckets {
    /// Forgets all, and makes `2^lines_log2` lines.
    pub(crate) fn reset(&mut self, lines_log2: u32) {
        self.lines.clear();
        self.lines.resize(1 << lines_log2, Line::default());
        self.shift = 64 - lines_log2;
    }

    /// Where the bucket of this context at this node is, if there is one.
    #[inline(always)]
    pub(crate) fn place(&self, context: u64, node: u16) -> Place {
        let hash = combine(context, u64::from(node));
        let line = (hash >> self.shift) as usize;
        let check = (hash >> 8) as u32 & CHECK;
        Place { line, check }
    }

    #[inline(always)]
    pub(crate) fn prefetch(&self, place: Place) {
        prefetch(&self.lines, place.line);
    }

    /// The bucket at a place: its index and a copy. Takes the place of the less used one if there is none.
    #[inline(always)]
    pub(crate) fn find(&self, Place { line, check }: Place) -> (usize, Bucket) {
        let buckets = &self.lines[line].0;
        for (way, bucket) in buckets.iter().enumerate() {
            if bucket[0] & CHECK == check {
                return (2 * line + way, *bucket);
            }
        }
        let uses = |bucket: &Bucket| bucket[1] >> 25;
        let way = usize::from(uses(&buckets[0]) > uses(&buckets[1]));
        (2 * line + way, [check, 0, 0, 0, 0, 0, 0, 0])
    }

    #[inline(always)]
    pub(crate) fn bucket(&mut self, index: usize) -> &mut Bucket {
        &mut self.lines[index / 2].0[index % 2]
    }
}

/// A line, and the bits that its bucket must have.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Place {
    line: usize,
    pub(crate) check: u32,
}
