//! The vocabulary: from ids to bytes, from bytes to ids, and from pairs of ids to the id they merge into.

use std::collections::HashMap;

use crate::json::Definition;
use crate::{Error, MAX_MERGES, MAX_VOCAB_SIZE, TokenId};

/// What BPE needs to know about the mergeable tokens, and the bytes of every token.
#[derive(Clone)]
pub(crate) struct Vocabulary {
    /// The bytes of all tokens, in the order of their ids.
    bytes: Vec<u8>,
    /// Where the bytes of each token end; an unused id has none. The lengths and the number of tokens are limited, so `u32`
    /// is enough.
    ends: Vec<u32>,
    byte_ids: [TokenId; 256],
    /// The mergeable tokens.
    ids: HashMap<Box<[u8]>, TokenId>,
    /// The length of the longest mergeable token.
    max_len: usize,
    pub(crate) merges: Merges,
    /// Whether a piece that is a token becomes it, whatever the merges make of its bytes.
    pub(crate) ignores_merges: bool,
}

impl Vocabulary {
    /// The definition must be one that has been read.
    pub(crate) fn new(definition: &Definition) -> Result<Self, Error> {
        let mergeable = &definition.mergeable;
        let mut by_id: Vec<&[u8]> = vec![&[]; definition.vocab_size()];
        for (token, id) in mergeable {
            by_id[*id as usize] = token;
        }
        for (literal, id) in &definition.special {
            by_id[*id as usize] = literal.as_bytes();
        }
        let mut end = 0;
        let ends = by_id
            .iter()
            .map(|token| {
                end += token.len() as u32;
                end
            })
            .collect();
        let bytes = by_id.concat();

        let merges = Merges::new(mergeable, definition.merges.as_deref())?;
        let max_len = mergeable.iter().map(|(token, _)| token.len()).max().unwrap_or(0);
        let ids: HashMap<Box<[u8]>, TokenId> = mergeable
            .iter()
            .map(|(token, id)| (token.as_slice().into(), *id))
            .collect();
        let mut byte_ids = [0; 256];
        for byte in 0..=u8::MAX {
            byte_ids[usize::from(byte)] = *ids.get([byte].as_slice()).ok_or(Error::MissingByte { byte })?;
        }
        Ok(Vocabulary {
            bytes,
            ends,
            byte_ids,
            ids,
            max_len,
            merges,
            ignores_merges: definition.ignores_merges(),
        })
    }

    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// The bytes of a token. None if no token has the id.
    #[inline]
    pub(crate) fn token(&self, id: TokenId) -> Option<&[u8]> {
        let id = id as usize;
        let end = *self.ends.get(id)?;
        let start = if id == 0 { 0 } else { self.ends[id - 1] };
        (start < end).then(|| &self.bytes[start as usize..end as usize])
    }

    #[inline]
    pub(crate) fn byte_id(&self, byte: u8) -> TokenId {
        self.byte_ids[usize::from(byte)]
    }

    /// The mergeable token with these bytes.
    #[inline]
    pub(crate) fn id(&self, bytes: &[u8]) -> Option<TokenId> {
        if bytes.len() > self.max_len {
            None
        } else {
            self.ids.get(bytes).copied()
        }
    }
}

/// The rank of a pair of tokens that doesn't merge. It's above every rank.
pub(crate) const NO_RANK: u32 = u32::MAX;

/// From each pair of tokens that merges to its rank, and from ranks to the tokens made: a hash table with open
/// addressing.
#[derive(Clone)]
pub(crate) struct Merges {
    /// A slot holds the pair in the upper bits, and the rank plus one in the lower ones. An empty slot is 0. The number of
    /// slots is a power of two, and at least half of them are empty.
    slots: Vec<u64>,
    shift: u32,
    /// Every rank is below this.
    rank_count: usize,
    /// The token that the merge of each rank makes. Empty if that is the token whose id is the rank.
    made: Vec<TokenId>,
}

impl Merges {
    /// The merges of these pairs, whose ranks are their indices; or if there's no such list, those of all pairs whose
    /// joined bytes are a token, whose ranks are the ids of these tokens.
    fn new(mergeable: &[(Vec<u8>, TokenId)], listed: Option<&[[TokenId; 2]]>) -> Result<Merges, Error> {
        let mut all = pairs(mergeable)?;
        let Some(listed) = listed else {
            let mut merges = Merges::with_capacity(all.len());
            for (left, right, merged) in all {
                merges.insert(left, right, merged);
                merges.rank_count = merges.rank_count.max(merged as usize + 1);
            }
            return Ok(merges);
        };
        all.sort_unstable();
        let mut merges = Merges::with_capacity(listed.len());
        for (&[left, right], rank) in listed.iter().zip(0..) {
            let Ok(index) = all.binary_search_by_key(&(left, right), |&(left, right, _)| (left, right))
            else {
                return Err(Error::MakesNoToken { rank, left, right });
            };
            if !merges.insert(left, right, rank) {
                return Err(Error::DuplicateMerge { rank, left, right });
            }
            merges.made.push(all[index].2);
        }
        merges.rank_count = listed.len();
        Ok(merges)
    }

    fn with_capacity(len: usize) -> Merges {
        let bits = (len * 2 + 1).next_power_of_two().ilog2().max(1);
        Merges {
            slots: vec![0; 1 << bits],
            shift: u64::BITS - bits,
            rank_count: 0,
            made: Vec::new(),
        }
    }

    /// Returns whether the pair is new. There must be room for it.
    fn insert(&mut self, left: TokenId, right: TokenId, rank: u32) -> bool {
        let key = key(left, right);
        let mut index = self.first_slot(key);
        while self.slots[index] != 0 {
            if self.slots[index] >> RANK_BITS == key {
                return false;
            }
            index = (index + 1) % self.slots.len();
        }
        self.slots[index] = key << RANK_BITS | (u64::from(rank) + 1);
        true
    }

    #[inline]
    pub(crate) fn rank_count(&self) -> usize {
        self.rank_count
    }

    /// The token that the merge of a rank makes.
    #[inline]
    pub(crate) fn made(&self, rank: u32) -> TokenId {
        if self.made.is_empty() {
            rank
        } else {
            self.made[rank as usize]
        }
    }

    /// The rank of the merge of two tokens, or [`NO_RANK`].
    #[inline]
    pub(crate) fn rank(&self, left: TokenId, right: TokenId) -> u32 {
        let key = key(left, right);
        let mask = self.slots.len() - 1;
        let mut index = self.first_slot(key);
        loop {
            // The mask changes no index; it tells the compiler that none is out of bounds.
            let slot = self.slots[index & mask];
            if slot == 0 {
                return NO_RANK;
            }
            if slot >> RANK_BITS == key {
                return (slot & ((1 << RANK_BITS) - 1)) as u32 - 1;
            }
            index = (index + 1) & mask;
        }
    }

    /// Multiplicative hashing with 2^64 over the golden ratio.
    #[inline]
    fn first_slot(&self, key: u64) -> usize {
        (key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> self.shift) as usize
    }
}

/// Bits of an id in a key. Two ids and a rank fit a slot.
const ID_BITS: u32 = 18;
const RANK_BITS: u32 = u64::BITS - 2 * ID_BITS;
const _: () =
    assert!(MAX_VOCAB_SIZE <= 1 << ID_BITS && MAX_VOCAB_SIZE < 1 << RANK_BITS && MAX_MERGES < 1 << RANK_BITS);

#[inline]
fn key(left: TokenId, right: TokenId) -> u64 {
    u64::from(left) << ID_BITS | u64::from(right)
}

/// Every way to make a token of two others: left, right, merged.
///
/// A token's proper prefixes that are tokens themselves form a chain, from the longest to the shortest, and so do its
/// suffixes. Walking the two chains finds the splits of a token in a time linear in its length.
fn pairs(mergeable: &[(Vec<u8>, TokenId)]) -> Result<Vec<(TokenId, TokenId, TokenId)>, Error> {
    let prefix_of = longest_affixes(
        mergeable,
        |token, other| token.cmp(other),
        |token, affix| token.starts_with(affix),
    );
    let suffix_of = longest_affixes(
        mergeable,
        |token, other| token.iter().rev().cmp(other.iter().rev()),
        |token, affix| token.ends_with(affix),
    );

    let mut pairs = Vec::new();
    for (index, (token, merged)) in mergeable.iter().enumerate() {
        // By length, each chain from the longest.
        let suffixes: Vec<usize> = chain(&suffix_of, index).collect();
        let mut suffixes = suffixes.into_iter().rev().peekable();
        for prefix in chain(&prefix_of, index) {
            let rest = token.len() - mergeable[prefix].0.len();
            while suffixes
                .next_if(|&suffix| mergeable[suffix].0.len() < rest)
                .is_some()
            {}
            if let Some(suffix) = suffixes.next_if(|&suffix| mergeable[suffix].0.len() == rest) {
                if pairs.len() == MAX_MERGES {
                    return Err(Error::TooManyMerges);
                }
                pairs.push((mergeable[prefix].1, mergeable[suffix].1, *merged));
            }
        }
    }
    Ok(pairs)
}

/// For each token, the index of the longest other token that is a prefix of it, or a suffix, as the order and the test
/// say. In the order, a token comes after its affixes, and between the two come only tokens with the same affix.
fn longest_affixes(
    mergeable: &[(Vec<u8>, TokenId)],
    order: impl Fn(&[u8], &[u8]) -> std::cmp::Ordering,
    has_affix: impl Fn(&[u8], &[u8]) -> bool,
) -> Vec<Option<usize>> {
    let mut sorted: Vec<usize> = (0..mergeable.len()).collect();
    sorted.sort_unstable_by(|&a, &b| order(&mergeable[a].0, &mergeable[b].0));
    let mut longest = vec![None; mergeable.len()];
    let mut previous: Option<usize> = None;
    for index in sorted {
        // What is not an affix of the token before is not an affix of any later one.
        let mut candidate = previous;
        while let Some(affix) = candidate
            && !has_affix(&mergeable[index].0, &mergeable[affix].0)
        {
            candidate = longest[affix];
        }
        longest[index] = candidate;
        previous = Some(index);
    }
    longest
}

/// The affixes of a token, from the longest to the shortest.
fn chain(longest: &[Option<usize>], index: usize) -> impl Iterator<Item = usize> {
    std::iter::successors(longest[index], |&affix| longest[affix])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_split_into_two_tokens_is_a_pair() {
        let tokens: Vec<(Vec<u8>, TokenId)> = ["a", "b", "c", "bc", "ab", "abc", "cab", "aa", "aaa"]
            .iter()
            .zip(0..)
            .map(|(token, id)| (token.as_bytes().to_vec(), id))
            .collect();
        let mut found = pairs(&tokens).unwrap();
        found.sort_unstable();
        let expected = [
            (0, 0, 7),
            (0, 1, 4),
            (0, 3, 5),
            (0, 7, 8),
            (1, 2, 3),
            (2, 4, 6),
            (4, 2, 5),
            (7, 0, 8),
        ];
        assert_eq!(found, expected);

        let merges = Merges::new(&tokens, None).unwrap();
        for left in 0..9 {
            for right in 0..9 {
                let merged = expected.iter().find(|pair| (pair.0, pair.1) == (left, right));
                assert_eq!(merges.rank(left, right), merged.map_or(NO_RANK, |pair| pair.2));
            }
        }
    }

    #[test]
    fn the_highest_ids_are_no_exception() {
        let last = MAX_VOCAB_SIZE as TokenId - 1;
        let tokens = [
            (b"x".to_vec(), 0),
            (b"y".to_vec(), last),
            (b"xy".to_vec(), 1),
            (b"yx".to_vec(), last - 1),
        ];
        let merges = Merges::new(&tokens, None).unwrap();
        assert_eq!(merges.rank(0, last), 1);
        assert_eq!(merges.rank(last, 0), last - 1);
        assert_eq!(merges.rank(0, 0), NO_RANK);
        assert_eq!(merges.rank(last, last), NO_RANK);
    }

    #[test]
    fn no_pairs_at_all() {
        let merges = Merges::new(&[(b"x".to_vec(), 0)], None).unwrap();
        assert_eq!(merges.rank(0, 0), NO_RANK);
    }

    proptest! {
        #[test]
        fn merges_are_those_of_a_search_of_all_pairs(tokens in proptest::collection::btree_set("[abc]{1,6}", 1..60)) {
            let tokens: Vec<(Vec<u8>, TokenId)> = tokens.into_iter().map(String::into_bytes).zip(0..).collect();
            let merges = Merges::new(&tokens, None).unwrap();
            for (left, left_id) in &tokens {
                for (right, right_id) in &tokens {
                    let joined = [left.as_slice(), right].concat();
                    let merged = tokens.iter().find(|(token, _)| *token == joined);
                    prop_assert_eq!(merges.rank(*left_id, *right_id), merged.map_or(NO_RANK, |(_, id)| *id));
                }
            }
        }
    }
}
