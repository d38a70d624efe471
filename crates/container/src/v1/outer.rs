//! Decompression of the outer codec's stream, piece by piece, from a reader that is not trusted.

use std::io::{self, Read};

use super::codec::{Codec, CodecNotBuilt};
use super::decode::{Decode, NewDecoder};
use super::error::{FormatError, ReadError};

/// Bytes read from the source at once.
const INPUT_LEN: usize = 32 << 10;

/// A decoder for a stream of at most `max_len` bytes; `None` if the feature for the codec is off.
#[cfg_attr(
    not(feature = "zstd"),
    expect(unused_variables, reason = "only zstd takes its window from the length")
)]
fn decoder(codec: Codec, max_len: u64) -> Option<NewDecoder> {
    match codec {
        #[cfg(feature = "zstd")]
        Codec::Zstd => Some(super::zstd::decoder(max_len)),
        #[cfg(feature = "brotli")]
        Codec::Brotli => Some(super::brotli::decoder()),
        #[cfg(not(all(feature = "brotli", feature = "zstd")))]
        _ => None,
    }
}

/// The decompressed stream.
pub(super) struct Stream<R> {
    codec: Codec,
    decoder: Box<dyn Decode + Send + Sync>,
    source: R,
    /// `input[start..end]` is read but not decompressed. `offset` is the place of `start` in the file.
    input: Box<[u8]>,
    start: usize,
    end: usize,
    offset: u64,
    ended: bool,
}

impl<R: Read> Stream<R> {
    /// A stream from the bytes that `source` gives, the first of which is at `offset` in the file.
    ///
    /// A valid file's stream gives at most `max_len` bytes. The decoder gets no more memory for its window than that
    /// needs; a longer stream may come out as broken once it has given more.
    pub(super) fn new(codec: Codec, source: R, offset: u64, max_len: u64) -> Result<Self, ReadError> {
        let decoder = decoder(codec, max_len).ok_or(CodecNotBuilt { codec })?;
        let mut stream = Self {
            codec,
            decoder: decoder.map_err(|source| ReadError::Io { offset, source })?,
            source,
            input: vec![0; INPUT_LEN].into_boxed_slice(),
            start: 0,
            end: 0,
            offset,
            ended: false,
        };
        stream.start()?;
        Ok(stream)
    }

    /// Decompresses into a part of `output`, which must not be empty, and returns its length; 0 at the stream's end.
    pub(super) fn read(&mut self, output: &mut [u8]) -> Result<usize, ReadError> {
        debug_assert!(!output.is_empty());
        while !self.ended {
            let more = self.start < self.end || self.fill()?;
            let step = self
                .decoder
                .step(&self.input[self.start..self.end], output)
                .map_err(|reason| self.broken(reason))?;
            self.start += step.consumed;
            self.offset += step.consumed as u64;
            self.ended = step.ended;
            if step.produced > 0 {
                return Ok(step.produced);
            }
            if step.consumed == 0 && !step.ended {
                return Err(if more {
                    self.broken("no progress".to_owned())
                } else {
                    self.truncated()
                });
            }
        }
        Ok(0)
    }

    /// Fills `output` as far as the stream reaches, and returns how far that is.
    pub(super) fn read_full(&mut self, output: &mut [u8]) -> Result<usize, ReadError> {
        let mut len = 0;
        while len < output.len() {
            match self.read(&mut output[len..])? {
                0 => break,
                n => len += n,
            }
        }
        Ok(len)
    }

    /// Checks that the file ends where the stream, read to its end, does.
    pub(super) fn finish(mut self) -> Result<(), ReadError> {
        debug_assert!(self.ended);
        if self.start < self.end || self.fill()? {
            return Err(FormatError::TrailingBytes {
                codec: self.codec,
                offset: self.offset,
            }
            .into());
        }
        Ok(())
    }

    /// Has the decoder look at the first bytes.
    fn start(&mut self) -> Result<(), ReadError> {
        let len = self.decoder.start_len();
        while self.end < len {
            if !self.fill()? {
                return Err(self.truncated());
            }
        }
        let start = self.decoder.start(&mut self.input[..len]);
        start.map_err(|reason| self.broken(reason))
    }

    /// Reads more input after what is left of it. Returns whether there was any.
    fn fill(&mut self) -> Result<bool, ReadError> {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        }
        loop {
            match self.source.read(&mut self.input[self.end..]) {
                Ok(n) => {
                    self.end += n;
                    return Ok(n > 0);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(source) => {
                    let offset = self.offset + (self.end - self.start) as u64;
                    return Err(ReadError::Io { offset, source });
                }
            }
        }
    }

    fn broken(&self, reason: String) -> ReadError {
        FormatError::Stream {
            codec: self.codec,
            offset: self.offset + (self.end - self.start) as u64,
            reason,
        }
        .into()
    }

    fn truncated(&self) -> ReadError {
        let offset = self.offset + (self.end - self.start) as u64;
        FormatError::StreamTruncated {
            codec: self.codec,
            offset,
        }
        .into()
    }
}
