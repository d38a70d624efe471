//! Training: texts go in; the file of a model comes out.

use std::collections::BTreeMap;
use std::io;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::thread;

use czip::ModelContents;
use czip_train::adapt::{self, SAMPLE_LEN, Work};
use czip_train::corpus::{self, CorpusOptions, Heldout};
use czip_train::device::Device;
use czip_train::preset::Preset;
use czip_train::session::{self, Budget};
use czip_train::trainer::Hyperparameters;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::errors::failed;
use crate::interrupts::{beside, flow};

/// How far a run of `train` has come.
#[pyclass(frozen, get_all, module = "czip")]
pub(crate) struct TrainingProgress {
    /// The part of the budget that is used up, 0 to 1.
    done: f64,
    /// Tokens seen.
    tokens: u64,
    /// Seconds taken.
    seconds: f64,
    /// The cost of the training text lately, in bits per byte; `None` before it was first measured.
    train: Option<f64>,
    /// The same of the held-out text, which the net does not learn from.
    heldout: Option<f64>,
}

impl From<&session::Progress> for TrainingProgress {
    fn from(progress: &session::Progress) -> Self {
        Self {
            done: progress.done,
            tokens: progress.tokens,
            seconds: progress.seconds,
            train: progress.last.map(|point| point.train),
            heldout: progress
                .last
                .map(|point| point.heldout)
                .filter(|cost| cost.is_finite()),
        }
    }
}

/// Trains a tokenizer and a net on texts, and returns the bytes of the model's file, which `Model.from_bytes` takes.
///
/// `texts` are paths: files, folders, or patterns such as `logs/**/*.log`. With a `field`, that field of each record of an
/// NDJSON or CSV file is a text. `heldout` is the share of them that is not trained on, but shows what has been learnt.
///
/// After each step `progress` is called with a `TrainingProgress`. If it returns `False`, training ends, and the best net so
/// far is kept. What it raises ends all.
#[pyfunction]
#[pyo3(
    signature = (
        texts, *, minutes = 30.0, tokens = None, preset = "standard", vocab_size = None, field = None, heldout = 0.05,
        seed = 0, threads = 0, progress = None
    ),
    text_signature = "(texts, *, minutes=30.0, tokens=None, preset='standard', vocab_size=None, field=None, heldout=0.05, \
                      seed=0, threads=0, progress=None)"
)]
#[allow(clippy::too_many_arguments, reason = "Python gives them by name")]
pub(crate) fn train<'py>(
    py: Python<'py>,
    texts: Vec<PathBuf>,
    minutes: f64,
    tokens: Option<u64>,
    preset: &str,
    vocab_size: Option<usize>,
    field: Option<String>,
    heldout: f64,
    seed: u64,
    threads: usize,
    progress: Option<Py<PyAny>>,
) -> PyResult<Bound<'py, PyBytes>> {
    let threads = NonZeroUsize::new(threads).or_else(|| thread::available_parallelism().ok());
    let run = Run {
        texts,
        corpus: CorpusOptions {
            field,
            heldout: Heldout::Fraction(heldout),
            seed,
            ..CorpusOptions::default()
        },
        options: session::Options {
            preset: preset
                .parse::<Preset>()
                .map_err(|error| PyValueError::new_err(error.to_string()))?,
            config: None,
            vocab_size,
            split: None,
            budget: tokens.map_or_else(|| Budget::minutes(minutes), Budget::Tokens),
            hyperparameters: Hyperparameters {
                seed,
                threads: threads.map_or(1, NonZeroUsize::get),
                ..Hyperparameters::default()
            },
            device: Device::cpu(),
            base: None,
            checkpoint: None,
            resume: false,
        },
        progress,
    };
    let file = py.detach(|| run.file())?;
    Ok(PyBytes::new(py, &file))
}

struct Run {
    texts: Vec<PathBuf>,
    corpus: CorpusOptions,
    options: session::Options,
    progress: Option<Py<PyAny>>,
}

impl Run {
    fn file(&self) -> PyResult<Vec<u8>> {
        let mut corpus = corpus::read(&self.texts, &mut io::empty(), &self.corpus).map_err(failed)?;
        corpus.split_calibration(self.corpus.seed);
        let mut raised = None;
        let trained = session::train(&corpus, &self.options, |now| match self.watch(now) {
            Ok(flow) => flow,
            Err(error) => {
                raised = Some(error);
                ControlFlow::Break(())
            }
        });
        if let Some(raised) = raised {
            return Err(raised);
        }
        let trained = trained.map_err(failed)?;
        let contents = ModelContents {
            facts: BTreeMap::from([(
                String::from("training.program"),
                concat!("czip ", env!("CARGO_PKG_VERSION")).to_owned(),
            )]),
            ..ModelContents::new(&trained.weights, &trained.tokenizer_json)
        };
        let file = contents.to_bytes().map_err(failed)?;
        let sample = adapt::sample(&corpus, self.corpus.seed, SAMPLE_LEN);
        let fit = |stop: &AtomicBool| {
            let work = Work {
                threads: self.options.hyperparameters.threads,
                observe: &|_, _| flow(stop),
            };
            adapt::adapt(&file, sample, BTreeMap::new(), work)
        };
        beside(fit, |_| Ok(()))?.map_err(failed)
    }

    /// Looks at signals, and calls the function of the caller.
    fn watch(&self, now: &session::Progress) -> PyResult<ControlFlow<()>> {
        Python::attach(|py| {
            py.check_signals()?;
            let Some(progress) = &self.progress else {
                return Ok(ControlFlow::Continue(()));
            };
            let returned = progress.call1(py, (TrainingProgress::from(now),))?;
            let ends = returned.extract::<bool>(py).is_ok_and(|goes_on| !goes_on);
            Ok(if ends {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            })
        })
    }
}
