//! The command line, exactly as it was typed.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use czip::Options;
use czip::v1::Codec;
#[cfg(feature = "import")]
use czip_import::MatrixKind;
use czip_train::bpe::Split;
use czip_train::corpus::CorpusOptions;
use czip_train::preset::Preset;

/// Lossless text compression with a small language model, exact on every machine
#[derive(Debug, Parser)]
#[command(version, disable_help_subcommand = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
    #[command(flatten)]
    pub(crate) global: Global,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Compress texts or any files: notes.txt becomes notes.txt.czip
    Compress(Compress),
    /// Restore files: notes.txt.czip becomes notes.txt
    Decompress(Decompress),
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
    /// Print errors only
    #[arg(short, long, global = true)]
    pub(crate) quiet: bool,
    /// Print more details
    #[arg(short, long, global = true)]
    pub(crate) verbose: bool,
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
    /// Restore whatever is intact in damaged czip v2 files, and report which parts of the text are missing
    #[arg(long)]
    pub(crate) recover: bool,
    #[command(flatten)]
    pub(crate) limits: LimitArgs,
    #[command(flatten)]
    pub(crate) files: Files,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Info {
    /// Model to check the files against; may be repeated
    #[arg(short, long)]
    pub(crate) model: Vec<PathBuf>,
    /// Print one line of JSON for each file
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) limits: LimitArgs,
    /// Compressed files and models; - is standard input
    #[arg(value_name = "FILE", required = true)]
    pub(crate) files: Vec<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Verify {
    #[command(flatten)]
    pub(crate) model: ModelArgs,
    #[command(flatten)]
    pub(crate) encoding: Encoding,
    /// Print one line of JSON for each file
    #[arg(long)]
    pub(crate) json: bool,
    /// Texts, or compressed files to restore and recompress the same way; - is standard input
    #[arg(value_name = "FILE", required = true)]
    pub(crate) files: Vec<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Bench {
    #[command(flatten)]
    pub(crate) model: ModelArgs,
    /// Benchmark only this format [default: both]
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub(crate) format: Option<Format>,
    /// v1: outer codec, brotli or zstd [default: brotli]
    #[arg(short, long)]
    pub(crate) codec: Option<Codec>,
    /// Benchmark only this level [default: all]
    #[arg(short = 'L', long, value_parser = level)]
    pub(crate) level: Option<u8>,
    /// Maximum segment size, such as 64K or 1M [default: 1M; 4M at level 9]
    #[arg(long, value_name = "SIZE", value_parser = segment_len)]
    pub(crate) segment: Option<usize>,
    /// Print one line of JSON for each file and one for the total
    #[arg(long)]
    pub(crate) json: bool,
    /// Texts; - is standard input
    #[arg(value_name = "FILE", required = true)]
    pub(crate) files: Vec<PathBuf>,
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
    /// Texts: files, folders, patterns; - is standard input. In folders, files that are not text are skipped, and so are
    /// files that czip wrote; a file named here must be text
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
    /// Model file of either version; or standard, the built-in English model
    #[arg(value_name = "MODEL")]
    pub(crate) model: PathBuf,
    /// Texts: files, folders, patterns; - is standard input. In folders, files that are not text are skipped, and so are
    /// files that czip wrote; a file named here must be text
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
pub(crate) struct ModelArgs {
    /// Model file; or standard, the built-in English model; or none, to use no model. When restoring, it may be repeated
    /// or name a folder of models, since each file records which one it needs [default: CZIP_MODEL, else standard; v1
    /// has no default]
    #[arg(short, long)]
    pub(crate) model: Vec<PathBuf>,
    /// Use this tokenizer instead of the model's own
    #[arg(short, long, value_name = "TOKENIZER_JSON")]
    pub(crate) tokenizer: Option<PathBuf>,
}

/// Limits for files from untrusted sources.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct LimitArgs {
    /// Refuse files that restore to more text than this, such as 500M or 2G
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub(crate) max_output: Option<u64>,
    /// Memory limit for restoring a file, not counting models, such as 256M; with less memory, fewer segments are decoded
    /// in parallel [default: 16G]
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub(crate) memory: Option<u64>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Encoding {
    /// Compression level, from 1 (fastest) to 9 (smallest); 4 and up run the model's net. In v1, 1 to 5 select chunks of
    /// 64, 128, 256, 512 or 1024 tokens [default: 5; in v1, chunks as long as the model's context]
    #[arg(short = 'L', long, value_parser = level)]
    pub(crate) level: Option<u8>,
    /// Output format: v2 is czip's own, v1 is CZIPv1 [default: v2, or v1 with -c]
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub(crate) format: Option<Format>,
    /// v2: maximum segment size, such as 64K or 1M; segments are independent, and longer ones compress better [default:
    /// 1M; 4M at level 9]
    #[arg(long, value_name = "SIZE", value_parser = segment_len)]
    pub(crate) segment: Option<usize>,
    /// v2: omit the index at the end of the file, which makes seeking possible
    #[arg(long)]
    pub(crate) no_index: bool,
    /// v1: outer codec, brotli or zstd [default: brotli]
    #[arg(short, long)]
    pub(crate) codec: Option<Codec>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Files {
    /// File to read; - is standard input
    #[arg(short, long = "input", value_name = "IN", conflicts_with = "inputs")]
    pub(crate) input_option: Option<PathBuf>,
    /// Output file, for a single input; - is standard output [default: the input's name with .czip added or removed, or
    /// - if the input is -]
    #[arg(short, long, value_name = "OUT")]
    pub(crate) output: Option<PathBuf>,
    /// Overwrite existing outputs
    #[arg(short, long)]
    pub(crate) force: bool,
    /// Files to read; - is standard input
    #[arg(value_name = "INPUT", required_unless_present = "input_option")]
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

/// A number of bytes, KiB, MiB, GiB or TiB.
fn size(size: &str) -> Result<u64, String> {
    let units = [("k", 10), ("m", 20), ("g", 30), ("t", 40)];
    let lower = size.to_ascii_lowercase();
    let (number, shift) = units
        .iter()
        .find_map(|&(unit, shift)| Some((lower.strip_suffix(unit)?, shift)))
        .unwrap_or((&lower, 0));
    let number = number.parse().ok();
    number
        .and_then(|number: u64| number.checked_mul(1 << shift))
        .ok_or_else(|| String::from("a size is a number such as 1000, 64K, 1M or 2G"))
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
        Self::from_arg_matches(&command(program).try_get_matches_from(command_line)?)
    }
}

/// The definition of the command line, under the name that the program was called by.
pub(crate) fn command(program: &'static str) -> clap::Command {
    let files = format!(
        "\
Exit codes:
  0    success
  1    a file cannot be read or written, or its contents cannot be used
  2    the command line is invalid
  3    the file needs another model, or the model another tokenizer
  4    a compressed file, model or tokenizer is malformed or damaged
  {interrupted}  interrupted; other signals give 128 plus their number

Environment variables:
  CZIP_MODEL  the model to use when there is no -m. It may list several models and folders of models, separated
              as in PATH: compressing uses the first file, restoring uses whichever a file needs",
        interrupted = crate::exit::Exit::INTERRUPTED
    );
    let examples = format!(
        "\
Examples:
  {program} compress -m english.czm notes.txt         makes notes.txt.czip
  {program} compress -m english.czm -L 9 *.txt        many files in parallel, as small as possible
  {program} decompress -m english.czm notes.txt.czip  makes notes.txt
  {program} compress -m english.czm - < in > out      from standard input to standard output
  {program} info english.czm notes.txt.czip           what is in the files
  {program} verify -m english.czm *.txt               do the texts round-trip, and how small do they get
  {program} bench -m english.czm *.txt                size and speed, beside other compressors
  {program} train -o mine.czm --minutes 30 letters/   a model trained on the texts in a folder
  {program} adapt standard letters/ -o mine.czm       the built-in model, adapted to them
  {program} import SmolLM2.gguf -o smollm2.czm        an open language model, in integers"
    );
    let after = format!("{examples}\n\n{files}");
    let mut command = Args::command().name(program).bin_name(program).after_help(after);
    for name in [
        "compress",
        "decompress",
        "info",
        "verify",
        "bench",
        "train",
        "adapt",
        #[cfg(feature = "import")]
        "import",
    ] {
        command = command.mut_subcommand(name, |subcommand| subcommand.after_help(files.clone()));
    }
    command
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
        let Command::Compress(args) = args.command else {
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
            "czip",
            "czip expand a",
            "czip compress",
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
            ("1MB", None),
        ] {
            assert_eq!(size(text).ok(), bytes, "{text}");
        }
    }

    #[test]
    fn help_shows_the_name_called() {
        for program in ["czip", "compress_zip"] {
            let help = command(program).render_help().to_string();
            assert!(
                help.contains(&format!("Usage: {program} [OPTIONS] <COMMAND>")),
                "{help}"
            );
            assert!(
                help.contains(&format!("\n  {program} compress -m english.czm notes.txt ")),
                "{help}"
            );
        }
    }
}
