//! What can go wrong.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

/// Why a model could not be imported.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// A file could not be read.
    #[error("{}: cannot read", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The path leads to something else than a model.
    #[error("neither a GGUF file nor a folder with a config.json")]
    NotAModel,
    /// A GGUF file of another version.
    #[error("GGUF version {version}, where 2 and 3 are known")]
    GgufVersion {
        /// The version.
        version: u32,
    },
    /// A file was damaged or cut off, or has numbers that make no sense.
    #[error("{place}: {reason}")]
    Malformed {
        /// The key, tensor or file.
        place: String,
        /// What is wrong there.
        reason: String,
    },
    /// A key of the metadata or of a JSON file is not there.
    #[error("there is no key {key}")]
    MissingKey {
        /// The key.
        key: String,
    },
    /// A key has a value that it cannot have.
    #[error("key {key} {reason}")]
    BadKey {
        /// The key.
        key: String,
        /// What it is not.
        reason: String,
    },
    /// A tensor is not there.
    #[error("there is no tensor {name}")]
    MissingTensor {
        /// The tensor.
        name: String,
    },
    /// A tensor that the format cannot hold, or that cannot be used.
    #[error("tensor {name}: {reason}")]
    BadTensor {
        /// The tensor.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Something that models of czip lack: an architecture, a kind of tokenizer, of rotation, of tensor.
    #[error("{what} {value} is not supported; {supported}")]
    Unsupported {
        /// What kind of thing.
        what: &'static str,
        /// Which of them.
        value: String,
        /// What is supported instead.
        supported: &'static str,
    },
    /// A size that the format cannot hold.
    #[error("{what} is {value}, but must be {allowed}")]
    Size {
        /// What has the size.
        what: &'static str,
        /// The size.
        value: u64,
        /// What the format allows.
        allowed: &'static str,
    },
    /// The tokenizer cannot be used.
    #[error("tokenizer: {reason}")]
    Tokenizer {
        /// Why.
        reason: String,
    },
    /// An option has a value that does not fit the model.
    #[error("option {option}: {value} is not {allowed}")]
    Option {
        /// The option.
        option: &'static str,
        /// Its value.
        value: u64,
        /// What it may be.
        allowed: String,
    },
    /// The observer of the progress has ended the work.
    #[error("stopped")]
    Stopped,
    /// No thread could be started.
    #[error("cannot start threads")]
    Threads(#[source] rayon::ThreadPoolBuildError),
    /// The tokenizer that was made refuses a text, or itself.
    #[error(transparent)]
    Split(#[from] czip_tokenizer::Error),
    /// The model could not be written.
    #[error("cannot write")]
    Write(#[source] io::Error),
    /// What was made is not a valid model.
    #[error(transparent)]
    Model(#[from] czip_model::Error),
}
