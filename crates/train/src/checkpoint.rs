//! A run between two steps, in a file: safetensors with 32-bit floats.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use czip_model::v2::Config;
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};

use crate::optimizer::State;
use crate::parameters::Layout;
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

impl Checkpoint {
    /// Writes it under another name and renames it, so that there is always a whole one.
    ///
    /// # Errors
    ///
    /// A file that cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), Error> {
        let unsaved = |source| Error::Checkpoint {
            path: path.to_owned(),
            source,
        };
        let curve: Vec<u8> = self
            .curve
            .iter()
            .flat_map(|point| [point.tokens as f64, point.seconds, point.train, point.heldout])
            .flat_map(f64::to_le_bytes)
            .collect();
        let best = self.best.as_ref();
        let floats = |x: &[f32]| x.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>();
        let c = &self.config;
        let sizes = [
            c.vocab_size,
            c.layers,
            c.d_model,
            c.heads,
            c.d_ff,
            c.window,
            c.bigram_buckets,
            c.bigram_width,
        ];
        let sizes: Vec<u8> = sizes
            .iter()
            .flat_map(|&size| (size as u64).to_le_bytes())
            .collect();
        let mut tensors = vec![
            ("config", Dtype::U64, sizes),
            ("tokenizer", Dtype::U8, self.tokenizer_json.clone()),
            ("parameters", Dtype::F32, floats(&self.parameters)),
            ("first", Dtype::F32, floats(&self.state.first)),
            ("second", Dtype::F32, floats(&self.state.second)),
            ("average", Dtype::F32, floats(&self.average)),
            ("curve", Dtype::F64, curve),
        ];
        if let Some((_, parameters)) = best {
            tensors.push(("best", Dtype::F32, floats(parameters)));
        }
        let views = tensors.iter().map(|(name, dtype, data)| {
            let len = data.len() / (dtype.bitsize() / 8);
            TensorView::new(*dtype, vec![len], data).map(|view| (*name, view))
        });
        let metadata = HashMap::from([
            ("format".to_owned(), FORMAT.to_owned()),
            ("steps".to_owned(), self.state.steps.to_string()),
            ("seconds".to_owned(), self.seconds.to_string()),
            ("since_bits".to_owned(), self.since.0.to_string()),
            ("since_tokens".to_owned(), self.since.1.to_string()),
            ("run".to_owned(), self.run.to_string()),
            (
                "best".to_owned(),
                best.map_or(f64::INFINITY, |(cost, _)| *cost).to_string(),
            ),
        ]);
        let bytes = views
            .collect::<Result<Vec<_>, _>>()
            .and_then(|views| safetensors::serialize(views, Some(metadata)))
            .map_err(|error| unsaved(std::io::Error::other(error)))?;
        let mut temporary = path.as_os_str().to_owned();
        temporary.push(".new");
        fs::write(&temporary, bytes)
            .and_then(|()| fs::rename(&temporary, path))
            .map_err(|error| {
                // Part of it may be there, on a disk that is full.
                let _ = fs::remove_file(&temporary);
                unsaved(error)
            })
    }

    /// Reads what [`Checkpoint::save`] wrote.
    ///
    /// # Errors
    ///
    /// A file that cannot be read, or is no checkpoint.
    pub fn load(path: &Path) -> Result<Self, Error> {
        let bytes = fs::read(path).map_err(|source| Error::Checkpoint {
            path: path.to_owned(),
            source,
        })?;
        Self::from_bytes(&bytes).ok_or_else(|| Error::NoCheckpoint {
            path: path.to_owned(),
        })
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (_, header) = SafeTensors::read_metadata(bytes).ok()?;
        let metadata = header.metadata().as_ref()?;
        if metadata.get("format")? != FORMAT {
            return None;
        }
        let tensors = SafeTensors::deserialize(bytes).ok()?;
        let floats = |name: &str| {
            let data = tensors.tensor(name).ok()?.data();
            let (numbers, _) = data.as_chunks::<4>();
            Some(numbers.iter().map(|&x| f32::from_le_bytes(x)).collect::<Vec<_>>())
        };
        let (sizes, _) = tensors.tensor("config").ok()?.data().as_chunks::<8>();
        let sizes: Vec<usize> = sizes.iter().map(|&x| u64::from_le_bytes(x) as usize).collect();
        let &[
            vocab_size,
            layers,
            d_model,
            heads,
            d_ff,
            window,
            bigram_buckets,
            bigram_width,
        ] = sizes.as_slice()
        else {
            return None;
        };
        let config = Config {
            vocab_size,
            layers,
            d_model,
            heads,
            d_ff,
            window,
            bigram_buckets,
            bigram_width,
        };
        let (curve, _) = tensors.tensor("curve").ok()?.data().as_chunks::<8>();
        let curve: Vec<f64> = curve.iter().map(|&x| f64::from_le_bytes(x)).collect();
        let curve = curve.as_chunks::<4>().0.iter();
        let cost: f64 = metadata.get("best")?.parse().ok()?;
        let checkpoint = Self {
            tokenizer_json: tensors.tensor("tokenizer").ok()?.data().to_vec(),
            parameters: floats("parameters")?,
            state: State {
                steps: metadata.get("steps")?.parse().ok()?,
                first: floats("first")?,
                second: floats("second")?,
            },
            average: floats("average")?,
            best: floats("best").map(|parameters| (cost, parameters)),
            curve: curve
                .map(|&[tokens, seconds, train, heldout]| Point {
                    tokens: tokens as u64,
                    seconds,
                    train,
                    heldout,
                })
                .collect(),
            since: (
                metadata.get("since_bits")?.parse().ok()?,
                metadata.get("since_tokens")?.parse().ok()?,
            ),
            seconds: metadata.get("seconds")?.parse().ok()?,
            run: metadata.get("run")?.parse().ok()?,
            config,
        };
        let len = Layout::new(&checkpoint.config).len();
        let all = [
            &checkpoint.parameters,
            &checkpoint.state.first,
            &checkpoint.state.second,
            &checkpoint.average,
        ];
        let best = checkpoint.best.iter().map(|(_, parameters)| parameters);
        let whole = all.into_iter().chain(best).all(|numbers| numbers.len() == len);
        whole.then_some(checkpoint)
    }
}
