//! `czip verify`

use std::fmt;
use std::io;
use std::time::Instant;

use czip::v1::ChunkLevel;
use czip::v1::container::{self, Limits};
use czip::{Format, Model, Options, v1};
use czip_peers::Compressor;
use serde::Serialize;

use crate::args;
use crate::choice::Choice;
use crate::commands::compare::compare;
use crate::error::{Error, Failure};
use crate::exit::Exit;
use crate::input::Source;
use crate::models::{ModelFiles, ModelSet};
use crate::printable::printable;
use crate::progress::Progress;
use crate::report;
use crate::ui::Ui;

/// Files to check.
#[derive(Debug)]
pub(crate) struct Verify {
    pub(crate) files: Vec<Source>,
    pub(crate) models: ModelFiles,
    /// How to compress texts.
    pub(crate) choice: Choice,
    /// Options without those that a compressed file states itself.
    pub(crate) base_options: Options,
    pub(crate) json: bool,
}

impl Verify {
    pub(crate) fn run(&self, ui: &Ui) -> Result<Exit, Failure> {
        self.choice.explain(ui);
        let models = &self.models.set(ui)?;
        let model = models.to_compress(self.choice.level)?;
        let named = model.filter(|_| self.models.are_named());
        ui.each(&self.files, |source| {
            let bytes = source.read_all(self.files.len(), ui)?;
            let progress = Progress::start(ui, source.to_string(), false);
            // A text may well begin with the letter C: only the whole of a magic number counts here.
            let format = Format::detect(&bytes).filter(|_| bytes.len() >= Format::DETECTION_LEN);
            let report = match (format, self.choice.format) {
                (Some(Format::V2), _) => {
                    let progress = progress.of_bytes(None);
                    check_segments(models, &bytes, &self.base_options, &progress)
                }
                (Some(_), _) => {
                    needed(named).and_then(|model| check_chunks(model, &bytes, &self.base_options, &progress))
                }
                (None, args::Format::V1) => needed(named)
                    .and_then(|model| check_text_in_v1(model, &bytes, &self.choice.options, &progress)),
                (None, args::Format::V2) => {
                    let progress = progress.of_bytes(Some(bytes.len() as u64));
                    check_text(model, &bytes, &self.choice.options, &progress)
                }
            }
            .and_then(|check| Report::new(source, check, model))
            .map_err(|error| match error {
                Error::NoModel => error.into(),
                error => error.of(source),
            })?;
            if report.level_lowered {
                ui.warning(format_args!(
                    "{source}: level lowered to chunks of {} tokens, the model's context",
                    report.chunk_tokens.unwrap_or(0)
                ));
            }
            report::print(&report, self.json)
        })
    }
}

fn needed(model: Option<&Model>) -> Result<&Model, Error> {
    model.ok_or(Error::NoModel)
}

/// The outcome of both ways.
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

/// What is known in both formats.
#[derive(Clone, Copy)]
struct Summary {
    format: &'static str,
    text_len: u64,
    file_len: u64,
    /// Segments of v2.
    segments: Option<u64>,
    /// What is known only in v1.
    chunks: Option<v1::Summary>,
}

impl From<v1::Summary> for Summary {
    fn from(summary: v1::Summary) -> Self {
        Self {
            format: "CZIPv1",
            text_len: summary.text_len,
            file_len: summary.file_len,
            segments: None,
            chunks: Some(summary),
        }
    }
}

impl From<czip::Summary> for Summary {
    fn from(summary: czip::Summary) -> Self {
        Self {
            format: "czip v2",
            text_len: summary.text_len,
            file_len: summary.file_len,
            segments: Some(summary.segments),
            chunks: None,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Text,
    CompressedFile,
}

/// Compresses a text, restores it and compares.
fn check_text(
    model: Option<&Model>,
    text: &[u8],
    options: &Options,
    progress: &Progress,
) -> Result<Check, Error> {
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

fn check_text_in_v1(
    model: &Model,
    text: &[u8],
    options: &Options,
    progress: &Progress,
) -> Result<Check, Error> {
    let (file, compressed) = timed(|file| v1::compress_to(model, text, file, &progress.watch(options)))?;
    let (restored, decompressed) =
        timed(|text| v1::decompress_to(model, &file[..], text, &progress.watch(options)))?;
    compare(&restored, text)?;
    Ok(Check {
        kind: Kind::Text,
        text: restored,
        compressed: Some(compressed),
        decompressed,
    })
}

/// Restores a file of the format czip v2. Its checksums tell whether the text is the right one.
fn check_segments(
    models: &ModelSet<'_>,
    bytes: &[u8],
    options: &Options,
    progress: &Progress,
) -> Result<Check, Error> {
    let (text, decompressed) = timed(|text| {
        czip::decompress_to(models, bytes, text, &progress.watch(options))
            .map_err(|error| models.explain(error))
    })?;
    Ok(Check {
        kind: Kind::CompressedFile,
        text,
        compressed: None,
        decompressed,
    })
}

/// Restores the text of a CZIPv1 file, compresses it again with the file's own codec and length of chunks, and compares
/// the contents. The outer codec's bytes may differ: they depend on its version.
fn check_chunks(model: &Model, bytes: &[u8], options: &Options, progress: &Progress) -> Result<Check, Error> {
    let file = container::read(bytes, &Limits::default()).map_err(czip::Error::from)?;
    let (text, decompressed) = timed(|text| v1::decompress_to(model, bytes, text, &progress.watch(options)))?;
    let params = file.params();
    let compressed = match encoding_as(
        options.clone().v1_codec(params.codec),
        params.context.get(),
        model,
    ) {
        None => None,
        Some(options) => {
            let (again, compressed) =
                timed(|file| v1::compress_to(model, &text[..], file, &progress.watch(&options))).map_err(
                    |error| match error {
                        // No encoder is given such a text.
                        Error::Czip(czip::Error::V1(v1::Error::NotText { .. })) => Error::Reencoded,
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

/// Options for chunks of 2^`log2` tokens: no level is the model's context. `None` if the options cannot ask for them.
fn encoding_as(options: Options, log2: u8, model: &Model) -> Option<Options> {
    let level = log2.checked_sub(5).and_then(ChunkLevel::new);
    match level {
        Some(level) => Some(options.v1_level(level)),
        None => (log2 == model.config().context_log2()).then_some(options),
    }
}

fn timed<S: Into<Summary>, E: Into<Error>>(
    run: impl FnOnce(&mut Vec<u8>) -> Result<S, E>,
) -> Result<(Vec<u8>, Timed), Error> {
    let mut output = Vec::new();
    let start = Instant::now();
    let summary = run(&mut output).map_err(Into::into)?.into();
    Ok((
        output,
        Timed {
            summary,
            seconds: start.elapsed().as_secs_f64(),
        },
    ))
}

/// The outcome for a file that has passed the check.
#[derive(Debug, Serialize)]
struct Report {
    path: String,
    kind: Kind,
    format: &'static str,
    /// Bytes of text.
    text_len: u64,
    /// Bytes of the compressed file; of the one given, if it was one.
    file_len: u64,
    /// In the text, by the model's tokenizer; `None` without a model.
    tokens: Option<u64>,
    /// Of v2.
    segments: Option<u64>,
    /// Of v1.
    chunks: Option<u64>,
    chunk_tokens: Option<u32>,
    level_lowered: bool,
    ratio: Option<f64>,
    bits_per_byte: Option<f64>,
    bits_per_token: Option<f64>,
    /// Whether a CZIPv1 file's text gives the same contents again; `None` if the options cannot ask for them.
    reencodes: Option<bool>,
    compress_tokens_per_second: Option<f64>,
    decompress_tokens_per_second: Option<f64>,
    compress_bytes_per_second: Option<f64>,
    decompress_bytes_per_second: Option<f64>,
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
    fn new(source: &Source, check: Check, model: Option<&Model>) -> Result<Self, Error> {
        let Check {
            kind,
            text,
            compressed,
            decompressed,
        } = check;
        let Summary {
            format,
            text_len,
            file_len,
            segments,
            chunks,
        } = decompressed.summary;
        let count = |model: &Model| {
            let mut tokens = Vec::new();
            let cut = model.tokenizer().encode_bytes(&text, &mut tokens);
            cut.ok().map(|()| tokens.len() as u64)
        };
        let tokens = match chunks {
            Some(summary) => Some(summary.tokens),
            None => model.and_then(count),
        };
        let speed = |timed: &Timed| tokens.and_then(|tokens| report::speed(tokens, timed.seconds));
        let byte_speed = |timed: &Timed| report::speed(text_len, timed.seconds);
        Ok(Self {
            path: source.to_string(),
            kind,
            format,
            text_len,
            file_len,
            tokens,
            segments,
            chunks: chunks.map(|summary| summary.chunks),
            chunk_tokens: chunks.map(|summary| summary.chunk_len),
            level_lowered: compressed
                .as_ref()
                .and_then(|compressed| compressed.summary.chunks)
                .is_some_and(|summary| summary.level_lowered),
            ratio: report::ratio(text_len, file_len),
            bits_per_byte: report::bits_per(file_len, text_len),
            bits_per_token: tokens.and_then(|tokens| report::bits_per(file_len, tokens)),
            reencodes: (kind == Kind::CompressedFile && compressed.is_some()).then_some(true),
            compress_tokens_per_second: compressed.as_ref().and_then(speed),
            decompress_tokens_per_second: speed(&decompressed),
            compress_bytes_per_second: compressed.as_ref().and_then(byte_speed),
            decompress_bytes_per_second: byte_speed(&decompressed),
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
        let outcome = match (self.kind, self.segments, self.reencodes) {
            (Kind::Text, ..) => "comes back as it was",
            (Kind::CompressedFile, Some(_), _) => "can be restored, and all checksums are right",
            (Kind::CompressedFile, _, Some(_)) => {
                "can be restored, and compressed again to the same contents"
            }
            (Kind::CompressedFile, ..) => "can be restored; no level gives chunks of its length again",
        };
        let Self { path, text_len, .. } = self;
        let path = printable(path);
        write!(f, "{path}: {outcome}\n  text       {text_len:>10} bytes")?;
        if let Some(tokens) = self.tokens {
            write!(f, ", {tokens} tokens")?;
        }
        if let Some(segments) = self.segments {
            write!(f, ", {}", report::count(segments, "segment"))?;
        }
        if let (Some(chunks), Some(chunk_tokens)) = (self.chunks, self.chunk_tokens) {
            write!(f, ", {} of up to {chunk_tokens}", report::count(chunks, "chunk"))?;
        }
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
        for (name, tokens, bytes) in [
            (
                "compress",
                self.compress_tokens_per_second,
                self.compress_bytes_per_second,
            ),
            (
                "decompress",
                self.decompress_tokens_per_second,
                self.decompress_bytes_per_second,
            ),
        ] {
            match (tokens, bytes) {
                (Some(speed), _) => write!(f, "\n  {name:<10} {speed:>10.0} tokens/s")?,
                (None, Some(speed)) => write!(f, "\n  {name:<10} {speed:>10.0} bytes/s")?,
                (None, None) => {}
            }
        }
        Ok(())
    }
}
