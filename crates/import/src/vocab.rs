//! A byte-level BPE tokenizer, from the spellings of GPT-2 to the JSON of `docs/spec/tokenizer.md`.
//!
//! In these spellings each byte is a character: printable ones are themselves, the others come from U+0100 on, so that no
//! token has white space.

use std::collections::{HashMap, HashSet};

use serde::{Serialize, Serializer};

use crate::error::Error;
use czip_model::quote::cut;

/// How text is cut into pieces before merges are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Split {
    Gpt2,
    SmolLm,
    Llama3,
    Qwen2,
}

impl Split {
    /// The one with a published pattern, as tokenizers of Hugging Face's spell it.
    pub(crate) fn of_pattern(pattern: &str) -> Option<Self> {
        let all = [Self::Llama3, Self::Qwen2];
        all.into_iter().find(|split| split.pattern() == pattern)
    }

    /// The pattern.
    const fn pattern(self) -> &'static str {
        match self {
            Self::Gpt2 => r"'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s",
            Self::SmolLm => r"'(?:[sdmt]|ll|ve|re)| ?\p{L}++|\p{N}| ?[^\s\p{L}\p{N}]++|\s+(?![^\s\p{N}])|\s",
            Self::Llama3 => concat!(
                r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*",
                r"|\s*[\r\n]+|\s+(?!\S)|\s+",
            ),
            Self::Qwen2 => concat!(
                r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*",
                r"|\s*[\r\n]+|\s+(?!\S)|\s+",
            ),
        }
    }
}

/// A token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Token {
    /// Its bytes, which merges make.
    Mergeable(Vec<u8>),
    /// Its literal, which no text contains: marks of documents, of turns in a conversation.
    Special(String),
}

/// A tokenizer, checked: merges are of mergeable tokens, and make such.
#[derive(Clone, Debug)]
pub(crate) struct Vocabulary {
    split: Split,
    tokens: Vec<Token>,
    /// Left and right, in the order in which they are made.
    merges: Vec<[u32; 2]>,
    /// The bytes that are no token of the source. They follow its tokens.
    missing: Vec<u8>,
}

fn refuse<T>(reason: String) -> Result<T, Error> {
    Err(Error::Tokenizer { reason })
}

impl Vocabulary {
    /// From tokens by id, and merges as pairs of spellings.
    pub(crate) fn new<'m>(
        split: Split,
        tokens: Vec<Token>,
        merges: impl IntoIterator<Item = (&'m str, &'m str)>,
    ) -> Result<Self, Error> {
        let mut ids: HashMap<&[u8], u32> = HashMap::new();
        let mut literals = HashSet::new();
        for (token, id) in tokens.iter().zip(0..) {
            let is_new = match token {
                Token::Mergeable(bytes) => ids.insert(bytes, id).is_none(),
                Token::Special(literal) => literals.insert(literal),
            };
            let len = match token {
                Token::Mergeable(bytes) => bytes.len(),
                Token::Special(literal) => literal.len(),
            };
            if len == 0 {
                return refuse(format!("token {id} is empty"));
            }
            if !is_new {
                return refuse(format!("token {id} is there twice"));
            }
        }
        let mut found = Vec::new();
        for (index, (left, right)) in merges.into_iter().enumerate() {
            let (left, right) = (bytes_of(left), bytes_of(right));
            let pair = match (&left, &right) {
                (Some(left), Some(right)) => {
                    let joined = [left.as_slice(), right].concat();
                    let id = |bytes: &[u8]| ids.get(bytes).copied();
                    id(&joined).and(id(left).zip(id(right)))
                }
                _ => None,
            };
            match pair {
                Some((left, right)) => found.push([left, right]),
                None => return refuse(format!("merge {index} is not of two tokens that make a third")),
            }
        }
        let missing = (0..=255).filter(|&byte| !ids.contains_key(&[byte][..])).collect();
        Ok(Self {
            split,
            merges: found,
            missing,
            tokens,
        })
    }

    /// The tokens of the source.
    pub(crate) fn source_len(&self) -> usize {
        self.tokens.len()
    }

    /// The bytes that the source has no tokens for. They get ids after its tokens, since a tokenizer must be able to spell
    /// every text.
    pub(crate) fn missing_bytes(&self) -> &[u8] {
        &self.missing
    }

    /// The id of a special token.
    pub(crate) fn special_id(&self, wanted: &str) -> Option<u32> {
        let is_wanted = |token: &Token| matches!(token, Token::Special(literal) if literal == wanted);
        let id = self.tokens.iter().position(is_wanted)?;
        u32::try_from(id).ok()
    }

    /// The JSON of the tokenizer. The same tokenizer and name make the same bytes.
    pub(crate) fn to_json(&self, name: &str) -> Result<Vec<u8>, Error> {
        let mut mergeable = Vec::new();
        let mut special = Vec::new();
        for (id, token) in self.tokens.iter().enumerate() {
            match token {
                Token::Mergeable(bytes) => mergeable.push((key_of(bytes), id)),
                Token::Special(literal) => special.push((literal.as_str(), id)),
            }
        }
        let first = self.tokens.len();
        mergeable.extend(
            self.missing
                .iter()
                .zip(first..)
                .map(|(&byte, id)| (key_of(&[byte]), id)),
        );
        let definition = Definition {
            name,
            pat_str: self.split.pattern(),
            mergeable_ranks: Object(&mergeable),
            special_tokens: Object(&special),
            merges: self.merges.as_flattened(),
            explicit_n_vocab: first + self.missing.len(),
        };
        serde_json::to_vec(&definition).or_else(|error| refuse(error.to_string()))
    }
}

#[derive(Serialize)]
struct Definition<'d> {
    name: &'d str,
    pat_str: &'d str,
    mergeable_ranks: Object<'d, String>,
    special_tokens: Object<'d, &'d str>,
    merges: &'d [u32],
    explicit_n_vocab: usize,
}

/// A JSON object with its keys in this order: a map type would impose its own.
struct Object<'d, K>(&'d [(K, usize)]);

impl<K: Serialize> Serialize for Object<'_, K> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(key, id)| (key, id)))
    }
}

/// The key of a mergeable token: a character for each byte.
fn key_of(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}

/// The byte that a character stands for in the spellings of GPT-2.
fn byte_of(character: char) -> Option<u8> {
    let code = u32::from(character);
    match code {
        0x21..=0x7e | 0xa1..=0xac | 0xae..=0xff => Some(code as u8),
        // Bytes 00 to 20, then 7f to a0, then ad.
        0x100..=0x120 => Some((code - 0x100) as u8),
        0x121..=0x142 => Some((code - 0x121 + 0x7f) as u8),
        0x143 => Some(0xad),
        _ => None,
    }
}

/// The bytes that a spelling stands for.
fn bytes_of(spelling: &str) -> Option<Vec<u8>> {
    spelling.chars().map(byte_of).collect()
}

/// A token that merges make, from its spelling.
pub(crate) fn mergeable(id: usize, spelling: &str) -> Result<Token, Error> {
    match bytes_of(spelling) {
        Some(bytes) => Ok(Token::Mergeable(bytes)),
        None => refuse(format!(
            "token {id}, {}, is not in the spelling of bytes",
            cut(spelling)
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_byte_has_a_character() {
        // Bytes are numbered from U+0100 on where they cannot be printed.
        let mut next = 0x100;
        for byte in 0..=255 {
            let character = match byte {
                b'!'..=b'~' | 0xa1..=0xac | 0xae.. => char::from(byte),
                _ => {
                    next += 1;
                    char::from_u32(next - 1).unwrap()
                }
            };
            assert_eq!(byte_of(character), Some(byte), "{character}");
        }
        assert_eq!(next, 0x144);
        for character in [' ', '\n', '\u{7f}', '\u{ad}', '\u{144}', '\u{4e2d}'] {
            assert_eq!(byte_of(character), None, "{character:?}");
        }
        assert_eq!(
            bytes_of("\u{120}caf\u{c3}\u{a9}"),
            Some(" caf\u{e9}".as_bytes().to_vec())
        );
        assert_eq!(bytes_of("a b"), None);
    }

    fn reason(tokens: Vec<Token>, merges: &[(&str, &str)]) -> String {
        let made = Vocabulary::new(Split::Gpt2, tokens, merges.iter().copied());
        made.unwrap_err().to_string()
    }

    #[test]
    fn vocabularies_that_cannot_be() {
        let token = |text: &str| Token::Mergeable(text.as_bytes().to_vec());
        let special = |text: &str| Token::Special(text.to_owned());
        assert_eq!(
            reason(vec![token("a"), token("")], &[]),
            "tokenizer: token 1 is empty"
        );
        assert_eq!(reason(vec![special("")], &[]), "tokenizer: token 0 is empty");
        assert_eq!(
            reason(vec![token("a"), token("a")], &[]),
            "tokenizer: token 1 is there twice"
        );
        assert_eq!(
            reason(vec![special("a"), special("a")], &[]),
            "tokenizer: token 1 is there twice"
        );
        let three = || vec![token("a"), token("b"), token("ab"), special("b ")];
        for merge in [("b", "a"), ("a", "c"), ("a b", ""), ("a", "b "), ("", "ab")] {
            let wanted = "tokenizer: merge 1 is not of two tokens that make a third";
            assert_eq!(reason(three(), &[("a", "b"), merge]), wanted, "{merge:?}");
        }
        // A text may spell what a special token does.
        let made = Vocabulary::new(Split::Gpt2, vec![special("a"), token("a")], []).unwrap();
        assert_eq!((made.source_len(), made.missing_bytes().len()), (2, 255));
        assert_eq!((made.special_id("a"), made.special_id("b")), (Some(0), None));
    }
}
