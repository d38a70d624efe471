//! Figures about compressed texts, as people and programs want them.

#![allow(
    clippy::float_arithmetic,
    reason = "figures are for people; no coded bit depends on them"
)]

use std::fmt;
use std::io::{self, Write};

use serde::Serialize;

use crate::error::Error;
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

/// What is said after a file has been compressed or restored.
#[derive(Debug)]
pub(crate) struct Statistics {
    pub(crate) text_len: u64,
    pub(crate) file_len: u64,
    /// `None` if they have not been counted.
    pub(crate) tokens: Option<u64>,
    /// `None` if it was done together with others.
    pub(crate) seconds: Option<f64>,
    /// Whether the input was compressed.
    pub(crate) restored: bool,
}

/// `15000 -> 4083 bytes, 3.67x, 2.178 bits/byte, 6303 tokens, 0.21 s`
impl fmt::Display for Statistics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            text_len,
            file_len,
            tokens,
            seconds,
            restored,
        } = *self;
        let (from, to) = if restored {
            (file_len, text_len)
        } else {
            (text_len, file_len)
        };
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

/// Writes a report to standard output: as text, or as a line of JSON.
pub(crate) fn print(report: &(impl fmt::Display + Serialize), json: bool) -> Result<(), Error> {
    if streams::stdout_is_closed() {
        return Err(Error::StdoutClosed);
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
        .map_err(Error::of_stdout)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statistics_line() {
        let statistics = Statistics {
            text_len: 15000,
            file_len: 4083,
            tokens: Some(6303),
            seconds: Some(0.2149),
            restored: false,
        };
        let figures = "3.67x, 2.178 bits/byte, 6303 tokens, 0.21 s";
        assert_eq!(statistics.to_string(), format!("15000 -> 4083 bytes, {figures}"));
        let restored = Statistics {
            restored: true,
            ..statistics
        };
        assert_eq!(restored.to_string(), format!("4083 -> 15000 bytes, {figures}"));
    }

    #[test]
    fn empty_text_has_no_ratio() {
        assert_eq!(ratio(0, 31), None);
        assert_eq!(bits_per(31, 0), None);
        assert_eq!(figures(0, 31), "empty");
        assert_eq!(cell(ratio(0, 31), 2), "-");
    }
}
