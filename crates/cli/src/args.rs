//! The command line, just as it was typed.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use czip::{ChunkLevel, Codec};

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
    /// Compress a text: notes.txt becomes notes.txt.czip
    Compress(Compress),
    /// Restore a text: notes.txt.czip becomes notes.txt
    Decompress(Decompress),
    /// Show what compressed files and models say about themselves
    Info(Info),
    /// Check that files come back as they were, and compare with other compressors
    Verify(Verify),
    /// Measure sizes, speeds and memory on texts, and those of other compressors
    Bench(Bench),
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "General options")]
pub(crate) struct Global {
    /// Threads to use; 0 for one on each core
    #[arg(short = 'T', long, global = true, value_name = "N", default_value_t = 0)]
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
    /// Format to write
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t = Format::V1)]
    pub(crate) format: Format,
    #[command(flatten)]
    pub(crate) files: Files,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Decompress {
    #[command(flatten)]
    pub(crate) model: ModelArgs,
    #[command(flatten)]
    pub(crate) files: Files,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Info {
    /// Write a line of JSON for each file
    #[arg(long)]
    pub(crate) json: bool,
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
    /// Codec around the contents: brotli or zstd
    #[arg(short, long, default_value_t = Codec::Brotli)]
    pub(crate) codec: Codec,
    /// The only level to measure [default: every one that the model's context has room for]
    #[arg(short = 'L', long)]
    pub(crate) level: Option<ChunkLevel>,
    /// Write a line of JSON for each file, and for the sum
    #[arg(long)]
    pub(crate) json: bool,
    /// Texts; - is standard input
    #[arg(value_name = "FILE", required = true)]
    pub(crate) files: Vec<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ModelArgs {
    /// Model file [default: the one that CZIP_MODEL names]
    #[arg(short, long)]
    pub(crate) model: Option<PathBuf>,
    /// Tokenizer to use in place of the model's own
    #[arg(short, long, value_name = "TOKENIZER_JSON")]
    pub(crate) tokenizer: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Encoding {
    /// Codec around the contents: brotli or zstd
    #[arg(short, long, default_value_t = Codec::Brotli)]
    pub(crate) codec: Codec,
    /// Chunks of 64, 128, 256, 512 or 1024 tokens, for levels 1 to 5 [default: as many as the model's context]
    #[arg(short = 'L', long)]
    pub(crate) level: Option<ChunkLevel>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Files {
    /// File to read; - is standard input
    #[arg(short, long = "input", value_name = "IN", conflicts_with = "input")]
    pub(crate) input_option: Option<PathBuf>,
    /// File to write; - is standard output [default: the input's name with or without .czip, or - if that is -]
    #[arg(short, long, value_name = "OUT")]
    pub(crate) output: Option<PathBuf>,
    /// Overwrite the output if it exists
    #[arg(short, long)]
    pub(crate) force: bool,
    /// File to read; - is standard input
    #[arg(required_unless_present = "input_option")]
    pub(crate) input: Option<PathBuf>,
}

/// A version of the compressed format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    V1,
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
  4    a compressed file, model or tokenizer is malformed
  {interrupted}  interrupted

Environment variables:
  CZIP_MODEL  model file to use where -m names none",
        interrupted = crate::Exit::INTERRUPTED
    );
    let examples = format!(
        "\
Examples:
  {program} compress -m english.czm notes.txt         makes notes.txt.czip
  {program} decompress -m english.czm notes.txt.czip  makes notes.txt
  {program} compress -m english.czm - < in > out      from standard input to standard output
  {program} info english.czm notes.txt.czip           what the files say about themselves
  {program} verify -m english.czm *.txt               does it all come back, and how small does it get
  {program} bench -m english.czm *.txt                how small, how fast, beside other compressors"
    );
    let after = format!("{examples}\n\n{files}");
    let mut command = Args::command().name(program).bin_name(program).after_help(after);
    for name in ["compress", "decompress", "info", "verify", "bench"] {
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
        assert_eq!(args.model.model, Some("models/a.czm".into()));
        assert_eq!(args.model.tokenizer, Some("t.json".into()));
        assert_eq!(args.encoding.codec, Codec::Zstd);
        assert_eq!(args.encoding.level, ChunkLevel::new(3).ok());
        assert_eq!(args.format, Format::V1);
        assert_eq!(args.files.input_option, Some("in".into()));
        assert_eq!(args.files.input, None);
        assert_eq!(args.files.output, Some("out".into()));
        assert!(!args.files.force);
    }

    #[test]
    fn wrong_command_lines() {
        for line in [
            "czip",
            "czip expand a",
            "czip compress",
            "czip compress a b",
            "czip compress -i a b",
            "czip compress -L 0 a",
            "czip compress -L 6 a",
            "czip compress -c gzip a",
            "czip compress --format v9 a",
            "czip compress -T -1 a",
            "czip decompress -L 1 a",
            "czip info",
            "czip verify",
            "czip bench",
            "czip bench -L 6 a",
        ] {
            let message = parse(line).unwrap_err();
            assert!(message.use_stderr(), "{line}");
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
