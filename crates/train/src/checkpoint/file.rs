//! The file of a checkpoint: named tensors and metadata in, a safetensors file out; and back.
//!
//! Nothing that a file says of itself is trusted: memory is allocated only for bytes that the file has.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::str::FromStr;

use serde_json::{Map, Value, json};
use xxhash_rust::xxh3::Xxh3;

use super::error::Problem;

/// The value of the metadata's key `format`.
const FORMAT: &str = "czip-checkpoint-1";

/// The longest header, in bytes. Those that are written have a tenth of that.
const MAX_HEADER_LEN: u64 = 1 << 14;
/// The largest number of tokens, bits or seconds: far from where sums and products overflow.
pub(super) const MAX_TOKENS: u64 = 1 << 53;

const BAD_HEADER: Problem = Problem::Format("its header cannot be used");
pub(super) const BAD_NUMBER: Problem = Problem::Format("a number in it cannot be used");

/// A type of elements.
#[derive(Clone, Copy, Debug)]
pub(super) struct Element {
    name: &'static str,
    /// Bytes of one.
    size: u64,
}

pub(super) const U8: Element = Element { name: "U8", size: 1 };
pub(super) const U64: Element = Element { name: "U64", size: 8 };
pub(super) const F32: Element = Element { name: "F32", size: 4 };
pub(super) const F64: Element = Element { name: "F64", size: 8 };

/// The elements of a tensor that is to be written.
pub(super) enum Data<'d> {
    Bytes(&'d [u8]),
    Floats(&'d [f32]),
}

impl Data<'_> {
    /// Hands out the bytes in parts. There may be many floats, so they are not turned into bytes all at once.
    fn each_part(&self, mut write: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
        match self {
            Data::Bytes(bytes) => write(bytes),
            Data::Floats(floats) => floats.chunks(1 << 12).try_for_each(|floats| {
                let part: Vec<u8> = floats.iter().flat_map(|float| float.to_le_bytes()).collect();
                write(&part)
            }),
        }
    }
}

/// A tensor of one dimension that is to be written.
pub(super) type Tensor<'d> = (&'static str, Element, Data<'d>);

/// Writes a file. The tensors are hashed in the order given, which is that in which they are to be read.
pub(super) fn write(
    out: &mut impl Write,
    tensors: &[Tensor<'_>],
    metadata: &[(&str, String)],
) -> io::Result<()> {
    let mut hash = Xxh3::new();
    let mut header = Map::new();
    let mut end = 0;
    for (name, element, data) in tensors {
        let start = end;
        data.each_part(|part| {
            hash.update(part);
            end += part.len();
            Ok(())
        })?;
        let shape = [(end - start) / element.size as usize];
        let tensor = json!({ "dtype": element.name, "shape": shape, "data_offsets": [start, end] });
        header.insert((*name).to_owned(), tensor);
    }
    let metadata = metadata.iter().map(|(key, value)| (*key, value.clone()));
    let own = [("format", FORMAT.to_owned()), ("hash", hash.digest().to_string())];
    header.insert("__metadata__".to_owned(), metadata.chain(own).collect());

    let mut header = Value::Object(header).to_string().into_bytes();
    header.resize(header.len().next_multiple_of(8), b' ');
    out.write_all(&(header.len() as u64).to_le_bytes())?;
    out.write_all(&header)?;
    tensors
        .iter()
        .try_for_each(|(.., data)| data.each_part(|part| out.write_all(part)))
}

/// A file whose header has been read.
pub(super) struct Reader {
    file: File,
    table: Map<String, Value>,
    metadata: Map<String, Value>,
    /// Where the tensors' data start in the file, and their length.
    data: (u64, u64),
    hash: Xxh3,
}

impl Reader {
    pub(super) fn open(path: &Path) -> Result<Self, Problem> {
        // Pipes and devices have no length to compare with, and may never end.
        if !fs::metadata(path)?.is_file() {
            return Err(Problem::Format("it is not a regular file"));
        }
        let mut file = File::open(path)?;
        let file_len = file.metadata()?.len();
        let mut header_len = [0; 8];
        file.read_exact(&mut header_len)?;
        let header_len = u64::from_le_bytes(header_len);
        if header_len > MAX_HEADER_LEN {
            return Err(BAD_HEADER);
        }
        let mut header = vec![0; header_len as usize];
        file.read_exact(&mut header)?;
        let Ok(Value::Object(mut table)) = serde_json::from_slice(&header) else {
            return Err(BAD_HEADER);
        };
        let Some(Value::Object(metadata)) = table.remove("__metadata__") else {
            return Err(BAD_HEADER);
        };
        if metadata.get("format").and_then(Value::as_str) != Some(FORMAT) {
            return Err(Problem::Format("it has another format"));
        }
        let data_start = 8 + header_len;
        Ok(Self {
            file,
            table,
            metadata,
            data: (data_start, file_len.saturating_sub(data_start)),
            hash: Xxh3::new(),
        })
    }

    /// Whether there is a tensor of this name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.table.contains_key(name)
    }

    /// The number of elements that a tensor has.
    pub(super) fn count(&self, name: &str, element: Element) -> Result<u64, Problem> {
        Ok(self.place(name, element)?.1 / element.size)
    }

    /// The bytes of a tensor of this many elements. They count towards the hash.
    pub(super) fn read(&mut self, name: &str, element: Element, count: u64) -> Result<Vec<u8>, Problem> {
        let (start, len) = self.place(name, element)?;
        if Some(len) != count.checked_mul(element.size) {
            return Err(Problem::Format("a tensor has another length than its net"));
        }
        let len = usize::try_from(len).map_err(|_| BAD_HEADER)?;
        self.file.seek(SeekFrom::Start(start))?;
        let mut bytes = vec![0; len];
        self.file.read_exact(&mut bytes)?;
        self.hash.update(&bytes);
        Ok(bytes)
    }

    /// So many finite numbers.
    pub(super) fn floats(&mut self, name: &str, count: u64) -> Result<Vec<f32>, Problem> {
        let bytes = self.read(name, F32, count)?;
        let floats = bytes.as_chunks::<4>().0.iter();
        let floats: Vec<f32> = floats.map(|&bytes| f32::from_le_bytes(bytes)).collect();
        if floats.iter().all(|float| float.is_finite()) {
            Ok(floats)
        } else {
            Err(Problem::Format("it holds numbers that are not finite"))
        }
    }

    /// Forgets which tensors have been read.
    pub(super) fn restart_hash(&mut self) {
        self.hash = Xxh3::new();
    }

    /// Compares the hash of the tensors that have been read with the one in the metadata.
    pub(super) fn check_hash(&self) -> Result<(), Problem> {
        // Files of earlier versions have none.
        if self.metadata.contains_key("hash") && self.number::<u64>("hash")? != self.hash.digest() {
            return Err(Problem::Format(
                "it is damaged: its tensors do not have the hash that it states",
            ));
        }
        Ok(())
    }

    /// Where in the file a tensor starts, and its length in bytes. All of it is in the file.
    fn place(&self, name: &str, element: Element) -> Result<(u64, u64), Problem> {
        let place = || {
            let tensor = self.table.get(name)?;
            if tensor.get("dtype")?.as_str()? != element.name {
                return None;
            }
            let offsets = tensor.get("data_offsets")?;
            let (start, end) = (offsets.get(0)?.as_u64()?, offsets.get(1)?.as_u64()?);
            let len = end.checked_sub(start)?;
            let fits = end <= self.data.1 && len.is_multiple_of(element.size);
            fits.then(|| (self.data.0 + start, len))
        };
        place().ok_or(BAD_HEADER)
    }

    /// A number in the metadata.
    pub(super) fn number<T: FromStr>(&self, name: &str) -> Result<T, Problem> {
        let number = self.metadata.get(name).and_then(Value::as_str);
        number.and_then(|number| number.parse().ok()).ok_or(BAD_NUMBER)
    }

    /// A count in the metadata, at most `most`.
    pub(super) fn number_within(&self, name: &str, most: u64) -> Result<u64, Problem> {
        let count = self.number(name)?;
        if count > most { Err(BAD_NUMBER) } else { Ok(count) }
    }

    /// A number of seconds or bits in the metadata: 0 to [`MAX_TOKENS`].
    pub(super) fn non_negative(&self, name: &str) -> Result<f64, Problem> {
        let number: f64 = self.number(name)?;
        let fits = (0.0..=MAX_TOKENS as f64).contains(&number);
        if fits { Ok(number) } else { Err(BAD_NUMBER) }
    }
}
