//! What can be wrong with a model file.

use thiserror::Error;

use crate::FileKind;
use crate::quote::cut;

/// Why a model file was refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Error {
    /// The file is not a model.
    #[error("this is {kind}, not a model of czip (a .czm file)")]
    NotAModel {
        /// What it looks like.
        kind: FileKind,
    },
    /// The file begins as a model does, but is not a complete safetensors file.
    #[error("not a safetensors file: {reason}")]
    NotSafetensors {
        /// What the envelope's parser says, cut after 100 characters.
        reason: String,
    },
    /// The metadata lack a key.
    #[error("model metadata lack `{key}`")]
    MissingMetadata {
        /// The key.
        key: &'static str,
    },
    /// A value in the metadata cannot be used.
    #[error("model metadata have `{key}` = `{value}`: {reason}")]
    BadMetadata {
        /// The key.
        key: &'static str,
        /// Its value, cut after 100 characters and without control characters.
        value: String,
        /// What would be right.
        reason: &'static str,
    },
    /// The tensors differ from those that the file was written with.
    #[error("model file is damaged: its tensors do not have the hash that its metadata name")]
    Damaged,
    /// A tensor is missing or unfit.
    #[error("tensor `{name}` {problem}")]
    Tensor {
        /// The tensor's name.
        name: String,
        /// What is wrong with it.
        problem: TensorProblem,
    },
    /// A tensor is compressed with a codec that this program was built without.
    #[error("tensor `{name}` needs {codec}, and this program is built without it")]
    CodecNotBuilt {
        /// The tensor's name.
        name: String,
        /// `zstd` or `brotli`: the feature of the crate that brings it.
        codec: &'static str,
    },
    /// A compressed tensor does not decompress.
    #[error("tensor `{name}` does not decompress: {reason}")]
    Compressed {
        /// The tensor's name.
        name: String,
        /// What the decompressor says.
        reason: String,
    },
    /// The tokenizer inside the model does not decompress.
    #[error("tokenizer in the model does not decompress as {codec}: {reason}")]
    Tokenizer {
        /// `zstd` or `brotli`.
        codec: &'static str,
        /// What the decompressor says.
        reason: String,
    },
}

/// What is wrong with a tensor.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TensorProblem {
    /// The file has no such tensor.
    #[error("is missing")]
    Missing,
    /// The element type is another.
    #[error("has type {found}, not {wanted}")]
    Type {
        /// As in the file.
        found: String,
        /// As the format has it.
        wanted: &'static str,
    },
    /// The shape is another.
    #[error("has shape {}, not {wanted:?}", cut(&format!("{found:?}")))]
    Shape {
        /// As in the file.
        found: Vec<usize>,
        /// As the metadata demand.
        wanted: Vec<usize>,
    },
    /// An element is outside the range that the arithmetic allows.
    #[error("holds {value}, outside {low}..={high}")]
    Range {
        /// The element.
        value: i64,
        /// The smallest allowed value.
        low: i64,
        /// The largest allowed value.
        high: i64,
    },
}
