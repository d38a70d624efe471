//! The file of a model: `docs/spec/czm-v2.md`.

use std::collections::BTreeMap;

use czip_kernels::{HEAD_DIM, SlidingAttention};
use safetensors::tensor::Dtype;
use xxhash_rust::xxh3::Xxh3;

use super::{Config, Layer, Matrix, Weights};
use crate::Error;
use crate::codec::{self, ZSTD};
use crate::envelope::{Envelope, Extras, Metadata, PriorsAre, TOKENIZER, Tensors, out_of_range};

/// The value of the metadata's key `format`.
pub const FORMAT: &str = "czip-model-v2";

/// The largest shift of a sum of products.
const MAX_SHIFT: u8 = 24;
/// The largest shift of a row that is looked up.
const MAX_TABLE_SHIFT: u8 = 8;
/// The largest magnitude of a sink's score.
const MAX_SINK: i32 = 1 << 20;

/// A model file, validated.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct File<'a> {
    /// The weights.
    pub weights: Weights,
    /// The tokenizer, and what is known to the adaptive coder.
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
        let Envelope { tensors, metadata } = envelope;
        let numbers = Metadata(metadata);
        if numbers.text("format")? != FORMAT {
            return Err(numbers.bad("format", "must be czip-model-v2"));
        }
        let config = read_config(&numbers)?;
        let content_hash = content_hash(
            tensors
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
            .filter(|(key, _)| !KEYS.contains(&key.as_str()))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        Ok(Self {
            weights: read_weights(tensors, config)?,
            extras,
            facts,
            content_hash,
        })
    }
}

/// The keys of the metadata that have a meaning.
const KEYS: [&str; 11] = [
    "format",
    "content_hash",
    "vocab_size",
    "n_layers",
    "n_heads",
    "d_model",
    "d_ff",
    "window",
    "bigram_buckets",
    "bigram_width",
    "tokenizer_codec",
];

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

fn read_weights(tensors: &Tensors<'_>, config: Config) -> Result<Weights, Error> {
    let Config {
        vocab_size,
        d_model,
        heads,
        d_ff,
        ..
    } = config;
    let frequencies = tensors.numbers("rope.frequencies", &[HEAD_DIM / 2], u16::from_le_bytes)?;
    let frequencies = std::array::from_fn(|i| frequencies[i]);
    let matrix = |name: &str, rows, cols| read_matrix(tensors, name, rows, cols);
    let layers = (0..config.layers)
        .map(|layer| {
            let name = |name: &str| format!("layers.{layer}.{name}");
            let sinks = tensors.numbers(&name("attn.sinks"), &[heads], i32::from_le_bytes)?;
            let range = -MAX_SINK..=MAX_SINK;
            if let Some(&sink) = sinks.iter().find(|sink| !range.contains(sink)) {
                return Err(out_of_range(
                    &name("attn.sinks"),
                    sink.into(),
                    (*range.start()).into(),
                    MAX_SINK.into(),
                ));
            }
            Ok(Layer {
                qkv: matrix(&name("attn.qkv"), config.qkv_rows(), d_model)?,
                gains: tensors.numbers(&name("attn.gains"), &[heads], u16::from_le_bytes)?,
                sinks,
                out: matrix(&name("attn.out"), d_model, heads * HEAD_DIM)?,
                up: matrix(&name("ffn.up"), d_ff, d_model)?,
                down: matrix(&name("ffn.down"), d_model, d_ff)?,
            })
        })
        .collect::<Result<_, _>>()?;
    Ok(Weights {
        frequencies,
        embedding: read_table(tensors, "embed", vocab_size, d_model)?,
        bigram: read_table(tensors, "bigram", config.bigram_buckets, config.bigram_width)?,
        layers,
        head: matrix("head", vocab_size, d_model)?,
        config,
    })
}

fn read_matrix(tensors: &Tensors<'_>, name: &str, rows: usize, cols: usize) -> Result<Matrix, Error> {
    Ok(Matrix {
        weights: tensors.int8(&format!("{name}.weight"), &[rows, cols])?.to_vec(),
        shifts: read_shifts(tensors, name, rows, MAX_SHIFT)?,
    })
}

fn read_shifts(tensors: &Tensors<'_>, name: &str, rows: usize, max_shift: u8) -> Result<Vec<u8>, Error> {
    let name = format!("{name}.shift");
    let shifts = tensors.numbers(&name, &[rows], u8::from_le_bytes)?;
    match shifts.iter().find(|&&shift| shift > max_shift) {
        Some(&shift) => Err(out_of_range(&name, shift.into(), 0, max_shift.into())),
        None => Ok(shifts),
    }
}

/// A table whose rows are looked up: two elements a byte, the first in the lower half, each in two's complement.
fn read_table(tensors: &Tensors<'_>, name: &str, rows: usize, cols: usize) -> Result<Matrix, Error> {
    if rows == 0 {
        return Ok(Matrix {
            weights: Vec::new(),
            shifts: Vec::new(),
        });
    }
    let packed = tensors.numbers(&format!("{name}.weight"), &[rows, cols / 2], u8::from_le_bytes)?;
    let halves = |byte: &u8| [(byte << 4) as i8 >> 4, *byte as i8 >> 4];
    Ok(Matrix {
        weights: packed.iter().flat_map(halves).collect(),
        shifts: read_shifts(tensors, name, rows, MAX_TABLE_SHIFT)?,
    })
}

/// What a model file is made of.
#[derive(Clone, Debug)]
pub struct Contents<'a> {
    /// The weights. Elements of embeddings and of the table of pairs are -8 to 7.
    pub weights: &'a Weights,
    /// The tokenizer's JSON.
    pub tokenizer_json: &'a [u8],
    /// Priors of the mixer in their stored form.
    pub mixing_priors: Vec<Vec<u8>>,
    /// How often each symbol is to be expected.
    pub mixing_weights: Option<Vec<u16>>,
    /// What the file is to say of itself. Keys that have a meaning in the format are left out.
    pub facts: BTreeMap<String, String>,
}

impl<'a> Contents<'a> {
    /// A net and its tokenizer, and nothing else.
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
    /// The hash is that of all tensors in the order of their names: for each the name, a zero byte, the name of the type, a
    /// zero byte, the number of dimensions and the dimensions as u64, and the data.
    ///
    /// # Errors
    ///
    /// [`Error::Tokenizer`] or [`Error::Compressed`] if the tokenizer or the priors do not compress;
    /// [`Error::CodecNotBuilt`] without the feature `zstd`.
    pub fn to_bytes(&self) -> Result<Vec<u8>, Error> {
        let weights = self.weights;
        let config = &weights.config;
        let mut tensors: BTreeMap<String, Stored> = BTreeMap::new();
        let mut matrix = |name: String, matrix: &Matrix| {
            let data = bytemuck::cast_slice(&matrix.weights).to_vec();
            let shape = vec![matrix.rows(), matrix.cols()];
            tensors.insert(format!("{name}.weight"), (Dtype::I8, shape, data));
            let shifts = (Dtype::U8, vec![matrix.rows()], matrix.shifts.clone());
            tensors.insert(format!("{name}.shift"), shifts);
        };
        matrix("head".into(), &weights.head);
        for (index, layer) in weights.layers.iter().enumerate() {
            let name = |name: &str| format!("layers.{index}.{name}");
            matrix(name("attn.qkv"), &layer.qkv);
            matrix(name("attn.out"), &layer.out);
            matrix(name("ffn.up"), &layer.up);
            matrix(name("ffn.down"), &layer.down);
        }
        let mut put = |name: String, dtype, shape: &[usize], data: Vec<u8>| {
            tensors.insert(name, (dtype, shape.to_vec(), data));
        };
        for (index, layer) in weights.layers.iter().enumerate() {
            let name = |name: &str| format!("layers.{index}.{name}");
            let gains = layer.gains.iter().flat_map(|gain| gain.to_le_bytes()).collect();
            put(name("attn.gains"), Dtype::U16, &[config.heads], gains);
            let sinks = layer.sinks.iter().flat_map(|sink| sink.to_le_bytes()).collect();
            put(name("attn.sinks"), Dtype::I32, &[config.heads], sinks);
        }
        for (name, table) in [("embed", &weights.embedding), ("bigram", &weights.bigram)] {
            if table.rows() == 0 {
                continue;
            }
            let pairs = table.weights.as_chunks::<2>().0;
            let packed = pairs
                .iter()
                .map(|&[low, high]| low as u8 & 15 | (high as u8) << 4)
                .collect();
            let shape = [table.rows(), table.cols() / 2];
            put(format!("{name}.weight"), Dtype::U8, &shape, packed);
            let shifts = table.shifts.clone();
            put(format!("{name}.shift"), Dtype::U8, &[table.rows()], shifts);
        }
        let frequencies = weights.frequencies.iter().flat_map(|f| f.to_le_bytes()).collect();
        put(
            "rope.frequencies".into(),
            Dtype::U16,
            &[HEAD_DIM / 2],
            frequencies,
        );
        let bad = |reason| Error::Tokenizer { codec: ZSTD, reason };
        let tokenizer = codec::compress(TOKENIZER, self.tokenizer_json, bad)?;
        put(TOKENIZER.into(), Dtype::U8, &[tokenizer.len()], tokenizer);
        for (number, priors) in self.mixing_priors.iter().enumerate() {
            let name = format!("mixing.priors.{number}");
            let bad = |reason| Error::Compressed {
                name: name.clone(),
                reason,
            };
            let data = codec::compress(&name, priors, bad)?;
            put(name, Dtype::U8, &[data.len()], data);
        }
        if let Some(counts) = &self.mixing_weights {
            let data = counts.iter().flat_map(|count| count.to_le_bytes()).collect();
            put("mixing.weights".into(), Dtype::U16, &[config.vocab_size], data);
        }

        let views = tensors
            .iter()
            .map(|(name, (dtype, shape, data))| (name.as_str(), *dtype, shape.as_slice(), data.as_slice()));
        let hash = content_hash(views);
        let mut metadata: BTreeMap<String, String> = self
            .facts
            .iter()
            .filter(|(key, _)| !KEYS.contains(&key.as_str()))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        let values = [
            FORMAT.to_owned(),
            format!("{hash:032x}"),
            config.vocab_size.to_string(),
            config.layers.to_string(),
            config.heads.to_string(),
            config.d_model.to_string(),
            config.d_ff.to_string(),
            config.window.to_string(),
            config.bigram_buckets.to_string(),
            config.bigram_width.to_string(),
            ZSTD.to_owned(),
        ];
        metadata.extend(KEYS.iter().map(|&key| key.to_owned()).zip(values));
        Ok(serialize(&tensors, metadata))
    }
}

type Stored = (Dtype, Vec<usize>, Vec<u8>);

/// The envelope of safetensors, with the keys of every object in order, so that the same tensors make the same bytes.
fn serialize(tensors: &BTreeMap<String, Stored>, metadata: BTreeMap<String, String>) -> Vec<u8> {
    // By the alignment that their elements want, as the format asks for, then by name.
    let mut order: Vec<_> = tensors.iter().collect();
    order.sort_by_key(|(_, (dtype, ..))| std::cmp::Reverse(dtype.bitsize()));
    let mut header = serde_json::Map::new();
    header.insert("__metadata__".into(), metadata.into_iter().collect());
    let mut end = 0;
    for (name, (dtype, shape, data)) in &order {
        let start = end;
        end += data.len();
        let tensor = serde_json::json!({
            "dtype": dtype.to_string(), "shape": shape, "data_offsets": [start, end],
        });
        header.insert((*name).clone(), tensor);
    }
    let mut header = serde_json::Value::Object(header).to_string().into_bytes();
    header.resize(header.len().next_multiple_of(8), b' ');
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend(header);
    order.iter().for_each(|(_, (_, _, data))| file.extend(data));
    file
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
