//! Arguments that become options of the library.

use std::num::NonZeroUsize;

use czip::{Level, Limits, Options};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

/// Of what compresses. No threads are as many as there are cores.
pub(crate) fn of_encoder(
    level: i64,
    threads: usize,
    segment_len: Option<usize>,
    index: bool,
) -> PyResult<Options> {
    let level = u8::try_from(level)
        .ok()
        .and_then(|level| Level::try_from(level).ok());
    let level = level.ok_or_else(|| PyValueError::new_err("level must be from 1 to 9"))?;
    let options = with_threads(Options::new().level(level).index(index), threads);
    let Some(segment_len) = segment_len else {
        return Ok(options);
    };
    let lens = Options::SEGMENT_LENS;
    if !lens.contains(&segment_len) {
        let message = format!("segment_len must be from {} to {}", lens.start(), lens.end());
        return Err(PyValueError::new_err(message));
    }
    Ok(options.segment_len(segment_len))
}

/// What a file may demand.
pub(crate) fn limits(max_text_len: Option<u64>, max_memory: Option<u64>) -> Limits {
    let mut limits = Limits::new();
    if let Some(bytes) = max_text_len {
        limits = limits.with_text_len(bytes);
    }
    if let Some(bytes) = max_memory {
        limits = limits.with_memory(bytes);
    }
    limits
}

/// Of what decompresses.
pub(crate) fn of_decoder(threads: usize, limits: Limits) -> Options {
    with_threads(Options::new(), threads).limits(limits)
}

fn with_threads(options: Options, threads: usize) -> Options {
    match NonZeroUsize::new(threads) {
        Some(threads) => options.threads(threads),
        None => options,
    }
}
