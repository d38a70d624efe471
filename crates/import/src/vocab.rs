//! A byte-level BPE tokenizer, from the spellings of GPT-2 to the JSON of `docs/spec/tokenizer.md`.

use std::collections::HashMap;

use czip_model::quote::cut;
use czip_tokenizer::{Definition, TokenId, Tokenizer, bytes_of_gpt2_spelling};

use crate::error::Error;

/// A token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Token {
    /// Its bytes, which merges make.
    Mergeable(Vec<u8>),
    /// Its literal, which no text contains: marks of documents, of turns in a conversation.
    Special(String),
}

/// A tokenizer that can be read from its JSON.
#[derive(Clone, Debug)]
pub(crate) struct Vocabulary {
    /// All but the name.
    definition: Definition,
    source_len: usize,
    /// How many bytes are no token of the source. They follow its tokens.
    missing_len: usize,
}

fn refuse<T>(reason: String) -> Result<T, Error> {
    Err(Error::Tokenizer { reason })
}

impl Vocabulary {
    /// From a split pattern, tokens by id, and merges as pairs of spellings. `ignore_merges` says whether a piece that is a
    /// token becomes it even if no merges make it.
    pub(crate) fn new<'m>(
        pattern: &str,
        tokens: Vec<Token>,
        merges: impl IntoIterator<Item = (&'m str, &'m str)>,
        ignore_merges: bool,
    ) -> Result<Self, Error> {
        let source_len = tokens.len();
        let mut definition = Definition::new("", pattern);
        for (token, id) in tokens.into_iter().zip(0..) {
            match token {
                Token::Mergeable(bytes) => definition.mergeable.push((bytes, id)),
                Token::Special(literal) => definition.special.push((literal, id)),
            }
        }
        let ids: HashMap<&[u8], TokenId> = definition
            .mergeable
            .iter()
            .map(|(bytes, id)| (bytes.as_slice(), *id))
            .collect();
        let id = |spelling| ids.get(bytes_of_gpt2_spelling(spelling)?.as_slice()).copied();
        let mut pairs = Vec::new();
        for (index, (left, right)) in merges.into_iter().enumerate() {
            match id(left).zip(id(right)) {
                Some((left, right)) => pairs.push([left, right]),
                None => return refuse(format!("merge {index} is not of two tokens")),
            }
        }
        definition.merges = Some(pairs);
        definition.ignore_merges = ignore_merges.then_some(true);
        let missing = definition.add_missing_bytes();
        let vocabulary = Self {
            definition,
            source_len,
            missing_len: missing.len(),
        };
        // Better now than when the model is used.
        match Tokenizer::from_json(&vocabulary.to_json("")?) {
            Ok(_) => Ok(vocabulary),
            Err(error) => refuse(error.to_string()),
        }
    }

    /// The number of tokens of the source.
    pub(crate) fn source_len(&self) -> usize {
        self.source_len
    }

    /// The number of bytes that the source has no tokens for. They get ids after its tokens, since a tokenizer must be able to
    /// spell every text.
    pub(crate) fn missing_len(&self) -> usize {
        self.missing_len
    }

    /// The id of a special token.
    pub(crate) fn special_id(&self, wanted: &str) -> Option<TokenId> {
        let special = &self.definition.special;
        special
            .iter()
            .find(|(literal, _)| literal == wanted)
            .map(|&(_, id)| id)
    }

    /// The JSON of the tokenizer. The same tokenizer and name make the same bytes.
    pub(crate) fn to_json(&self, name: &str) -> Result<Vec<u8>, Error> {
        let mut definition = self.definition.clone();
        name.clone_into(&mut definition.name);
        definition.to_json().or_else(|error| refuse(error.to_string()))
    }
}

/// A token that merges make, from its spelling.
pub(crate) fn mergeable(id: usize, spelling: &str) -> Result<Token, Error> {
    match bytes_of_gpt2_spelling(spelling) {
        Some(bytes) => Ok(Token::Mergeable(bytes)),
        None => refuse(format!(
            "token {id}, {}, is not in the spelling of bytes",
            cut(spelling)
        )),
    }
}

#[cfg(test)]
mod tests {
    use czip_tokenizer::Pattern;

    use super::*;

    fn reason(tokens: Vec<Token>, merges: &[(&str, &str)]) -> String {
        let made = Vocabulary::new(Pattern::GPT2, tokens, merges.iter().copied(), false);
        made.unwrap_err().to_string()
    }

    #[test]
    fn vocabularies_that_cannot_be() {
        let token = |text: &str| Token::Mergeable(text.as_bytes().to_vec());
        let special = |text: &str| Token::Special(text.to_owned());
        assert_eq!(
            reason(vec![token("a"), token("")], &[]),
            "tokenizer: `mergeable_ranks` gives the id 1 to an empty token"
        );
        assert_eq!(
            reason(vec![special("")], &[]),
            "tokenizer: `special_tokens` gives the id 0 to an empty token"
        );
        assert_eq!(
            reason(vec![token("a"), token("a")], &[]),
            "tokenizer: `mergeable_ranks` has the key `a` twice"
        );
        assert_eq!(
            reason(vec![special("a"), special("a")], &[]),
            "tokenizer: `special_tokens` has the key `a` twice"
        );
        let some = || vec![token("a"), token("b"), token("ab"), special("b ")];
        for merge in [("a", "c"), ("a b", ""), ("a", "b "), ("", "ab")] {
            let wanted = "tokenizer: merge 1 is not of two tokens";
            assert_eq!(reason(some(), &[("a", "b"), merge]), wanted, "{merge:?}");
        }
        assert_eq!(
            reason(some(), &[("a", "b"), ("b", "a")]),
            "tokenizer: merge 1 of the tokens 1 and 0 makes no token"
        );
        assert_eq!(
            reason(some(), &[("a", "b"), ("a", "b")]),
            "tokenizer: merge 1 is of the tokens 0 and 1, as one before"
        );
        // A text may spell what a special token does.
        let made = Vocabulary::new(Pattern::GPT2, vec![special("a"), token("a")], [], false).unwrap();
        assert_eq!((made.source_len(), made.missing_len()), (2, 255));
        assert_eq!((made.special_id("a"), made.special_id("b")), (Some(0), None));
    }
}
