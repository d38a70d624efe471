//! The type of token ids, and the sizes that a tokenizer may have: of its tokens, their number, and their merges.

/// The id of a token: its index in the vocabulary.
pub type TokenId = u32;

/// The most tokens of a vocabulary. Every [`TokenId`] in it is below this.
pub const MAX_VOCAB_SIZE: usize = 1 << 18;

/// The length of the longest token in bytes. It bounds what a few ids can decode to.
pub const MAX_TOKEN_LEN: usize = u16::MAX as usize;

/// The length of the longest special token in bytes. The search for them takes a time to set up that can grow with the
/// square of this.
pub const MAX_SPECIAL_TOKEN_LEN: usize = 255;

/// The most bytes of all mergeable tokens together: 16 for each of the largest vocabulary.
pub const MAX_MERGEABLE_LEN: usize = 1 << 22;

/// The most bytes of all special tokens together. The search for them takes some fifty times that.
pub const MAX_SPECIAL_LEN: usize = 1 << 20;

/// The most pairs of tokens whose bytes together are a token: four for each of the largest vocabulary. A token of n bytes
/// can be up to n - 1 pairs.
pub const MAX_MERGES: usize = 1 << 20;
