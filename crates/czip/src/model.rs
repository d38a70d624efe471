//! A model: the transformer and its tokenizer.

use std::io::{self, Read};
use std::path::Path;
use std::sync::{Arc, OnceLock};

#[cfg(feature = "builtin-model")]
use czip_container::v2::Level;
use czip_container::v2::ModelId;
use czip_kernels::Kernels;
use czip_mix::{Alphabet, Priors, PriorsError};
use czip_model::{AnyTransformer, Extras, Hashing, ModelFile, ModelInfo, v3};
use czip_tokenizer::Tokenizer;
use xxhash_rust::xxh3::{Xxh3, xxh3_128};

use crate::cause::{Cause, ErrorKind};
use crate::error::Error;

/// A model ready to compress and restore text. Cheap to clone: all clones share one copy of the weights.
///
/// ```
/// use czip::{Model, Options};
///
/// # if cfg!(not(feature = "zstd")) {
/// #     return Ok(());
/// # }
/// // `Model::open` reads a file; with the feature `builtin-model`, this is `Model::builtin()`.
/// let model = Model::from_bytes(czip_models::STANDARD)?;
/// assert_eq!(model.id(), Model::id_of(czip_models::STANDARD));
///
/// let file = czip::compress(&model, b"Integers are the same everywhere.", &Options::new())?;
/// assert_eq!(czip::decompress(&model, &file, &Options::new())?, b"Integers are the same everywhere.");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Model {
    pub(crate) transformer: Arc<AnyTransformer>,
    pub(crate) tokenizer: Arc<Tokenizer>,
    /// `<|bos|>`, the net's input at the start of a chunk.
    pub(crate) start_token: u32,
    pub(crate) path: String,
    /// The tokens as the mixer sees them.
    pub(crate) alphabet: Arc<Alphabet>,
    byte_alphabet: Arc<OnceLock<Alphabet>>,
    mixing: Arc<Mixing>,
    hash: u128,
}

/// Priors in a model file that are malformed.
#[derive(Debug, thiserror::Error)]
#[error("tensor `mixing.priors.{number}`: {source}")]
struct BadPriors {
    number: usize,
    source: PriorsError,
}

/// What the model's file holds for the mixer.
#[derive(Debug)]
struct Mixing {
    priors: Vec<Priors>,
    weights: Option<Vec<u32>>,
}

impl Mixing {
    fn new(extras: &Extras<'_>) -> Result<Self, Error> {
        let priors = extras.mixing_priors.iter().enumerate().map(|(number, bytes)| {
            let bad = |source| Cause::new(ErrorKind::Malformed, BadPriors { number, source });
            Priors::from_bytes(bytes).map_err(|source| Error::Model(bad(source)))
        });
        let weights = extras.mixing_weights.as_ref();
        Ok(Self {
            priors: priors.collect::<Result<_, _>>()?,
            weights: weights.map(|weights| weights.iter().copied().map(u32::from).collect()),
        })
    }

    /// The alphabet of a tokenizer's tokens and of the symbols of the model that are none.
    fn alphabet(&self, kernels: Kernels, tokenizer: &Tokenizer, vocab_size: usize) -> Alphabet {
        let symbols = (0..vocab_size).map(|symbol| symbol as u32);
        let tokens: Vec<&[u8]> = symbols
            .map(|symbol| tokenizer.token_bytes(symbol).unwrap_or(b""))
            .collect();
        let alphabet = match &self.weights {
            Some(weights) => Alphabet::for_weighted_tokens(kernels, &tokens, weights),
            None => Alphabet::for_tokens(kernels, &tokens),
        };
        alphabet.with_priors(self.priors.iter().cloned())
    }
}

impl Model {
    /// Reads a model file of any format. One of the format czip-model-v3, which may be large, is never in memory twice.
    ///
    /// The path as given also makes the model id that a CZIPv1 file carries: see [`Model::named`].
    ///
    /// # Errors
    ///
    /// A file that cannot be read, or is not a valid model.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let failed = |source| Error::OpenModel {
            path: path.to_owned(),
            source,
        };
        let mut file = std::fs::File::open(path).map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        let model = if metadata.is_file() {
            let mut hashing = Hashing::new(file);
            match v3::File::read_if_v3(&mut hashing, metadata.len()) {
                Ok(Ok(file)) => {
                    Self::of_file(Kernels::detect(), ModelFile::V3(Box::new(file)), hashing.digest())
                }
                Ok(Err(bytes)) => Self::from_bytes(&bytes),
                Err(v3::StreamError::Io(source)) => Err(failed(source)),
                Err(v3::StreamError::Invalid(error)) => Err(error.into()),
                Err(_) => unreachable!("every reason is named"),
            }
        } else {
            // A pipe, for one, whose length is not known.
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes).map_err(failed)?;
            Self::from_bytes(&bytes)
        };
        Ok(model?.named(&path.to_string_lossy()))
    }

    /// The built-in model `standard`, for English. The crate `czip-models` has its file, its card and its licence, which is
    /// not that of the code: CC BY-SA 4.0.
    ///
    /// Each call unpacks it again, so keep it, and clone what you keep.
    #[cfg(feature = "builtin-model")]
    #[must_use]
    pub fn builtin() -> Self {
        Self::from_bytes(czip_models::STANDARD).expect("the built-in model is valid")
    }

    /// The built-in model for a level: at level 4 `fast`, whose net has a quarter of the multiply-adds, else `standard`, which
    /// is [`builtin`](Self::builtin). The program compresses with it if no model is named. A file records which model it needs.
    ///
    /// Each call unpacks it again.
    ///
    /// ```
    /// use czip::{Level, Model};
    ///
    /// let level = |number| Level::new(number).expect("levels run from 1 to 9");
    /// assert_eq!(Model::builtin_for(level(4)).id(), Model::id_of(czip_models::FAST));
    /// assert_eq!(Model::builtin_for(level(5)).id(), Model::builtin_id());
    /// ```
    #[cfg(feature = "builtin-model")]
    #[must_use]
    pub fn builtin_for(level: Level) -> Self {
        Self::from_bytes(Self::builtin_file_for(level)).expect("the built-in models are valid")
    }

    /// The bytes of the file of [`builtin_for`](Self::builtin_for): one of those in `czip_models`.
    #[cfg(feature = "builtin-model")]
    #[must_use]
    pub const fn builtin_file_for(level: Level) -> &'static [u8] {
        match level.get() {
            4 => czip_models::FAST,
            _ => czip_models::STANDARD,
        }
    }

    /// The [`id`](Self::id) of the built-in model `standard`, without unpacking it.
    #[cfg(feature = "builtin-model")]
    #[must_use]
    pub fn builtin_id() -> ModelId {
        Self::id_of(czip_models::STANDARD)
    }

    /// A model from the bytes of its file.
    ///
    /// # Errors
    ///
    /// Bytes that are not a valid model.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        Self::with_kernels(bytes, Kernels::detect())
    }

    /// [`Model::from_bytes`] with a chosen instruction set, which changes no output.
    ///
    /// # Errors
    ///
    /// As [`Model::from_bytes`].
    pub fn with_kernels(bytes: &[u8], kernels: Kernels) -> Result<Self, Error> {
        Self::of_file(kernels, ModelFile::from_bytes(bytes)?, xxh3_128(bytes))
    }

    fn of_file(kernels: Kernels, file: ModelFile<'_>, hash: u128) -> Result<Self, Error> {
        let tokenizer = Tokenizer::from_json(&file.extras().tokenizer_json()?)?;
        let mixing = Arc::new(Mixing::new(file.extras())?);
        let transformer = Arc::new(AnyTransformer::new(kernels, file));
        Self::assemble(transformer, tokenizer, mixing, hash)
    }

    /// The same model with another tokenizer, from its JSON. It is another model for files of the format czip v2.
    ///
    /// # Errors
    ///
    /// A malformed tokenizer, or one with more tokens than the model.
    pub fn with_tokenizer(&self, json: &[u8]) -> Result<Self, Error> {
        let mut hash = Xxh3::new();
        hash.update(&self.hash.to_be_bytes());
        hash.update(json);
        let (transformer, mixing) = (Arc::clone(&self.transformer), Arc::clone(&self.mixing));
        let model = Self::assemble(transformer, Tokenizer::from_json(json)?, mixing, hash.digest128())?;
        Ok(model.named(&self.path))
    }

    /// The same model under another path: CZIPv1 files carry the first 32 bits of the path's MD5 as a model id.
    ///
    /// The id says nothing about the model's contents, and nothing relies on it.
    #[must_use]
    pub fn named(mut self, path: &str) -> Self {
        path.clone_into(&mut self.path);
        self
    }

    fn assemble(
        transformer: Arc<AnyTransformer>,
        tokenizer: Tokenizer,
        mixing: Arc<Mixing>,
        hash: u128,
    ) -> Result<Self, Error> {
        let (model, tokens) = (transformer.config().vocab_size, tokenizer.vocab_size());
        if tokens > model {
            return Err(Error::VocabularyMismatch {
                tokenizer: tokens,
                model,
            });
        }
        let named = transformer.config().start_token;
        let start_token = named
            .or_else(|| tokenizer.special_token("<|bos|>"))
            .ok_or(Error::NoStartToken)?;
        let alphabet = mixing.alphabet(transformer.kernels(), &tokenizer, model);
        Ok(Self {
            alphabet: Arc::new(alphabet),
            byte_alphabet: Arc::default(),
            transformer,
            tokenizer: Arc::new(tokenizer),
            start_token,
            path: String::new(),
            mixing,
            hash,
        })
    }

    /// The hash of the model: XXH3-128 of its file's bytes, and with another tokenizer, of that hash with the highest
    /// byte first and the tokenizer's JSON.
    ///
    /// Files of the format czip v2 carry its first four bytes, [`Model::id`].
    #[must_use]
    pub fn content_hash(&self) -> u128 {
        self.hash
    }

    /// The id by which files of the format czip v2 name the model.
    #[must_use]
    pub fn id(&self) -> ModelId {
        id_of_hash(self.hash)
    }

    /// The [`id`](Self::id) of the model whose file a reader gives, without holding it.
    ///
    /// # Errors
    ///
    /// Those of the reader.
    pub fn id_of_reader(reader: impl Read) -> io::Result<ModelId> {
        let mut hashing = Hashing::new(reader);
        io::copy(&mut hashing, &mut io::sink())?;
        Ok(id_of_hash(hashing.digest()))
    }

    /// The [`id`](Self::id) of the model whose file has these bytes, without loading it or checking that they are a valid
    /// model.
    #[must_use]
    pub fn id_of(bytes: &[u8]) -> ModelId {
        id_of_hash(xxh3_128(bytes))
    }

    pub(crate) fn byte_alphabet(&self) -> &Alphabet {
        self.byte_alphabet
            .get_or_init(|| Alphabet::for_bytes(self.transformer.kernels()))
    }

    /// The sizes of the transformer.
    #[must_use]
    pub fn config(&self) -> &ModelInfo {
        self.transformer.config()
    }

    /// The tokenizer.
    #[must_use]
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    /// The transformer, for other uses than compressing text.
    #[must_use]
    pub fn transformer(&self) -> &AnyTransformer {
        &self.transformer
    }
}

fn id_of_hash(hash: u128) -> ModelId {
    let [a, b, c, d, ..] = hash.to_be_bytes();
    ModelId([a, b, c, d])
}

#[cfg(all(test, feature = "builtin-model"))]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_model_is_valid() {
        let model = Model::builtin();
        assert_eq!(model.id(), ModelId([0x19, 0xf2, 0x06, 0x7c]));
        assert_eq!(model.id(), Model::builtin_id());
        assert_eq!(model.config().vocab_size, 2048);
    }

    #[test]
    fn each_level_has_a_built_in_model() {
        let fast = ModelId([0xd4, 0x26, 0xee, 0x65]);
        for level in (1..=9).filter_map(Level::new) {
            let id = Model::builtin_for(level).id();
            let expected = if level.get() == 4 {
                fast
            } else {
                Model::builtin_id()
            };
            assert_eq!(id, expected, "level {level}");
        }
    }
}
