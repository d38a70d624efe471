//! What can go wrong when a tokenizer is read and used.

use thiserror::Error as ThisError;

use crate::limits::{MAX_MERGES, MAX_VOCAB_SIZE, TokenId};
use crate::quote::cut;

/// An error of this crate.
#[derive(Debug, ThisError)]
#[non_exhaustive]
pub enum Error {
    /// The tokenizer isn't JSON, or a key is missing or has the wrong type.
    #[error("malformed tokenizer JSON: {}", cut(&.0.to_string()))]
    Json(#[from] serde_json::Error),

    /// An object names the same token twice.
    #[error("`{object}` has the key `{key}` twice")]
    DuplicateKey {
        /// `mergeable_ranks` or `special_tokens`.
        object: &'static str,
        /// The key, cut after 100 characters and without control characters.
        key: String,
    },

    /// A key is the empty string, which stands for no text.
    #[error("`{object}` gives the id {id} to an empty token")]
    EmptyToken {
        /// `mergeable_ranks` or `special_tokens`.
        object: &'static str,
        /// The id of the token.
        id: u64,
    },

    /// A key of `mergeable_ranks` has a character above U+00FF, so it isn't a string of bytes.
    #[error("token of rank {id} has the character U+{:04X}, which is no byte", u32::from(*.character))]
    TokenCharacter {
        /// The rank of the token.
        id: u64,
        /// The first character that is no byte.
        character: char,
    },

    /// A token is longer than [`MAX_TOKEN_LEN`](crate::MAX_TOKEN_LEN), or a special one longer than
    /// [`MAX_SPECIAL_TOKEN_LEN`](crate::MAX_SPECIAL_TOKEN_LEN).
    #[error("token {id} has {len} bytes, more than {max}")]
    TokenTooLong {
        /// The id of the token.
        id: u64,
        /// Its length in bytes.
        len: usize,
        /// The most it may have.
        max: usize,
    },

    /// All mergeable tokens together are longer than [`MAX_MERGEABLE_LEN`](crate::MAX_MERGEABLE_LEN), or all special ones
    /// than [`MAX_SPECIAL_LEN`](crate::MAX_SPECIAL_LEN).
    #[error("the tokens of `{object}` have {len} bytes together, more than {max}")]
    TokensTooLong {
        /// `mergeable_ranks` or `special_tokens`.
        object: &'static str,
        /// The sum of their lengths in bytes.
        len: usize,
        /// The most it may be.
        max: usize,
    },

    /// There are more ways to make a token of two others than [`MAX_MERGES`](crate::MAX_MERGES), or `merges` lists more.
    #[error("more than {} ways to make a token of two others", MAX_MERGES)]
    TooManyMerges,

    /// `merges` isn't a list of pairs.
    #[error("`merges` has {len} ids, which are no pairs")]
    OddMerges {
        /// The number of ids.
        len: usize,
    },

    /// The bytes of a pair in `merges` are together no mergeable token, or not both are mergeable tokens.
    #[error("merge {rank} of the tokens {left} and {right} makes no token")]
    MakesNoToken {
        /// The rank of the pair.
        rank: u32,
        /// The id of its left token.
        left: TokenId,
        /// The id of its right token.
        right: TokenId,
    },

    /// `merges` has a pair twice.
    #[error("merge {rank} is of the tokens {left} and {right}, as one before")]
    DuplicateMerge {
        /// The rank of the second of the two.
        rank: u32,
        /// The id of the left token.
        left: TokenId,
        /// The id of the right token.
        right: TokenId,
    },

    /// There are more tokens than [`MAX_VOCAB_SIZE`], or `explicit_n_vocab` says so.
    #[error("vocabulary of {size} tokens, more than {}", MAX_VOCAB_SIZE)]
    VocabularyTooLarge {
        /// Mergeable and special tokens together, or `explicit_n_vocab`.
        size: usize,
    },

    /// `explicit_n_vocab` isn't the number of tokens.
    #[error("`explicit_n_vocab` is {declared}, but there are {actual} tokens")]
    VocabularySize {
        /// The value of `explicit_n_vocab`.
        declared: u64,
        /// Mergeable and special tokens together.
        actual: usize,
    },

    /// An id isn't below the size of the vocabulary. Without `merges` that is the number of tokens, so the ids have a hole.
    #[error("token id {id} in a vocabulary of {vocab_size} tokens")]
    IdOutOfRange {
        /// The id.
        id: u64,
        /// Mergeable and special tokens together; with `merges`, `explicit_n_vocab` or [`MAX_VOCAB_SIZE`].
        vocab_size: usize,
    },

    /// Two tokens have the same id.
    #[error("two tokens have the id {id}")]
    DuplicateId {
        /// The id.
        id: TokenId,
    },

    /// No token stands for just this byte, so not every text could be encoded.
    #[error("no token for the byte 0x{byte:02x}")]
    MissingByte {
        /// The lowest such byte.
        byte: u8,
    },

    /// `pat_str` isn't a pattern that can be run.
    #[error("`pat_str` does not compile: {source}")]
    Pattern {
        /// What is wrong with it.
        source: PatternError,
    },

    /// The special tokens are too many or too long to search for.
    #[error("no search for the special tokens: {source}")]
    SpecialTokens {
        /// What the string searcher says.
        source: Box<dyn std::error::Error + Send + Sync>,
    },

    /// The search for the next piece of a text takes too long. Only a `pat_str` that isn't one of the known patterns can
    /// fail so.
    #[error("`pat_str` fails on the text after byte {offset}: {source}")]
    Split {
        /// Byte offset in the text of the end of the last match.
        offset: usize,
        /// Which limit the pattern engine has reached.
        source: SplitLimit,
    },

    /// A token id to decode isn't in the vocabulary.
    #[error("token id {id} at index {index} in a vocabulary of {vocab_size} tokens")]
    UnknownId {
        /// The id.
        id: TokenId,
        /// Its index in the slice of ids.
        index: usize,
        /// The size of the vocabulary.
        vocab_size: usize,
    },

    /// A token id to decode is below the size of the vocabulary, but no token has it.
    #[error("token id {id} at index {index} is unused")]
    UnusedId {
        /// The id.
        id: TokenId,
        /// Its index in the slice of ids.
        index: usize,
    },
}

impl Error {
    /// An error in a part of a text, as one in the whole text, where the part starts at `start`.
    pub(crate) fn moved(mut self, start: usize) -> Self {
        if let Self::Split { offset, .. } = &mut self {
            *offset += start;
        }
        self
    }
}

/// What is wrong with a split pattern.
#[derive(Clone, Debug, PartialEq, Eq, ThisError)]
#[non_exhaustive]
pub enum PatternError {
    /// It is no regular expression.
    #[error("{reason}")]
    Syntax {
        /// What the parser says, cut after 100 characters.
        reason: String,
    },
    /// It has something that no tokenizer is known to need.
    #[error("{what} is not known here")]
    Unknown {
        /// What it is.
        what: &'static str,
    },
    /// It is longer than the specification allows.
    #[error("it has {len} bytes, more than {max}")]
    TooLong {
        /// Its length in bytes.
        len: usize,
        /// The most it may have.
        max: usize,
    },
    /// It is too large when its counted repetitions are written out.
    #[error("it needs more than {max} {what}")]
    TooComplex {
        /// What it needs too many of.
        what: &'static str,
        /// The most it may have.
        max: usize,
    },
}

/// A limit that the pattern engine has reached on a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ThisError)]
#[non_exhaustive]
pub enum SplitLimit {
    /// All searches in the text together took too many steps.
    #[error("the pattern engine takes more than {steps} steps for the text's {text_len} bytes")]
    Steps {
        /// The most steps for a text of this length.
        steps: u64,
        /// The length of the text in bytes.
        text_len: usize,
    },
    /// One search has too many places that it could go back to.
    #[error("the pattern engine keeps more than {places} places to go back to")]
    Depth {
        /// The most places.
        places: usize,
    },
}
