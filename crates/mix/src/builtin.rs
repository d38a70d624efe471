//! The priors that are compiled in: bytes of files made by `cargo xtask priors` in, [`Priors`] and weights of symbols out.

use crate::hash::Fnv1a;
use crate::priors::Priors;

static VOCABULARY: &[u8] = include_bytes!("../priors/vocabulary.bin");
static TOKENS: [&[u8]; 4] = [
    include_bytes!("../priors/light-alone.bin"),
    include_bytes!("../priors/standard-alone.bin"),
    include_bytes!("../priors/max.bin"),
    include_bytes!("../priors/max-alone.bin"),
];
static BYTES: [&[u8]; 2] = [
    include_bytes!("../priors/light-bytes.bin"),
    include_bytes!("../priors/bytes.bin"),
];

/// The hash of a vocabulary: 64-bit FNV-1a (Fowler, Noll and Vo) over each token's length, as two little-endian bytes,
/// and its bytes.
#[must_use]
pub fn vocabulary_hash(tokens: &[&[u8]]) -> u64 {
    let mut hash = Fnv1a::new();
    tokens.iter().for_each(|token| hash.write_spelling(token));
    hash.finish()
}

/// The weights of the vocabulary's symbols, if it is the one that the priors were made for.
pub(crate) fn weights(tokens: &[&[u8]]) -> Option<Vec<u32>> {
    weights_of(VOCABULARY, tokens)
}

/// The same from the stored form: the hash of a vocabulary, then 16 bits for each token.
fn weights_of(stored: &[u8], tokens: &[&[u8]]) -> Option<Vec<u32>> {
    let (hash, weights) = stored.split_at_checked(8)?;
    let (weights, _) = weights.as_chunks();
    let same = *hash == vocabulary_hash(tokens).to_le_bytes() && weights.len() == tokens.len();
    same.then(|| {
        weights
            .iter()
            .map(|&weight| u16::from_le_bytes(weight).into())
            .collect()
    })
}

pub(crate) fn token_priors() -> Vec<Priors> {
    read(&TOKENS)
}

pub(crate) fn byte_priors() -> Vec<Priors> {
    read(&BYTES)
}

fn read(stored: &[&[u8]]) -> Vec<Priors> {
    stored
        .iter()
        .filter_map(|bytes| Priors::from_bytes(bytes).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_those_of_one_vocabulary() {
        let tokens: [&[u8]; 2] = [b"a", b"bc"];
        let mut stored = vocabulary_hash(&tokens).to_le_bytes().to_vec();
        stored.extend([1, 2, 255, 255]);
        assert_eq!(weights_of(&stored, &tokens), Some(vec![513, 65_535]));
        assert_eq!(weights_of(&stored, &[b"a", b"bd"]), None);
        assert_eq!(weights_of(&stored, &[b"a"]), None);
        assert_eq!(weights_of(&stored[..10], &tokens), None);
        assert_eq!(weights_of(&stored[..7], &tokens), None);
        // FNV-1a of 01 00 61 02 00 62 63.
        assert_eq!(vocabulary_hash(&tokens), 0xe7d5_f154_8a9a_3232);
        // The vocabulary of the shipped priors is not here, only its hash and its weights.
        assert_eq!(weights(&tokens), None);
    }
}
