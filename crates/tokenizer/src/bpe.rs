//! Byte pair encoding of pieces.
//!
//! The rule: as long as two adjacent tokens merge, merge the pair of lowest rank, the leftmost such pair if there are
//! several. Short pieces are merged by looking for that pair in the list of all pairs,
//! long ones with a priority queue. Pieces of up to [`MAX_CACHED_LEN`] bytes are looked up in a cache first, since in
//! most texts most pieces occur more than once.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::Range;

use crate::limits::TokenId;
use crate::vocab::{NO_RANK, Vocabulary};

/// The longest piece in bytes that is merged without a priority queue. Up to about here the search is faster.
const MAX_SHORT_LEN: usize = 96;

/// The longest piece in bytes that is kept in the cache: its bytes and its length together fill a `u128`.
const MAX_CACHED_LEN: usize = 15;

/// The most tokens of a piece in the cache, so an entry has 32 bytes.
const MAX_CACHED_TOKENS: usize = 7;

/// The working memory to encode a text.
pub(crate) struct Encoder<'v> {
    vocab: &'v Vocabulary,
    cache: Cache,
    short: ShortMerger,
    long: LongMerger,
}

impl<'v> Encoder<'v> {
    /// `text_len` in bytes is a hint.
    pub(crate) fn new(vocab: &'v Vocabulary, text_len: usize) -> Self {
        Encoder {
            vocab,
            cache: Cache::new(text_len),
            short: ShortMerger::default(),
            long: LongMerger::default(),
        }
    }

    /// Appends the tokens of the piece of `text` in `range`, which isn't empty.
    #[inline]
    pub(crate) fn encode_piece(&mut self, text: &[u8], range: Range<usize>, out: &mut Vec<TokenId>) {
        if range.len() > MAX_CACHED_LEN {
            return self.encode_uncached(&text[range], out);
        }
        let key = Cache::key(text, range.clone());
        if !self.cache.get(key, out) {
            let start = out.len();
            self.encode_uncached(&text[range], out);
            self.cache.put(key, &out[start..]);
        }
    }

    fn encode_uncached(&mut self, piece: &[u8], out: &mut Vec<TokenId>) {
        if self.vocab.ignores_merges
            && let Some(id) = self.vocab.id(piece)
        {
            out.push(id);
        } else if piece.len() <= MAX_SHORT_LEN {
            self.short.merge(self.vocab, piece, out);
        } else {
            self.long.merge(self.vocab, piece, out);
        }
    }
}

/// A direct-mapped cache of the tokens of short pieces.
struct Cache {
    /// A power of two of entries.
    entries: Vec<CacheEntry>,
    shift: u32,
}

#[derive(Clone, Copy)]
struct CacheEntry {
    /// 0 for no piece, since the length of a piece isn't 0.
    key: u128,
    ids: [TokenId; MAX_CACHED_TOKENS],
    len: u16,
}

impl Cache {
    /// A text of a few bytes isn't worth a large cache, and more than 512 KiB wouldn't stay in a core's own cache.
    fn new(text_len: usize) -> Cache {
        let bits = (text_len / 8).clamp(16, 16384).next_power_of_two().ilog2();
        let empty = CacheEntry {
            key: 0,
            ids: [0; MAX_CACHED_TOKENS],
            len: 0,
        };
        Cache {
            entries: vec![empty; 1 << bits],
            shift: u64::BITS - bits,
        }
    }

    /// The bytes of the piece, and its length in the highest byte.
    #[inline]
    fn key(text: &[u8], range: Range<usize>) -> u128 {
        let len = range.len();
        let bytes = match text[range.start..].first_chunk() {
            Some(bytes) => u128::from_le_bytes(*bytes) & !(u128::MAX << (8 * len)),
            None => {
                let mut bytes = [0; 16];
                bytes[..len].copy_from_slice(&text[range]);
                u128::from_le_bytes(bytes)
            }
        };
        bytes | (len as u128) << 120
    }

    #[inline]
    fn index(&self, key: u128) -> usize {
        let (low, high) = (key as u64, (key >> 64) as u64);
        let mixed = low.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ high.wrapping_mul(0xc2b2_ae3d_27d4_eb4f);
        // The upper bits of the products depend on all bytes; the shift leaves no more bits than there are entries.
        (mixed >> self.shift) as usize
    }

    /// Appends the tokens of the piece with this key, if they're there.
    #[inline]
    fn get(&self, key: u128, out: &mut Vec<TokenId>) -> bool {
        let entry = &self.entries[self.index(key)];
        if entry.key != key {
            return false;
        }
        // A copy of a fixed length, cut afterwards, is faster than one of a length known only at run time.
        let len = out.len() + usize::from(entry.len);
        out.extend_from_slice(&entry.ids);
        out.truncate(len);
        true
    }

    #[inline]
    fn put(&mut self, key: u128, tokens: &[TokenId]) {
        if tokens.len() <= MAX_CACHED_TOKENS {
            let index = self.index(key);
            let entry = &mut self.entries[index];
            entry.key = key;
            entry.ids[..tokens.len()].copy_from_slice(tokens);
            entry.len = tokens.len() as u16;
        }
    }
}

/// Merges by looking at all pairs before each merge: quadratic in the length of the piece, with little to do per pair.
#[derive(Default)]
struct ShortMerger {
    ids: Vec<TokenId>,
    /// The rank of each token with the next.
    ranks: Vec<u32>,
}

impl ShortMerger {
    fn merge(&mut self, vocab: &Vocabulary, piece: &[u8], out: &mut Vec<TokenId>) {
        let Self { ids, ranks } = self;
        ids.clear();
        ids.extend(piece.iter().map(|&byte| vocab.byte_id(byte)));
        ranks.clear();
        ranks.extend(ids.windows(2).map(|pair| vocab.merges.rank(pair[0], pair[1])));

        while let Some((index, &rank)) = ranks.iter().enumerate().min_by_key(|&(_, &rank)| rank)
            && rank != NO_RANK
        {
            ids[index] = vocab.merges.made(rank);
            ids.remove(index + 1);
            ranks.remove(index);
            if index < ranks.len() {
                ranks[index] = vocab.merges.rank(ids[index], ids[index + 1]);
            }
            if index > 0 {
                ranks[index - 1] = vocab.merges.rank(ids[index - 1], ids[index]);
            }
        }
        out.extend_from_slice(ids);
    }
}

/// Merges with a priority queue: n log n in the length of the piece.
///
/// Tokens are known by the place of their first byte. The queue holds a place under the rank that its pair had; a
/// merge next to it doesn't take it out, so it counts only if the pair still has that rank.
#[derive(Default)]
struct LongMerger {
    /// The token that starts at each byte.
    ids: Vec<TokenId>,
    /// The length of each token, at its first byte and at its last, so both neighbours can be found.
    lens: Vec<u16>,
    /// The rank of the token that starts at each byte with the next token; none where no token starts.
    ranks: Vec<u32>,
    queue: Queue,
}

impl LongMerger {
    fn merge(&mut self, vocab: &Vocabulary, piece: &[u8], out: &mut Vec<TokenId>) {
        let Self {
            ids,
            lens,
            ranks,
            queue,
        } = self;
        ids.clear();
        ids.extend(piece.iter().map(|&byte| vocab.byte_id(byte)));
        lens.clear();
        lens.resize(piece.len(), 1);
        ranks.clear();
        ranks.extend(ids.windows(2).map(|pair| vocab.merges.rank(pair[0], pair[1])));
        ranks.push(NO_RANK);
        queue.restart(vocab.merges.rank_count());
        for (start, &rank) in ranks.iter().enumerate() {
            queue.push(rank, start);
        }

        while let Some((rank, start)) = queue.pop() {
            if ranks[start] != rank {
                continue;
            }
            let middle = start + usize::from(lens[start]);
            let end = middle + usize::from(lens[middle]);
            // Fits, since no token is longer than a `u16` can say.
            let len = (end - start) as u16;
            ids[start] = vocab.merges.made(rank);
            lens[start] = len;
            lens[end - 1] = len;
            ranks[middle] = NO_RANK;

            ranks[start] = if end < piece.len() {
                vocab.merges.rank(ids[start], ids[end])
            } else {
                NO_RANK
            };
            queue.push(ranks[start], start);
            if start > 0 {
                let previous = start - usize::from(lens[start - 1]);
                ranks[previous] = vocab.merges.rank(ids[previous], ids[start]);
                queue.push(ranks[previous], previous);
            }
        }

        let mut start = 0;
        while start < piece.len() {
            out.push(ids[start]);
            start += usize::from(lens[start]);
        }
    }
}

/// A priority queue of places by rank, then from left to right.
///
/// A merge nearly always makes pairs of a higher rank than its own. So there's a bucket for each rank, sorted when its
/// turn comes, which costs far less than a heap of everything. An entry too late for its bucket goes to a small heap.
#[derive(Default)]
struct Queue {
    /// The index of each rank's bucket in `lists`, plus one; 0 for an empty bucket, which has none.
    buckets: Vec<u32>,
    lists: Vec<Vec<usize>>,
    /// The lists that no bucket has, as in `buckets`.
    free: Vec<u32>,
    /// A bit for each bucket that isn't empty.
    occupied: Vec<u64>,
    /// The places in the current bucket, which is empty. So are those before it.
    current: Vec<usize>,
    current_rank: u32,
    /// How many of `current` are gone.
    done: usize,
    late: BinaryHeap<Reverse<(u32, usize)>>,
    started: bool,
}

impl Queue {
    /// To be called when the queue is empty, before entries of any rank below `rank_count` are pushed again.
    fn restart(&mut self, rank_count: usize) {
        if self.buckets.len() < rank_count {
            // Memory that's zero from the start is only taken where a bucket is used.
            self.buckets = vec![0; rank_count];
            self.occupied = vec![0; rank_count.div_ceil(64)];
        }
        self.started = false;
    }

    #[inline]
    fn push(&mut self, rank: u32, place: usize) {
        if rank == NO_RANK {
            return;
        }
        if self.started && rank <= self.current_rank {
            self.late.push(Reverse((rank, place)));
            return;
        }
        let index = rank as usize;
        let bucket = &mut self.buckets[index];
        if *bucket == 0 {
            *bucket = self.free.pop().unwrap_or_else(|| {
                self.lists.push(Vec::new());
                // Fits, since there are no more lists than ranks.
                self.lists.len() as u32
            });
            self.occupied[index / 64] |= 1 << (index % 64);
        }
        self.lists[*bucket as usize - 1].push(place);
    }

    #[inline]
    fn pop(&mut self) -> Option<(u32, usize)> {
        loop {
            let next = self
                .current
                .get(self.done)
                .map(|&place| (self.current_rank, place));
            if let Some(&Reverse(late)) = self.late.peek()
                && next.is_none_or(|next| late < next)
            {
                self.late.pop();
                return Some(late);
            }
            if next.is_some() {
                self.done += 1;
                return next;
            }
            if !self.next_bucket() {
                return None;
            }
        }
    }

    /// Moves to the next bucket that isn't empty, if there's one.
    fn next_bucket(&mut self) -> bool {
        self.current.clear();
        self.done = 0;
        let first_word = if self.started {
            self.current_rank as usize / 64
        } else {
            0
        };
        let Some(word) = (first_word..self.occupied.len()).find(|&word| self.occupied[word] != 0) else {
            return false;
        };
        let bit = self.occupied[word].trailing_zeros();
        self.occupied[word] &= !(1 << bit);
        let index = word * 64 + bit as usize;
        let bucket = std::mem::take(&mut self.buckets[index]);
        // The spent bucket's memory goes to the new one's place, to be used again.
        std::mem::swap(&mut self.current, &mut self.lists[bucket as usize - 1]);
        self.free.push(bucket);
        // A stable sort finds the sorted runs that the bucket was filled with.
        self.current.sort();
        self.current_rank = index as u32;
        self.started = true;
        true
    }
}
