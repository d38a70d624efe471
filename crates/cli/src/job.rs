//! What the command line asks for, with all names and choices made.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::thread;

use czip::v1::Codec;
use czip::{Limits, Options};
use czip_train::adapt::SAMPLE_LEN;
use czip_train::corpus::{CorpusOptions, Heldout};
use czip_train::device::Device;
use czip_train::optimizer::Rates;
use czip_train::session::{self, Budget};
use czip_train::trainer::Hyperparameters;

use crate::args::{self, Args, Command, Format, LimitArgs};
use crate::choice::Choice;
#[cfg(feature = "import")]
use crate::commands::Import;
use crate::commands::{
    Adapt, Bench, CatRange, Compress, Decompress, Grep, Info, List, Train, Verify, checkpoint_of,
};
use crate::error::{Error, Failure};
use crate::exit::Exit;
use crate::input::Source;
use crate::models::ModelFiles;
use crate::selection::{Purpose, Selection};
use crate::ui::Ui;

/// Something to do. No file has been touched for it yet.
#[derive(Debug)]
pub(crate) enum Job {
    Compress(Compress),
    Decompress(Decompress),
    CatRange(CatRange),
    Grep(Grep),
    List(List),
    Info(Info),
    Verify(Verify),
    Bench(Bench),
    Train(Box<Train>),
    Adapt(Adapt),
    #[cfg(feature = "import")]
    Import(Import),
}

impl Job {
    /// Does it.
    pub(crate) fn run(&self, ui: &Ui) -> Result<Exit, Failure> {
        match self {
            Self::Compress(job) => job.run(ui),
            Self::Decompress(job) => job.run(ui),
            Self::CatRange(job) => job.run(ui),
            Self::Grep(job) => job.run(ui),
            Self::List(job) => job.run(ui),
            Self::Info(job) => job.run(ui),
            Self::Verify(job) => job.run(ui),
            Self::Bench(job) => job.run(ui),
            Self::Train(job) => job.run(ui),
            Self::Adapt(job) => job.run(ui),
            #[cfg(feature = "import")]
            Self::Import(job) => job.run(ui),
        }
    }
}

impl TryFrom<Args> for Job {
    type Error = Failure;

    fn try_from(
        Args {
            command,
            plain,
            global,
        }: Args,
    ) -> Result<Self, Failure> {
        let options = match NonZeroUsize::new(global.threads) {
            Some(threads) => Options::new().threads(threads),
            None => Options::new(),
        };
        let Some(command) = command else {
            return without_command(plain, options);
        };
        Ok(match command {
            Command::Compress(args) => {
                let choice = Choice::new(&args.encoding, options)?;
                Self::Compress(Compress {
                    model: ModelFiles::one(args.model)?,
                    json: args.files.json,
                    selection: Selection::new(args.files, Purpose::Compress, false)?,
                    choice,
                })
            }
            Command::Decompress(args) => Self::Decompress(Decompress {
                pass_through: args.files.force && args.files.stdout,
                json: args.files.json,
                // The tokenizer's option is the one that tests files where there is no command.
                selection: Selection::new(args.files, Purpose::Restore, false).map_err(|failure| {
                    match failure.error {
                        Error::NoInput if args.model.tokenizer.is_some() => Error::NoInputToTest.into(),
                        _ => failure,
                    }
                })?,
                models: ModelFiles::several(args.model)?,
                recover: args.restoring.recover,
                options: options.limits(limits(args.restoring.limits)),
            }),
            Command::Cat(args) => {
                let models = ModelFiles::several(args.model)?;
                let options = options.limits(limits(args.limits));
                let selection = Selection::to_stdout(args.files);
                match args.range {
                    Some(range) => Self::CatRange(CatRange {
                        selection,
                        models,
                        options,
                        range,
                        pass_through: args.force,
                    }),
                    None => Self::Decompress(Decompress {
                        selection,
                        models,
                        options,
                        recover: false,
                        pass_through: args.force,
                        json: false,
                    }),
                }
            }
            Command::Grep(args) => Self::Grep(Grep::new(args.arguments, ModelFiles::known()?, options)?),
            Command::Info(args) => Self::Info(Info {
                files: sources(args.files)?,
                models: ModelFiles::only(args.model),
                known: ModelFiles::known()?,
                limits: limits(args.limits),
                json: args.json,
            }),
            Command::Verify(args) => Self::Verify(Verify {
                files: sources(args.files)?,
                models: ModelFiles::several(args.model)?,
                choice: Choice::new(&args.encoding, options.clone())?,
                base_options: options,
                json: args.json,
            }),
            Command::Bench(args) => {
                // The report shows the number of threads, so it has to be known.
                let threads = threads(global.threads);
                let mut options = options
                    .threads(threads)
                    .v1_codec(args.codec.unwrap_or(Codec::Brotli));
                if let Some(bytes) = args.segment {
                    options = options.segment_len(bytes);
                }
                let level = args.level.or(args.level_flags.level());
                if args.format == Some(Format::V1) && level.is_some_and(|level| level > 5) {
                    return Err(Error::ChunkLevel { implied: false }.into());
                }
                Self::Bench(Bench {
                    files: sources(args.files)?,
                    model: ModelFiles::one(args.model)?,
                    options,
                    format: args.format,
                    level,
                    threads,
                    json: args.json,
                })
            }
            Command::Train(args) => Self::Train(Box::new(training(args, threads(global.threads).get())?)),
            Command::Adapt(args) => Self::Adapt(adapting(args, threads(global.threads))),
            #[cfg(feature = "import")]
            Command::Import(args) => Self::Import(importing(args, threads(global.threads))),
        })
    }
}

/// What is done without a command, as other compressors do it.
fn without_command(args: args::Plain, options: Options) -> Result<Job, Failure> {
    let args::Plain {
        operation,
        encoding,
        files,
        model,
        restoring,
    } = args;
    let limits = limits(restoring.limits);
    let json = files.json;
    if operation.list {
        return Ok(Job::List(List {
            selection: Selection::new(files, Purpose::Read, true)?,
            models: ModelFiles::several(model)?,
            limits,
            json,
        }));
    }
    if operation.decompress || operation.test {
        let purpose = if operation.test {
            Purpose::Read
        } else {
            Purpose::Restore
        };
        return Ok(Job::Decompress(Decompress {
            pass_through: files.force && files.stdout,
            selection: Selection::new(files, purpose, true)?,
            models: ModelFiles::several(model)?,
            options: options.limits(limits),
            recover: restoring.recover && !operation.test,
            json,
        }));
    }
    if files.name_nothing() && !files.stdout && io::stdin().is_terminal() {
        // Whoever means to type a text says so.
        return Err(Error::TextFromTerminal.into());
    }
    Ok(Job::Compress(Compress {
        choice: Choice::new(&encoding, options)?,
        selection: Selection::new(files, Purpose::Compress, true)?,
        model: ModelFiles::one(model)?,
        json,
    }))
}

fn limits(args: LimitArgs) -> Limits {
    let defaults = Limits::default();
    Limits::new()
        .with_text_len(args.max_output.unwrap_or(defaults.max_text_len))
        .with_memory(args.memory.unwrap_or(defaults.max_memory))
}

/// So many threads, or for zero as many as the machine has cores.
fn threads(wanted: usize) -> NonZeroUsize {
    NonZeroUsize::new(wanted)
        .or_else(|| thread::available_parallelism().ok())
        .unwrap_or(NonZeroUsize::MIN)
}

fn training(args: args::Train, threads: usize) -> Result<Train, Failure> {
    let device = match args.device {
        args::Device::Cpu => Device::cpu(),
        args::Device::Gpu => Device::gpu().map_err(Error::Device)?,
    };
    Ok(Train {
        inputs: args.texts,
        overwrite: args.force,
        session: session::Options {
            preset: args.preset,
            config: None,
            vocab_size: args.vocab,
            split: args.split,
            budget: match args.tokens {
                Some(tokens) => Budget::Tokens(tokens),
                None => Budget::minutes(args.minutes),
            },
            hyperparameters: Hyperparameters {
                seed: args.reading.seed,
                threads,
                rates: Rates::default().scaled(args.rate),
                ..Hyperparameters::default()
            },
            device,
            base: None,
            checkpoint: Some(checkpoint_of(&args.output)),
            resume: args.resume,
        },
        corpus: corpus_options(args.reading),
        from: args.from,
        new_tokenizer: args.new_tokenizer,
        rate: args.rate,
        facts: facts(args.facts),
        output: args.output,
    })
}

/// Bytes of text that the priors of an imported model are fitted to by default. It is slow.
#[cfg(feature = "import")]
const IMPORT_SAMPLE_LEN: usize = 300_000;

/// Bytes of text to learn from.
fn sample_len(wanted: Option<u64>, default: usize) -> usize {
    wanted.map_or(default, |len| usize::try_from(len).unwrap_or(usize::MAX))
}

fn adapting(args: args::Adapt, threads: NonZeroUsize) -> Adapt {
    Adapt {
        model: args.model,
        inputs: args.texts,
        output: args.output,
        overwrite: args.force,
        corpus: CorpusOptions {
            min_len: args::MIN_SAMPLE_LEN,
            ..corpus_options(args.reading)
        },
        sample_len: sample_len(args.sample, SAMPLE_LEN),
        threads,
        facts: facts(args.facts),
    }
}

#[cfg(feature = "import")]
fn importing(args: args::Import, threads: NonZeroUsize) -> Import {
    let mut options = czip_import::Options::default();
    options.window = args.window;
    options.sinks = args.sinks;
    options.wide_inputs = args.wide_inputs;
    options.start_token = args.start_token;
    options.threads = threads.get();
    Import {
        model: args.model,
        output: args.output,
        overwrite: args.force,
        options,
        calibration: args.calibrate,
        sample_len: sample_len(args.sample, IMPORT_SAMPLE_LEN),
        measured: args.measure,
        threads,
        facts: facts(args.facts),
    }
}

fn corpus_options(args: args::Reading) -> CorpusOptions {
    CorpusOptions {
        field: args.field,
        separator: Some(args.separator),
        heldout: match args.heldout.to_str().and_then(|share| share.parse().ok()) {
            Some(fraction) => Heldout::Fraction(fraction),
            None => Heldout::Path(args.heldout),
        },
        seed: args.seed,
        ..CorpusOptions::default()
    }
}

fn facts(args: args::Facts) -> BTreeMap<String, String> {
    let facts = [("name", args.name), ("licence", args.licence)];
    facts
        .into_iter()
        .filter_map(|(key, value)| Some((key.to_owned(), value?)))
        .collect()
}

fn sources(files: Vec<PathBuf>) -> Result<Vec<Source>, Failure> {
    let sources: Vec<Source> = files.into_iter().map(Source::from).collect();
    Source::check_stdin_once(&sources)?;
    Ok(sources)
}
