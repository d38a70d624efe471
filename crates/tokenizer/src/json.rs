//! The JSON form of a tokenizer: reading it and checking what can be checked without building anything, and writing it.

use std::fmt;

use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Serialize, Serializer};

use crate::error::Error;
use crate::limits::{
    MAX_MERGEABLE_LEN, MAX_SPECIAL_LEN, MAX_SPECIAL_TOKEN_LEN, MAX_TOKEN_LEN, MAX_VOCAB_SIZE, TokenId,
};
use crate::quote::cut;

/// A tokenizer as the JSON has it, with every token checked.
pub(crate) struct Definition {
    pub(crate) name: String,
    pub(crate) pattern: String,
    /// Bytes and rank of the tokens that BPE makes, in the order of the JSON. The rank is the token's id.
    pub(crate) mergeable: Vec<(Vec<u8>, TokenId)>,
    /// Literal and id of the special tokens, in the order of the JSON.
    pub(crate) special: Vec<(String, TokenId)>,
}

#[derive(Deserialize)]
struct RawDefinition {
    name: String,
    pat_str: String,
    mergeable_ranks: Object,
    special_tokens: Object,
    explicit_n_vocab: Option<u64>,
}

/// A JSON object as a list: a map type would silently drop repeated keys.
struct Object {
    entries: Vec<(String, u64)>,
    /// How many more there are than a vocabulary can have. These aren't kept.
    excess: usize,
}

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ObjectVisitor;

        impl<'de> Visitor<'de> for ObjectVisitor {
            type Value = Object;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object of token ids")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object, A::Error> {
                let mut entries = Vec::new();
                while entries.len() < MAX_VOCAB_SIZE {
                    match map.next_entry()? {
                        Some(entry) => entries.push(entry),
                        None => return Ok(Object { entries, excess: 0 }),
                    }
                }
                let mut excess = 0;
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {
                    excess += 1;
                }
                Ok(Object { entries, excess })
            }
        }

        deserializer.deserialize_map(ObjectVisitor)
    }
}

impl Definition {
    pub(crate) fn from_json(json: &[u8]) -> Result<Definition, Error> {
        let raw: RawDefinition = serde_json::from_slice(json)?;
        let excess = raw.mergeable_ranks.excess + raw.special_tokens.excess;
        let mergeable_ranks = raw.mergeable_ranks.entries;
        let special_tokens = raw.special_tokens.entries;

        let vocab_size = mergeable_ranks.len() + special_tokens.len() + excess;
        if vocab_size > MAX_VOCAB_SIZE {
            return Err(Error::VocabularyTooLarge { size: vocab_size });
        }
        if let Some(declared) = raw.explicit_n_vocab
            && usize::try_from(declared) != Ok(vocab_size)
        {
            return Err(Error::VocabularySize {
                declared,
                actual: vocab_size,
            });
        }
        check_keys("mergeable_ranks", &mergeable_ranks)?;
        check_keys("special_tokens", &special_tokens)?;

        let mut ids = IdSet {
            taken: vec![false; vocab_size],
        };
        let mut mergeable = Vec::with_capacity(mergeable_ranks.len());
        for (key, rank) in mergeable_ranks {
            let id = ids.insert(rank)?;
            let bytes = token_bytes(&key, rank)?;
            check_len(rank, bytes.len(), MAX_TOKEN_LEN)?;
            mergeable.push((bytes, id));
        }
        let len = mergeable.iter().map(|(bytes, _)| bytes.len()).sum();
        check_total("mergeable_ranks", len, MAX_MERGEABLE_LEN)?;
        let mut special = Vec::with_capacity(special_tokens.len());
        for (literal, id) in special_tokens {
            check_len(id, literal.len(), MAX_SPECIAL_TOKEN_LEN)?;
            special.push((literal, ids.insert(id)?));
        }
        let len = special.iter().map(|(literal, _)| literal.len()).sum();
        check_total("special_tokens", len, MAX_SPECIAL_LEN)?;
        Ok(Definition {
            name: raw.name,
            pattern: raw.pat_str,
            mergeable,
            special,
        })
    }
}

/// The ids seen so far. When as many different ids below the vocabulary size are in as there are tokens, no id is
/// left out, so there's no other check for holes.
struct IdSet {
    taken: Vec<bool>,
}

impl IdSet {
    fn insert(&mut self, id: u64) -> Result<TokenId, Error> {
        let out_of_range = Error::IdOutOfRange {
            id,
            vocab_size: self.taken.len(),
        };
        let Ok(token_id) = TokenId::try_from(id) else {
            return Err(out_of_range);
        };
        match self.taken.get_mut(token_id as usize) {
            None => Err(out_of_range),
            Some(true) => Err(Error::DuplicateId { id: token_id }),
            Some(taken) => {
                *taken = true;
                Ok(token_id)
            }
        }
    }
}

fn check_keys(object: &'static str, entries: &[(String, u64)]) -> Result<(), Error> {
    if let Some(&(_, id)) = entries.iter().find(|(key, _)| key.is_empty()) {
        return Err(Error::EmptyToken { object, id });
    }
    let mut keys: Vec<&str> = entries.iter().map(|(key, _)| key.as_str()).collect();
    keys.sort_unstable();
    match keys.windows(2).find(|pair| pair[0] == pair[1]) {
        None => Ok(()),
        Some(pair) => Err(Error::DuplicateKey {
            object,
            key: cut(pair[0]),
        }),
    }
}

fn check_len(id: u64, len: usize, max: usize) -> Result<(), Error> {
    if len > max {
        Err(Error::TokenTooLong { id, len, max })
    } else {
        Ok(())
    }
}

fn check_total(object: &'static str, len: usize, max: usize) -> Result<(), Error> {
    if len > max {
        Err(Error::TokensTooLong { object, len, max })
    } else {
        Ok(())
    }
}

fn token_bytes(key: &str, rank: u64) -> Result<Vec<u8>, Error> {
    key.chars()
        .map(|character| u8::try_from(character).map_err(|_| Error::TokenCharacter { id: rank, character }))
        .collect()
}

#[derive(Serialize)]
struct NewDefinition<'d> {
    name: &'d str,
    pat_str: &'d str,
    #[serde(serialize_with = "serialize_ids")]
    mergeable_ranks: Vec<(String, usize)>,
    #[serde(serialize_with = "serialize_ids")]
    special_tokens: Vec<(String, usize)>,
    explicit_n_vocab: usize,
}

/// As an object, in this order: a map type would impose its own.
fn serialize_ids<S: Serializer>(entries: &[(String, usize)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(entries.iter().map(|(key, id)| (key, id)))
}

/// Writes the JSON of a tokenizer. The mergeable tokens get the ids from 0 in the order given, the special tokens those
/// that follow.
///
/// The same arguments make the same bytes. What breaks a rule of the JSON is refused by
/// [`Tokenizer::from_json`](crate::Tokenizer::from_json), not here.
///
/// # Errors
///
/// [`Error::Json`], which no arguments are known to cause.
pub fn definition_json<'t>(
    name: &str,
    pattern: &str,
    mergeable: impl IntoIterator<Item = &'t [u8]>,
    special: &[&str],
) -> Result<Vec<u8>, Error> {
    let mergeable_ranks: Vec<(String, usize)> = mergeable
        .into_iter()
        .map(|token| token.iter().copied().map(char::from).collect())
        .zip(0..)
        .collect();
    let special_tokens: Vec<(String, usize)> = special
        .iter()
        .map(|&literal| literal.to_owned())
        .zip(mergeable_ranks.len()..)
        .collect();
    let definition = NewDefinition {
        name,
        pat_str: pattern,
        explicit_n_vocab: mergeable_ranks.len() + special_tokens.len(),
        mergeable_ranks,
        special_tokens,
    };
    Ok(serde_json::to_vec(&definition)?)
}
