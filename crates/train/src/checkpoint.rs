//! A run between two steps, in a file: safetensors with 32-bit floats.
//!
//! The file is replaced as a whole, so that there is one at any time, whatever ends the process. While a run writes it, the
//! run holds a [`Lock`]. A checkpoint is an input like any other when a run goes on: nothing is taken for granted that it
//! says of itself.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, BufWriter, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use czip_model::MAX_TOKENIZER_LEN;
use czip_model::v2::{Config, HEAD_DIM};
use serde_json::{Map, Value, json};
use xxhash_rust::xxh3::Xxh3;

use crate::optimizer::State;
use crate::session::{Error, Point};

/// Everything that a run needs to go on as if it had not stopped.
#[derive(Clone, Debug, PartialEq)]
pub struct Checkpoint {
    /// The sizes of the net.
    pub config: Config,
    /// The tokenizer's JSON.
    pub tokenizer_json: Vec<u8>,
    /// The parameters.
    pub parameters: Vec<f32>,
    /// The optimizer's state.
    pub state: State,
    /// The running average of the parameters.
    pub average: Vec<f32>,
    /// The best parameters so far, and their cost in bits per byte of held-out text.
    pub best: Option<(f64, Vec<f32>)>,
    /// The curve so far.
    pub curve: Vec<Point>,
    /// Bits and tokens of the training text since the last point.
    pub since: (f64, u64),
    /// Seconds that the run has taken.
    pub seconds: f64,
    /// What tells one run from another: a hash of the text and of all options.
    pub run: u64,
}

const FORMAT: &str = "czip-checkpoint-1";

/// The most bytes of a header. One of ours has a tenth of that.
const MAX_HEADER_LEN: u64 = 1 << 14;
/// The most points of a curve. A run makes some fifty.
const MAX_POINTS: u64 = 1 << 12;
/// The most steps and tokens: so many that sums and products of them are far from overflowing.
const MAX_STEPS: u64 = 1 << 30;
const MAX_TOKENS: u64 = 1 << 53;

impl Checkpoint {
    /// Writes it under another name, that of [`temporary`], and renames it, so that there is always a whole one.
    ///
    /// # Errors
    ///
    /// A file that cannot be written. The one before is as it was.
    pub fn save(&self, path: &Path) -> Result<(), Error> {
        let temporary = temporary(path);
        File::create(&temporary)
            .and_then(|file| {
                let mut out = BufWriter::with_capacity(1 << 16, file);
                self.write(&mut out)?;
                out.into_inner()?.sync_all()
            })
            .and_then(|()| fs::rename(&temporary, path))
            .map_err(|source| {
                // Part of it may be there, on a disk that is full.
                let _ = fs::remove_file(&temporary);
                Error::SaveCheckpoint {
                    path: path.to_owned(),
                    source,
                }
            })?;
        sync_folder(path);
        Ok(())
    }

    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let sizes = self.config.to_array();
        let sizes: Vec<u8> = sizes
            .iter()
            .flat_map(|&size| (size as u64).to_le_bytes())
            .collect();
        let curve: Vec<u8> = self
            .curve
            .iter()
            .flat_map(|point| [point.tokens as f64, point.seconds, point.train, point.heldout])
            .flat_map(f64::to_le_bytes)
            .collect();
        let (cost, best) = match &self.best {
            Some((cost, parameters)) => (*cost, Some(parameters)),
            None => (f64::INFINITY, None),
        };
        // In the order in which they are read and hashed.
        let mut tensors = vec![
            ("config", U64, Data::Bytes(&sizes)),
            ("curve", F64, Data::Bytes(&curve)),
            ("parameters", F32, Data::Floats(&self.parameters)),
            ("first", F32, Data::Floats(&self.state.first)),
            ("second", F32, Data::Floats(&self.state.second)),
            ("average", F32, Data::Floats(&self.average)),
        ];
        if let Some(best) = best {
            tensors.push(("best", F32, Data::Floats(best)));
        }
        tensors.push(("tokenizer", U8, Data::Bytes(&self.tokenizer_json)));

        let mut hash = Xxh3::new();
        let mut header = Map::new();
        let mut end = 0;
        for (name, (dtype, size), data) in &tensors {
            let start = end;
            data.each_part(&mut |part| {
                hash.update(part);
                end += part.len();
                Ok(())
            })?;
            let shape = [(end - start) / *size as usize];
            let tensor = json!({ "dtype": dtype, "shape": shape, "data_offsets": [start, end] });
            header.insert((*name).to_owned(), tensor);
        }
        let metadata = json!({
            "format": FORMAT,
            "steps": self.state.steps.to_string(),
            "seconds": self.seconds.to_string(),
            "since_bits": self.since.0.to_string(),
            "since_tokens": self.since.1.to_string(),
            "run": self.run.to_string(),
            "best": cost.to_string(),
            "hash": hash.digest().to_string(),
        });
        header.insert("__metadata__".to_owned(), metadata);
        let mut header = Value::Object(header).to_string().into_bytes();
        header.resize(header.len().next_multiple_of(8), b' ');
        out.write_all(&(header.len() as u64).to_le_bytes())?;
        out.write_all(&header)?;
        for (.., data) in &tensors {
            data.each_part(&mut |part| out.write_all(part))?;
        }
        Ok(())
    }

    /// Reads what [`Checkpoint::save`] wrote.
    ///
    /// # Errors
    ///
    /// A file that cannot be read, or is no checkpoint.
    pub fn load(path: &Path) -> Result<Self, Error> {
        Stored::open(path)?.read()
    }
}

/// The bytes of a tensor.
enum Data<'d> {
    Bytes(&'d [u8]),
    Floats(&'d [f32]),
}

impl Data<'_> {
    /// Floats are made into bytes part by part: there may be many.
    fn each_part(&self, write: &mut dyn FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
        match self {
            Data::Bytes(bytes) => write(bytes),
            Data::Floats(floats) => floats.chunks(1 << 12).try_for_each(|floats| {
                let part: Vec<u8> = floats.iter().flat_map(|float| float.to_le_bytes()).collect();
                write(&part)
            }),
        }
    }
}

/// Where a checkpoint is written before it is renamed: `m.czm.checkpoint.new` for `m.czm.checkpoint`. A process that is
/// killed leaves it behind, and the next checkpoint replaces it.
#[must_use]
pub fn temporary(checkpoint: &Path) -> PathBuf {
    with_ending(checkpoint, ".new")
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

/// Has the new name of a file survive a crash of the system, where folders can be synchronized.
fn sync_folder(path: &Path) {
    #[cfg(unix)]
    {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        // If it fails, the file is there all the same.
        let _ = File::open(folder.unwrap_or(Path::new("."))).and_then(|folder| folder.sync_all());
    }
    #[cfg(not(unix))]
    let _ = path;
}

/// The right to write a checkpoint. It ends with the process at the latest, however that ends; the file by which it is held
/// may then stay, and is taken over.
#[derive(Debug)]
pub struct Lock {
    path: PathBuf,
    // Holds the lock until it is closed.
    _file: File,
}

impl Lock {
    /// The file by which the right is held: `m.czm.checkpoint.lock` for `m.czm.checkpoint`. It is always empty.
    #[must_use]
    pub fn path_for(checkpoint: &Path) -> PathBuf {
        with_ending(checkpoint, ".lock")
    }

    /// The file by which this one is held.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Takes the right, unless another process has it. Where the file system knows no locks, all have it.
    ///
    /// # Errors
    ///
    /// [`Error::Busy`], or a file that cannot be made.
    pub fn take(checkpoint: &Path) -> Result<Self, Error> {
        let path = Self::path_for(checkpoint);
        let failed = |source| Error::SaveCheckpoint {
            path: path.clone(),
            source,
        };
        loop {
            let file = OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(false)
                .open(&path)
                .map_err(failed)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => {
                    return Err(Error::Busy {
                        path: checkpoint.to_owned(),
                    });
                }
                // There are file systems without locks.
                Err(TryLockError::Error(_)) => {}
            }
            // Who had it before may have removed the file after it was opened here.
            if is_named(&file).map_err(failed)? {
                return Ok(Self { path, _file: file });
            }
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Before it is unlocked: later it might be another's.
        let _ = fs::remove_file(&self.path);
    }
}

/// Whether an open file still has a name.
fn is_named(file: &File) -> io::Result<bool> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        Ok(file.metadata()?.nlink() > 0)
    }
    #[cfg(not(unix))]
    file.metadata().map(|_| true)
}

/// What is wrong with a file.
enum Problem {
    /// It cannot be read.
    Io(io::Error),
    /// It is no checkpoint.
    Format(&'static str),
}

impl From<io::Error> for Problem {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            ErrorKind::UnexpectedEof => Self::Format("it is cut"),
            _ => Self::Io(error),
        }
    }
}

impl Problem {
    fn of(self, path: &Path) -> Error {
        let path = path.to_owned();
        match self {
            Self::Io(source) => Error::ReadCheckpoint { path, source },
            Self::Format(problem) => Error::NoCheckpoint { path, problem },
        }
    }
}

const BAD_HEADER: Problem = Problem::Format("its header cannot be used");
const BAD_SIZES: Problem = Problem::Format("the sizes of its net cannot be used");
const BAD_NUMBER: Problem = Problem::Format("a number in it cannot be used");

/// Types of elements, and their lengths in bytes.
const U8: (&str, u64) = ("U8", 1);
const U64: (&str, u64) = ("U64", 8);
const F32: (&str, u64) = ("F32", 4);
const F64: (&str, u64) = ("F64", 8);

/// The tensors of a file, by its header. Nothing is taken for granted: what is read must be in the file.
struct Tensors {
    file: File,
    table: Map<String, Value>,
    /// Where their data start in the file, and how long they are.
    data: (u64, u64),
}

impl Tensors {
    /// The bytes of a tensor of so many elements. Memory is taken for what the file has.
    fn read(
        &mut self,
        name: &str,
        (dtype, size): (&str, u64),
        count: u64,
        hash: &mut Xxh3,
    ) -> Result<Vec<u8>, Problem> {
        let (start, len) = self.place(name, (dtype, size))?;
        if Some(len) != count.checked_mul(size) {
            return Err(Problem::Format("a tensor has another length than its net"));
        }
        let len = usize::try_from(len).map_err(|_| BAD_HEADER)?;
        self.file.seek(SeekFrom::Start(start))?;
        let mut bytes = vec![0; len];
        self.file.read_exact(&mut bytes)?;
        hash.update(&bytes);
        Ok(bytes)
    }

    /// As many finite numbers as there are parameters.
    fn floats(&mut self, name: &str, count: u64, hash: &mut Xxh3) -> Result<Vec<f32>, Problem> {
        let bytes = self.read(name, F32, count, hash)?;
        let floats = bytes.as_chunks::<4>().0.iter();
        let floats: Vec<f32> = floats.map(|&bytes| f32::from_le_bytes(bytes)).collect();
        if floats.iter().all(|float| float.is_finite()) {
            Ok(floats)
        } else {
            Err(Problem::Format("it holds numbers that are not finite"))
        }
    }

    /// Where in the file a tensor starts, and its length in bytes: it ends where the file does, or before.
    fn place(&self, name: &str, (dtype, size): (&str, u64)) -> Result<(u64, u64), Problem> {
        let place = || {
            let tensor = self.table.get(name)?;
            if tensor.get("dtype")?.as_str()? != dtype {
                return None;
            }
            let offsets = tensor.get("data_offsets")?;
            let (start, end) = (offsets.get(0)?.as_u64()?, offsets.get(1)?.as_u64()?);
            let len = end.checked_sub(start)?;
            let fits = end <= self.data.1 && len.is_multiple_of(size);
            fits.then(|| (self.data.0 + start, len))
        };
        place().ok_or(BAD_HEADER)
    }

    fn config(&mut self, hash: &mut Xxh3) -> Result<Config, Problem> {
        let bytes = self.read("config", U64, 8, hash)?;
        let sizes = bytes.as_chunks::<8>().0.iter();
        let sizes = sizes.map(|&bytes| usize::try_from(u64::from_le_bytes(bytes)));
        let sizes: Vec<usize> = sizes.collect::<Result<_, _>>().map_err(|_| BAD_SIZES)?;
        let sizes = sizes.try_into().map_err(|_| BAD_SIZES)?;
        Ok(Config::from_array(sizes))
    }

    fn curve(&mut self, hash: &mut Xxh3) -> Result<Vec<Point>, Problem> {
        let count = self.place("curve", F64)?.1 / 8;
        if count % 4 != 0 || count / 4 > MAX_POINTS {
            return Err(Problem::Format("its curve cannot be used"));
        }
        let bytes = self.read("curve", F64, count, hash)?;
        let numbers = bytes.as_chunks::<8>().0.iter();
        let numbers: Vec<f64> = numbers.map(|&bytes| f64::from_le_bytes(bytes)).collect();
        let points = numbers.as_chunks::<4>().0.iter();
        let points = points.map(|&[tokens, seconds, train, heldout]| {
            let is_count = (0.0..=MAX_TOKENS as f64).contains(&tokens);
            // Without held-out text, its cost is infinite.
            let fits = is_count && seconds.is_finite() && train >= 0.0 && heldout >= 0.0;
            fits.then_some(Point {
                tokens: tokens as u64,
                seconds,
                train,
                heldout,
            })
        });
        points.collect::<Option<_>>().ok_or(BAD_NUMBER)
    }
}

/// A checkpoint of which little more than the header was read.
pub(crate) struct Stored {
    path: PathBuf,
    metadata: Map<String, Value>,
    tensors: Tensors,
    config: Config,
    run: u64,
}

impl Stored {
    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        Self::read_header(path).map_err(|problem| problem.of(path))
    }

    /// What tells one run from another.
    pub(crate) fn run(&self) -> u64 {
        self.run
    }

    /// The sizes of the net, as they are declared.
    pub(crate) fn config(&self) -> &Config {
        &self.config
    }

    /// Reads the rest.
    pub(crate) fn read(mut self) -> Result<Checkpoint, Error> {
        self.read_data().map_err(|problem| problem.of(&self.path))
    }

    fn read_header(path: &Path) -> Result<Self, Problem> {
        // Pipes and devices have no length to compare with, and may never end.
        if !fs::metadata(path)?.is_file() {
            return Err(Problem::Format("it is no regular file"));
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
        let mut tensors = Tensors {
            file,
            table,
            data: (data_start, file_len.saturating_sub(data_start)),
        };
        Ok(Self {
            path: path.to_owned(),
            run: number(&metadata, "run")?,
            config: tensors.config(&mut Xxh3::new())?,
            metadata,
            tensors,
        })
    }

    fn read_data(&mut self) -> Result<Checkpoint, Problem> {
        let tensors = &mut self.tensors;
        let mut hash = Xxh3::new();
        let config = tensors.config(&mut hash)?;
        let len = parameters(&config).ok_or(BAD_SIZES)?;
        let curve = tensors.curve(&mut hash)?;
        let [parameters, first, second, average] =
            ["parameters", "first", "second", "average"].map(|name| tensors.floats(name, len, &mut hash));
        let best = match tensors.table.contains_key("best") {
            true => Some((
                non_negative(&self.metadata, "best")?,
                tensors.floats("best", len, &mut hash)?,
            )),
            false => None,
        };
        let tokenizer_len = tensors.place("tokenizer", U8)?.1;
        if tokenizer_len > MAX_TOKENIZER_LEN {
            return Err(Problem::Format("its tokenizer is too long"));
        }
        let tokenizer_json = tensors.read("tokenizer", U8, tokenizer_len, &mut hash)?;
        // Those of earlier versions have none.
        if self.metadata.contains_key("hash") && number::<u64>(&self.metadata, "hash")? != hash.digest() {
            return Err(Problem::Format(
                "it is damaged, since its tensors do not have the hash that it names",
            ));
        }
        Ok(Checkpoint {
            config,
            tokenizer_json,
            parameters: parameters?,
            state: State {
                steps: count(&self.metadata, "steps", MAX_STEPS)?,
                first: first?,
                second: second?,
            },
            average: average?,
            best,
            curve,
            since: (
                non_negative(&self.metadata, "since_bits")?,
                count(&self.metadata, "since_tokens", MAX_TOKENS)?,
            ),
            seconds: non_negative(&self.metadata, "seconds")?,
            run: self.run,
        })
    }
}

/// A number in the metadata.
fn number<T: FromStr>(metadata: &Map<String, Value>, name: &str) -> Result<T, Problem> {
    let number = metadata.get(name).and_then(Value::as_str);
    number.and_then(|number| number.parse().ok()).ok_or(BAD_NUMBER)
}

/// A number of things, as many as there may be.
fn count(metadata: &Map<String, Value>, name: &str, most: u64) -> Result<u64, Problem> {
    let count = number(metadata, name)?;
    if count > most { Err(BAD_NUMBER) } else { Ok(count) }
}

/// A number of seconds or bits: not negative, and not absurd.
fn non_negative(metadata: &Map<String, Value>, name: &str) -> Result<f64, Problem> {
    let number: f64 = number(metadata, name)?;
    let fits = (0.0..=MAX_TOKENS as f64).contains(&number);
    if fits { Ok(number) } else { Err(BAD_NUMBER) }
}

/// The number of parameters of a net of any sizes, unless it is too large a number: `Layout::new` would overflow.
fn parameters(config: &Config) -> Option<u64> {
    let product = |factors: &[usize]| {
        let mut factors = factors.iter().map(|&factor| factor as u64);
        factors.try_fold(1u64, u64::checked_mul)
    };
    let sum = |terms: &[Option<u64>]| terms.iter().try_fold(0u64, |sum, term| sum.checked_add((*term)?));
    let (d, heads) = (config.d_model, config.heads);
    let layer = sum(&[
        product(&[heads.checked_add(2)?, HEAD_DIM, d]),
        product(&[heads, HEAD_DIM, d]),
        product(&[2, config.d_ff, d]),
        product(&[2, heads]),
    ])?;
    sum(&[
        layer.checked_mul(config.layers as u64),
        product(&[2, config.vocab_size, d]),
        product(&[config.bigram_buckets, config.bigram_width]),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parameters::Layout;
    use crate::preset::Preset;

    #[test]
    fn parameters_are_counted_as_they_are_laid_out() {
        for preset in Preset::ALL {
            let config = preset.config(1234);
            assert_eq!(parameters(&config), Some(Layout::new(&config).len() as u64));
        }
        let most = usize::MAX;
        for config in [
            Config {
                vocab_size: most,
                ..Preset::Fast.config(0)
            },
            Config {
                heads: most,
                ..Preset::Fast.config(0)
            },
            Config {
                layers: most,
                ..Preset::Fast.config(0)
            },
            Config {
                bigram_buckets: most,
                ..Preset::Fast.config(0)
            },
        ] {
            assert_eq!(parameters(&config), None, "{config:?}");
        }
    }

    #[test]
    fn one_has_the_right_to_write() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.czm.checkpoint");
        let lock = Lock::take(&path).unwrap();
        assert!(matches!(Lock::take(&path), Err(Error::Busy { path: found }) if found == path));
        drop(lock);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        // A process that was killed leaves the file, but not the lock.
        fs::write(Lock::path_for(&path), "").unwrap();
        drop(Lock::take(&path).unwrap());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
