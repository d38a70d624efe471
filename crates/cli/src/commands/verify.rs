//! `czip verify`

use std::fmt;
use std::io;
use std::time::Instant;

use czip::container::{self, Limits};
use czip::{ChunkLevel, Model, Options, Summary};
use serde::Serialize;

use crate::Exit;
use crate::commands::compare;
use crate::compressors::Compressor;
use crate::error::{Error, Failure};
use crate::input::Source;
use crate::job::ModelFiles;
use crate::progress::Progress;
use crate::report;
use crate::ui::Ui;

/// Files to check.
#[derive(Debug)]
pub(crate) struct Verify {
    pub(crate) files: Vec<Source>,
    pub(crate) model: ModelFiles,
    /// How to compress texts.
    pub(crate) options: Options,
    /// The same without codec and level, which a compressed file states itself.
    pub(crate) base_options: Options,
    pub(crate) json: bool,
}

impl Verify {
    pub(crate) fn run(&self, ui: &Ui) -> Result<Exit, Failure> {
        let model = self.model.load(ui)?;
        ui.each(&self.files, |source| {
            let bytes = source.read_all()?;
            let progress = Progress::start(ui, source.to_string(), false);
            let report = if bytes.starts_with(&container::MAGIC) {
                check_file(&model, &bytes, &self.base_options, &progress)
            } else {
                check_text(&model, &bytes, &self.options, &progress)
            }
            .and_then(|check| Report::new(source, check))
            .map_err(|error| error.of(source))?;
            drop(progress);
            if report.level_lowered {
                ui.warning(format_args!(
                    "{source}: level lowered to chunks of {} tokens, the model's context",
                    report.chunk_tokens
                ));
            }
            report::print(&report, self.json).map_err(Failure::from)
        })
    }
}

/// What has come out of both ways.
struct Check {
    kind: Kind,
    text: Vec<u8>,
    compressed: Option<Timed>,
    decompressed: Timed,
}

/// What was done, and in how many seconds.
struct Timed {
    summary: Summary,
    seconds: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Text,
    CompressedFile,
}

/// Compresses a text, restores it and compares.
fn check_text(model: &Model, text: &[u8], options: &Options, progress: &Progress) -> Result<Check, Error> {
    let (file, compressed) = timed(|file| czip::compress_to(model, text, file, &progress.watch(options)))?;
    let (restored, decompressed) =
        timed(|text| czip::decompress_to(model, &file[..], text, &progress.watch(options)))?;
    compare(&restored, text)?;
    Ok(Check {
        kind: Kind::Text,
        text: restored,
        compressed: Some(compressed),
        decompressed,
    })
}

/// Restores a compressed file's text, compresses it again with the file's own codec and length of chunks, and compares
/// the contents. The outer codec's bytes may differ: they depend on its version.
fn check_file(model: &Model, bytes: &[u8], options: &Options, progress: &Progress) -> Result<Check, Error> {
    let file = container::read(bytes, &Limits::default()).map_err(czip::Error::from)?;
    let (text, decompressed) =
        timed(|text| czip::decompress_to(model, bytes, text, &progress.watch(options)))?;
    let params = file.params();
    let compressed = match encoding_as(options.clone().codec(params.codec), params.context.get(), model) {
        None => None,
        Some(options) => {
            let (again, compressed) =
                timed(|file| czip::compress_to(model, &text[..], file, &progress.watch(&options))).map_err(
                    |error| match error {
                        // No encoder is given such a text.
                        Error::Czip(czip::Error::NotText { .. }) => Error::Reencoded,
                        error => error,
                    },
                )?;
            let again = container::read(&again[..], &Limits::default()).map_err(czip::Error::from)?;
            let same = again.chunks().eq(file.chunks())
                && again.token_count() == file.token_count()
                && again.original_len() == file.original_len();
            if !same {
                return Err(Error::Reencoded);
            }
            Some(compressed)
        }
    };
    Ok(Check {
        kind: Kind::CompressedFile,
        text,
        compressed,
        decompressed,
    })
}

/// Options for chunks of 2^`log2` tokens: no level is the model's context. `None` if there is no way to ask for them.
fn encoding_as(options: Options, log2: u8, model: &Model) -> Option<Options> {
    let level = log2.checked_sub(5).and_then(|level| ChunkLevel::new(level).ok());
    match level {
        Some(level) => Some(options.level(level)),
        None => (log2 == model.config().context_log2()).then_some(options),
    }
}

fn timed(run: impl FnOnce(&mut Vec<u8>) -> Result<Summary, czip::Error>) -> Result<(Vec<u8>, Timed), Error> {
    let mut output = Vec::new();
    let start = Instant::now();
    let summary = run(&mut output)?;
    Ok((
        output,
        Timed {
            summary,
            seconds: start.elapsed().as_secs_f64(),
        },
    ))
}

/// The outcome for a file that has passed.
#[derive(Debug, Serialize)]
struct Report {
    path: String,
    kind: Kind,
    /// Bytes of text.
    text_len: u64,
    /// Bytes of the compressed file; of the one given, if it was one.
    file_len: u64,
    tokens: u64,
    chunks: u64,
    chunk_tokens: u32,
    level_lowered: bool,
    ratio: Option<f64>,
    bits_per_byte: Option<f64>,
    bits_per_token: Option<f64>,
    /// A compressed file's text gives the same contents again; `None` if the options have no way to ask for them.
    reencodes: Option<bool>,
    compress_tokens_per_second: Option<f64>,
    decompress_tokens_per_second: Option<f64>,
    others: Vec<Other>,
}

/// The same text under another compressor.
#[derive(Debug, Serialize)]
struct Other {
    name: &'static str,
    file_len: u64,
    ratio: Option<f64>,
    bits_per_byte: Option<f64>,
}

impl Report {
    fn new(source: &Source, check: Check) -> Result<Self, Error> {
        let Check {
            kind,
            text,
            compressed,
            decompressed,
        } = check;
        let Summary {
            text_len,
            file_len,
            tokens,
            chunks,
            chunk_len,
            ..
        } = decompressed.summary;
        let speed = |timed: &Timed| report::speed(tokens, timed.seconds);
        Ok(Self {
            path: source.to_string(),
            kind,
            text_len,
            file_len,
            tokens,
            chunks,
            chunk_tokens: chunk_len,
            level_lowered: compressed
                .as_ref()
                .is_some_and(|compressed| compressed.summary.level_lowered),
            ratio: report::ratio(text_len, file_len),
            bits_per_byte: report::bits_per(file_len, text_len),
            bits_per_token: report::bits_per(file_len, tokens),
            reencodes: (kind == Kind::CompressedFile && compressed.is_some()).then_some(true),
            compress_tokens_per_second: compressed.as_ref().and_then(speed),
            decompress_tokens_per_second: speed(&decompressed),
            others: others(&text).map_err(Error::OtherCompressor)?,
        })
    }
}

fn others(text: &[u8]) -> io::Result<Vec<Other>> {
    let other = |compressor: Compressor| {
        let (text_len, file_len) = (text.len() as u64, compressor.compress(text)?.len() as u64);
        Ok(Other {
            name: compressor.name(),
            file_len,
            ratio: report::ratio(text_len, file_len),
            bits_per_byte: report::bits_per(file_len, text_len),
        })
    };
    Compressor::ALL.into_iter().map(other).collect()
}

/// The outcome, then a line for each compressor and for the speed.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let outcome = match (self.kind, self.reencodes) {
            (Kind::Text, _) => "comes back as it was",
            (Kind::CompressedFile, Some(_)) => "can be restored, and compressed again to the same contents",
            (Kind::CompressedFile, None) => "can be restored; no level gives chunks of its length again",
        };
        let Self {
            path,
            text_len,
            tokens,
            chunks,
            chunk_tokens,
            ..
        } = self;
        write!(f, "{path}: {outcome}")?;
        write!(
            f,
            "\n  text       {text_len:>10} bytes, {tokens} tokens, {chunks} chunks of up to {chunk_tokens}"
        )?;
        write!(
            f,
            "\n  czip       {:>10} bytes, {}",
            self.file_len,
            report::figures(*text_len, self.file_len)
        )?;
        if let Some(bits) = self.bits_per_token {
            write!(f, ", {bits:.3} bits/token")?;
        }
        for other in &self.others {
            let figures = report::figures(*text_len, other.file_len);
            write!(
                f,
                "\n  {:<10} {:>10} bytes, {figures}",
                other.name, other.file_len
            )?;
        }
        for (name, speed) in [
            ("compress", self.compress_tokens_per_second),
            ("decompress", self.decompress_tokens_per_second),
        ] {
            if let Some(speed) = speed {
                write!(f, "\n  {name:<10} {speed:>10.0} tokens/s")?;
            }
        }
        Ok(())
    }
}
