//! The envelope of model files of both versions: safetensors, and in it a tokenizer and the mixer's priors.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorInfo, TensorView};

use crate::FileKind;
use crate::codec::{self, BROTLI, ZSTD};
use crate::error::{Error, TensorProblem};
use crate::quote::cut;
use crate::unique_keys;

/// The most bytes of the envelope's header: several times what the largest number of layers needs. Parsing one takes some
/// thirty times its length in memory.
pub const MAX_HEADER_LEN: u64 = 1 << 20;

/// The most bytes that a tokenizer's JSON may decompress to.
pub const MAX_TOKENIZER_LEN: u64 = 16 << 20;

/// A file's tensors and metadata.
pub(crate) struct Envelope<'a> {
    pub(crate) tensors: Tensors<'a>,
    pub(crate) metadata: HashMap<String, String>,
    /// The names of the tensors in the order of their data.
    pub(crate) order: Vec<String>,
}

impl<'a> Envelope<'a> {
    pub(crate) fn read(bytes: &'a [u8]) -> Result<Self, Error> {
        check_start(bytes, bytes.len() as u64)?;
        let not_safetensors = |error: safetensors::SafeTensorError| Error::NotSafetensors {
            reason: cut(&error.to_string()),
        };
        let (header_len, header) = SafeTensors::read_metadata(bytes).map_err(not_safetensors)?;
        let tensors = Tensors(SafeTensors::deserialize(bytes).map_err(not_safetensors)?);
        check_keys(&bytes[8..8 + header_len])?;
        // The type of the map depends on the features of the parser.
        let metadata: HashMap<String, String> = header.metadata().iter().flatten().map(owned).collect();
        // Other programs' files have no format, or that of their arrays.
        if !metadata
            .get("format")
            .is_some_and(|format| format.starts_with("czip-model"))
        {
            let kind = FileKind::Safetensors;
            return Err(Error::NotAModel { kind });
        }
        Ok(Self {
            tensors,
            metadata,
            order: header.offset_keys(),
        })
    }
}

fn owned((key, value): (&String, &String)) -> (String, String) {
    (key.clone(), value.clone())
}

/// The length of the header of a file of `len` bytes that begins with `start`. Refuses one that does not begin with the
/// length of a header and a header.
pub(crate) fn check_start(start: &[u8], len: u64) -> Result<u64, Error> {
    let Some((header_len, b'{')) = start
        .split_first_chunk()
        .and_then(|(len, rest)| Some((len, *rest.first()?)))
    else {
        let kind = FileKind::of(start);
        return Err(Error::NotAModel { kind });
    };
    let (header_len, there) = (u64::from_le_bytes(*header_len), len - 8);
    let reason = if header_len > MAX_HEADER_LEN {
        format!("header of {header_len} bytes, more than {MAX_HEADER_LEN}")
    } else if header_len > there {
        format!("header of {header_len} bytes, of which {there} are there: the file is cut off")
    } else {
        return Ok(header_len);
    };
    Err(Error::NotSafetensors { reason })
}

/// Refuses a header in which an object has a key twice, of which its parser takes the last, or with a number beyond 64-bit
/// floats, which it does not look at where it knows no such field.
pub(crate) fn check_keys(header: &[u8]) -> Result<(), Error> {
    unique_keys::check(header).map_err(|error| Error::NotSafetensors {
        reason: cut(&error.to_string()),
    })
}

/// A tensor's type, shape and data, as a file has them.
pub(crate) type Stored<'t> = (Dtype, Vec<usize>, Cow<'t, [u8]>);

/// A tensor to be written: its name, type, shape and data.
type Written<'t> = (&'t str, Dtype, &'t [usize], &'t [u8]);

/// Tensors by the alignment of their elements, as safetensors demands, then by name.
pub(crate) fn by_alignment<'t>(tensors: &'t BTreeMap<String, Stored<'_>>) -> Vec<Written<'t>> {
    let mut order: Vec<Written<'_>> = tensors
        .iter()
        .map(|(name, (dtype, shape, data))| (name.as_str(), *dtype, shape.as_slice(), &data[..]))
        .collect();
    order.sort_by_key(|(_, dtype, ..)| std::cmp::Reverse(dtype.bitsize()));
    order
}

/// A file with these metadata, and with tensors in this order.
pub(crate) fn to_bytes(metadata: BTreeMap<String, String>, tensors: &[Written<'_>]) -> Vec<u8> {
    let mut file = start(metadata, tensors);
    tensors.iter().for_each(|(.., data)| file.extend_from_slice(data));
    file
}

/// What comes before the data of such a file. The keys of every object of the header are in order, so the same contents
/// make the same bytes.
pub(crate) fn start(metadata: BTreeMap<String, String>, tensors: &[Written<'_>]) -> Vec<u8> {
    let mut header = serde_json::Map::new();
    header.insert("__metadata__".into(), metadata.into_iter().collect());
    let mut end = 0;
    for &(name, dtype, shape, data) in tensors {
        let start = end;
        end += data.len();
        let tensor = serde_json::json!({
            "dtype": dtype.to_string(), "shape": shape, "data_offsets": [start, end],
        });
        header.insert(name.to_owned(), tensor);
    }
    let mut header = serde_json::Value::Object(header).to_string().into_bytes();
    header.resize(header.len().next_multiple_of(8), b' ');
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend(header);
    file
}

/// The tensor that holds the tokenizer.
pub(crate) const TOKENIZER: &str = "tokenizer.data";

/// How a version of the format has the mixer's priors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PriorsAre {
    /// In their stored form.
    Plain,
    /// That, compressed with zstd.
    Compressed,
}

/// The most bytes that all priors of a file together may decompress to: several times what a vocabulary of 65,536 needs.
/// With a bound for each, a small file with many of them could ask for any amount.
const MAX_PRIORS_LEN: u64 = 16 << 20;

/// The priors that `bytes_of` finds by the names of their tensors, up to the first number that is missing.
fn read_priors<'a>(
    stored: PriorsAre,
    limit: u64,
    mut bytes_of: impl FnMut(&str) -> Result<Option<Cow<'a, [u8]>>, Error>,
) -> Result<Vec<Cow<'a, [u8]>>, Error> {
    let (mut all, mut left) = (Vec::new(), limit);
    for number in 0.. {
        let name = format!("mixing.priors.{number}");
        let Some(bytes) = bytes_of(&name)? else { break };
        if stored == PriorsAre::Plain {
            all.push(bytes);
            continue;
        }
        let bad = |reason: String| Error::Compressed {
            name: name.clone(),
            reason,
        };
        let priors = codec::decompress(&name, ZSTD, &bytes, left + 1, bad)?;
        let Some(rest) = left.checked_sub(priors.len() as u64) else {
            return Err(bad(format!("all priors together have more than {limit} bytes")));
        };
        left = rest;
        all.push(Cow::Owned(priors));
    }
    Ok(all)
}

/// What a model file holds in addition to the net.
#[derive(Clone, Debug)]
pub struct Extras<'a> {
    /// The codec and what it compressed.
    tokenizer: (&'static str, Cow<'a, [u8]>),
    /// The most bytes that the tokenizer's JSON may have.
    max_json_len: u64,
    /// The mixer's priors, each in its stored form and not looked into: the optional tensors `mixing.priors.0`,
    /// `mixing.priors.1` and so on, up to the first number that is missing.
    pub mixing_priors: Vec<Cow<'a, [u8]>>,
    /// How often each symbol is to be expected, for the mixer's tree: the optional tensor `mixing.weights`,
    /// uint16 `[vocab]`.
    pub mixing_weights: Option<Vec<u16>>,
}

impl<'a> Extras<'a> {
    pub(crate) fn read(envelope: &Envelope<'a>, vocab_size: usize, stored: PriorsAre) -> Result<Self, Error> {
        let Envelope {
            tensors, metadata, ..
        } = envelope;
        let codec = tokenizer_codec(&Metadata(metadata))?;
        let tokenizer = tensors.bytes(TOKENIZER)?;
        let mixing_priors = read_priors(stored, MAX_PRIORS_LEN, |name| match tensors.optional(name) {
            Some(_) => tensors.bytes(name).map(|bytes| Some(Cow::Borrowed(bytes))),
            None => Ok(None),
        })?;
        let mixing_weights = match tensors.optional("mixing.weights") {
            Some(_) => Some(tensors.numbers("mixing.weights", &[vocab_size], u16::from_le_bytes)?),
            None => None,
        };
        Ok(Self {
            tokenizer: (codec, Cow::Borrowed(tokenizer)),
            max_json_len: MAX_TOKENIZER_LEN,
            mixing_priors,
            mixing_weights,
        })
    }

    /// Those of a file whose tensors have been read, with their types and shapes, by name. The priors are compressed.
    pub(crate) fn of_tensors(
        codec: &'static str,
        mut tensors: HashMap<String, (TensorInfo, Vec<u8>)>,
        vocab_size: usize,
        most: u64,
    ) -> Result<Extras<'static>, Error> {
        let mut take = |name: &str, dtype: Dtype, len: Option<usize>| {
            let Some((info, bytes)) = tensors.remove(name) else {
                return Ok(None);
            };
            let len = len.unwrap_or(bytes.len() * 8 / dtype.bitsize());
            check(name, (info.dtype, &info.shape), (dtype, &[len]))?;
            Ok(Some(bytes))
        };
        let tokenizer = take(TOKENIZER, Dtype::U8, None)?
            .ok_or_else(|| tensor_error(TOKENIZER, TensorProblem::Missing))?;
        let mixing_priors = read_priors(PriorsAre::Compressed, most, |name| {
            Ok(take(name, Dtype::U8, None)?.map(Cow::Owned))
        })?;
        let mixing_weights = take("mixing.weights", Dtype::U16, Some(vocab_size))?;
        Ok(Extras {
            tokenizer: (codec, Cow::Owned(tokenizer)),
            max_json_len: most,
            mixing_priors,
            mixing_weights: mixing_weights.map(|bytes| {
                let (numbers, _) = bytes.as_chunks();
                numbers.iter().map(|&bytes| u16::from_le_bytes(bytes)).collect()
            }),
        })
    }

    /// The tokenizer's JSON, decompressed.
    ///
    /// # Errors
    ///
    /// [`Error::Tokenizer`] if it does not decompress, or to more bytes than the format allows;
    /// [`Error::CodecNotBuilt`] without the feature for its codec.
    pub fn tokenizer_json(&self) -> Result<Vec<u8>, Error> {
        let (codec, data) = &self.tokenizer;
        let (codec, most) = (*codec, self.max_json_len);
        let bad = |reason| Error::Tokenizer { codec, reason };
        let json = codec::decompress(TOKENIZER, codec, data, most + 1, bad)?;
        if json.len() as u64 > most {
            return Err(bad(format!("longer than {most} bytes")));
        }
        Ok(json)
    }
}

/// The codec of the tokenizer.
pub(crate) fn tokenizer_codec(metadata: &Metadata<'_>) -> Result<&'static str, Error> {
    match metadata.0.get("tokenizer_codec").map(String::as_str) {
        None | Some(ZSTD) => Ok(ZSTD),
        Some(BROTLI) => Ok(BROTLI),
        Some(_) => Err(metadata.bad("tokenizer_codec", "must be zstd or brotli")),
    }
}

/// The tensors of a tokenizer and of priors, compressed with zstd, by name.
pub(crate) fn compressed_extras(json: &[u8], priors: &[Vec<u8>]) -> Result<Vec<(String, Vec<u8>)>, Error> {
    let bad = |reason| Error::Tokenizer { codec: ZSTD, reason };
    let mut extras = vec![(TOKENIZER.to_owned(), codec::compress(TOKENIZER, json, bad)?)];
    for (number, priors) in priors.iter().enumerate() {
        let name = format!("mixing.priors.{number}");
        let bad = |reason| Error::Compressed {
            name: name.clone(),
            reason,
        };
        let data = codec::compress(&name, priors, bad)?;
        extras.push((name, data));
    }
    Ok(extras)
}

pub(crate) struct Metadata<'a>(pub(crate) &'a HashMap<String, String>);

impl<'a> Metadata<'a> {
    pub(crate) fn text(&self, key: &'static str) -> Result<&'a str, Error> {
        self.0
            .get(key)
            .map(String::as_str)
            .ok_or(Error::MissingMetadata { key })
    }

    pub(crate) fn number(&self, key: &'static str) -> Result<u64, Error> {
        self.text(key)?
            .parse()
            .map_err(|_| self.bad(key, "must be a decimal number"))
    }

    pub(crate) fn within(
        &self,
        key: &'static str,
        low: usize,
        high: usize,
        reason: &'static str,
    ) -> Result<usize, Error> {
        match usize::try_from(self.number(key)?) {
            Ok(value) if (low..=high).contains(&value) => Ok(value),
            _ => Err(self.bad(key, reason)),
        }
    }

    pub(crate) fn bad(&self, key: &'static str, reason: &'static str) -> Error {
        Error::BadMetadata {
            key,
            value: self.0.get(key).map(|value| cut(value)).unwrap_or_default(),
            reason,
        }
    }
}

/// Refuses a tensor of another type or shape.
pub(crate) fn check(name: &str, found: (Dtype, &[usize]), wanted: (Dtype, &[usize])) -> Result<(), Error> {
    let problem = if found.0 != wanted.0 {
        TensorProblem::Type {
            found: found.0.to_string(),
            wanted: dtype_name(wanted.0),
        }
    } else if found.1 != wanted.1 {
        TensorProblem::Shape {
            found: found.1.to_vec(),
            wanted: wanted.1.to_vec(),
        }
    } else {
        return Ok(());
    };
    Err(tensor_error(name, problem))
}

pub(crate) fn tensor_error(name: &str, problem: TensorProblem) -> Error {
    Error::Tensor {
        name: name.to_owned(),
        problem,
    }
}

pub(crate) fn out_of_range(name: &str, value: i64, low: i64, high: i64) -> Error {
    tensor_error(name, TensorProblem::Range { value, low, high })
}

/// A little-endian number of the file.
pub(crate) trait Number<const N: usize>: Sized {
    const DTYPE: Dtype;
}

impl Number<1> for u8 {
    const DTYPE: Dtype = Dtype::U8;
}
impl Number<1> for i8 {
    const DTYPE: Dtype = Dtype::I8;
}
impl Number<2> for i16 {
    const DTYPE: Dtype = Dtype::I16;
}
impl Number<2> for u16 {
    const DTYPE: Dtype = Dtype::U16;
}
impl Number<4> for i32 {
    const DTYPE: Dtype = Dtype::I32;
}
impl Number<4> for u32 {
    const DTYPE: Dtype = Dtype::U32;
}

fn dtype_name(dtype: Dtype) -> &'static str {
    match dtype {
        Dtype::I8 => "I8",
        Dtype::I16 => "I16",
        Dtype::U16 => "U16",
        Dtype::I32 => "I32",
        Dtype::U32 => "U32",
        Dtype::U8 => "U8",
        _ => "another",
    }
}

pub(crate) struct Tensors<'a>(pub(crate) SafeTensors<'a>);

impl<'a> Tensors<'a> {
    pub(crate) fn optional(&self, name: &str) -> Option<TensorView<'a>> {
        self.0.tensor(name).ok()
    }

    pub(crate) fn view(&self, name: &str) -> Result<TensorView<'a>, Error> {
        self.optional(name)
            .ok_or_else(|| tensor_error(name, TensorProblem::Missing))
    }

    /// The bytes of a tensor of the given type and shape. The envelope's parser has checked that the length of the
    /// data is what type and shape demand.
    pub(crate) fn typed(&self, name: &str, shape: &[usize], dtype: Dtype) -> Result<&'a [u8], Error> {
        let view = self.view(name)?;
        check(name, (view.dtype(), view.shape()), (dtype, shape))?;
        Ok(view.data())
    }

    /// The bytes of a tensor of one dimension of any length.
    pub(crate) fn bytes(&self, name: &str) -> Result<&'a [u8], Error> {
        let len = self.view(name)?.shape().iter().product();
        self.typed(name, &[len], Dtype::U8)
    }

    pub(crate) fn int8(&self, name: &str, shape: &[usize]) -> Result<&'a [i8], Error> {
        Ok(bytemuck::cast_slice(self.typed(name, shape, Dtype::I8)?))
    }

    pub(crate) fn numbers<T: Number<N>, const N: usize>(
        &self,
        name: &str,
        shape: &[usize],
        from_le_bytes: fn([u8; N]) -> T,
    ) -> Result<Vec<T>, Error> {
        let (numbers, _) = self.typed(name, shape, T::DTYPE)?.as_chunks::<N>();
        Ok(numbers.iter().map(|&bytes| from_le_bytes(bytes)).collect())
    }

    pub(crate) fn scalar<T: Number<N> + Copy, const N: usize>(
        &self,
        name: &str,
        from_le_bytes: fn([u8; N]) -> T,
    ) -> Result<T, Error> {
        Ok(self.numbers(name, &[], from_le_bytes)?[0])
    }
}
