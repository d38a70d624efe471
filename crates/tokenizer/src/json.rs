//! The JSON form of a tokenizer: reading it and checking what can be checked without building anything, and writing it.

use std::fmt;
use std::ops::Range;

use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize, Serializer};

use crate::error::Error;
use crate::limits::{
    MAX_MERGEABLE_LEN, MAX_MERGES, MAX_SPECIAL_LEN, MAX_SPECIAL_TOKEN_LEN, MAX_TOKEN_LEN, MAX_VOCAB_SIZE,
    TokenId,
};
use crate::quote::cut;

/// The parts of a tokenizer, from which its JSON is written.
///
/// ```
/// use czip_tokenizer::{Definition, Pattern, Tokenizer};
///
/// let mut definition = Definition::new("example", Pattern::GPT2);
/// definition.mergeable = (0..=255).map(|byte| (vec![byte], byte.into())).collect();
/// definition.mergeable.extend([(b"th".to_vec(), 300), (b"the".to_vec(), 301), (b"he".to_vec(), 302)]);
/// // The letters h and e merge first.
/// definition.merges = Some(vec![[104, 101], [116, 302]]);
/// definition.special = vec![("<|bos|>".to_owned(), 256)];
///
/// let tokenizer = Tokenizer::from_json(&definition.to_json()?)?;
/// let mut ids = Vec::new();
/// tokenizer.encode("the th", &mut ids)?;
/// assert_eq!(ids, [301, 32, 116, 104]);
/// # Ok::<(), czip_tokenizer::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Definition {
    /// A name for human readers.
    pub name: String,
    /// The split pattern: one of those that [`Pattern`](crate::Pattern) names, or any other.
    pub pattern: String,
    /// Bytes and id of the tokens that merges make, and of the 256 bytes.
    pub mergeable: Vec<(Vec<u8>, TokenId)>,
    /// Literal and id of the special tokens, and of all others that merges don't make.
    pub special: Vec<(String, TokenId)>,
    /// The ids of the pairs that merge, in the order of their ranks. If there's no such list, every pair whose bytes
    /// together are a mergeable token merges, and the id of that token is the rank.
    pub merges: Option<Vec<[TokenId; 2]>>,
    /// Whether a piece whose bytes are a mergeable token becomes that token, whatever the merges make of it. If it isn't
    /// given: only without a list of merges.
    pub ignore_merges: Option<bool>,
    /// The size of the vocabulary, which no id may reach. If it isn't given: one more than the highest id.
    pub explicit_vocab_size: Option<usize>,
}

#[derive(Deserialize)]
struct RawDefinition {
    name: String,
    pat_str: String,
    mergeable_ranks: Object,
    special_tokens: Object,
    merges: Option<Ids>,
    ignore_merges: Option<bool>,
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

/// A JSON array of ids, two for each merge.
struct Ids {
    ids: Vec<TokenId>,
    /// How many more there are than merges can have. These aren't kept.
    excess: usize,
}

impl<'de> Deserialize<'de> for Ids {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct IdsVisitor;

        impl<'de> Visitor<'de> for IdsVisitor {
            type Value = Ids;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an array of token ids")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<Ids, A::Error> {
                let mut ids = Vec::new();
                while ids.len() < 2 * MAX_MERGES {
                    match array.next_element()? {
                        Some(id) => ids.push(id),
                        None => return Ok(Ids { ids, excess: 0 }),
                    }
                }
                let mut excess = 0;
                while array.next_element::<IgnoredAny>()?.is_some() {
                    excess += 1;
                }
                Ok(Ids { ids, excess })
            }
        }

        deserializer.deserialize_seq(IdsVisitor)
    }
}

impl Ids {
    fn into_pairs(self) -> Result<Vec<[TokenId; 2]>, Error> {
        let Ids { ids, excess } = self;
        let (pairs, rest) = ids.as_chunks();
        if !rest.is_empty() || excess % 2 != 0 {
            return Err(Error::OddMerges {
                len: ids.len() + excess,
            });
        }
        if excess > 0 {
            return Err(Error::TooManyMerges);
        }
        Ok(pairs.to_vec())
    }
}

impl Definition {
    /// A tokenizer without tokens.
    pub fn new(name: &str, pattern: &str) -> Definition {
        Definition {
            name: name.to_owned(),
            pattern: pattern.to_owned(),
            mergeable: Vec::new(),
            special: Vec::new(),
            merges: None,
            ignore_merges: None,
            explicit_vocab_size: None,
        }
    }

    /// The size of the vocabulary.
    pub fn vocab_size(&self) -> usize {
        let ids = self.mergeable.iter().map(|&(_, id)| id);
        let ids = ids.chain(self.special.iter().map(|&(_, id)| id));
        self.explicit_vocab_size
            .unwrap_or_else(|| ids.max().map_or(0, |id| id as usize + 1))
    }

    pub(crate) fn ignores_merges(&self) -> bool {
        self.ignore_merges.unwrap_or(self.merges.is_none())
    }

    /// Adds a mergeable token for each byte that is none, with the ids from [`vocab_size`](Definition::vocab_size) on,
    /// and returns these ids. Vocabularies made for text may lack bytes that hardly occur there, but a tokenizer needs all.
    pub fn add_missing_bytes(&mut self) -> Range<TokenId> {
        let mut known = [false; 256];
        for (token, _) in &self.mergeable {
            if let &[byte] = token.as_slice() {
                known[usize::from(byte)] = true;
            }
        }
        let first = self.vocab_size() as TokenId;
        let missing = (0..=255u8).filter(|&byte| !known[usize::from(byte)]);
        self.mergeable.extend(missing.map(|byte| vec![byte]).zip(first..));
        let next = first + known.iter().filter(|&&known| !known).count() as TokenId;
        if let Some(size) = &mut self.explicit_vocab_size {
            *size = next as usize;
        }
        first..next
    }

    pub(crate) fn from_json(json: &[u8]) -> Result<Definition, Error> {
        let raw: RawDefinition = serde_json::from_slice(json)?;
        let excess = raw.mergeable_ranks.excess + raw.special_tokens.excess;
        let mergeable_ranks = raw.mergeable_ranks.entries;
        let special_tokens = raw.special_tokens.entries;

        let token_count = mergeable_ranks.len() + special_tokens.len() + excess;
        if token_count > MAX_VOCAB_SIZE {
            return Err(Error::VocabularyTooLarge { size: token_count });
        }
        let declared = raw.explicit_n_vocab;
        // Ids may be unused only if they aren't ranks as well.
        let size_bound = match (&raw.merges, declared) {
            (None, None) => token_count,
            (None, Some(declared)) if usize::try_from(declared) == Ok(token_count) => token_count,
            (None, Some(declared)) => {
                return Err(Error::VocabularySize {
                    declared,
                    actual: token_count,
                });
            }
            (Some(_), None) => MAX_VOCAB_SIZE,
            (Some(_), Some(declared)) => {
                let size = usize::try_from(declared).unwrap_or(usize::MAX);
                if size > MAX_VOCAB_SIZE {
                    return Err(Error::VocabularyTooLarge { size });
                }
                size
            }
        };
        check_keys("mergeable_ranks", &mergeable_ranks)?;
        check_keys("special_tokens", &special_tokens)?;

        let mut ids = IdSet {
            taken: vec![false; size_bound],
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
            merges: raw.merges.map(Ids::into_pairs).transpose()?,
            ignore_merges: raw.ignore_merges,
            explicit_vocab_size: declared.map(|_| size_bound),
        })
    }

    /// Writes the JSON, which [`Tokenizer::from_json`](crate::Tokenizer::from_json) reads.
    ///
    /// The same parts in the same order make the same bytes. What breaks a rule of the JSON is refused when it's read, not
    /// here.
    ///
    /// # Errors
    ///
    /// [`Error::Json`], which no parts are known to cause.
    pub fn to_json(&self) -> Result<Vec<u8>, Error> {
        let key = |bytes: &[u8]| bytes.iter().copied().map(char::from).collect();
        let written = WrittenDefinition {
            name: &self.name,
            pat_str: &self.pattern,
            mergeable_ranks: self
                .mergeable
                .iter()
                .map(|(token, id)| (key(token), *id))
                .collect(),
            special_tokens: self.special.clone(),
            merges: self.merges.as_ref().map(|merges| merges.as_flattened()),
            ignore_merges: self.ignore_merges,
            explicit_n_vocab: self.vocab_size(),
        };
        Ok(serde_json::to_vec(&written)?)
    }
}

/// The ids seen so far. When as many different ids below a bound are in as the bound says, no id is left out, so there's
/// no other check for holes.
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
struct WrittenDefinition<'d> {
    name: &'d str,
    pat_str: &'d str,
    #[serde(serialize_with = "serialize_ids")]
    mergeable_ranks: Vec<(String, TokenId)>,
    #[serde(serialize_with = "serialize_ids")]
    special_tokens: Vec<(String, TokenId)>,
    #[serde(skip_serializing_if = "Option::is_none")]
    merges: Option<&'d [TokenId]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ignore_merges: Option<bool>,
    explicit_n_vocab: usize,
}

/// As an object, in this order: a map type would impose its own.
fn serialize_ids<S: Serializer>(entries: &[(String, TokenId)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(entries.iter().map(|(key, id)| (key, id)))
}

/// Writes the JSON of a tokenizer whose merges are ranked by id: [`Definition::to_json`] for tokens without ids. The
/// mergeable tokens get the ids from 0 in the order given, the special tokens those that follow.
///
/// # Errors
///
/// As [`Definition::to_json`].
pub fn definition_json<'t>(
    name: &str,
    pattern: &str,
    mergeable: impl IntoIterator<Item = &'t [u8]>,
    special: &[&str],
) -> Result<Vec<u8>, Error> {
    let mut definition = Definition::new(name, pattern);
    definition.mergeable = mergeable.into_iter().map(<[u8]>::to_vec).zip(0..).collect();
    let first_special = definition.mergeable.len() as TokenId;
    definition.special = special
        .iter()
        .map(|&literal| literal.to_owned())
        .zip(first_special..)
        .collect();
    definition.to_json()
}
