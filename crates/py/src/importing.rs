//! Importing: the path of another program's language model goes in; the file of a model of czip comes out.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Mutex, PoisonError};
use std::thread;

use czip_import::{Imported, MatrixKind, Options, Source, import, net};
use czip_train::adapt::{self, Work};
use czip_train::corpus::{self, Corpus, CorpusOptions, Files, Heldout};
use pyo3::exceptions::{PyFileExistsError, PyValueError};
use pyo3::prelude::*;
use tempfile::NamedTempFile;

use crate::errors::{failed, of_file, of_import};
use crate::interrupts::{beside, flow};

/// The fewest bytes of text that priors are fitted to, as for the program.
const MIN_SAMPLE_LEN: usize = 10_000;

/// How far a run of `import_model` has come.
#[pyclass(frozen, get_all, skip_from_py_object, module = "czip")]
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct ImportProgress {
    /// What is being done: "weights" become integers, or "priors" are fitted to texts.
    stage: &'static str,
    /// How many weights of the model, or tokens of the texts, are done.
    done: u64,
    /// How many there are.
    total: u64,
}

/// Imports an open-weights language model: writes a model file with the same net in integers, which `Model.open` takes.
///
/// `source` is a GGUF file, or a folder with `config.json`, `tokenizer.json` and safetensors files, of a net of the kinds
/// llama, qwen2 and qwen3. `output` appears once it is complete; one that exists is only replaced with `overwrite`.
///
/// * `window`: tokens that attention reaches back, besides the first `sinks` of a segment; 1,024 if the net was made for as
///   many.
/// * `wide_inputs`: matrices that take inputs of 16 bits, among qkv, out, gate_up, down and head; down if none are named.
/// * `start_token`: the number of the token that a text begins with, if not the one that the model names.
/// * `calibrate`: files, folders or patterns of texts to fit the mixing priors to, of which `sample_len` bytes are taken.
/// * `name`, `licence`: what the file says of itself.
///
/// Now and then `progress` is called with an `ImportProgress`. What it raises ends all, and nothing is written.
#[pyfunction]
#[pyo3(
    signature = (
        source, output, *, overwrite = false, window = None, sinks = 4, wide_inputs = None,
        start_token = None, calibrate = Vec::new(), sample_len = 300_000, name = None, licence = None, threads = 0,
        progress = None
    ),
    text_signature = "(source, output, *, overwrite=False, window=None, sinks=4, wide_inputs=None, start_token=None, \
                      calibrate=(), sample_len=300000, name=None, licence=None, threads=0, progress=None)"
)]
#[allow(clippy::too_many_arguments, reason = "Python gives them by name")]
pub(crate) fn import_model(
    py: Python<'_>,
    source: PathBuf,
    output: PathBuf,
    overwrite: bool,
    window: Option<usize>,
    sinks: usize,
    wide_inputs: Option<Vec<String>>,
    start_token: Option<u32>,
    calibrate: Vec<PathBuf>,
    sample_len: usize,
    name: Option<String>,
    licence: Option<String>,
    threads: usize,
    progress: Option<Py<PyAny>>,
) -> PyResult<()> {
    if sample_len < MIN_SAMPLE_LEN {
        let message = format!("sample_len must be at least {MIN_SAMPLE_LEN}");
        return Err(PyValueError::new_err(message));
    }
    let mut options = Options::default();
    options.window = window;
    options.sinks = sinks;
    if let Some(names) = wide_inputs {
        options.wide_inputs = wide(&names)?;
    }
    options.start_token = start_token;
    options.threads = threads;
    let facts = [("name", name), ("licence", licence)];
    let facts = facts
        .into_iter()
        .filter_map(|(key, value)| Some((key.to_owned(), value?)));
    let run = Run {
        source,
        output,
        overwrite,
        options,
        calibrate,
        sample_len,
        facts: facts.collect(),
    };
    py.detach(|| run.watched_by(progress.as_ref()))
}

/// Whether each of the matrices takes inputs of 16 bits.
fn wide(names: &[String]) -> PyResult<[bool; MatrixKind::ALL.len()]> {
    let mut wide = [false; MatrixKind::ALL.len()];
    for name in names {
        let found = MatrixKind::ALL.iter().position(|kind| kind.name() == name);
        let message = "the names in wide_inputs are qkv, out, gate_up, down and head";
        wide[found.ok_or_else(|| PyValueError::new_err(message))?] = true;
    }
    Ok(wide)
}

struct Run {
    source: PathBuf,
    output: PathBuf,
    overwrite: bool,
    options: Options,
    calibrate: Vec<PathBuf>,
    sample_len: usize,
    facts: BTreeMap<String, String>,
}

impl Run {
    /// Does all, and shows a function of the caller how far it is.
    fn watched_by(&self, progress: Option<&Py<PyAny>>) -> PyResult<()> {
        let source = Source::open(&self.source).map_err(of_import)?;
        // All of the texts are learnt from.
        let options = CorpusOptions {
            heldout: Heldout::Fraction(0.0),
            min_len: MIN_SAMPLE_LEN,
            ..CorpusOptions::default()
        };
        let texts = if self.calibrate.is_empty() {
            None
        } else {
            Some(corpus::find(&self.calibrate, &options).map_err(failed)?)
        };
        // Minutes later would be too late to say that something is in the way.
        let mut output = self.create(&source, texts.as_ref())?;
        let corpus = texts.map(|texts| texts.read(&mut io::empty()));
        let corpus = corpus.transpose().map_err(failed)?;

        let now = Mutex::new(None);
        let show = |stage, done, total| {
            let mut now = now.lock().unwrap_or_else(PoisonError::into_inner);
            *now = Some(ImportProgress { stage, done, total });
        };
        let work = |stop: &AtomicBool| {
            let imported = import(&source, &self.options, &|done, total| {
                show("weights", done, total);
                flow(stop)
            });
            let mut imported = imported.map_err(of_import)?;
            imported.facts.extend(self.facts.clone());
            if let Some(corpus) = &corpus {
                self.fit(&mut imported, corpus, &|done, total| {
                    show("priors", done, total);
                    flow(stop)
                })?;
            }
            imported.write_to(&mut output).map_err(of_import)?;
            output.as_file().sync_all().map_err(PyErr::from)
        };
        let mut last = None;
        let mut look = |py: Python<'_>| {
            let new = now.lock().unwrap_or_else(PoisonError::into_inner).take();
            match (progress, new) {
                (Some(progress), Some(new)) if last != Some(new) => {
                    last = Some(new);
                    progress.call1(py, (new,)).map(drop)
                }
                _ => Ok(()),
            }
        };
        beside(work, &mut look)??;
        Python::attach(look)?;
        self.name(output)
    }

    /// A file without a name yet, in the folder of the output.
    fn create(&self, source: &Source, texts: Option<&Files<'_>>) -> PyResult<NamedTempFile> {
        let output = &self.output;
        if let Ok(metadata) = fs::symlink_metadata(output) {
            if !self.overwrite {
                return Err(self.exists());
            }
            let is_file = fs::metadata(output).map_or(metadata.is_symlink(), |metadata| metadata.is_file());
            if !is_file {
                return Err(refused(output, "is not a file"));
            }
            let is_text = |files: &Files<'_>| {
                let mut files = files.iter().filter(|file| is_same(&file.path, output));
                // Models that czip wrote are not read as texts.
                files.any(|file| !corpus::is_made_by_czip(&file.path).unwrap_or(false))
            };
            if source.files().any(|path| is_same(path, output)) || texts.is_some_and(is_text) {
                return Err(refused(output, "is also an input"));
            }
        }
        let mut builder = tempfile::Builder::new();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            // Those of any new file: less what the process's mask takes away.
            builder.permissions(fs::Permissions::from_mode(0o666));
        }
        let folder = output.parent().filter(|folder| !folder.as_os_str().is_empty());
        let created = builder.tempfile_in(folder.unwrap_or(Path::new(".")));
        created.map_err(|error| of_file(error, output.clone()))
    }

    /// Gives the complete file its name.
    fn name(&self, file: NamedTempFile) -> PyResult<()> {
        // The file that a link leads to is replaced, not the link.
        let output = fs::canonicalize(&self.output).unwrap_or_else(|_| self.output.clone());
        let named = if self.overwrite {
            file.persist(output)
        } else {
            file.persist_noclobber(output)
        };
        named.map(drop).map_err(|error| match error.error.kind() {
            // It has been created since it was looked for.
            io::ErrorKind::AlreadyExists => self.exists(),
            _ => of_file(error.error, self.output.clone()),
        })
    }

    fn exists(&self) -> PyErr {
        // The number of EEXIST, which is the same everywhere.
        PyFileExistsError::new_err((17, "File exists", self.output.clone().into_os_string()))
    }

    /// Fits the mixing priors to texts.
    fn fit(
        &self,
        imported: &mut Imported,
        corpus: &Corpus,
        observe: &(dyn Fn(u64, u64) -> ControlFlow<()> + Sync),
    ) -> PyResult<()> {
        let seed = CorpusOptions::default().seed;
        let sample = adapt::sample(corpus, seed, self.sample_len);
        let facts = adapt::facts(concat!("czip ", env!("CARGO_PKG_VERSION")), seed, &sample);
        let threads =
            NonZeroUsize::new(self.options.threads).or_else(|| thread::available_parallelism().ok());
        let work = Work {
            threads: threads.map_or(1, NonZeroUsize::get),
            observe,
        };
        let tokenizer = imported.tokenizer().map_err(of_import)?;
        let net = net(imported.weights.clone());
        let calibration = adapt::calibrate(&net, &tokenizer, sample, work).map_err(failed)?;
        imported.mixing_priors = vec![calibration.priors];
        imported.mixing_weights = Some(calibration.counts);
        imported.facts.extend(facts);
        Ok(())
    }
}

fn is_same(one: &Path, other: &Path) -> bool {
    match (fs::canonicalize(one), fs::canonicalize(other)) {
        (Ok(one), Ok(other)) => one == other,
        _ => false,
    }
}

fn refused(output: &Path, why: &str) -> PyErr {
    PyValueError::new_err(format!("{}: {why}", output.display()))
}
