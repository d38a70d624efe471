//! The command line, just as it was typed.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use czip::Options;
use czip::v1::Codec;
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
    /// Show what compressed files and models say about themselves
    Info(Info),
    /// Check that files come back as they were, and compare with other compressors
    Verify(Verify),
    /// Measure sizes, speeds and memory on texts, and those of other compressors
    Bench(Bench),
    /// Make a model of one's own from texts
    Train(Train),
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "General options")]
pub(crate) struct Global {
    /// Threads to use, at most 1024; 0 for one on each core
    #[arg(short = 'T', long, global = true, value_name = "N", default_value_t = 0, value_parser = threads)]
    pub(crate) threads: usize,
    /// Say nothing but errors
    #[arg(short, long, global = true)]
    pub(crate) quiet: bool,
    /// Say more
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
    /// Of damaged files of czip v2, restore what can be restored, and say which parts of the text are missing
    #[arg(long)]
    pub(crate) recover: bool,
    #[command(flatten)]
    pub(crate) limits: LimitArgs,
    #[command(flatten)]
    pub(crate) files: Files,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Info {
    /// Model to hold the files against; may be repeated
    #[arg(short, long)]
    pub(crate) model: Vec<PathBuf>,
    /// Write a line of JSON for each file
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
    /// Write a line of JSON for each file
    #[arg(long)]
    pub(crate) json: bool,
    /// Texts, and compressed files, which are restored and compressed again as they were; - is standard input
    #[arg(value_name = "FILE", required = true)]
    pub(crate) files: Vec<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Bench {
    #[command(flatten)]
    pub(crate) model: ModelArgs,
    /// The only format to measure [default: both]
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub(crate) format: Option<Format>,
    /// v1: codec around the contents: brotli or zstd [default: brotli]
    #[arg(short, long)]
    pub(crate) codec: Option<Codec>,
    /// The only level to measure [default: all]
    #[arg(short = 'L', long, value_parser = level)]
    pub(crate) level: Option<u8>,
    /// Most bytes of text in a segment, such as 64K or 1M [default: 1M, and 4M at level 9]
    #[arg(long, value_name = "SIZE", value_parser = segment_len)]
    pub(crate) segment: Option<usize>,
    /// Write a line of JSON for each file, and for the sum
    #[arg(long)]
    pub(crate) json: bool,
    /// Texts; - is standard input
    #[arg(value_name = "FILE", required = true)]
    pub(crate) files: Vec<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Train {
    /// Model file to write; beside it the curve of the training, as MODEL.csv and MODEL.svg, and until the model is written
    /// MODEL.checkpoint
    #[arg(short, long, value_name = "MODEL")]
    pub(crate) output: PathBuf,
    /// Overwrite outputs that exist, and begin anew where an interrupted run could go on; inputs are never overwritten
    #[arg(short, long)]
    pub(crate) force: bool,
    /// Size of the net: fast, standard or large
    #[arg(long, default_value_t)]
    pub(crate) preset: Preset,
    /// Tokens of the vocabulary, 258 to 65536 [default: what suits the preset]
    #[arg(long, value_name = "N")]
    pub(crate) vocab: Option<usize>,
    /// How text is cut into pieces: text, code, logs or cjk [default: chosen by the text]
    #[arg(long, value_name = "KIND", value_parser = split)]
    pub(crate) split: Option<Split>,
    /// Minutes to train
    #[arg(long, value_name = "M", default_value_t = 30.0, conflicts_with = "tokens")]
    pub(crate) minutes: f64,
    /// Tokens to train on, each counted as often as it is seen; the same text, options and threads give the same model
    #[arg(long, value_name = "N")]
    pub(crate) tokens: Option<u64>,
    /// Model to start from; its sizes and its tokenizer are kept
    #[arg(long, value_name = "MODEL")]
    pub(crate) from: Option<PathBuf>,
    /// With --from: train a new tokenizer
    #[arg(long, requires = "from")]
    pub(crate) new_tokenizer: bool,
    /// What computes the gradients; gpu is for builds with the feature of that name
    #[arg(long, value_enum, default_value_t = Device::Cpu)]
    pub(crate) device: Device,
    /// Text that is held out to measure with: a part such as 0.05, or a file or folder
    #[arg(long, value_name = "PART|PATH", default_value = "0.05")]
    pub(crate) heldout: PathBuf,
    /// NDJSON and CSV: the field or column that holds the text of a document
    #[arg(long, value_name = "NAME")]
    pub(crate) field: Option<String>,
    /// Line that ends a document
    #[arg(long, value_name = "LINE", default_value = CorpusOptions::SEPARATOR)]
    pub(crate) separator: String,
    /// Seed of all that is random
    #[arg(long, value_name = "S", default_value_t = 0)]
    pub(crate) seed: u64,
    /// Go on with a run that was interrupted, from MODEL.checkpoint; the text and all options have to be the same
    #[arg(long)]
    pub(crate) resume: bool,
    /// Name that the model is to give itself
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// Licence that the model is to name
    #[arg(long)]
    pub(crate) licence: Option<String>,
    /// Texts: files, folders, patterns; - is standard input. In folders, what is no text is left out, and what czip has
    /// made; a file that is named must be a text
    #[arg(value_name = "CORPUS", required = true)]
    pub(crate) corpus: Vec<PathBuf>,
}

/// What a net is trained on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Device {
    Cpu,
    Gpu,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ModelArgs {
    /// Model file, or standard for the English one that is built in, or none, to code bytes alone. Where files are
    /// restored it may be repeated, or be a folder of models: a file says which it needs [default: CZIP_MODEL, and
    /// standard; for v1 there is none]
    #[arg(short, long)]
    pub(crate) model: Vec<PathBuf>,
    /// Tokenizer to use in place of the model's own
    #[arg(short, long, value_name = "TOKENIZER_JSON")]
    pub(crate) tokenizer: Option<PathBuf>,
}

/// For files from strangers.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct LimitArgs {
    /// Refuse files of more text, such as 500M or 2G
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub(crate) max_output: Option<u64>,
    /// Memory that a file may take while it is restored, models apart, such as 256M; with little of it, less is done
    /// side by side [default: 16G]
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub(crate) memory: Option<u64>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Encoding {
    /// Level: 1 is the fastest, 9 gives the smallest files, and 4 and above use the model's net; in v1, 1 to 5 for
    /// chunks of 64, 128, 256, 512 or 1024 tokens [default: 5; in v1 chunks of the model's context]
    #[arg(short = 'L', long, value_parser = level)]
    pub(crate) level: Option<u8>,
    /// Format to write: v2 is czip's own, v1 is CZIPv1 [default: v2, or v1 if -c is given]
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub(crate) format: Option<Format>,
    /// v2: most bytes of text in a segment, such as 64K or 1M; segments are independent, and longer ones give smaller
    /// files [default: 1M, and 4M at level 9]
    #[arg(long, value_name = "SIZE", value_parser = segment_len)]
    pub(crate) segment: Option<usize>,
    /// v2: leave out the index at the end, by which a part of the text can be found
    #[arg(long)]
    pub(crate) no_index: bool,
    /// v1: codec around the contents: brotli or zstd [default: brotli]
    #[arg(short, long)]
    pub(crate) codec: Option<Codec>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Files {
    /// File to read; - is standard input
    #[arg(short, long = "input", value_name = "IN", conflicts_with = "inputs")]
    pub(crate) input_option: Option<PathBuf>,
    /// Output file, for a single input; - is standard output [default: the input's name with or without .czip,
    /// or - if that is -]
    #[arg(short, long, value_name = "OUT")]
    pub(crate) output: Option<PathBuf>,
    /// Overwrite outputs that exist
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
    level.ok_or_else(|| String::from("levels are 1 to 9, and 1 to 5 in v1"))
}

fn threads(number: &str) -> Result<usize, String> {
    // More would not help, and each takes memory.
    let number = number.parse().ok().filter(|number| *number <= 1024);
    number.ok_or_else(|| String::from("threads are 0 to 1024"))
}

fn split(name: &str) -> Result<Split, String> {
    let found = Split::ALL.into_iter().find(|split| split.to_string() == name);
    found.ok_or_else(|| String::from("kinds are text, code, logs and cjk"))
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
        .ok_or_else(|| String::from("sizes are such as 1000, 64K, 1M or 2G"))
}

/// A size that segments may have.
fn segment_len(text: &str) -> Result<usize, String> {
    let bytes = size(text).ok().and_then(|bytes| usize::try_from(bytes).ok());
    bytes
        .filter(|bytes| Options::SEGMENT_LENS.contains(bytes))
        .ok_or_else(|| String::from("segments have 1K to 16M"))
}

impl Args {
    /// Reads a command line. The error is what to tell the user, be it an error or the help asked for.
    pub(crate) fn parse(program: &'static str, command_line: Vec<OsString>) -> Result<Self, clap::Error> {
        Self::from_arg_matches(&command(program).try_get_matches_from(command_line)?)
    }
}

/// The description of the command line, under the name that the program was called by.
fn command(program: &'static str) -> clap::Command {
    let files = format!(
        "\
Exit codes:
  0    all was done
  1    a file cannot be read or written, or its contents cannot be used
  2    the command line cannot be carried out
  3    file and model, or model and tokenizer, don't belong together
  4    a compressed file, model or tokenizer is malformed or damaged
  {interrupted}  interrupted; 128 and the number of the signal for others

Environment variables:
  CZIP_MODEL  model file to use where -m names none; without both, the built-in one. It may name several, and
              folders of models, as PATH does: to restore, files choose among them; to compress, the first file is
              taken",
        interrupted = crate::Exit::INTERRUPTED
    );
    let examples = format!(
        "\
Examples:
  {program} compress -m english.czm notes.txt         makes notes.txt.czip
  {program} compress -m english.czm -L 9 *.txt        all of them side by side, as small as can be
  {program} decompress -m english.czm notes.txt.czip  makes notes.txt
  {program} compress -m english.czm - < in > out      from standard input to standard output
  {program} info english.czm notes.txt.czip           what the files say about themselves
  {program} verify -m english.czm *.txt               does it all come back, and how small does it get
  {program} bench -m english.czm *.txt                how small, how fast, beside other compressors
  {program} train -o mine.czm --minutes 30 letters/   a model of one's own, from the texts of a folder"
    );
    let after = format!("{examples}\n\n{files}");
    let mut command = Args::command().name(program).bin_name(program).after_help(after);
    for name in ["compress", "decompress", "info", "verify", "bench", "train"] {
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
