//! The state of a training run between two steps, kept in a file: safetensors with 32-bit floats.
//!
//! The file is replaced as a whole, so there is a complete one at any time, whatever ends the process. While a run
//! writes it, the run holds a [`Lock`]. On resuming, a checkpoint is an input like any other: nothing that it says of
//! itself is trusted.

mod error;
mod file;
mod lock;
mod names;

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use czip_model::MAX_TOKENIZER_LEN;
use czip_model::v2::{Config, HEAD_DIM};

pub use self::error::Error;
use self::error::Problem;
use self::file::{BAD_NUMBER, Data, F32, F64, MAX_TOKENS, Reader, U8, U64};
pub use self::lock::Lock;
pub use self::names::temporary;
use crate::curve::Point;
use crate::optimizer::State;

/// Everything that a run needs to continue as if it had not stopped.
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
    /// Identifies the run: a hash of the text and of all options.
    pub run: u64,
}

/// The most points of a curve. A run makes about fifty.
const MAX_POINTS: u64 = 1 << 12;
/// The most steps: far from where products with the tokens of a step overflow.
const MAX_STEPS: u64 = 1 << 30;

const BAD_SIZES: Problem = Problem::Format("the sizes of its net cannot be used");

/// The names of the tensors that have an element for each parameter, in the order in which they are written.
const PARAMETERS: [&str; 4] = ["parameters", "first", "second", "average"];
/// The same for the best parameters, which not every checkpoint has.
const BEST: &str = "best";

impl Checkpoint {
    /// Writes it under another name, that of [`temporary`], and renames it, so there is always a complete one.
    ///
    /// # Errors
    ///
    /// [`Error::Write`]; the checkpoint before is then as it was.
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
                // Part of it may be there, for example on a full disk.
                let _ = fs::remove_file(&temporary);
                Error::Write {
                    path: path.to_owned(),
                    source,
                }
            })?;
        sync_folder(path);
        Ok(())
    }

    fn write(&self, out: &mut impl Write) -> io::Result<()> {
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
        let floats = [
            &self.parameters,
            &self.state.first,
            &self.state.second,
            &self.average,
        ];
        let mut tensors = vec![
            ("config", U64, Data::Bytes(&sizes)),
            ("curve", F64, Data::Bytes(&curve)),
        ];
        let named = PARAMETERS.into_iter().zip(floats);
        tensors.extend(named.map(|(name, floats)| (name, F32, Data::Floats(floats))));
        if let Some((_, best)) = &self.best {
            tensors.push((BEST, F32, Data::Floats(best)));
        }
        tensors.push(("tokenizer", U8, Data::Bytes(&self.tokenizer_json)));

        let best_cost = self.best.as_ref().map_or(f64::INFINITY, |(cost, _)| *cost);
        let metadata = [
            ("steps", self.state.steps.to_string()),
            ("seconds", self.seconds.to_string()),
            ("since_bits", self.since.0.to_string()),
            ("since_tokens", self.since.1.to_string()),
            ("run", self.run.to_string()),
            ("best", best_cost.to_string()),
        ];
        file::write(out, &tensors, &metadata)
    }

    /// Reads what [`Checkpoint::save`] wrote.
    ///
    /// # Errors
    ///
    /// A file that cannot be read, or is not a checkpoint.
    pub fn load(path: &Path) -> Result<Self, Error> {
        Stored::open(path)?.read()
    }
}

/// Makes the new name of a file survive a crash of the system, where folders can be synchronized.
fn sync_folder(path: &Path) {
    #[cfg(unix)]
    {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        // If this fails, the file is there all the same.
        let _ = File::open(folder.unwrap_or(Path::new("."))).and_then(|folder| folder.sync_all());
    }
    #[cfg(not(unix))]
    let _ = path;
}

/// A checkpoint of which only the header and the sizes of the net have been read.
pub(crate) struct Stored {
    path: PathBuf,
    file: Reader,
    config: Config,
    run: u64,
}

impl Stored {
    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        let open = || -> Result<Self, Problem> {
            let mut file = Reader::open(path)?;
            Ok(Self {
                path: path.to_owned(),
                run: file.number("run")?,
                config: read_config(&mut file)?,
                file,
            })
        };
        open().map_err(|problem| problem.of(path))
    }

    /// Identifies the run.
    pub(crate) fn run(&self) -> u64 {
        self.run
    }

    /// The sizes of the net, as the file states them.
    pub(crate) fn config(&self) -> &Config {
        &self.config
    }

    /// Reads the rest.
    pub(crate) fn read(mut self) -> Result<Checkpoint, Error> {
        self.read_all().map_err(|problem| problem.of(&self.path))
    }

    fn read_all(&mut self) -> Result<Checkpoint, Problem> {
        let (file, run) = (&mut self.file, self.run);
        // The hash is of all tensors in the order in which they were written.
        file.restart_hash();
        let config = read_config(file)?;
        let len = parameter_count(&config).ok_or(BAD_SIZES)?;
        let curve = read_curve(file)?;
        let [parameters, first, second, average] = PARAMETERS.map(|name| file.floats(name, len));
        let best = match file.has(BEST) {
            true => Some((file.non_negative(BEST)?, file.floats(BEST, len)?)),
            false => None,
        };
        let tokenizer_json = read_tokenizer(file)?;
        file.check_hash()?;
        Ok(Checkpoint {
            config,
            tokenizer_json,
            parameters: parameters?,
            state: State {
                steps: file.number_within("steps", MAX_STEPS)?,
                first: first?,
                second: second?,
            },
            average: average?,
            best,
            curve,
            since: (
                file.non_negative("since_bits")?,
                file.number_within("since_tokens", MAX_TOKENS)?,
            ),
            seconds: file.non_negative("seconds")?,
            run,
        })
    }
}

fn read_config(file: &mut Reader) -> Result<Config, Problem> {
    let bytes = file.read("config", U64, 8)?;
    let sizes = bytes.as_chunks::<8>().0.iter();
    let sizes = sizes.map(|&bytes| usize::try_from(u64::from_le_bytes(bytes)));
    let sizes: Vec<usize> = sizes.collect::<Result<_, _>>().map_err(|_| BAD_SIZES)?;
    let sizes = sizes.try_into().map_err(|_| BAD_SIZES)?;
    Ok(Config::from_array(sizes))
}

fn read_curve(file: &mut Reader) -> Result<Vec<Point>, Problem> {
    let count = file.count("curve", F64)?;
    if count % 4 != 0 || count / 4 > MAX_POINTS {
        return Err(Problem::Format("its curve cannot be used"));
    }
    let bytes = file.read("curve", F64, count)?;
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

fn read_tokenizer(file: &mut Reader) -> Result<Vec<u8>, Problem> {
    let len = file.count("tokenizer", U8)?;
    if len > MAX_TOKENIZER_LEN {
        return Err(Problem::Format("its tokenizer is too long"));
    }
    file.read("tokenizer", U8, len)
}

/// The number of parameters of a net of any sizes, unless it overflows, as it would in `Layout::new`.
fn parameter_count(config: &Config) -> Option<u64> {
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
            assert_eq!(parameter_count(&config), Some(Layout::new(&config).len() as u64));
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
            assert_eq!(parameter_count(&config), None, "{config:?}");
        }
    }
}
