//! A model file: from a stream of bytes to [`File`], and from [`Contents`] to bytes. The format is `docs/spec/czm-v3.md`.
//!
//! Files can be large, so their tensors are read one after another, each into its place, and never all at once.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, Read, Write};

use safetensors::tensor::{Dtype, Metadata as Header, TensorInfo};
use thiserror::Error;
use xxhash_rust::xxh3::Xxh3;

use super::tensors::{self, Tensor};
use super::{Config, MatrixKind, Weights};
use crate::Error;
use crate::Hashing;
use crate::codec::ZSTD;
use crate::envelope::{self, Extras, Metadata, Stored, TOKENIZER};
use crate::error::TensorProblem;
use crate::quote::cut;

/// The value of the metadata's key `format`.
pub const FORMAT: &str = "czip-model-v3";

/// The most bytes that a tokenizer's JSON, or all priors of the mixer together, may decompress to.
pub const MAX_EXTRAS_LEN: u64 = 64 << 20;

/// A model file, validated.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct File {
    /// The weights.
    pub weights: Weights,
    /// The tokenizer, and the mixer's priors.
    pub extras: Extras<'static>,
    /// What the file says of itself: its name, its licence, its source. For people; nothing depends on it.
    pub facts: BTreeMap<String, String>,
}

/// Why a model could not be read from a stream, or written to one.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StreamError {
    /// The stream failed, or ended before the length that was given.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// What it holds, or should hold, is not a valid model.
    #[error(transparent)]
    Invalid(#[from] Error),
}

impl StreamError {
    /// The same, where the stream is in memory, and fails only if it ends early.
    fn in_memory(self) -> Error {
        match self {
            Self::Invalid(error) => error,
            Self::Io(error) => Error::NotSafetensors {
                reason: cut(&error.to_string()),
            },
        }
    }
}

impl File {
    /// Reads a model file of `len` bytes from its beginning, and checks every tensor's type, shape and range against the
    /// metadata, and the hash of all. Nothing is allocated for data that are not within `len`.
    ///
    /// # Errors
    ///
    /// Any deviation from `docs/spec/czm-v3.md`, by the name of the key or tensor, or a stream that fails.
    pub fn read(mut reader: impl Read, len: u64) -> Result<Self, StreamError> {
        let (header, data_len) = read_header(&mut reader, len)?;
        let metadata: HashMap<String, String> = header
            .metadata()
            .iter()
            .flatten()
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        let numbers = Metadata(&metadata);
        if numbers.text("format")? != FORMAT {
            return Err(numbers.bad("format", "must be czip-model-v3").into());
        }
        let config = read_config(&numbers)?;
        let codec = envelope::tokenizer_codec(&numbers)?;
        let wanted = numbers.text("data_hash")?.to_owned();
        let vocab_size = config.vocab_size;
        let mut weights = tensors::empty(config);
        let mut data = Hashing::new(reader);
        let rest = read_tensors(&header, data_len, &mut weights, &mut data)?;
        if wanted != format!("{:032x}", data.digest()) {
            return Err(Error::Damaged.into());
        }
        tensors::tensors(&mut weights)
            .iter()
            .try_for_each(Tensor::check_range)?;
        let extras = Extras::of_tensors(codec, rest, vocab_size, MAX_EXTRAS_LEN)?;
        let facts = metadata
            .into_iter()
            .filter(|(key, _)| !has_meaning(key))
            .collect();
        Ok(Self {
            weights,
            extras,
            facts,
        })
    }

    /// [`File::read`], or all bytes of a file of another format.
    ///
    /// # Errors
    ///
    /// As [`File::read`], if the file is of this format; else a stream that fails.
    pub fn read_if_v3(mut reader: impl Read, len: u64) -> Result<Result<Self, Vec<u8>>, StreamError> {
        let mut start = Vec::new();
        (&mut reader).take(8).read_to_end(&mut start)?;
        if let Some(&header_len) = start.first_chunk() {
            let header_len = u64::from_le_bytes(header_len).min(envelope::MAX_HEADER_LEN);
            (&mut reader).take(header_len).read_to_end(&mut start)?;
            let header: Option<Header> = serde_json::from_slice(&start[8..]).ok();
            let metadata = header.as_ref().and_then(|header| header.metadata().as_ref());
            if metadata.is_some_and(|it| it.get("format").is_some_and(|format| format == FORMAT)) {
                return Self::read(start.as_slice().chain(reader), len).map(Ok);
            }
        }
        reader.read_to_end(&mut start)?;
        Ok(Err(start))
    }

    /// [`File::read`] from memory.
    ///
    /// # Errors
    ///
    /// Any deviation from `docs/spec/czm-v3.md`, by the name of the key or tensor.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        Self::read(bytes, bytes.len() as u64).map_err(StreamError::in_memory)
    }
}

/// The header, and the number of bytes after it.
fn read_header(reader: &mut impl Read, len: u64) -> Result<(Header, u64), StreamError> {
    let mut start = Vec::new();
    // The header's length, and its first byte.
    reader.take(9).read_to_end(&mut start)?;
    let header_len = envelope::check_start(&start, len)?;
    let mut json = start.split_off(8);
    reader.take(header_len - 1).read_to_end(&mut json)?;
    let not_safetensors = |reason: String| Error::NotSafetensors { reason: cut(&reason) };
    let header: Header = serde_json::from_slice(&json).map_err(|error| not_safetensors(error.to_string()))?;
    envelope::check_keys(&json)?;
    Ok((header, len - 8 - header_len))
}

/// Reads all tensors in the order of their data: those of the net into their places, those of the tokenizer and the mixer
/// into memory of their own. Others are only hashed.
fn read_tensors(
    header: &Header,
    data_len: u64,
    weights: &mut Weights,
    data: &mut impl Read,
) -> Result<HashMap<String, (TensorInfo, Vec<u8>)>, StreamError> {
    let mut places: HashMap<String, Tensor<'_>> = tensors::tensors(weights)
        .into_iter()
        .map(|tensor| (tensor.name.clone(), tensor))
        .collect();
    let mut rest = HashMap::new();
    let mut end = 0;
    for name in header.offset_keys() {
        let Some(info) = header.info(&name) else { continue };
        let len = checked_len(&name, info, end, data_len)?;
        end += len;
        if let Some(mut tensor) = places.remove(&name) {
            let wanted = (tensor.elements.dtype(), tensor.shape.as_slice());
            envelope::check(&name, (info.dtype, &info.shape), wanted)?;
            let count = tensor.count();
            tensor.elements.read(data, count)?;
        } else if name == TOKENIZER || name.starts_with("mixing.") {
            let mut bytes = vec![0; len as usize];
            data.read_exact(&mut bytes)?;
            rest.insert(name, (info.clone(), bytes));
        } else {
            io::copy(&mut data.take(len), &mut io::sink())?;
        }
    }
    if end != data_len {
        let reason = format!("the tensors have {end} bytes, the file has {data_len} for them");
        return Err(Error::NotSafetensors { reason }.into());
    }
    // The first in the order of the table, so the error does not depend on a hash.
    let missing = tensors::tensors(weights)
        .into_iter()
        .find(|tensor| tensor.elements.len() != tensor.count());
    match missing {
        Some(tensor) => Err(envelope::tensor_error(&tensor.name, TensorProblem::Missing).into()),
        None => Ok(rest),
    }
}

/// The bytes of a tensor, which must begin at `start`, be as many as its type and shape demand, and lie within the file.
fn checked_len(name: &str, info: &TensorInfo, start: u64, data_len: u64) -> Result<u64, Error> {
    let offsets = (info.data_offsets.0 as u64, info.data_offsets.1 as u64);
    let bits = info
        .shape
        .iter()
        .try_fold(info.dtype.bitsize(), |bits, &n| bits.checked_mul(n));
    match (bits, offsets.1.checked_sub(start)) {
        (Some(bits), Some(len))
            if offsets.0 == start && offsets.1 <= data_len && bits as u64 == len.saturating_mul(8) =>
        {
            Ok(len)
        }
        _ => Err(Error::NotSafetensors {
            reason: cut(&format!("tensor {name} has the bytes {offsets:?} of {data_len}")),
        }),
    }
}

/// The keys of the metadata with a number, and what they may be.
const SIZE_KEYS: [&str; 17] = [
    "vocab_size",
    "n_layers",
    "d_model",
    "n_heads",
    "n_kv_heads",
    "head_dim",
    "rotary_dim",
    "d_ff",
    "window",
    "sinks",
    "start_token",
    "qkv_bias",
    "head_norms",
    "epsilon",
    "head_epsilon",
    "score_mantissa",
    "score_exponent",
];

/// Whether a key of the metadata has a meaning in the format.
fn has_meaning(key: &str) -> bool {
    SIZE_KEYS.contains(&key) || ["format", "data_hash", "wide_inputs", "tokenizer_codec"].contains(&key)
}

fn read_config(numbers: &Metadata<'_>) -> Result<Config, Error> {
    let heads = numbers.within("n_heads", 1, 128, "must be 1 to 128")?;
    let kv_heads = numbers.within("n_kv_heads", 1, heads, "must be a divisor of n_heads")?;
    if heads % kv_heads != 0 {
        return Err(numbers.bad("n_kv_heads", "must be a divisor of n_heads"));
    }
    let reason = "must be even, 32 to 256, and n_heads * head_dim at most 16384";
    let head_dim = numbers.within("head_dim", 32, 256, reason)?;
    if head_dim % 2 != 0 || heads * head_dim > 1 << 14 {
        return Err(numbers.bad("head_dim", reason));
    }
    let rotary_dim = numbers.within("rotary_dim", 2, head_dim, "must be even, 2 to head_dim")?;
    if rotary_dim % 2 != 0 {
        return Err(numbers.bad("rotary_dim", "must be even, 2 to head_dim"));
    }
    let vocab_size = numbers.within("vocab_size", 2, 1 << 18, "must be 2 to 262144")?;
    let start_token = numbers.within("start_token", 0, vocab_size - 1, "must be below vocab_size")?;
    let flag = |key| Ok::<_, Error>(numbers.within(key, 0, 1, "must be 0 or 1")? == 1);
    let epsilon = |key| {
        let value = numbers.number(key)?;
        u32::try_from(value).map_err(|_| numbers.bad(key, "must be below 2^32"))
    };
    Ok(Config {
        vocab_size,
        layers: numbers.within("n_layers", 1, 128, "must be 1 to 128")?,
        d_model: numbers.within("d_model", 4, 1 << 13, "must be 4 to 8192")?,
        heads,
        kv_heads,
        head_dim,
        rotary_dim,
        d_ff: numbers.within("d_ff", 4, 1 << 14, "must be 4 to 16384")?,
        window: numbers.within("window", 1, 1 << 13, "must be 1 to 8192")?,
        sinks: numbers.within("sinks", 0, 16, "must be 0 to 16")?,
        start_token: start_token as u32,
        wide_inputs: read_wide_inputs(numbers)?,
        qkv_bias: flag("qkv_bias")?,
        head_norms: flag("head_norms")?,
        epsilon: epsilon("epsilon")?,
        head_epsilon: epsilon("head_epsilon")?,
        score_mantissa: numbers.within("score_mantissa", 0, 32_767, "must be 0 to 32767")? as u16,
        score_exponent: numbers.within("score_exponent", 0, 30, "must be 0 to 30")? as u8,
    })
}

/// The names of matrices, in the order of [`MatrixKind::ALL`].
fn read_wide_inputs(numbers: &Metadata<'_>) -> Result<[bool; 5], Error> {
    let text = numbers.text("wide_inputs")?;
    let mut wide = [false; 5];
    let mut names = text.split(',').peekable();
    for (wide, kind) in wide.iter_mut().zip(MatrixKind::ALL) {
        *wide = names.next_if_eq(&kind.name()).is_some();
    }
    if names.next().is_some() && !text.is_empty() {
        let reason = "must name matrices among qkv, out, gate_up, down, head, in this order";
        return Err(numbers.bad("wide_inputs", reason));
    }
    Ok(wide)
}

/// The metadata of a model of these sizes.
fn metadata_of(config: &Config) -> impl Iterator<Item = (&'static str, String)> {
    let Config {
        vocab_size,
        layers,
        d_model,
        heads,
        kv_heads,
        head_dim,
        rotary_dim,
        d_ff,
        window,
        sinks,
        start_token,
        wide_inputs,
        qkv_bias,
        head_norms,
        epsilon,
        head_epsilon,
        score_mantissa,
        score_exponent,
    } = *config;
    let numbers = [
        vocab_size as u64,
        layers as u64,
        d_model as u64,
        heads as u64,
        kv_heads as u64,
        head_dim as u64,
        rotary_dim as u64,
        d_ff as u64,
        window as u64,
        sinks as u64,
        start_token.into(),
        qkv_bias.into(),
        head_norms.into(),
        epsilon.into(),
        head_epsilon.into(),
        score_mantissa.into(),
        score_exponent.into(),
    ];
    let wide: Vec<&str> = MatrixKind::ALL
        .into_iter()
        .zip(wide_inputs)
        .filter_map(|(kind, wide)| wide.then_some(kind.name()))
        .collect();
    SIZE_KEYS
        .into_iter()
        .zip(numbers.map(|number| number.to_string()))
        .chain([
            ("format", FORMAT.to_owned()),
            ("wide_inputs", wide.join(",")),
            ("tokenizer_codec", ZSTD.to_owned()),
        ])
}

/// What goes into a model file.
#[derive(Debug)]
pub struct Contents<'a> {
    /// The weights.
    pub weights: Weights,
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
    pub const fn new(weights: Weights, tokenizer_json: &'a [u8]) -> Self {
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
    /// # Errors
    ///
    /// As [`Contents::write_to`].
    ///
    /// # Panics
    ///
    /// As [`Contents::write_to`].
    pub fn to_bytes(&mut self) -> Result<Vec<u8>, Error> {
        let mut bytes = Vec::new();
        self.write_to(&mut bytes).map_err(StreamError::in_memory)?;
        Ok(bytes)
    }

    /// Writes the file to a stream, without a copy of it in memory.
    ///
    /// # Errors
    ///
    /// [`StreamError::Io`] if the stream fails; else [`Error::Tensor`] or [`Error::BadMetadata`] if weights or sizes are outside what the format allows;
    /// [`Error::Tokenizer`] or [`Error::Compressed`] if the tokenizer or the priors cannot be compressed;
    /// [`Error::CodecNotBuilt`] without the feature `zstd`.
    ///
    /// # Panics
    ///
    /// If a tensor of the weights has another number of elements than their sizes demand.
    pub fn write_to(&mut self, writer: &mut impl Write) -> Result<u64, StreamError> {
        let config = self.weights.config.clone();
        let sizes: HashMap<String, String> = metadata_of(&config)
            .map(|(key, value)| (key.to_owned(), value))
            .collect();
        read_config(&Metadata(&sizes))?;
        assert_eq!(self.weights.layers.len(), config.layers, "layers");
        let mut tensors: BTreeMap<String, Stored<'_>> = BTreeMap::new();
        for tensor in tensors::tensors(&mut self.weights) {
            assert_eq!(
                tensor.elements.len(),
                tensor.count(),
                "elements of {}",
                tensor.name
            );
            tensor.check_range()?;
            let dtype = tensor.elements.dtype();
            let stored = (dtype, tensor.shape, tensor.elements.into_bytes());
            tensors.insert(tensor.name, stored);
        }
        for (name, bytes) in envelope::compressed_extras(self.tokenizer_json, &self.mixing_priors)? {
            tensors.insert(name, (Dtype::U8, vec![bytes.len()], bytes.into()));
        }
        if let Some(counts) = &self.mixing_weights {
            let data = counts.iter().flat_map(|count| count.to_le_bytes()).collect();
            tensors.insert(
                "mixing.weights".into(),
                (Dtype::U16, vec![config.vocab_size], data),
            );
        }
        let order = envelope::by_alignment(&tensors);
        let mut hash = Xxh3::new();
        order.iter().for_each(|(.., data)| hash.update(data));
        let facts = self.facts.iter().filter(|(key, _)| !has_meaning(key));
        let mut metadata: BTreeMap<String, String> =
            facts.map(|(key, value)| (key.clone(), value.clone())).collect();
        metadata.extend(sizes);
        metadata.insert("data_hash".into(), format!("{:032x}", hash.digest128()));
        let start = envelope::start(metadata, &order);
        let mut len = start.len() as u64;
        writer.write_all(&start)?;
        for (.., data) in order {
            len += data.len() as u64;
            writer.write_all(data)?;
        }
        Ok(len)
    }
}
