//! The merges: distinct pieces of text and their counts go in; the tokens come out, in the order in which they were made.
//!
//! The frequency of every pair is kept up to date while pairs are merged, along with a list of the pieces that contain
//! the pair, so a merge only looks at those. A heap yields the most frequent pair; the frequencies in it may be too
//! high, never too low, and are corrected when they come up.

use std::cmp::Ordering;
use std::collections::{BinaryHeap, HashMap};
use std::hash::{BuildHasherDefault, Hasher};
use std::rc::Rc;

use czip_tokenizer::TokenId;

/// A rarer pair is not merged.
const MIN_COUNT: u64 = 2;

pub(super) struct Merger {
    /// The bytes of each token.
    tokens: Vec<Rc<[u8]>>,
    words: Vec<Word>,
    /// The tokens of the pieces. Each piece keeps the space that it took as bytes.
    symbols: Vec<TokenId>,
    pairs: HashMap<Pair, PairState, BuildHasherDefault<PairHasher>>,
    queue: BinaryHeap<Candidate>,
}

/// A distinct piece of the text.
struct Word {
    /// Where its tokens start in `symbols`.
    start: usize,
    /// How many tokens it has.
    len: usize,
    /// How often it occurs in the text.
    count: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Pair(TokenId, TokenId);

#[derive(Default)]
struct PairState {
    /// How often the pair occurs in the text.
    count: u64,
    /// The pieces that contain it, and perhaps some that used to.
    words: Vec<u32>,
}

/// Multiplicative hashing with 2^64 divided by the golden ratio. A merge looks up several pairs at each of its places,
/// which is most of the work.
#[derive(Default)]
struct PairHasher(u64);

impl Hasher for PairHasher {
    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = self.0 << 8 | u64::from(byte);
        }
    }

    fn write_u32(&mut self, id: u32) {
        self.0 = self.0 << 32 | u64::from(id);
    }

    fn finish(&self) -> u64 {
        let product = self.0.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        // The map uses the highest bits and the lowest, and the product's lowest only depend on the right token.
        product ^ product >> 32
    }
}

/// A pair to merge. The greatest is merged first: the most frequent, then the one whose left token has the lowest
/// bytes, then the one whose right token has. No two tokens have the same bytes, so the order is total.
struct Candidate {
    count: u64,
    pair: Pair,
    left: Rc<[u8]>,
    right: Rc<[u8]>,
}

impl Ord for Candidate {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.count.cmp(&other.count))
            .then_with(|| other.left.cmp(&self.left))
            .then_with(|| other.right.cmp(&self.right))
    }
}

impl PartialOrd for Candidate {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Candidate {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Candidate {}

impl Merger {
    /// Takes distinct pieces, and how often each occurs.
    pub(super) fn new<'t>(counted: impl IntoIterator<Item = (&'t [u8], u64)>) -> Merger {
        let tokens: Vec<Rc<[u8]>> = (0..=u8::MAX).map(|byte| Rc::from([byte])).collect();
        let mut merger = Merger {
            tokens,
            words: Vec::new(),
            symbols: Vec::new(),
            pairs: HashMap::default(),
            queue: BinaryHeap::new(),
        };
        for (word, count) in counted {
            // A single byte has no pairs.
            if word.len() > 1 {
                merger.add_word(word, count);
            }
        }
        let pairs: Vec<Pair> = merger.pairs.keys().copied().collect();
        for pair in pairs {
            merger.enqueue(pair);
        }
        merger
    }

    fn add_word(&mut self, word: &[u8], count: u64) {
        let index = self.words.len() as u32;
        self.words.push(Word {
            start: self.symbols.len(),
            len: word.len(),
            count,
        });
        self.symbols.extend(word.iter().map(|&byte| TokenId::from(byte)));
        for pair in word.windows(2) {
            self.increase(Pair(pair[0].into(), pair[1].into()), count, index);
        }
    }

    /// Merges until there are `size` tokens or no pair is frequent enough.
    pub(super) fn grow(&mut self, size: usize) {
        while self.tokens.len() < size
            && let Some(candidate) = self.queue.pop()
        {
            let state = self.pairs.entry(candidate.pair).or_default();
            match state.count.cmp(&candidate.count) {
                Ordering::Equal => self.merge(candidate),
                Ordering::Less => self.enqueue(candidate.pair),
                // Another candidate has had the frequency since it rose.
                Ordering::Greater => {}
            }
        }
    }

    /// The bytes of all tokens, in the order of their ids.
    pub(super) fn into_tokens(self) -> Vec<Rc<[u8]>> {
        self.tokens
    }

    fn merge(&mut self, candidate: Candidate) {
        let Candidate {
            pair, left, right, ..
        } = candidate;
        // The bytes are not a token yet: wherever they are a sequence of whole tokens, the merges inside went the same way. So
        // only this pair makes the token, and an encoder, which goes by the bytes, makes it in the same way.
        let merged = self.tokens.len() as TokenId;
        self.tokens.push([&*left, &*right].concat().into());
        let words = self
            .pairs
            .get_mut(&pair)
            .map(|state| std::mem::take(&mut state.words))
            .unwrap_or_default();
        let mut raised = Vec::new();
        for index in words {
            self.merge_word(index, pair, merged, &mut raised);
        }
        raised.sort_unstable_by_key(|pair: &Pair| (pair.0, pair.1));
        raised.dedup();
        for pair in raised {
            self.enqueue(pair);
        }
    }

    /// Merges a pair wherever it is in a piece, from the left. The pairs that become more frequent go to `raised`.
    fn merge_word(&mut self, index: u32, pair: Pair, merged: TokenId, raised: &mut Vec<Pair>) {
        let Word { start, len, count } = self.words[index as usize];
        // Tokens are written back to the piece as they're read, at or before the place they're read from.
        let mut read = start;
        let mut write = start;
        let end = start + len;
        while read < end {
            let symbol = self.symbols[read];
            if symbol != pair.0 || read + 1 == end || self.symbols[read + 1] != pair.1 {
                self.symbols[write] = symbol;
                read += 1;
                write += 1;
                continue;
            }
            self.decrease(pair, count);
            if write > start {
                let before = self.symbols[write - 1];
                self.decrease(Pair(before, pair.0), count);
                self.increase(Pair(before, merged), count, index);
                raised.push(Pair(before, merged));
            }
            if read + 2 < end {
                let after = self.symbols[read + 2];
                self.decrease(Pair(pair.1, after), count);
                self.increase(Pair(merged, after), count, index);
                raised.push(Pair(merged, after));
            }
            self.symbols[write] = merged;
            read += 2;
            write += 1;
        }
        self.words[index as usize].len = write - start;
    }

    fn increase(&mut self, pair: Pair, count: u64, word: u32) {
        let state = self.pairs.entry(pair).or_default();
        state.count += count;
        if state.words.last() != Some(&word) {
            state.words.push(word);
        }
    }

    fn decrease(&mut self, pair: Pair, count: u64) {
        if let Some(state) = self.pairs.get_mut(&pair) {
            state.count -= count;
        }
    }

    /// Puts a pair into the queue with its current frequency.
    fn enqueue(&mut self, pair: Pair) {
        let count = self.pairs.get(&pair).map_or(0, |state| state.count);
        if count >= MIN_COUNT {
            self.queue.push(Candidate {
                count,
                pair,
                left: self.tokens[pair.0 as usize].clone(),
                right: self.tokens[pair.1 as usize].clone(),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn fast(words: &[(&str, u64)], size: usize) -> Vec<Vec<u8>> {
        let mut merger = Merger::new(words.iter().map(|&(word, count)| (word.as_bytes(), count)));
        merger.grow(size);
        merger.into_tokens()[256..]
            .iter()
            .map(|token| token.to_vec())
            .collect()
    }

    /// The same by the definition: every pair is counted again for each merge.
    fn naive(words: &[(&str, u64)], size: usize) -> Vec<Vec<u8>> {
        let mut words: Vec<(Vec<Vec<u8>>, u64)> = words
            .iter()
            .map(|&(word, count)| (word.bytes().map(|byte| vec![byte]).collect(), count))
            .collect();
        let mut tokens = Vec::new();
        while 256 + tokens.len() < size {
            let mut pairs: BTreeMap<(Vec<u8>, Vec<u8>), u64> = BTreeMap::new();
            for (word, count) in &words {
                for pair in word.windows(2) {
                    *pairs.entry((pair[0].clone(), pair[1].clone())).or_default() += count;
                }
            }
            // The map is in the order of the bytes, and the last of equal maxima is found, so this goes from the back.
            let Some(((left, right), count)) = pairs.into_iter().rev().max_by_key(|&(_, count)| count) else {
                break;
            };
            if count < MIN_COUNT {
                break;
            }
            let merged = [left.clone(), right.clone()].concat();
            for (word, _) in &mut words {
                let mut at = 0;
                while at + 1 < word.len() {
                    if word[at] == left && word[at + 1] == right {
                        word.splice(at..at + 2, [merged.clone()]);
                    }
                    at += 1;
                }
            }
            assert!(!tokens.contains(&merged), "two pairs make one token");
            tokens.push(merged);
        }
        tokens
    }

    fn strings(tokens: Vec<Vec<u8>>) -> Vec<String> {
        tokens
            .into_iter()
            .map(|token| String::from_utf8(token).unwrap())
            .collect()
    }

    #[test]
    fn the_most_frequent_pair_comes_first() {
        let words = [("the", 5), ("then", 2), ("hen", 2)];
        // `he` is seen 9 times, then `the` 7 times, then `hen` and `then` 2 times each.
        assert_eq!(strings(fast(&words, 999)), ["he", "the", "hen", "then"]);
        assert_eq!(strings(fast(&words, 258)), ["he", "the"]);
    }

    #[test]
    fn ties_go_by_the_bytes_of_the_left_token_then_of_the_right() {
        let words = [("xb", 2), ("ay", 2), ("ax", 2), ("b\u{e9}", 1)];
        assert_eq!(strings(fast(&words, 999)), ["ax", "ay", "xb"]);
    }

    #[test]
    fn runs_merge_from_the_left() {
        assert_eq!(strings(fast(&[("aaaaa", 1)], 999)), ["aa"]);
        assert_eq!(strings(fast(&[("aaaaa", 2)], 999)), ["aa", "aaa", "aaaaa"]);
    }

    #[test]
    fn without_a_pair_there_are_only_bytes() {
        assert_eq!(fast(&[], 999), naive(&[], 999));
        assert_eq!(strings(fast(&[("a", 9), ("bc", 1)], 999)), [""; 0]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1000))]

        #[test]
        fn tokens_are_those_of_the_definition(
            words in prop_oneof![
                proptest::collection::btree_map("[abc]{1,12}", 1..6u64, 0..20),
                proptest::collection::btree_map("[ab]{1,40}", 1..3u64, 0..10),
            ],
            size in 256..400usize,
        ) {
            let words: Vec<(&str, u64)> = words.iter().map(|(word, &count)| (word.as_str(), count)).collect();
            prop_assert_eq!(fast(&words, size), naive(&words, size));
        }
    }
}
