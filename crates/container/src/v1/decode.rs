//! What the outer codecs have in common: compressed bytes in, plain ones out, step by step.

use std::io;

/// What one call of a decoder did.
pub(super) struct Step {
    pub(super) consumed: usize,
    pub(super) produced: usize,
    pub(super) ended: bool,
}

/// A decoder of an outer codec. Errors are what the codec says.
pub(super) trait Decode {
    /// The number of bytes that [`start`](Self::start) looks at.
    fn start_len(&self) -> usize {
        0
    }

    /// Checks the first bytes of the stream, and may change them.
    fn start(&self, _start: &mut [u8]) -> Result<(), String> {
        Ok(())
    }

    /// Decompresses some of `input` into `output`.
    fn step(&mut self, input: &[u8], output: &mut [u8]) -> Result<Step, String>;
}

/// A decoder, or why the codec's library makes none.
pub(super) type NewDecoder = io::Result<Box<dyn Decode + Send + Sync>>;
