//! A model: the transformer and its tokenizer.

use std::path::Path;
use std::sync::Arc;

use czip_kernels::Kernels;
use czip_model::{Config, Transformer, Weights};
use czip_tokenizer::Tokenizer;

use crate::Error;

/// A model ready to compress and restore text. Cheap to clone: all clones share one copy of the weights.
#[derive(Clone, Debug)]
pub struct Model {
    pub(crate) transformer: Arc<Transformer>,
    pub(crate) tokenizer: Arc<Tokenizer>,
    /// `<|bos|>`, the net's input at the start of a chunk.
    pub(crate) start_token: u16,
    pub(crate) path: String,
}

impl Model {
    /// Reads a `czip-model-v1` file.
    ///
    /// The path as given also makes the model id that a CZIPv1 file carries: see [`Model::named`].
    ///
    /// # Errors
    ///
    /// A file that cannot be read, or is no valid model.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let bytes = std::fs::read(path).map_err(|source| Error::OpenModel {
            path: path.to_owned(),
            source,
        })?;
        Ok(Self::from_bytes(&bytes)?.named(&path.to_string_lossy()))
    }

    /// A model from the bytes of its file.
    ///
    /// # Errors
    ///
    /// Bytes that are no valid model.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        Self::with_kernels(bytes, Kernels::detect())
    }

    /// [`Model::from_bytes`] at a chosen instruction-set level, which does not change any output.
    ///
    /// # Errors
    ///
    /// As [`Model::from_bytes`].
    pub fn with_kernels(bytes: &[u8], kernels: Kernels) -> Result<Self, Error> {
        let weights = Weights::from_bytes(bytes)?;
        let tokenizer = Tokenizer::from_json(&weights.tokenizer_json()?)?;
        let transformer = Arc::new(Transformer::new(kernels, &weights));
        Self::assemble(transformer, tokenizer, String::new())
    }

    /// The same model with another tokenizer, from its JSON.
    ///
    /// # Errors
    ///
    /// A malformed tokenizer, or one with more tokens than the model.
    pub fn with_tokenizer(&self, json: &[u8]) -> Result<Self, Error> {
        Self::assemble(
            Arc::clone(&self.transformer),
            Tokenizer::from_json(json)?,
            self.path.clone(),
        )
    }

    /// The same model under another path: CZIPv1 files carry the first 32 bits of the path's MD5 as a model id.
    ///
    /// The id says nothing about the model's contents, and nothing relies on it.
    #[must_use]
    pub fn named(mut self, path: &str) -> Self {
        path.clone_into(&mut self.path);
        self
    }

    fn assemble(transformer: Arc<Transformer>, tokenizer: Tokenizer, path: String) -> Result<Self, Error> {
        let (model, tokens) = (transformer.config().vocab_size, tokenizer.vocab_size());
        if tokens > model {
            return Err(Error::VocabularyMismatch {
                tokenizer: tokens,
                model,
            });
        }
        let start_token = tokenizer.special_token("<|bos|>").ok_or(Error::NoStartToken)?;
        Ok(Self {
            transformer,
            tokenizer: Arc::new(tokenizer),
            start_token,
            path,
        })
    }

    /// The sizes of the transformer.
    #[must_use]
    pub fn config(&self) -> &Config {
        self.transformer.config()
    }

    /// The tokenizer.
    #[must_use]
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    /// The transformer, for other uses than compressing text.
    #[must_use]
    pub fn transformer(&self) -> &Transformer {
        &self.transformer
    }
}
