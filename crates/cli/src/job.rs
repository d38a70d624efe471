//! What the command line asks for, with all names and choices made.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::thread;

use czip::{Model, Options};

use crate::Exit;
use crate::args::{Args, Command, Encoding, Files, Format, ModelArgs};
use crate::commands::{Bench, Compress, Decompress, Info, Verify};
use crate::error::{Error, Failure};
use crate::input::Source;
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
}

impl Job {
    /// Does it.
    pub(crate) fn run(&self, ui: &Ui) -> Result<Exit, Failure> {
        match self {
            Self::Compress(job) => job.run(ui).map(|()| Exit::Success),
            Self::Decompress(job) => job.run(ui).map(|()| Exit::Success),
            Self::Info(job) => job.run(ui),
            Self::Verify(job) => job.run(ui),
            Self::Bench(job) => job.run(ui),
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
                let Format::V1 = args.format;
                Self::Compress(Compress {
                    transfer: Transfer::new(args.files, compressed_name)?,
                    model: ModelFiles::new(args.model)?,
                    options: encoding(options, &args.encoding),
                })
            }
            Command::Decompress(args) => Self::Decompress(Decompress {
                transfer: Transfer::new(args.files, restored_name)?,
                model: ModelFiles::new(args.model)?,
                options,
            }),
            Command::Info(args) => Self::Info(Info {
                files: sources(args.files),
                json: args.json,
            }),
            Command::Verify(args) => Self::Verify(Verify {
                files: sources(args.files),
                model: ModelFiles::new(args.model)?,
                options: encoding(options.clone(), &args.encoding),
                base_options: options,
                json: args.json,
            }),
            Command::Bench(args) => {
                // A number that is shown has to be known.
                let threads = NonZeroUsize::new(global.threads)
                    .or_else(|| thread::available_parallelism().ok())
                    .unwrap_or(NonZeroUsize::MIN);
                Self::Bench(Bench {
                    files: sources(args.files),
                    model: ModelFiles::new(args.model)?,
                    options: options.threads(threads).codec(args.codec),
                    level: args.level,
                    threads,
                    json: args.json,
                })
            }
        })
    }
}

/// From where to where.
#[derive(Debug)]
pub(crate) struct Transfer {
    pub(crate) source: Source,
    pub(crate) target: Target,
    pub(crate) overwrite: bool,
}

impl Transfer {
    /// The files as named, or else an output of the name that `output_name` makes of a file's.
    fn new(files: Files, output_name: fn(&Path) -> Option<PathBuf>) -> Result<Self, Failure> {
        // The parser has made sure that there is one.
        let source = Source::from(files.input_option.or(files.input).unwrap_or_else(|| "-".into()));
        let target = match (files.output, &source) {
            (Some(output), _) => Target::from(output),
            (None, Source::Stdin) => Target::Stdout,
            (None, Source::File(path)) => {
                Target::File(output_name(path).ok_or_else(|| Error::NoOutputName.of(&source))?)
            }
        };
        Ok(Self {
            source,
            target,
            overwrite: files.force,
        })
    }
}

/// Where the model comes from.
#[derive(Debug)]
pub(crate) struct ModelFiles {
    model: PathBuf,
    tokenizer: Option<PathBuf>,
}

impl ModelFiles {
    fn new(args: ModelArgs) -> Result<Self, Failure> {
        let from_environment = || {
            env::var_os("CZIP_MODEL")
                .filter(|path| !path.is_empty())
                .map(PathBuf::from)
        };
        let model = args.model.or_else(from_environment).ok_or(Error::NoModel)?;
        Ok(Self {
            model,
            tokenizer: args.tokenizer,
        })
    }

    /// Reads the files.
    pub(crate) fn load(&self, ui: &Ui) -> Result<Model, Failure> {
        let mut model = Model::open(&self.model).map_err(|error| match error {
            // It names the file itself.
            czip::Error::OpenModel { .. } => Failure::from(Error::from(error)),
            error => Error::from(error).of(self.model.display()),
        })?;
        if let Some(path) = &self.tokenizer {
            let json = fs::read(path).map_err(|error| Error::Read(error).of(path.display()))?;
            model = model
                .with_tokenizer(&json)
                .map_err(|error| Error::from(error).of(path.display()))?;
        }
        let config = model.config();
        ui.detail(format_args!(
            "{}: depth {}, width {}, context of {} tokens, {} kernels",
            self.model.display(),
            config.layers,
            config.d_model,
            config.context_length,
            czip::Kernels::detect().level(),
        ));
        Ok(model)
    }
}

fn encoding(options: Options, encoding: &Encoding) -> Options {
    let options = options.codec(encoding.codec);
    match encoding.level {
        Some(level) => options.level(level),
        None => options,
    }
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
                input: None,
            };
            Transfer::new(files, compressed_name).unwrap().target
        };
        assert_eq!(transfer("-", None), Target::Stdout);
        assert_eq!(transfer("-", Some("out")), Target::File("out".into()));
        assert_eq!(transfer("in", Some("-")), Target::Stdout);
        assert_eq!(transfer("in", None), Target::File("in.czip".into()));
    }
}
