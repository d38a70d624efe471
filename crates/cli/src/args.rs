//! The command line, exactly as it was typed.

pub(crate) mod help;
mod level_flags;

use std::ffi::OsString;
use std::io::{self, IsTerminal};
use std::ops::Range;
use std::path::PathBuf;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{ArgAction, ColorChoice, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use czip::Options;
use czip::v1::Codec;
#[cfg(feature = "import")]
use czip_import::MatrixKind;
use czip_train::bpe::Split;
use czip_train::corpus::CorpusOptions;
use czip_train::preset::Preset;

pub(crate) use self::level_flags::LevelFlags;

/// Lossless text compression with a small language model, exact on every machine
///
/// Without a command, files are compressed, or with -d restored. Without files, czip goes between pipes: from standard input to
/// standard output. Files are kept unless --rm is given.
#[derive(Debug, Parser)]
#[command(
    version,
    disable_help_subcommand = true,
    args_conflicts_with_subcommands = true,
    args_override_self = true
)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    #[command(flatten)]
    pub(crate) plain: Plain,
    #[command(flatten)]
    pub(crate) global: Global,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Compress texts or any files: notes.txt becomes notes.txt.czip
    Compress(Compress),
    /// Restore files: notes.txt.czip becomes notes.txt
    Decompress(Decompress),
    /// Restore files to standard output, or a part of their text
    Cat(Cat),
    /// Search in compressed files, with the system's grep
    Grep(Grep),
    /// Show what is in compressed files and models
    Info(Info),
    /// Check that files round-trip, and compare their sizes with other compressors
    Verify(Verify),
    /// Benchmark sizes, speed and memory on texts, beside other compressors
    Bench(Bench),
    /// Train a model on your own texts
    Train(Train),
    /// Fit a model's mixing to your texts, in a minute or two; its net does not change
    Adapt(Adapt),
    /// Make a model of the weights of an open language model, in integers
    #[cfg(feature = "import")]
    Import(Import),
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "General options")]
pub(crate) struct Global {
    /// Number of threads, up to 1024; 0 means one per core
    #[arg(short = 'T', long, global = true, value_name = "N", default_value_t = 0, value_parser = threads)]
    pub(crate) threads: usize,
    /// Print errors only; given twice, not even these
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub(crate) quiet: u8,
    /// Print more details
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub(crate) verbose: u8,
    /// When to use colours: auto means on terminals, unless NO_COLOR is set
    #[arg(long, global = true, value_name = "WHEN", default_value_t = ColorChoice::Auto, hide_short_help = true)]
    pub(crate) color: ColorChoice,
    /// Print help; --help says more than -h
    #[arg(short = 'H', global = true, action = ArgAction::HelpLong, hide = true)]
    help_long: Option<bool>,
}

/// What is done without a command.
#[derive(Debug, clap::Args)]
pub(crate) struct Plain {
    #[command(flatten)]
    pub(crate) operation: Operation,
    #[command(flatten)]
    pub(crate) encoding: Encoding,
    #[command(flatten)]
    pub(crate) files: Files,
    #[command(flatten)]
    pub(crate) model: ModelArgs,
    #[command(flatten)]
    pub(crate) restoring: Restoring,
}

/// The last one given counts.
#[derive(Clone, Copy, Debug, clap::Args)]
#[command(next_help_heading = "Operations")]
pub(crate) struct Operation {
    /// Compress: the default
    #[arg(short = 'z', long, overrides_with_all = ["decompress", "test", "list"])]
    pub(crate) compress: bool,
    /// Restore
    #[arg(short, long, alias = "uncompress", overrides_with_all = ["compress", "test", "list"])]
    pub(crate) decompress: bool,
    /// Test whether files can be restored, without writing anything
    #[arg(short, long, overrides_with_all = ["compress", "decompress", "list"])]
    pub(crate) test: bool,
    /// List what is in compressed files: lengths, ratio, checksums, model; -v shows more
    #[arg(short, long, overrides_with_all = ["compress", "decompress", "test"])]
    pub(crate) list: bool,
}

/// How files are restored.
#[derive(Clone, Copy, Debug, clap::Args)]
#[command(next_help_heading = "Restoring")]
pub(crate) struct Restoring {
    /// Restore whatever is intact in damaged czip v2 files, and report which parts of the text are missing
    #[arg(long, conflicts_with = "rm", hide_short_help = true)]
    pub(crate) recover: bool,
    #[command(flatten)]
    pub(crate) limits: LimitArgs,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Compress {
    #[command(flatten)]
    pub(crate) model: ModelArgs,
    #[command(flatten)]
    pub(crate) encoding: Encoding,
    #[command(flatten)]
    pub(crate) files: Files,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Decompress {
    #[command(flatten)]
    pub(crate) model: ModelArgs,
    #[command(flatten)]
    pub(crate) restoring: Restoring,
    #[command(flatten)]
    pub(crate) files: Files,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Cat {
    /// Write only this part of each text, in bytes: 1000..2000, 1M.. or ..500. Only the segments that it is in are decoded
    #[arg(long, value_name = "A..B", value_parser = range)]
    pub(crate) range: Option<Range<u64>>,
    /// Write files that czip has not made as they are
    #[arg(short, long)]
    pub(crate) force: bool,
    /// Compressed files; - is standard input, which is also read if none is named
    #[arg(value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) model: ModelArgs,
    #[command(flatten)]
    pub(crate) limits: LimitArgs,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Grep {
    /// Options of grep, a pattern (or -e PATTERN), and files, compressed or not; without files, standard input. Models come
    /// from CZIP_MODEL, and the built-in ones are found by themselves
    #[arg(value_name = "ARGUMENT", required = true)]
    pub(crate) arguments: Vec<OsString>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Info {
    /// Model to check the files against; may be repeated
    #[arg(short, long)]
    pub(crate) model: Vec<PathBuf>,
    /// Print one line of JSON for each file
    #[arg(long)]
    pub(crate) json: bool,
    /// Compressed files and models; - is standard input, standard and fast are the built-in models
    #[arg(value_name = "FILE", required = true)]
    pub(crate) files: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) limits: LimitArgs,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Verify {
    /// Print one line of JSON for each file
    #[arg(long)]
    pub(crate) json: bool,
    /// Texts, or compressed files to restore (and, if they are CZIPv1, to compress again the same way); - is standard input
    #[arg(value_name = "FILE", required = true)]
    pub(crate) files: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) model: ModelArgs,
    #[command(flatten)]
    pub(crate) encoding: Encoding,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Bench {
    /// Benchmark only this format [default: both]
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub(crate) format: Option<Format>,
    /// v1: outer codec, brotli or zstd [default: brotli]
    #[arg(short, long)]
    pub(crate) codec: Option<Codec>,
    /// Benchmark only this level [default: all]
    #[arg(short = 'L', long, value_parser = level, overrides_with_all = LevelFlags::IDS)]
    pub(crate) level: Option<u8>,
    #[command(flatten)]
    pub(crate) level_flags: LevelFlags,
    /// Maximum segment size, such as 64K or 1M [default: 4M at levels 1 to 3, 1M at 4 and 5, then 2M, 4M, 8M and 16M]
    #[arg(long, value_name = "SIZE", value_parser = segment_len)]
    pub(crate) segment: Option<usize>,
    /// Print one line of JSON for each file and one for the total
    #[arg(long)]
    pub(crate) json: bool,
    /// Texts; - is standard input
    #[arg(value_name = "FILE", required = true)]
    pub(crate) files: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) model: ModelArgs,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Train {
    /// Model file to write. The training curve is written beside it, as MODEL.csv and MODEL.svg, and until the model is
    /// finished, MODEL.checkpoint
    #[arg(short, long, value_name = "MODEL")]
    pub(crate) output: PathBuf,
    /// Overwrite outputs that exist, and start over where an interrupted run could be resumed; inputs are never overwritten
    #[arg(short, long)]
    pub(crate) force: bool,
    /// Size of the net: fast, standard or large
    #[arg(long, default_value_t)]
    pub(crate) preset: Preset,
    /// Tokens in the vocabulary, 258 to 65536 [default: as suits the preset]
    #[arg(long, value_name = "N")]
    pub(crate) vocab: Option<usize>,
    /// How text is split before tokens are formed: text, code, logs or cjk [default: chosen by the text]
    #[arg(long, value_name = "KIND", value_parser = split)]
    pub(crate) split: Option<Split>,
    /// Minutes to train
    #[arg(long, value_name = "M", default_value_t = 30.0, conflicts_with = "tokens")]
    pub(crate) minutes: f64,
    /// Tokens to train on, each counted every time it is seen, instead of a time; the same texts, options and number of
    /// threads then give the same model
    #[arg(long, value_name = "N")]
    pub(crate) tokens: Option<u64>,
    /// Start from this model, keeping its sizes and its tokenizer
    #[arg(long, value_name = "MODEL")]
    pub(crate) from: Option<PathBuf>,
    /// With --from: train a new tokenizer
    #[arg(long, requires = "from")]
    pub(crate) new_tokenizer: bool,
    /// Learning rates as a part of the usual ones, above 0 and at most 1: with --from, such as 0.2, more is kept of the model
    #[arg(long, value_name = "PART", value_parser = rate, default_value_t = 1.0)]
    pub(crate) rate: f32,
    /// Device that computes the gradients; gpu needs a build with the feature of that name
    #[arg(long, value_enum, default_value_t = Device::Cpu)]
    pub(crate) device: Device,
    #[command(flatten)]
    pub(crate) reading: Reading,
    /// Resume an interrupted run from MODEL.checkpoint; the texts and all options must be the same
    #[arg(long)]
    pub(crate) resume: bool,
    #[command(flatten)]
    pub(crate) facts: Facts,
    /// Texts: files, folders, patterns; - is standard input. In folders, and beside texts, files that are not text are skipped,
    /// and so are files that czip wrote
    #[arg(value_name = "TEXT", required = true)]
    pub(crate) texts: Vec<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Adapt {
    /// Model file to write
    #[arg(short, long, value_name = "OUT")]
    pub(crate) output: PathBuf,
    /// Overwrite the output if it exists; inputs are never overwritten
    #[arg(short, long)]
    pub(crate) force: bool,
    /// Amount of text to learn from, such as 500K or 4M; more takes longer [default: 1000000]
    #[arg(long, value_name = "SIZE", value_parser = sample_len)]
    pub(crate) sample: Option<u64>,
    #[command(flatten)]
    pub(crate) reading: Reading,
    #[command(flatten)]
    pub(crate) facts: Facts,
    /// Model file of any version; or standard or fast, the built-in English models
    #[arg(value_name = "MODEL")]
    pub(crate) model: PathBuf,
    /// Texts: files, folders, patterns; - is standard input. In folders, and beside texts, files that are not text are skipped,
    /// and so are files that czip wrote
    #[arg(value_name = "TEXT", required = true)]
    pub(crate) texts: Vec<PathBuf>,
}

#[cfg(feature = "import")]
#[derive(Debug, clap::Args)]
pub(crate) struct Import {
    /// Model file to write
    #[arg(short, long, value_name = "OUT")]
    pub(crate) output: PathBuf,
    /// Overwrite the output if it exists; inputs are never overwritten
    #[arg(short, long)]
    pub(crate) force: bool,
    /// Tokens that attention reaches back, besides the first four of a segment; more takes more time and memory, for smaller
    /// files [default: 1024]
    #[arg(long, value_name = "N")]
    pub(crate) window: Option<usize>,
    /// First positions of a segment that stay in view, besides the window
    #[arg(long, value_name = "N", default_value_t = 4)]
    pub(crate) sinks: usize,
    /// Matrices that take inputs of 16 bits, such as qkv,down, among qkv, out, gate_up, down and head; or none. More takes more
    /// time, for slightly smaller files
    #[arg(long, value_name = "NAMES", value_parser = wide_inputs, default_value = "down")]
    pub(crate) wide_inputs: WideInputs,
    /// Number of the token that a text begins with [default: the one that the model names]
    #[arg(long, value_name = "TOKEN")]
    pub(crate) start_token: Option<u32>,
    /// Fit the mixing priors to this text, as adapt does: a file, folder or pattern; may be repeated
    #[arg(long, value_name = "TEXT")]
    pub(crate) calibrate: Vec<PathBuf>,
    /// With --calibrate: amount of text to learn from, such as 500K; more takes longer [default: 300000]
    #[arg(long, value_name = "SIZE", value_parser = sample_len, requires = "calibrate")]
    pub(crate) sample: Option<u64>,
    /// Text to compare the net in integers with the one in floats on, up to 20,000 tokens; else a page of the program's is
    /// taken, 256 tokens of it
    #[arg(long, value_name = "TEXT")]
    pub(crate) measure: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) facts: Facts,
    /// Model to import, of the kinds llama, qwen2 and qwen3: a GGUF file, or a folder with config.json, tokenizer.json and
    /// safetensors files
    #[arg(value_name = "MODEL")]
    pub(crate) model: PathBuf,
}

/// How texts to learn from are read.
#[derive(Debug, clap::Args)]
pub(crate) struct Reading {
    /// Text to hold out and measure with: a share such as 0.05, or a file or folder
    #[arg(long, value_name = "SHARE|PATH", default_value = "0.05")]
    pub(crate) heldout: PathBuf,
    /// NDJSON, CSV and TSV: the field or column that holds the text of a document
    #[arg(long, value_name = "NAME")]
    pub(crate) field: Option<String>,
    /// Line that ends a document
    #[arg(long, value_name = "LINE", default_value = CorpusOptions::SEPARATOR)]
    pub(crate) separator: String,
    /// Seed for everything that is chosen at random
    #[arg(long, value_name = "S", default_value_t = 0)]
    pub(crate) seed: u64,
}

/// What a model says of itself.
#[derive(Debug, clap::Args)]
pub(crate) struct Facts {
    /// Name to record in the model
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// Licence to record in the model
    #[arg(long)]
    pub(crate) licence: Option<String>,
}

/// A device that computes gradients.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Device {
    Cpu,
    Gpu,
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Models")]
pub(crate) struct ModelArgs {
    /// Model: a file; standard or fast, which are built in, for English; or none, to use no model
    ///
    /// When restoring, it may be repeated or name a folder of models, since each file records which one it needs; the built-in
    /// ones are found by themselves. [default: CZIP_MODEL, else fast at level 4 and standard at the others; v1 has no default]
    #[arg(short, long)]
    pub(crate) model: Vec<PathBuf>,
    /// Use this tokenizer instead of the model's own
    #[arg(short, long, value_name = "TOKENIZER_JSON", hide_short_help = true)]
    pub(crate) tokenizer: Option<PathBuf>,
}

/// Limits for files from untrusted sources.
#[derive(Clone, Copy, Debug, clap::Args)]
#[command(next_help_heading = "Restoring")]
pub(crate) struct LimitArgs {
    /// Refuse files that restore to more text than this, such as 500M or 2G
    #[arg(long, value_name = "SIZE", value_parser = size, hide_short_help = true)]
    pub(crate) max_output: Option<u64>,
    /// Memory limit for restoring a file, not counting models, such as 256M; with less memory, fewer segments are decoded
    /// in parallel [default: 16G]
    #[arg(short = 'M', long, alias = "memlimit", value_name = "SIZE", value_parser = size)]
    pub(crate) memory: Option<u64>,
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Compressing")]
pub(crate) struct Encoding {
    #[command(flatten)]
    pub(crate) level_flags: LevelFlags,
    /// Compression level, from 1 (fastest) to 9 (smallest); 4 and up run the model's net
    ///
    /// In v1, 1 to 5 select chunks of 64, 128, 256, 512 or 1024 tokens. [default: CZIP_LEVEL, else 5; in v1, chunks as long as
    /// the model's context]
    #[arg(short = 'L', long, value_parser = level, overrides_with_all = LevelFlags::IDS)]
    pub(crate) level: Option<u8>,
    /// Output format: v2 is czip's own, v1 is CZIPv1 [default: v2, or v1 with a codec]
    #[arg(long, value_enum, value_name = "FORMAT", hide_short_help = true)]
    pub(crate) format: Option<Format>,
    /// v2: maximum segment size, such as 64K or 1M; segments are independent, and longer ones compress better [default:
    /// 4M at levels 1 to 3, 1M at 4 and 5, then 2M, 4M, 8M and 16M]
    #[arg(long, value_name = "SIZE", value_parser = segment_len, hide_short_help = true)]
    pub(crate) segment: Option<usize>,
    /// v2: omit the index at the end of the file, which makes seeking possible
    #[arg(long, hide_short_help = true)]
    pub(crate) no_index: bool,
    /// v1: outer codec, brotli or zstd [default: brotli]
    #[arg(short, long, hide_short_help = true)]
    pub(crate) codec: Option<Codec>,
}

impl Files {
    /// Whether nothing is named that is to be read.
    pub(crate) fn name_nothing(&self) -> bool {
        self.inputs.is_empty()
            && self.input_option.is_none()
            && self.files_from.is_empty()
            && self.files0_from.is_empty()
    }
}

impl Encoding {
    /// The level that the command line names.
    pub(crate) fn named_level(&self) -> Option<u8> {
        self.level.or(self.level_flags.level())
    }
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Files")]
pub(crate) struct Files {
    /// File to read; - is standard input
    #[arg(
        short,
        long = "input",
        value_name = "IN",
        conflicts_with = "inputs",
        hide_short_help = true
    )]
    pub(crate) input_option: Option<PathBuf>,
    /// Output file, for a single input; - is standard output [default: the input's name with .czip added or removed, or
    /// - if the input is -]
    #[arg(short, long, value_name = "OUT", overrides_with = "stdout", conflicts_with_all = ["output_dir", "output_dir_flat"])]
    pub(crate) output: Option<PathBuf>,
    /// Write to standard output, one text after the other, and keep the inputs
    #[arg(short = 'c', long, alias = "to-stdout", overrides_with = "output", conflicts_with_all = ["output_dir", "output_dir_flat"])]
    pub(crate) stdout: bool,
    /// Keep the inputs: the default
    #[arg(short, long, overrides_with = "rm")]
    pub(crate) keep: bool,
    /// Remove each input once its output is complete and safely on disk
    #[arg(long, overrides_with = "keep")]
    pub(crate) rm: bool,
    /// Overwrite existing outputs; also take links, and compress .czip files again. With -d -c, pass other files through
    #[arg(short, long)]
    pub(crate) force: bool,
    /// Take all files in folders that are named, and in the folders within them
    #[arg(short, long)]
    pub(crate) recursive: bool,
    /// Put the outputs under this folder, each at the path that its input has: a/b.txt becomes DIR/a/b.txt.czip
    #[arg(long, alias = "output-dir-mirror", value_name = "DIR")]
    pub(crate) output_dir: Option<PathBuf>,
    /// Put the outputs into this folder itself: a/b.txt becomes DIR/b.txt.czip
    #[arg(
        long,
        value_name = "DIR",
        conflicts_with = "output_dir",
        hide_short_help = true
    )]
    pub(crate) output_dir_flat: Option<PathBuf>,
    /// Also take the files whose names are the lines of this one; - is standard input
    #[arg(long, aliases = ["filelist", "files"], value_name = "LIST")]
    pub(crate) files_from: Vec<PathBuf>,
    /// The same for names that end in NUL characters, as find -print0 writes them
    #[arg(long, alias = "files0", value_name = "LIST", hide_short_help = true)]
    pub(crate) files0_from: Vec<PathBuf>,
    /// When compressing, pass over files that are compressed already, by their names or first bytes
    #[arg(long, hide_short_help = true)]
    pub(crate) exclude_compressed: bool,
    /// Print a line of JSON for each file
    #[arg(long, hide_short_help = true)]
    pub(crate) json: bool,
    /// Files to read; - is standard input
    #[arg(value_name = "FILE")]
    pub(crate) inputs: Vec<PathBuf>,
}

/// A version of the compressed format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    V1,
    V2,
}

fn level(level: &str) -> Result<u8, String> {
    let level = level.parse().ok().filter(|level| (1..=9).contains(level));
    level.ok_or_else(|| String::from("levels run from 1 to 9, and from 1 to 5 in v1"))
}

fn threads(number: &str) -> Result<usize, String> {
    // More would not help, and each takes memory.
    let number = number.parse().ok().filter(|number| *number <= 1024);
    number.ok_or_else(|| String::from("the number of threads must be 0 to 1024"))
}

fn split(name: &str) -> Result<Split, String> {
    let found = Split::ALL.into_iter().find(|split| split.to_string() == name);
    found.ok_or_else(|| String::from("the kinds are text, code, logs and cjk"))
}

/// Whether each of the matrices takes inputs of 16 bits.
#[cfg(feature = "import")]
pub(crate) type WideInputs = [bool; MatrixKind::ALL.len()];

#[cfg(feature = "import")]
fn wide_inputs(names: &str) -> Result<WideInputs, String> {
    let mut wide = WideInputs::default();
    for name in names.split(',').filter(|&name| name != "none") {
        let found = MatrixKind::ALL.iter().position(|kind| kind.name() == name);
        let index = found.ok_or_else(|| String::from("the names are qkv, out, gate_up, down and head"))?;
        wide[index] = true;
    }
    Ok(wide)
}

/// A number of bytes, KiB, MiB, GiB or TiB. As in zstd and xz, KB is another name for KiB.
fn size(size: &str) -> Result<u64, String> {
    let units = [("k", 10), ("m", 20), ("g", 30), ("t", 40)];
    let lower = size.to_ascii_lowercase();
    let (number, shift) = units
        .iter()
        .find_map(|&(unit, shift)| {
            let short = ["ib", "b", "i", ""]
                .iter()
                .find_map(|end| lower.strip_suffix(end)?.strip_suffix(unit));
            Some((short?, shift))
        })
        .unwrap_or((&lower, 0));
    let number = number.parse().ok();
    number
        .and_then(|number: u64| number.checked_mul(1 << shift))
        .ok_or_else(|| String::from("a size is a number such as 1000, 64K, 1M or 2G"))
}

/// A part of a text: `A..B`, `A..` or `..B`.
fn range(range: &str) -> Result<Range<u64>, String> {
    let wrong = || String::from("a range is A..B, A.. or ..B, in bytes, and A is not above B");
    let (start, end) = range.split_once("..").ok_or_else(wrong)?;
    let bound = |bound: &str, none| if bound.is_empty() { Ok(none) } else { size(bound) };
    let range = bound(start, 0)?..bound(end, u64::MAX)?;
    if range.start > range.end {
        Err(wrong())
    } else {
        Ok(range)
    }
}

/// A factor of learning rates.
fn rate(text: &str) -> Result<f32, String> {
    let factor = text.parse().ok().filter(|factor| *factor > 0.0 && *factor <= 1.0);
    factor.ok_or_else(|| String::from("rates are above 0 and at most 1, where 1 stands for the usual ones"))
}

/// A size that a sample may have.
fn sample_len(text: &str) -> Result<u64, String> {
    let bytes = size(text)?;
    if bytes < MIN_SAMPLE_LEN as u64 {
        return Err(format!("a sample has at least {MIN_SAMPLE_LEN} bytes"));
    }
    Ok(bytes)
}

/// The fewest bytes of text to adapt to. Much less would say little of other text of the kind.
pub(crate) const MIN_SAMPLE_LEN: usize = 10_000;

/// A size that segments may have.
fn segment_len(text: &str) -> Result<usize, String> {
    let bytes = size(text).ok().and_then(|bytes| usize::try_from(bytes).ok());
    bytes
        .filter(|bytes| Options::SEGMENT_LENS.contains(bytes))
        .ok_or_else(|| String::from("segments hold 1K to 16M"))
}

impl Args {
    /// Reads a command line. The error is what to tell the user: an error, or the help or version they asked for.
    pub(crate) fn parse(program: &'static str, command_line: Vec<OsString>) -> Result<Self, clap::Error> {
        let command = command(program).color(colors(&command_line));
        // The name alone is a question, unless there is something to compress.
        let mut command = command.arg_required_else_help(io::stdin().is_terminal());
        check_level_flags(&command_line)
            .map_err(|message| command.error(ErrorKind::InvalidValue, message))?;
        let matches = command.try_get_matches_from_mut(command_line).map_err(with_tip)?;
        Self::from_arg_matches(&matches)
    }
}

/// The definition of the command line, under the name that the program was called by.
pub(crate) fn command(program: &'static str) -> clap::Command {
    help::complete(Args::command(), program)
}

/// Flags of zstd and xz that do not exist here, and what to use in their place.
const TIPS: [(&str, &str); 13] = [
    ("-D", "a model takes the place of a dictionary: -m MODEL"),
    ("--train", "'czip train' makes a model of texts"),
    ("-b", "'czip bench' measures sizes and speed"),
    (
        "-B",
        "--segment sets the length of the parts that are coded independently",
    ),
    ("-e", "-9 makes the smallest files"),
    ("--extreme", "-9 makes the smallest files"),
    ("--ultra", "-9 makes the smallest files"),
    ("-0", "-1 is the fastest level"),
    ("-S", "-o names the output"),
    ("--suffix", "-o names the output"),
    ("-C", "there always is a checksum, and it is always compared"),
    ("--check", "there always is a checksum, and it is always compared"),
    ("--no-progress", "-q hides the progress bar"),
];

/// Says what to use in the place of a flag of another program.
fn with_tip(mut error: clap::Error) -> clap::Error {
    if error.kind() == ErrorKind::UnknownArgument
        && let Some(ContextValue::String(flag)) = error.get(ContextKind::InvalidArg)
        && let Some((_, tip)) = TIPS.iter().find(|(known, _)| known == flag)
    {
        error.insert(
            ContextKind::Suggested,
            ContextValue::StyledStrs(vec![(*tip).into()]),
        );
    }
    error
}

/// Other programs have levels up to 19 or 22; here these would be two flags, and the last would count.
fn check_level_flags(command_line: &[OsString]) -> Result<(), String> {
    let words = command_line.iter().skip(1).filter_map(|word| word.to_str());
    for word in words.take_while(|&word| word != "--") {
        let digits = word.strip_prefix('-').unwrap_or_default();
        if digits.len() > 1 && digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(format!(
                "{word} is no level: they run from -1 to -9, which makes the smallest files"
            ));
        }
    }
    Ok(())
}

/// What `--color` says, looked up before the command line is understood: an error in it may be coloured.
fn colors(command_line: &[OsString]) -> ColorChoice {
    let mut words = command_line.iter().filter_map(|word| word.to_str());
    let mut choice = None;
    while let Some(word) = words.next() {
        let value = match word {
            "--" => break,
            "--color" => words.next(),
            _ => word.strip_prefix("--color="),
        };
        choice = value
            .and_then(|value| ColorChoice::from_str(value, false).ok())
            .or(choice);
    }
    choice.unwrap_or(ColorChoice::Auto)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Args, clap::Error> {
        Args::parse("czip", line.split_whitespace().map(OsString::from).collect())
    }

    #[test]
    fn description_is_consistent() {
        command("czip").debug_assert();
    }

    #[test]
    fn existing_command_line() {
        let args =
            parse("compress_zip compress -m models/a.czm -i in -o out -t t.json -c zstd -L 3").unwrap();
        let Some(Command::Compress(args)) = args.command else {
            panic!("{args:?}")
        };
        assert_eq!(args.model.model, [PathBuf::from("models/a.czm")]);
        assert_eq!(args.model.tokenizer, Some("t.json".into()));
        assert_eq!(args.encoding.codec, Some(Codec::Zstd));
        assert_eq!(args.encoding.level, Some(3));
        assert_eq!(args.encoding.format, None);
        assert_eq!(args.files.input_option, Some("in".into()));
        assert!(args.files.inputs.is_empty());
        assert_eq!(args.files.output, Some("out".into()));
        assert!(!args.files.force);
    }

    #[test]
    fn wrong_command_lines() {
        for line in [
            "czip -12 a",
            "czip -0 a",
            "czip -e a",
            "czip -o a -c --output-dir b c",
            "czip -d --recover --rm a",
            "czip cat --range 1 a",
            "czip cat --range 2..1 a",
            "czip grep",
            "czip compress -i a b",
            "czip compress -L 0 a",
            "czip compress -L 10 a",
            "czip compress --segment 1023 a",
            "czip compress --segment 17M a",
            "czip compress --segment 1G a",
            "czip compress --segment K a",
            "czip compress -c gzip a",
            "czip compress --format v9 a",
            "czip compress -T -1 a",
            "czip compress -T 1025 a",
            "czip decompress -L 1 a",
            "czip info",
            "czip verify",
            "czip bench",
            "czip bench -L 10 a",
            "czip adapt m.czm -o out.czm",
            "czip adapt m.czm a",
            "czip adapt m.czm a -o out.czm --sample 1G1",
            "czip adapt m.czm a -o out.czm --sample 9999",
        ] {
            let message = parse(line).unwrap_err();
            assert!(message.use_stderr(), "{line}");
        }
    }

    #[test]
    fn without_a_command() {
        let plain = |line: &str| {
            let args = parse(line).unwrap_or_else(|error| panic!("{line}: {error}"));
            assert!(args.command.is_none(), "{line}");
            (args.plain, args.global)
        };
        // As people type them.
        let (args, _) = plain("czip -dkf a");
        assert!(args.operation.decompress && args.files.keep && args.files.force);
        let (args, global) = plain("czip -9kvT0 -M1G a b");
        assert_eq!(args.encoding.named_level(), Some(9));
        assert_eq!((global.threads, global.verbose), (0, 1));
        assert_eq!(args.restoring.limits.memory, Some(1 << 30));
        assert_eq!(args.files.inputs, [PathBuf::from("a"), PathBuf::from("b")]);
        // Whatever is like a command, but does not come first, is a file.
        for line in ["czip a train", "czip -k train", "czip - train", "czip -- train"] {
            let (args, _) = plain(line);
            assert_eq!(args.files.inputs.last(), Some(&PathBuf::from("train")), "{line}");
        }
        assert!(
            parse("czip train").unwrap_err().to_string().contains("required"),
            "the command"
        );
        // The last one counts.
        for (line, level) in [
            ("czip a", None),
            ("czip -1 -9 a", Some(9)),
            ("czip -9 -1 a", Some(1)),
            ("czip -9 -L 4 a", Some(4)),
            ("czip -L4 -9 a", Some(9)),
            ("czip --best --fast a", Some(1)),
            ("czip -L3 -L 7 a", Some(7)),
        ] {
            assert_eq!(plain(line).0.encoding.named_level(), level, "{line}");
        }
        let operation = |line| {
            let it = plain(line).0.operation;
            [it.compress, it.decompress, it.test, it.list]
        };
        assert_eq!(operation("czip -dtlz a"), [true, false, false, false]);
        assert_eq!(operation("czip -zd a"), [false, true, false, false]);
        assert_eq!(operation("czip -dt a"), [false, false, true, false]);
        assert_eq!(operation("czip -tl a"), [false, false, false, true]);
        assert!(!plain("czip --rm -k a").0.files.rm);
        assert!(plain("czip -k --rm a").0.files.rm);
        assert_eq!(plain("czip -qq a").1.quiet, 2);
        for line in [
            "czip --decompress --stdout --keep --force --test --list a",
            "czip --uncompress --to-stdout a",
            "czip -T 4 --threads=3 --memory 64MiB --memlimit 1G a",
            "czip --files-from a --files0-from b --filelist c --files=d --files0=e",
            "czip --output-dir a --exclude-compressed --json b",
            "czip --output-dir-mirror a b",
            "czip --recursive --quiet --verbose --color never a",
        ] {
            plain(line);
        }
    }

    #[test]
    fn flags_of_other_programs_are_explained() {
        for (line, tip) in [
            (
                "czip -D dict a",
                "tip: a model takes the place of a dictionary: -m MODEL",
            ),
            ("czip --ultra -22 a", "-22 is no level"),
            ("czip --ultra a", "tip: -9 makes the smallest files"),
            ("czip -kS .suf a", "tip: -o names the output"),
            ("czip -C crc32 a", "tip: there always is a checksum"),
            ("czip --no-progress a", "tip: -q hides the progress bar"),
        ] {
            let message = parse(line).unwrap_err().to_string();
            assert!(message.contains(tip), "{line}: {message}");
        }
    }

    #[test]
    fn commands_take_the_same_flags() {
        for line in [
            "czip compress -9 --rm -k -r --output-dir a b --json",
            "czip compress --stdout -f a",
            "czip decompress -k -c -M 1G --rm -r b",
            "czip verify -9 a",
            "czip bench -9 a",
        ] {
            assert!(parse(line).is_ok(), "{line}");
        }
    }

    #[test]
    fn rates_are_part_of_the_usual_ones() {
        for (value, expected) in [
            ("0.2", Some(0.2)),
            ("1", Some(1.0)),
            ("0", None),
            ("1.5", None),
            ("-1", None),
            ("NaN", None),
            ("high", None),
        ] {
            assert_eq!(rate(value).ok(), expected, "{value}");
        }
    }

    #[test]
    fn sizes_of_segments() {
        for (size, bytes) in [
            ("1024", 1 << 10),
            ("64k", 1 << 16),
            ("1M", 1 << 20),
            ("16384K", 1 << 24),
        ] {
            assert_eq!(segment_len(size), Ok(bytes));
        }
    }

    #[test]
    fn sizes() {
        for (text, bytes) in [
            ("0", Some(0)),
            ("1000", Some(1000)),
            ("3k", Some(3 << 10)),
            ("2G", Some(2 << 30)),
            ("16383T", Some(16383 << 40)),
            ("18446744073709551615", Some(u64::MAX)),
            ("18446744073709551616", None),
            ("16777216T", None),
            ("-1", None),
            ("1.5G", None),
            ("G", None),
            ("", None),
            ("1MB", Some(1 << 20)),
            ("1MiB", Some(1 << 20)),
            ("2ki", Some(2 << 10)),
            ("1B", None),
            ("1iB", None),
            ("MiB", None),
        ] {
            assert_eq!(size(text).ok(), bytes, "{text}");
        }
    }

    #[test]
    fn help_shows_the_name_called() {
        for program in ["czip", "compress_zip"] {
            let help = command(program).render_long_help().to_string();
            for line in [
                format!("Usage: {program} [OPTIONS] [FILE]..."),
                format!("\n       {program} <COMMAND>"),
                format!("\n  {program} notes.txt   "),
                format!("\n  {program} train -o mine.czm --minutes 30 letters/ "),
            ] {
                assert!(help.contains(&line), "{line} in {help}");
            }
        }
    }
}
