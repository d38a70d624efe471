//! What each context has seen at each decision: a hash of a context and a node in, a bucket of slots for the seven
//! decisions of a small subtree out.

use czip_kernels::prefetch;

use crate::adaptive::RATE;
use crate::hash::combine;

/// One half as a probability of 16 bits.
const HALF: u16 = 1 << 15;

/// One decision in one context, 32 bits.
///
/// From the lowest bit: the probability of a true bit (16 bits, Q0.16, with the highest inverted, so an unused slot
/// is 0), the history (9 bits: the last bit, then counts of zeros and of ones, at most 15 each), the number of updates
/// (7 bits, at most [`COUNT_LIMIT`]).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Slot(pub(crate) u32);

/// How many histories there are.
pub(crate) const HISTORIES: usize = 1 << 9;

/// The number of updates after which a probability does not adapt more slowly any more.
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
        table[0][history] = ((halved(ones) << 5) + (more_zeros << 1)) as u16;
        table[1][history] = ((more_ones << 5) + (halved(zeros) << 1) + 1) as u16;
        history += 1;
    }
    table
}

/// What is left of a count when the opposite comes: old statistics give way. One and two stay as they are.
const fn halved(count: usize) -> usize {
    if count == 0 { 0 } else { count / 2 + 1 }
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
        let count = self.0 >> 25;
        let target = if bit { 65535 } else { 0 };
        let p = p + (((target - p) * i32::from(RATE[count as usize] >> 1)) >> 15);
        let p = p.clamp(32, 65503) as u32 ^ u32::from(HALF);
        let history = u32::from(NEXT[usize::from(bit)][self.history()]);
        Self((((count + 1).min(COUNT_LIMIT)) << 25) + (history << 16) + p)
    }
}

/// The decisions of three levels below one node in one context: element 0 says which node and context, elements 1 to 7
/// are slots in the order of a heap.
pub(crate) type Bucket = [u32; 8];

/// Two buckets in one cache line.
#[derive(Clone, Copy, Debug, Default)]
#[repr(align(64))]
struct Line([Bucket; 2]);

/// The buckets of all contexts of a stream.
#[derive(Debug)]
pub(crate) struct Buckets {
    lines: Vec<Line>,
    shift: u32,
    /// The bits of element 0 that tell contexts apart. The others are the caller's.
    check_mask: u32,
}

impl Buckets {
    /// No lines yet. The bits of the mask are the highest, at most twelve of them.
    pub(crate) fn new(check_mask: u32) -> Self {
        Self {
            lines: Vec::new(),
            shift: 0,
            check_mask,
        }
    }

    /// Forgets everything, and makes `2^lines_log2` lines.
    pub(crate) fn reset(&mut self, lines_log2: u32) {
        self.lines.clear();
        self.lines.resize(1 << lines_log2, Line::default());
        self.shift = 64 - lines_log2;
    }

    /// Where the bucket of this context at this node is, if there is one.
    #[inline(always)]
    pub(crate) fn place(&self, context: u64, node: u32) -> Place {
        let hash = combine(context, u64::from(node));
        let line = (hash >> self.shift) as usize;
        let check = (hash >> 8) as u32 & self.check_mask;
        Place { line, check }
    }

    #[inline(always)]
    pub(crate) fn prefetch(&self, place: Place) {
        prefetch(&self.lines, place.line);
    }

    /// The index and a copy of the bucket at a place. If there is none, a new one takes the place of the less used one.
    #[inline(always)]
    pub(crate) fn find(&self, Place { line, check }: Place) -> (usize, Bucket) {
        let buckets = &self.lines[line].0;
        for (way, bucket) in buckets.iter().enumerate() {
            if bucket[0] & self.check_mask == check {
                return (2 * line + way, *bucket);
            }
        }
        let uses = |bucket: &Bucket| bucket[1] >> 25;
        let way = usize::from(uses(&buckets[0]) > uses(&buckets[1]));
        (2 * line + way, [check, 0, 0, 0, 0, 0, 0, 0])
    }

    /// Whether the bucket that was at a place is still there.
    #[inline(always)]
    pub(crate) fn holds(&self, index: usize, place: Place) -> bool {
        self.lines[index / 2].0[index % 2][0] & self.check_mask == place.check
    }

    #[inline(always)]
    pub(crate) fn bucket(&mut self, index: usize) -> &mut Bucket {
        &mut self.lines[index / 2].0[index % 2]
    }
}

/// A line, and the check that the bucket in it must have.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Place {
    line: usize,
    check: u32,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::Fnv1a;

    fn history(zeros: usize, ones: usize, last: usize) -> usize {
        (ones << 5) + (zeros << 1) + last
    }

    #[test]
    fn histories_forget_the_opposite() {
        let next = |bit: usize, zeros, ones| usize::from(NEXT[bit][history(zeros, ones, 0)]);
        let left = [0, 1, 2, 3, 4, 5, 14, 15].map(|count| next(1, count, 0));
        assert_eq!(left, [0, 1, 2, 2, 3, 3, 8, 8].map(|count| history(count, 1, 1)));
        let left = [0, 1, 2, 3, 4, 5, 14, 15].map(|count| next(0, 14, count));
        assert_eq!(left, [0, 1, 2, 2, 3, 3, 8, 8].map(|count| history(15, count, 0)));
        assert_eq!(
            [next(0, 15, 1), next(1, 1, 15)],
            [history(15, 1, 0), history(1, 15, 1)]
        );
    }

    /// Every entry: FNV-1a of the table, little-endian, computed by the rules in another program.
    #[test]
    fn all_histories() {
        let mut hash = Fnv1a::new();
        for next in NEXT.as_flattened() {
            hash.write(&next.to_le_bytes());
        }
        assert_eq!(hash.finish(), 0xf06f_01ae_ea10_be09);
    }

    /// By hand: 32768 + floor(32767 * 21845 / 32768) = 54612, and floor(-54612 * 13107 / 32768) = -21845 from there.
    #[test]
    fn slots_move_towards_bits() {
        let first = Slot(0).update(true);
        assert_eq!(
            (first.p(), first.history(), first.0 >> 25),
            (54_612, history(0, 1, 1), 1)
        );
        let second = first.update(false);
        assert_eq!(
            (second.p(), second.history(), second.0 >> 25),
            (32_767, history(1, 1, 0), 2)
        );
        assert_eq!(second.counts(), 9);
        let mut slot = second;
        for _ in 0..300 {
            slot = slot.update(true);
        }
        assert_eq!(
            (slot.p(), slot.0 >> 25, slot.counts()),
            (65_503, COUNT_LIMIT, 7 * 8 + 1)
        );
        for _ in 0..300 {
            slot = slot.update(false);
        }
        assert_eq!((slot.p(), slot.counts()), (32, 2 * 8 + 7));
    }

    #[test]
    fn the_less_used_bucket_of_a_line_is_replaced() {
        let mut buckets = Buckets::new(0xfff << 20);
        buckets.reset(4);
        let place = |check: u32| Place {
            line: 3,
            check: check << 20,
        };
        let new = |check: u32| [check << 20, 0, 0, 0, 0, 0, 0, 0];
        // Of two that are used alike it is the first.
        assert_eq!(buckets.find(place(5)), (6, new(5)));
        let used = |check: u32, count: u32| [(check << 20) + 9, count << 25, 1, 2, 3, 4, 5, 6];
        *buckets.bucket(6) = used(5, 7);
        assert_eq!(buckets.find(place(5)), (6, used(5, 7)));
        assert_eq!(buckets.find(place(4)), (7, new(4)));
        *buckets.bucket(7) = used(4, 7);
        assert_eq!(buckets.find(place(4)), (7, used(4, 7)));
        assert_eq!(buckets.find(place(8)), (6, new(8)));
        *buckets.bucket(7) = used(4, 6);
        assert_eq!(buckets.find(place(8)), (7, new(8)));
    }

    #[test]
    fn places_are_the_top_bits_of_a_hash() {
        let hash = combine(12, 345);
        for check_bits in [12, 11, 10] {
            let mut buckets = Buckets::new(u32::MAX << (32 - check_bits));
            buckets.reset(8);
            let Place { line, check } = buckets.place(12, 345);
            assert_eq!(line as u64, hash >> 56);
            assert_eq!(check.trailing_zeros(), 32 - check_bits);
            let expected = hash >> (40 - check_bits) & ((1 << check_bits) - 1);
            assert_eq!(u64::from(check) >> (32 - check_bits), expected);
        }
    }
}
