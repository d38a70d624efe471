//! Figures about compressed texts, as people and programs want them.

#![allow(
    clippy::float_arithmetic,
    reason = "figures are for people; no coded bit depends on them"
)]

use std::fmt;
use std::io::{self, Write};

use serde::Serialize;

use crate::error::{Error, Failure};
use crate::input::Source;
use crate::output::Target;
use crate::streams;

/// The text's bytes divided by the compressed ones; `None` for an empty text, which has no ratio.
pub(crate) fn ratio(text_len: u64, file_len: u64) -> Option<f64> {
    (text_len > 0 && file_len > 0).then(|| text_len as f64 / file_len as f64)
}

/// The bits of the compressed file for each byte or token of the text; `None` if there is none.
pub(crate) fn bits_per(file_len: u64, units: u64) -> Option<f64> {
    (units > 0).then(|| file_len as f64 * 8.0 / units as f64)
}

/// Tokens or bytes a second; `None` if there is none.
pub(crate) fn speed(units: u64, seconds: f64) -> Option<f64> {
    (units > 0 && seconds > 0.0).then(|| units as f64 / seconds)
}

/// Bytes as megabytes.
pub(crate) fn to_mega(bytes: f64) -> f64 {
    bytes / 1e6
}

/// A number of tokens that may be many: `20000 tokens`, `1.2 M tokens`.
pub(crate) fn tokens(number: u64) -> String {
    if number < 1_000_000 {
        count(number, "token")
    } else {
        format!("{:.1} M tokens", number as f64 / 1e6)
    }
}

/// The value of a Q16.16 number.
pub(crate) fn from_q16(number: u64) -> f64 {
    number as f64 / 65536.0
}

/// A number in a table, with this many decimals; `-` where there is none.
pub(crate) fn cell(value: Option<f64>, decimals: usize) -> String {
    value.map_or_else(|| String::from("-"), |value| format!("{value:.decimals$}"))
}

/// `3.67x, 2.178 bits/byte`, or nothing for an empty text.
pub(crate) fn figures(text_len: u64, file_len: u64) -> String {
    match (ratio(text_len, file_len), bits_per(file_len, text_len)) {
        (Some(ratio), Some(bits)) => format!("{ratio:.2}x, {bits:.3} bits/byte"),
        _ => String::from("empty"),
    }
}

/// `1 document`, `2 documents`
pub(crate) fn count<N: fmt::Display + PartialEq + From<u8>>(count: N, noun: &str) -> String {
    let end = if count == N::from(1) { "" } else { "s" };
    format!("{count} {noun}{end}")
}

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Done {
    Compressed,
    Restored,
    /// Restored and thrown away.
    Tested,
}

/// What is said after a file has been compressed, restored or tested.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Statistics {
    pub(crate) done: Done,
    pub(crate) text_len: u64,
    pub(crate) file_len: u64,
    /// `None` if they have not been counted.
    pub(crate) tokens: Option<u64>,
    /// `None` if it was done together with others.
    pub(crate) seconds: Option<f64>,
}

/// `15000 -> 4083 bytes, 3.67x, 2.178 bits/byte, 6303 tokens, 0.21 s`, or `intact: 4083 -> 15000 bytes, ...`
impl fmt::Display for Statistics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            done,
            text_len,
            file_len,
            tokens,
            seconds,
        } = *self;
        let (from, to) = match done {
            Done::Compressed => (text_len, file_len),
            Done::Restored | Done::Tested => (file_len, text_len),
        };
        if done == Done::Tested {
            f.write_str("intact: ")?;
        }
        write!(f, "{from} -> {to} bytes, {}", figures(text_len, file_len))?;
        if let Some(tokens) = tokens {
            write!(f, ", {tokens} tokens")?;
        }
        match seconds {
            Some(seconds) => write!(f, ", {seconds:.2} s"),
            None => Ok(()),
        }
    }
}

/// One file that has been processed, as a line of JSON.
#[derive(Debug, Serialize)]
pub(crate) struct Processed {
    pub(crate) path: String,
    /// `None` if there is no file.
    pub(crate) output: Option<String>,
    #[serde(flatten)]
    pub(crate) statistics: Statistics,
    pub(crate) ratio: Option<f64>,
    pub(crate) bits_per_byte: Option<f64>,
}

impl Processed {
    pub(crate) fn new(source: &Source, target: &Target, statistics: Statistics) -> Self {
        let (text_len, file_len) = (statistics.text_len, statistics.file_len);
        Self {
            path: source.to_string(),
            output: (*target != Target::Nowhere).then(|| target.to_string()),
            statistics,
            ratio: ratio(text_len, file_len),
            bits_per_byte: bits_per(file_len, text_len),
        }
    }
}

/// `notes.txt: 15000 -> 4083 bytes, ...`
impl fmt::Display for Processed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.statistics)
    }
}

/// Writes a report to standard output: as text, or as a line of JSON.
pub(crate) fn print(report: &(impl fmt::Display + Serialize), json: bool) -> Result<(), Failure> {
    if streams::stdout_is_closed() {
        return Err(Error::StdoutClosed.into());
    }
    let mut output = io::stdout().lock();
    let written = if json {
        serde_json::to_writer(&mut output, report).map_err(io::Error::from)
    } else {
        write!(output, "{report}")
    };
    written
        .and_then(|()| writeln!(output))
        .and_then(|()| output.flush())
        .map_err(|error| Target::Stdout.failed(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statistics_line() {
        let statistics = Statistics {
            done: Done::Compressed,
            text_len: 15000,
            file_len: 4083,
            tokens: Some(6303),
            seconds: Some(0.2149),
        };
        let figures = "3.67x, 2.178 bits/byte, 6303 tokens, 0.21 s";
        assert_eq!(statistics.to_string(), format!("15000 -> 4083 bytes, {figures}"));
        let restored = Statistics {
            done: Done::Restored,
            ..statistics
        };
        assert_eq!(restored.to_string(), format!("4083 -> 15000 bytes, {figures}"));
        let tested = Statistics {
            done: Done::Tested,
            ..statistics
        };
        assert_eq!(
            tested.to_string(),
            format!("intact: 4083 -> 15000 bytes, {figures}")
        );
    }

    #[test]
    fn many_tokens_are_rounded() {
        assert_eq!(tokens(20_000), "20000 tokens");
        assert_eq!(tokens(1_200_000), "1.2 M tokens");
    }

    #[test]
    fn one_is_singular() {
        assert_eq!(count(0u64, "segment"), "0 segments");
        assert_eq!(count(1usize, "segment"), "1 segment");
        assert_eq!(count(2u32, "segment"), "2 segments");
    }

    #[test]
    fn empty_text_has_no_ratio() {
        assert_eq!(ratio(0, 31), None);
        assert_eq!(bits_per(31, 0), None);
        assert_eq!(figures(0, 31), "empty");
        assert_eq!(cell(ratio(0, 31), 2), "-");
    }
}
