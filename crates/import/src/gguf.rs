//! The structure of a GGUF file: metadata, and where the tensors are.
//!
//! Numbers are little-endian. A file is the four bytes `GGUF`, the version (u32), the numbers of tensors and of keys (u64
//! each); keys with their values; for each tensor its name, dimensions, type and offset; and, from the next multiple of the
//! alignment on, the tensors' data. A string is its length (u64) and its bytes.

use std::collections::BTreeMap;
use std::io::{self, Read};

use crate::elements::{self, ElementType};
use crate::error::Error;
use czip_model::quote::cut;

/// The first bytes of a file.
pub(crate) const MAGIC: [u8; 4] = *b"GGUF";
/// More keys or tensors than any model has.
const MAX_COUNT: u64 = 1 << 16;
/// More elements than any array of the metadata has: tokens are the most.
const MAX_ELEMENTS: u64 = 1 << 22;
/// The longest key or name.
const MAX_NAME_LEN: u64 = 1 << 16;

/// A value of the metadata.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Integer(i128),
    Float(f64),
    Bool(bool),
    Text(String),
    Texts(Vec<String>),
    Integers(Vec<i64>),
    /// An array of something else.
    Others,
}

/// A tensor.
#[derive(Clone, Debug)]
pub(crate) struct Tensor {
    pub(crate) name: String,
    pub(crate) element_type: ElementType,
    /// The last dimension is that of rows; dimensions of 1 before it are left out.
    pub(crate) shape: Vec<usize>,
    /// Of its first byte, in the file.
    pub(crate) offset: u64,
    pub(crate) byte_len: u64,
}

/// A file's metadata and tensors.
#[derive(Debug)]
pub(crate) struct Gguf {
    pub(crate) version: u32,
    pub(crate) metadata: BTreeMap<String, Value>,
    pub(crate) tensors: Vec<Tensor>,
}

/// Reads a stream of known length and counts its bytes.
struct Reader<R> {
    inner: R,
    at: u64,
    len: u64,
}

/// Why something could not be read.
pub(crate) enum Problem {
    Io(io::Error),
    Model(Error),
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        Self::Model(error)
    }
}

fn malformed(place: impl Into<String>, reason: impl Into<String>) -> Problem {
    Problem::Model(Error::Malformed {
        place: place.into(),
        reason: reason.into(),
    })
}

impl<R: Read> Reader<R> {
    fn bytes<const N: usize>(&mut self) -> Result<[u8; N], Problem> {
        self.admit(N as u64)?;
        let mut bytes = [0; N];
        self.inner.read_exact(&mut bytes).map_err(Problem::Io)?;
        Ok(bytes)
    }

    /// Counts bytes that are about to be read.
    fn admit(&mut self, len: u64) -> Result<(), Problem> {
        if len > self.len - self.at {
            let reason = format!("ends at byte {}, where {len} more bytes are needed", self.len);
            return Err(malformed("file", reason));
        }
        self.at += len;
        Ok(())
    }

    fn u32(&mut self) -> Result<u32, Problem> {
        Ok(u32::from_le_bytes(self.bytes()?))
    }

    fn u64(&mut self) -> Result<u64, Problem> {
        Ok(u64::from_le_bytes(self.bytes()?))
    }

    fn string(&mut self, place: &str, max: u64) -> Result<String, Problem> {
        let len = self.u64()?;
        if len > max {
            return Err(malformed(
                place,
                format!("a string of {len} bytes, more than {max}"),
            ));
        }
        // Before any memory is taken for it.
        self.admit(len)?;
        let mut bytes = Vec::new();
        (&mut self.inner)
            .take(len)
            .read_to_end(&mut bytes)
            .map_err(Problem::Io)?;
        if bytes.len() as u64 != len {
            return Err(Problem::Io(io::ErrorKind::UnexpectedEof.into()));
        }
        String::from_utf8(bytes).map_err(|_| malformed(place, "a string that is not UTF-8"))
    }

    fn value(&mut self, kind: u32, key: &str) -> Result<Value, Problem> {
        Ok(match kind {
            0 => Value::Integer(self.bytes::<1>()?[0].into()),
            1 => Value::Integer(i8::from_le_bytes(self.bytes()?).into()),
            2 => Value::Integer(u16::from_le_bytes(self.bytes()?).into()),
            3 => Value::Integer(i16::from_le_bytes(self.bytes()?).into()),
            4 => Value::Integer(self.u32()?.into()),
            5 => Value::Integer(i32::from_le_bytes(self.bytes()?).into()),
            6 => Value::Float(f32::from_le_bytes(self.bytes()?).into()),
            7 => match self.bytes::<1>()? {
                [0] => Value::Bool(false),
                [1] => Value::Bool(true),
                [other] => return Err(malformed(key, format!("{other} is not a truth value"))),
            },
            8 => Value::Text(self.string(key, self.len)?),
            9 => return self.array(key),
            10 => Value::Integer(self.u64()?.into()),
            11 => Value::Integer(i64::from_le_bytes(self.bytes()?).into()),
            12 => Value::Float(f64::from_le_bytes(self.bytes()?)),
            _ => return Err(malformed(key, format!("there is no type {kind} of values"))),
        })
    }

    fn array(&mut self, key: &str) -> Result<Value, Problem> {
        let (kind, count) = (self.u32()?, self.u64()?);
        if count > MAX_ELEMENTS {
            let reason = format!("an array of {count} elements, more than {MAX_ELEMENTS}");
            return Err(malformed(key, reason));
        }
        match kind {
            8 => {
                let texts: Result<Vec<String>, Problem> =
                    (0..count).map(|_| self.string(key, MAX_NAME_LEN)).collect();
                Ok(Value::Texts(texts?))
            }
            9 => Err(malformed(key, "an array of arrays")),
            _ => {
                let mut integers = Vec::new();
                for _ in 0..count {
                    if let Value::Integer(integer) = self.value(kind, key)? {
                        integers.extend(i64::try_from(integer));
                    }
                }
                Ok(if integers.len() as u64 == count {
                    Value::Integers(integers)
                } else {
                    Value::Others
                })
            }
        }
    }

    /// A tensor, its offset still that in the data.
    fn tensor(&mut self) -> Result<Tensor, Problem> {
        let name = self.string("name of a tensor", MAX_NAME_LEN)?;
        let bad = |reason: String| {
            let name = cut(&name);
            Problem::Model(Error::BadTensor { name, reason })
        };
        let dimensions = self.u32()?;
        if dimensions > 4 {
            return Err(bad(format!("{dimensions} dimensions, more than 4")));
        }
        let mut shape = Vec::new();
        for _ in 0..dimensions {
            let size = self.u64()?;
            let size = usize::try_from(size).map_err(|_| bad(format!("a dimension of {size}")))?;
            shape.push(size);
        }
        let (number, offset) = (self.u32()?, self.u64()?);
        let Some(element_type) = ElementType::of_gguf(number) else {
            return Err(elements::unsupported(&cut(&name), &elements::gguf_type_name(number)).into());
        };
        // They are stored the other way round.
        while shape.len() > 1 && shape.last() == Some(&1) {
            shape.pop();
        }
        shape.reverse();
        let byte_len = element_type
            .byte_len(&shape)
            .ok_or_else(|| bad(format!("the shape {shape:?} of type {}", element_type.name())))?;
        Ok(Tensor {
            name,
            element_type,
            shape,
            offset,
            byte_len,
        })
    }
}

/// Reads all but the data of a file of `len` bytes.
pub(crate) fn read(inner: impl Read, len: u64) -> Result<Gguf, Problem> {
    let mut reader = Reader { inner, at: 0, len };
    if reader.bytes()? != MAGIC {
        return Err(Error::NotAModel.into());
    }
    let version = reader.u32()?;
    if !(2..=3).contains(&version) {
        return Err(if (2..=3).contains(&version.swap_bytes()) {
            malformed("file", "numbers are big-endian, which is not supported")
        } else {
            Error::GgufVersion { version }.into()
        });
    }
    let (tensor_count, key_count) = (reader.u64()?, reader.u64()?);
    for (what, count) in [("tensors", tensor_count), ("keys", key_count)] {
        if count > MAX_COUNT {
            return Err(malformed(
                "file",
                format!("{count} {what}, more than {MAX_COUNT}"),
            ));
        }
    }
    let mut metadata = BTreeMap::new();
    for _ in 0..key_count {
        let key = reader.string("key", MAX_NAME_LEN)?;
        let kind = reader.u32()?;
        let value = reader.value(kind, &format!("key {}", cut(&key)))?;
        if metadata.insert(key.clone(), value).is_some() {
            return Err(malformed(format!("key {}", cut(&key)), "is there twice"));
        }
    }
    let mut tensors = Vec::new();
    for _ in 0..tensor_count {
        tensors.push(reader.tensor()?);
    }
    let alignment = match metadata.get("general.alignment") {
        None => 32,
        Some(&Value::Integer(alignment @ 1..=0x1_0000)) => alignment as u64,
        Some(_) => {
            return Err(Error::BadKey {
                key: "general.alignment".to_owned(),
                reason: "is not 1 to 65536".to_owned(),
            }
            .into());
        }
    };
    // At most 2^64 / 2, since a file is not longer.
    let data = reader.at.next_multiple_of(alignment);
    for tensor in &mut tensors {
        let end = data
            .checked_add(tensor.offset)
            .and_then(|start| start.checked_add(tensor.byte_len));
        if end.is_none_or(|end| end > len) {
            return Err(Error::BadTensor {
                name: cut(&tensor.name),
                reason: format!(
                    "{} bytes from byte {data} + {} on are not within the {len} bytes of the file",
                    tensor.byte_len, tensor.offset
                ),
            }
            .into());
        }
        tensor.offset += data;
    }
    Ok(Gguf {
        version,
        metadata,
        tensors,
    })
}
