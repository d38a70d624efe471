//! `czip bench`

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use czip::v1::{self, ChunkLevel};
use czip::{Level, Model, Options};
use czip_peers::Compressor;
use serde::{Serialize, Serializer};

use crate::args::Format;
use crate::commands::compare::compare;
use crate::error::{Error, Failure};
use crate::exit::Exit;
use crate::input::Source;
use crate::memory;
use crate::models::{BuiltIn, ModelFiles};
use crate::printable::printable;
use crate::report;
use crate::ui::Ui;

/// Texts to measure with.
#[derive(Debug)]
pub(crate) struct Bench {
    pub(crate) files: Vec<Source>,
    pub(crate) model: ModelFiles,
    /// How to compress, except for the level.
    pub(crate) options: Options,
    /// The only format to measure.
    pub(crate) format: Option<Format>,
    /// The only level to measure.
    pub(crate) level: Option<u8>,
    /// The threads that the options ask for.
    pub(crate) threads: NonZeroUsize,
    pub(crate) json: bool,
}

impl Bench {
    pub(crate) fn run(&self, ui: &Ui) -> Result<Exit, Failure> {
        if self.format == Some(Format::V1) && !self.model.are_named() {
            return Err(Error::NoModel.into());
        }
        let model = self.model.load(Level::DEFAULT, ui)?;
        let model = model.as_ref();
        // Of the built-in models, one is for some levels and one for the others.
        let mut others = BTreeMap::new();
        if model.is_some() && !self.model.are_named() {
            for level in self.levels() {
                if !BuiltIn::same(level, Level::DEFAULT) {
                    others.extend(self.model.load(level, ui)?.map(|model| (level, model)));
                }
            }
        }
        let chunk_levels = match model {
            Some(model) if self.model.are_named() => self.chunk_levels(model, ui),
            _ => Vec::new(),
        };
        let total = RefCell::new(Report::default());
        let exit = ui.each(&self.files, |source| {
            let text = source.read_all(self.files.len(), ui)?;
            let mut report = Report {
                path: Some(source.to_string()),
                files: 1,
                text_len: text.len() as u64,
                measurements: Vec::new(),
            };
            for level in self.levels() {
                let czip = self.segmented(others.get(&level).or(model), level, &text);
                report.measurements.push(czip.map_err(|error| error.of(source))?);
            }
            for &level in &chunk_levels {
                let Some(model) = model else { break };
                match self.chunked(model, level, &text) {
                    Ok(czip) => report.measurements.push(czip),
                    // v1 is left out for a text that it can't hold, unless only v1 was asked for.
                    Err(Error::Czip(czip::Error::V1(v1::Error::NotText { .. }))) if self.format.is_none() => {
                        break;
                    }
                    Err(error) => return Err(error.of(source)),
                }
            }
            for compressor in Compressor::ALL {
                let other = other(compressor, &text);
                let name = || format!("{source}: {}", compressor.name());
                report.measurements.push(other.map_err(|error| error.of(name()))?);
            }
            total.borrow_mut().add(&report);
            report::print(&report, self.json)
        })?;
        let mut total = total.into_inner();
        if total.files > 1 {
            // A sum over only some of the files would be taken for one over all.
            total.measurements.retain(|sum| sum.files == total.files);
            report::print(&total, self.json)?;
        }
        Ok(exit)
    }

    /// The levels of v2 to measure.
    fn levels(&self) -> Vec<Level> {
        if self.format == Some(Format::V1) {
            return Vec::new();
        }
        let levels = (1..=9).filter_map(Level::new);
        levels
            .filter(|level| self.level.is_none_or(|wanted| wanted == level.get()))
            .collect()
    }

    /// The levels of v1 to measure: those that the model's context has room for, unless one was asked for.
    fn chunk_levels(&self, model: &Model, ui: &Ui) -> Vec<ChunkLevel> {
        if self.format == Some(Format::V2) {
            return Vec::new();
        }
        let context_log2 = model.config().context_log2();
        let levels = (1..=5).filter_map(ChunkLevel::new);
        let Some(wanted) = self.level else {
            return levels
                .filter(|level| level.get() == 1 || level.context_log2() <= context_log2)
                .collect();
        };
        let level: Vec<ChunkLevel> = levels.filter(|level| level.get() == wanted).collect();
        if level.iter().any(|level| level.context_log2() > context_log2) {
            ui.warning(format_args!(
                "level of v1 lowered to chunks of {} tokens, the model's context",
                model.config().context_length
            ));
        }
        level
    }

    fn segmented(&self, model: Option<&Model>, level: Level, text: &[u8]) -> Result<Measurement, Error> {
        let options = self.options.clone().level(level);
        let compress = || Ok(czip::compress(model, text, &options)?);
        let decompress = |file: &[u8]| Ok(czip::decompress(model, file, &options)?);
        let mut measurement = measure(text, compress, decompress)?;
        measurement.method = format!("czip-{level}");
        measurement.tokens = model.and_then(|model| {
            let mut tokens = Vec::new();
            let cut = model.tokenizer().encode_bytes(text, &mut tokens);
            cut.ok().map(|()| tokens.len() as u64)
        });
        measurement.threads = self.threads.get();
        Ok(measurement)
    }

    fn chunked(&self, model: &Model, level: ChunkLevel, text: &[u8]) -> Result<Measurement, Error> {
        let options = self.options.clone().v1_level(level);
        let mut tokens = 0;
        let compress = || {
            let mut file = Vec::new();
            tokens = v1::compress_to(model, text, &mut file, &options)?.tokens;
            Ok(file)
        };
        let decompress = |file: &[u8]| Ok(v1::decompress(model, file, &options)?);
        let mut measurement = measure(text, compress, decompress)?;
        measurement.method = format!("czipv1-{}", level.get());
        measurement.tokens = Some(tokens);
        measurement.threads = self.threads.get();
        Ok(measurement)
    }
}

fn other(compressor: Compressor, text: &[u8]) -> Result<Measurement, Error> {
    let mut measurement = measure(
        text,
        || compressor.compress(text).map_err(Error::OtherCompressor),
        |file| compressor.decompress(file).map_err(Error::OtherCompressor),
    )?;
    compressor.name().clone_into(&mut measurement.method);
    Ok(measurement)
}

/// Compresses, restores and compares a text. Method, tokens and threads are the caller's to fill in.
fn measure(
    text: &[u8],
    compress: impl FnMut() -> Result<Vec<u8>, Error>,
    decompress: impl Fn(&[u8]) -> Result<Vec<u8>, Error>,
) -> Result<Measurement, Error> {
    let (rounds, peak_memory) = memory::with_peak(|| {
        let (file, encode) = best_of_rounds(compress)?;
        let (restored, decode) = best_of_rounds(|| decompress(&file))?;
        Ok::<_, Error>((file, restored, encode, decode))
    });
    let (file, restored, encode, decode) = rounds?;
    compare(&restored, text)?;
    Ok(Measurement {
        method: String::new(),
        files: 1,
        text_len: text.len() as u64,
        file_len: file.len() as u64,
        tokens: None,
        encode,
        decode,
        threads: 1,
        peak_memory,
    })
}

/// The result of all rounds, with the time of the fastest: other programs can only make a round slower.
fn best_of_rounds(mut round: impl FnMut() -> Result<Vec<u8>, Error>) -> Result<(Vec<u8>, Duration), Error> {
    const ENOUGH: Duration = Duration::from_secs(1);
    const ENOUGH_OF_THREE: Duration = Duration::from_millis(100);
    let first = Instant::now();
    let mut best = Duration::MAX;
    for rounds in 1.. {
        let start = Instant::now();
        let output = round()?;
        best = best.min(start.elapsed());
        let spent = first.elapsed();
        if spent >= ENOUGH || rounds >= 3 && spent >= ENOUGH_OF_THREE {
            return Ok((output, best));
        }
    }
    unreachable!("time goes by")
}

/// What was measured with one text, or the sum over several.
#[derive(Debug, Default, Serialize)]
struct Report {
    /// `None` for a sum.
    path: Option<String>,
    files: usize,
    /// Bytes.
    text_len: u64,
    #[serde(rename = "methods")]
    measurements: Vec<Measurement>,
}

impl Report {
    /// Adds another text's.
    fn add(&mut self, other: &Self) {
        self.files += other.files;
        self.text_len += other.text_len;
        if self.measurements.is_empty() {
            self.measurements.clone_from(&other.measurements);
        } else {
            for other in &other.measurements {
                let mut sums = self.measurements.iter_mut();
                // A method that was not used for the first file has no sum over all files.
                if let Some(sum) = sums.find(|sum| sum.method == other.method) {
                    sum.add(other);
                }
            }
        }
    }
}

/// What was measured with one method.
#[derive(Clone, Debug)]
struct Measurement {
    method: String,
    files: usize,
    text_len: u64,
    file_len: u64,
    /// `None` for a method that has no tokens.
    tokens: Option<u64>,
    encode: Duration,
    decode: Duration,
    threads: usize,
    /// Bytes.
    peak_memory: Option<u64>,
}

impl Measurement {
    fn add(&mut self, other: &Self) {
        self.files += other.files;
        self.text_len += other.text_len;
        self.file_len += other.file_len;
        self.tokens = self.tokens.zip(other.tokens).map(|(sum, other)| sum + other);
        self.encode += other.encode;
        self.decode += other.decode;
        self.peak_memory = self.peak_memory.max(other.peak_memory);
    }

    fn row(&self) -> Row<'_> {
        let speed = |time: Duration| {
            let seconds = time.as_secs_f64();
            Speed {
                seconds,
                tokens_per_second: self.tokens.and_then(|tokens| report::speed(tokens, seconds)),
                bytes_per_second: report::speed(self.text_len, seconds),
            }
        };
        Row {
            method: &self.method,
            file_len: self.file_len,
            ratio: report::ratio(self.text_len, self.file_len),
            bits_per_byte: report::bits_per(self.file_len, self.text_len),
            tokens: self.tokens,
            encode: speed(self.encode),
            decode: speed(self.decode),
            threads: self.threads,
            peak_memory: self.peak_memory,
        }
    }
}

/// A line of the table.
#[derive(Debug, Serialize)]
struct Row<'a> {
    method: &'a str,
    file_len: u64,
    ratio: Option<f64>,
    bits_per_byte: Option<f64>,
    tokens: Option<u64>,
    encode: Speed,
    decode: Speed,
    threads: usize,
    /// Bytes of the whole process, the model among them.
    peak_memory: Option<u64>,
}

#[derive(Debug, Serialize)]
struct Speed {
    seconds: f64,
    tokens_per_second: Option<f64>,
    bytes_per_second: Option<f64>,
}

impl Serialize for Measurement {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.row().serialize(serializer)
    }
}

/// A table below the file's name.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.path {
            Some(path) => f.write_str(&printable(path))?,
            None => write!(f, "{} files", self.files)?,
        }
        write!(f, ": {} bytes", self.text_len)?;
        write!(
            f,
            "\n  {:<9} {:>10} {:>7} {:>9} {:>12} {:>11} {:>12} {:>11} {:>7} {:>7}",
            "method",
            "bytes",
            "ratio",
            "bits/byte",
            "encode tok/s",
            "encode MB/s",
            "decode tok/s",
            "decode MB/s",
            "threads",
            "peak MB"
        )?;
        self.measurements
            .iter()
            .try_for_each(|measurement| write!(f, "\n{}", measurement.row()))
    }
}

impl fmt::Display for Row<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let megabytes = |bytes: Option<f64>| bytes.map(report::to_mega);
        write!(
            f,
            "  {:<9} {:>10} {:>7} {:>9} {:>12} {:>11} {:>12} {:>11} {:>7} {:>7}",
            self.method,
            self.file_len,
            report::cell(self.ratio, 2),
            report::cell(self.bits_per_byte, 3),
            report::cell(self.encode.tokens_per_second, 0),
            report::cell(megabytes(self.encode.bytes_per_second), 3),
            report::cell(self.decode.tokens_per_second, 0),
            report::cell(megabytes(self.decode.bytes_per_second), 3),
            self.threads,
            report::cell(megabytes(self.peak_memory.map(|bytes| bytes as f64)), 1),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        let czip = Measurement {
            method: String::from("czip-5"),
            files: 1,
            text_len: 15000,
            file_len: 4083,
            tokens: Some(6303),
            encode: Duration::from_millis(250),
            decode: Duration::from_millis(500),
            threads: 2,
            peak_memory: Some(12_345_678),
        };
        let gzip = Measurement {
            method: String::from("gzip-9"),
            file_len: 6000,
            tokens: None,
            encode: Duration::from_micros(1500),
            decode: Duration::from_micros(100),
            threads: 1,
            peak_memory: None,
            ..czip.clone()
        };
        Report {
            path: Some(String::from("notes.txt")),
            files: 1,
            text_len: 15000,
            measurements: vec![czip, gzip],
        }
    }

    #[test]
    fn table() {
        assert_eq!(
            report().to_string(),
            "\
notes.txt: 15000 bytes
  method         bytes   ratio bits/byte encode tok/s encode MB/s decode tok/s decode MB/s threads peak MB
  czip-5          4083    3.67     2.178        25212       0.060        12606       0.030       2    12.3
  gzip-9          6000    2.50     3.200            -      10.000            -     150.000       1       -"
        );
    }

    #[test]
    fn sums() {
        let mut second = report();
        second.text_len = 5000;
        for measurement in &mut second.measurements {
            measurement.text_len = 5000;
            measurement.file_len = 2917;
            measurement.decode = Duration::ZERO;
        }
        second.measurements[0].peak_memory = Some(1);
        let mut total = Report::default();
        total.add(&report());
        total.add(&second);
        assert_eq!(
            total.to_string(),
            "\
2 files: 20000 bytes
  method         bytes   ratio bits/byte encode tok/s encode MB/s decode tok/s decode MB/s threads peak MB
  czip-5          7000    2.86     2.800        25212       0.040        25212       0.040       2    12.3
  gzip-9          8917    2.24     3.567            -       6.667            -     200.000       1       -"
        );
    }

    #[test]
    fn empty_text_has_neither_ratio_nor_speed() {
        let mut report = report();
        report.text_len = 0;
        report.measurements.truncate(1);
        report.measurements[0].text_len = 0;
        report.measurements[0].tokens = Some(0);
        let table = report.to_string();
        assert_eq!(
            table.lines().last(),
            Some(
                "  czip-5          4083       -         -            -           -            -           -       2    12.3"
            )
        );
    }

    #[test]
    fn rounds_end_with_the_first_error() {
        let mut rounds = 0;
        let ended = best_of_rounds(|| {
            rounds += 1;
            if rounds == 2 {
                Err(Error::UnknownKind)
            } else {
                Ok(Vec::new())
            }
        });
        assert!(matches!(ended, Err(Error::UnknownKind)));
        assert_eq!(rounds, 2);
    }

    #[test]
    fn output_that_differs_is_an_error() {
        let text = b"notes";
        let ended = measure(text, || Ok(Vec::new()), |_| Ok(b"nodes".to_vec()));
        assert!(matches!(ended, Err(Error::RoundTrip { offset: 2 })));
    }
}
