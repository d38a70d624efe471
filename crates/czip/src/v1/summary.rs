//! What is reported after the work.

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Summary {
    /// Bytes of text.
    pub text_len: u64,
    /// Bytes of the compressed file.
    pub file_len: u64,
    /// Tokens of the text.
    pub tokens: u64,
    /// Chunks that the tokens were cut into.
    pub chunks: u64,
    /// Tokens in every chunk but the last.
    pub chunk_len: u32,
    /// The level asked for was above the model's context and has been lowered to it.
    pub level_lowered: bool,
}
