//! What the command line asks for, with all names and choices made.

use std::ffi::OsStr;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::thread;

use czip::v1::{ChunkLevel, Codec};
use czip::{Level, Limits, Options};
use czip_train::corpus::{CorpusOptions, Heldout};
use czip_train::device::Device;
use czip_train::session::{self, Budget};
use czip_train::trainer::Plan;

use crate::Exit;
use crate::args::{self, Args, Command, Encoding, Files, Format, LimitArgs};
use crate::commands::{Bench, Compress, Decompress, Info, Train, Verify, checkpoint_of};
use crate::error::{Error, Failure};
use crate::input::Source;
use crate::models::ModelFiles;
use crate::output::Target;
use crate::ui::Ui;

/// Something to do. No file has been touched for it yet.
#[derive(Debug)]
pub(crate) enum Job {
    Compress(Compress),
    Decompress(Decompress),
    Info(Info),
    Verify(Verify),
    Bench(Bench),
    Train(Box<Train>),
}

impl Job {
    /// Does it.
    pub(crate) fn run(&self, ui: &Ui) -> Result<Exit, Failure> {
        match self {
            Self::Compress(job) => job.run(ui),
            Self::Decompress(job) => job.run(ui),
            Self::Info(job) => job.run(ui),
            Self::Verify(job) => job.run(ui),
            Self::Bench(job) => job.run(ui),
            Self::Train(job) => job.run(ui),
        }
    }
}

impl TryFrom<Args> for Job {
    type Error = Failure;

    fn try_from(Args { command, global }: Args) -> Result<Self, Failure> {
        let options = match NonZeroUsize::new(global.threads) {
            Some(threads) => Options::new().threads(threads),
            None => Options::new(),
        };
        Ok(match command {
            Command::Compress(args) => {
                let choice = Choice::new(&args.encoding, options)?;
                Self::Compress(Compress {
                    model: ModelFiles::one(args.model)?,
                    transfers: transfers(args.files, compressed_name)?,
                    choice,
                })
            }
            Command::Decompress(args) => Self::Decompress(Decompress {
                models: ModelFiles::several(args.model)?,
                transfers: transfers(args.files, restored_name)?,
                recover: args.recover,
                options: options.limits(limits(args.limits)),
            }),
            Command::Info(args) => Self::Info(Info {
                files: sources(args.files),
                models: ModelFiles::only(args.model),
                limits: limits(args.limits),
                json: args.json,
            }),
            Command::Verify(args) => Self::Verify(Verify {
                files: sources(args.files),
                models: ModelFiles::several(args.model)?,
                choice: Choice::new(&args.encoding, options.clone())?,
                base_options: options,
                json: args.json,
            }),
            Command::Bench(args) => {
                // A number that is shown has to be known.
                let threads = NonZeroUsize::new(global.threads)
                    .or_else(|| thread::available_parallelism().ok())
                    .unwrap_or(NonZeroUsize::MIN);
                let mut options = options
                    .threads(threads)
                    .v1_codec(args.codec.unwrap_or(Codec::Brotli));
                if let Some(bytes) = args.segment {
                    options = options.segment_len(bytes);
                }
                if args.format == Some(Format::V1) && args.level.is_some_and(|level| level > 5) {
                    return Err(Error::ChunkLevel.into());
                }
                Self::Bench(Bench {
                    files: sources(args.files),
                    model: ModelFiles::one(args.model)?,
                    options,
                    format: args.format,
                    level: args.level,
                    threads,
                    json: args.json,
                })
            }
            Command::Train(args) => Self::Train(Box::new(training(args, global.threads)?)),
        })
    }
}

fn limits(args: LimitArgs) -> Limits {
    let defaults = Limits::default();
    Limits::max_text_len(args.max_output.unwrap_or(defaults.max_text_len))
        .with_memory(args.memory.unwrap_or(defaults.max_memory))
}

fn training(args: args::Train, threads: usize) -> Result<Train, Failure> {
    let device = match args.device {
        args::Device::Cpu => Device::cpu(),
        args::Device::Gpu => Device::gpu().map_err(Error::Device)?,
    };
    let threads = NonZeroUsize::new(threads).or_else(|| thread::available_parallelism().ok());
    let heldout = match args.heldout.to_str().and_then(|part| part.parse().ok()) {
        Some(fraction) => Heldout::Fraction(fraction),
        None => Heldout::Path(args.heldout),
    };
    let facts = [("name", args.name), ("licence", args.licence)];
    let facts = facts
        .into_iter()
        .filter_map(|(key, value)| Some((key.to_owned(), value?)))
        .collect();
    Ok(Train {
        inputs: args.corpus,
        overwrite: args.force,
        corpus: CorpusOptions {
            field: args.field,
            separator: Some(args.separator),
            heldout,
            seed: args.seed,
            ..CorpusOptions::default()
        },
        session: session::Options {
            preset: args.preset,
            config: None,
            vocab_size: args.vocab,
            split: args.split,
            budget: match args.tokens {
                Some(tokens) => Budget::Tokens(tokens),
                None => Budget::minutes(args.minutes),
            },
            plan: Plan {
                seed: args.seed,
                threads: threads.map_or(1, NonZeroUsize::get),
                ..Plan::default()
            },
            device,
            base: None,
            checkpoint: Some(checkpoint_of(&args.output)),
            resume: args.resume,
        },
        from: args.from,
        new_tokenizer: args.new_tokenizer,
        facts,
        output: args.output,
    })
}

/// How to compress.
#[derive(Debug)]
pub(crate) struct Choice {
    pub(crate) format: Format,
    /// The format was chosen by `-c`.
    pub(crate) implied: bool,
    pub(crate) options: Options,
}

impl Choice {
    fn new(encoding: &Encoding, mut options: Options) -> Result<Self, Failure> {
        let implied = encoding.format.is_none() && encoding.codec.is_some();
        let format = encoding
            .format
            .unwrap_or(if implied { Format::V1 } else { Format::V2 });
        match format {
            Format::V1 => {
                if encoding.segment.is_some() || encoding.no_index {
                    return Err(Error::OnlyInV2.into());
                }
                if let Some(level) = encoding.level {
                    options = options.v1_level(ChunkLevel::try_from(level).map_err(|_| Error::ChunkLevel)?);
                }
                options = options.v1_codec(encoding.codec.unwrap_or(Codec::Brotli));
            }
            Format::V2 => {
                if encoding.codec.is_some() {
                    return Err(Error::OnlyInV1.into());
                }
                if let Some(level) = encoding.level.and_then(Level::new) {
                    options = options.level(level);
                }
                if let Some(bytes) = encoding.segment {
                    options = options.segment_len(bytes);
                }
                options = options.index(!encoding.no_index);
            }
        }
        Ok(Self {
            format,
            implied,
            options,
        })
    }

    /// Says what was not said in so many words.
    pub(crate) fn explain(&self, ui: &Ui) {
        if self.implied {
            ui.note("note: -c means --format v1; czip's own format has no codec outside");
        }
    }
}

/// From where to where.
#[derive(Debug)]
pub(crate) struct Transfer {
    pub(crate) source: Source,
    pub(crate) target: Target,
    pub(crate) overwrite: bool,
}

/// The files as named, or else each with an output of the name that `output_name` makes of it.
fn transfers(files: Files, output_name: fn(&Path) -> Option<PathBuf>) -> Result<Vec<Transfer>, Failure> {
    let inputs: Vec<PathBuf> = files.input_option.into_iter().chain(files.inputs).collect();
    if files.output.is_some() && inputs.len() > 1 {
        return Err(Error::OneOutput { inputs: inputs.len() }.into());
    }
    let transfer = |input: PathBuf| {
        let source = Source::from(input);
        let target = match (&files.output, &source) {
            (Some(output), _) => Target::from(output.clone()),
            (None, Source::Stdin | Source::Descriptor(..)) => Target::Stdout,
            (None, Source::File(path)) => {
                Target::File(output_name(path).ok_or_else(|| Error::NoOutputName.of(&source))?)
            }
        };
        Ok(Transfer {
            source,
            target,
            overwrite: files.force,
        })
    };
    inputs.into_iter().map(transfer).collect()
}

fn sources(files: Vec<PathBuf>) -> Vec<Source> {
    files.into_iter().map(Source::from).collect()
}

/// `notes.txt.czip` for `notes.txt`.
fn compressed_name(text: &Path) -> Option<PathBuf> {
    let mut name = text.file_name()?.to_owned();
    name.push(".");
    name.push(EXTENSION);
    Some(text.with_file_name(name))
}

/// `notes.txt` for `notes.txt.czip`.
fn restored_name(file: &Path) -> Option<PathBuf> {
    (file.extension() == Some(OsStr::new(EXTENSION))).then(|| file.with_extension(""))
}

/// The ending of compressed files' names.
const EXTENSION: &str = "czip";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_outputs() {
        let compressed = |name: &str| compressed_name(name.as_ref());
        assert_eq!(compressed("notes.txt"), Some("notes.txt.czip".into()));
        assert_eq!(compressed("a.b/notes"), Some("a.b/notes.czip".into()));
        assert_eq!(compressed(".."), None);

        let restored = |name: &str| restored_name(name.as_ref());
        assert_eq!(restored("a.b/notes.txt.czip"), Some("a.b/notes.txt".into()));
        assert_eq!(restored("notes.czip"), Some("notes".into()));
        assert_eq!(restored("notes.txt"), None);
        assert_eq!(restored(".czip"), None);
        assert_eq!(restored("notesczip"), None);
    }

    #[test]
    fn standard_input_goes_to_standard_output_unless_told_otherwise() {
        let transfer = |input: &str, output: Option<&str>| {
            let files = Files {
                input_option: Some(input.into()),
                output: output.map(PathBuf::from),
                force: false,
                inputs: Vec::new(),
            };
            transfers(files, compressed_name).unwrap().remove(0).target
        };
        assert_eq!(transfer("-", None), Target::Stdout);
        assert_eq!(transfer("-", Some("out")), Target::File("out".into()));
        assert_eq!(transfer("in", Some("-")), Target::Stdout);
        assert_eq!(transfer("in", None), Target::File("in.czip".into()));
    }
}
