//! A model file: from bytes to [`File`], and from [`Contents`] to bytes. The format is `docs/spec/czm-v2.md`.

use std::collections::BTreeMap;

use czip_kernels::SlidingAttention;
use safetensors::tensor::Dtype;
use xxhash_rust::xxh3::Xxh3;

use super::tensors;
use super::{Config, Weights};
use crate::Error;
use crate::codec::ZSTD;
use crate::envelope::{self, Envelope, Extras, Metadata, PriorsAre, Stored};

/// The value of the metadata's key `format`.
pub const FORMAT: &str = "czip-model-v2";

/// A model file, validated.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct File<'a> {
    /// The weights.
    pub weights: Weights,
    /// The tokenizer, and the mixer's priors.
    pub extras: Extras<'a>,
    /// What the file says of itself: its name, its licence, how it was trained. For people; nothing depends on it.
    pub facts: BTreeMap<String, String>,
    /// The hash of all tensors, XXH3-128: see [`Contents::to_bytes`].
    pub content_hash: u128,
}

impl<'a> File<'a> {
    /// Reads a model file and checks every tensor's type, shape and range against the metadata, and the hash of all.
    ///
    /// # Errors
    ///
    /// Any deviation from `docs/spec/czm-v2.md`, by the name of the key or tensor.
    pub fn from_bytes(bytes: &'a [u8]) -> Result<Self, Error> {
        Self::from_envelope(&Envelope::read(bytes)?)
    }

    pub(crate) fn from_envelope(envelope: &Envelope<'a>) -> Result<Self, Error> {
        let Envelope {
            tensors: of_file,
            metadata,
            ..
        } = envelope;
        let numbers = Metadata(metadata);
        if numbers.text("format")? != FORMAT {
            return Err(numbers.bad("format", "must be czip-model-v2"));
        }
        let config = read_config(&numbers)?;
        let content_hash = content_hash(
            of_file
                .0
                .tensors()
                .iter()
                .map(|(name, view)| (name.as_str(), view.dtype(), view.shape(), view.data())),
        );
        if numbers.text("content_hash")? != format!("{content_hash:032x}") {
            return Err(Error::Damaged);
        }
        let extras = Extras::read(envelope, config.vocab_size, PriorsAre::Compressed)?;
        let facts = metadata
            .iter()
            .filter(|(key, _)| !has_meaning(key))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        Ok(Self {
            weights: tensors::read(of_file, config)?,
            extras,
            facts,
            content_hash,
        })
    }
}

/// The keys of the sizes in the metadata, in the order of [`Config::to_array`].
const SIZE_KEYS: [&str; 8] = [
    "vocab_size",
    "n_layers",
    "d_model",
    "n_heads",
    "d_ff",
    "window",
    "bigram_buckets",
    "bigram_width",
];

/// Whether a key of the metadata has a meaning in the format.
fn has_meaning(key: &str) -> bool {
    SIZE_KEYS.contains(&key) || ["format", "content_hash", "tokenizer_codec"].contains(&key)
}

fn read_config(numbers: &Metadata<'_>) -> Result<Config, Error> {
    let d_model = numbers.within("d_model", 4, 4096, "must be a multiple of 4 from 4 to 4096")?;
    if d_model % 4 != 0 {
        return Err(numbers.bad("d_model", "must be a multiple of 4 from 4 to 4096"));
    }
    let bigram_buckets = numbers.within(
        "bigram_buckets",
        0,
        1 << 24,
        "must be 0 or a power of two from 2 to 2^24",
    )?;
    if bigram_buckets == 1 || (bigram_buckets > 0 && !bigram_buckets.is_power_of_two()) {
        return Err(numbers.bad("bigram_buckets", "must be 0 or a power of two from 2 to 2^24"));
    }
    let bigram_width = numbers.within("bigram_width", 0, d_model, "must be even and at most d_model")?;
    if bigram_width % 2 != 0 || (bigram_width == 0) != (bigram_buckets == 0) {
        let reason = "must be even and at most d_model, and 0 if and only if bigram_buckets is";
        return Err(numbers.bad("bigram_width", reason));
    }
    Ok(Config {
        vocab_size: numbers.within("vocab_size", 2, 1 << 16, "must be 2 to 65536")?,
        layers: numbers.within("n_layers", 1, 64, "must be 1 to 64")?,
        d_model,
        heads: numbers.within("n_heads", 1, 64, "must be 1 to 64")?,
        d_ff: numbers.within("d_ff", 4, 1 << 14, "must be 4 to 16384")?,
        window: numbers.within("window", 1, SlidingAttention::MAX_WINDOW, "must be 1 to 1024")?,
        bigram_buckets,
        bigram_width,
    })
}

/// What goes into a model file.
#[derive(Clone, Debug)]
pub struct Contents<'a> {
    /// The weights.
    pub weights: &'a Weights,
    /// The tokenizer's JSON.
    pub tokenizer_json: &'a [u8],
    /// Priors of the mixer in their stored form.
    pub mixing_priors: Vec<Vec<u8>>,
    /// How often each symbol is to be expected: uint16 `[vocab]`.
    pub mixing_weights: Option<Vec<u16>>,
    /// What the file says of itself. Keys that have a meaning in the format are left out.
    pub facts: BTreeMap<String, String>,
}

impl<'a> Contents<'a> {
    /// Only a net and its tokenizer.
    #[must_use]
    pub const fn new(weights: &'a Weights, tokenizer_json: &'a [u8]) -> Self {
        Self {
            weights,
            tokenizer_json,
            mixing_priors: Vec::new(),
            mixing_weights: None,
            facts: BTreeMap::new(),
        }
    }

    /// The bytes of the file. The same contents make the same bytes.
    ///
    /// The content hash covers all tensors in the order of their names: for each the name, a zero byte, the name of the
    /// type, a zero byte, the number of dimensions and the dimensions as u64, and the data.
    ///
    /// # Errors
    ///
    /// [`Error::Tensor`] if an element of the weights is outside the range that the format allows;
    /// [`Error::Tokenizer`] or [`Error::Compressed`] if the tokenizer or the priors cannot be compressed;
    /// [`Error::CodecNotBuilt`] without the feature `zstd`.
    ///
    /// # Panics
    ///
    /// If a tensor of the weights has another number of elements than their sizes demand.
    pub fn to_bytes(&self) -> Result<Vec<u8>, Error> {
        let config = &self.weights.config;
        let mut tensors: BTreeMap<String, Stored<'_>> =
            tensors::to_stored(self.weights)?.into_iter().collect();
        let mut put = |name: String, dtype, shape: &[usize], data: Vec<u8>| {
            tensors.insert(name, (dtype, shape.to_vec(), data.into()));
        };
        for (name, data) in envelope::compressed_extras(self.tokenizer_json, &self.mixing_priors)? {
            put(name, Dtype::U8, &[data.len()], data);
        }
        if let Some(counts) = &self.mixing_weights {
            let data = counts.iter().flat_map(|count| count.to_le_bytes()).collect();
            put("mixing.weights".into(), Dtype::U16, &[config.vocab_size], data);
        }

        let order = envelope::by_alignment(&tensors);
        let hash = content_hash(order.iter().copied());
        let mut metadata: BTreeMap<String, String> = self
            .facts
            .iter()
            .filter(|(key, _)| !has_meaning(key))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        let sizes = SIZE_KEYS
            .into_iter()
            .zip(config.to_array().map(|size| size.to_string()));
        let others = [
            ("format", FORMAT.to_owned()),
            ("content_hash", format!("{hash:032x}")),
            ("tokenizer_codec", ZSTD.to_owned()),
        ];
        metadata.extend(sizes.chain(others).map(|(key, value)| (key.to_owned(), value)));
        Ok(envelope::to_bytes(metadata, &order))
    }
}

/// The hash of tensors, whatever their order.
fn content_hash<'t>(tensors: impl Iterator<Item = (&'t str, Dtype, &'t [usize], &'t [u8])>) -> u128 {
    let mut tensors: Vec<_> = tensors.collect();
    tensors.sort_by_key(|(name, ..)| *name);
    let mut hash = Xxh3::new();
    for (name, dtype, shape, data) in tensors {
        hash.update(name.as_bytes());
        hash.update(&[0]);
        hash.update(dtype.to_string().as_bytes());
        hash.update(&[0]);
        let dimensions = std::iter::once(shape.len()).chain(shape.iter().copied());
        dimensions.for_each(|n| hash.update(&(n as u64).to_le_bytes()));
        hash.update(data);
    }
    hash.digest128()
}
