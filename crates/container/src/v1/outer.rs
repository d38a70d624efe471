//! Decompression of the outer codec's stream, piece by piece, from a reader that is not trusted.

use std::io::{self, Read};

use brotli::{BrotliDecompressStream, BrotliResult, BrotliState, enc::StandardAlloc};
use zstd::stream::raw::{self, DParameter, Operation};

use super::{Codec, FormatError, ReadError};

/// Bytes read from the source at once.
const INPUT_LEN: usize = 32 << 10;

/// The window that existing encoders declare, and the greatest a file may: 128 MiB.
const ZSTD_MAX_WINDOW_LOG: u8 = 27;
/// No block is larger than this window, so lowering a window no further makes no block too large for it.
const ZSTD_BLOCK_LOG: u8 = 17;
const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

enum Decoder {
    Zstd(raw::Decoder<'static>),
    Brotli(Box<BrotliState<StandardAlloc, StandardAlloc, StandardAlloc>>),
}

/// What one call of a decoder did.
struct Step {
    consumed: usize,
    produced: usize,
    ended: bool,
}

impl Decoder {
    /// A decoder that takes a zstd window of up to 2^`window_log` bytes.
    fn new(codec: Codec, window_log: u8) -> io::Result<Self> {
        match codec {
            Codec::Zstd => {
                let mut decoder = raw::Decoder::new()?;
                decoder.set_parameter(DParameter::WindowLogMax(window_log.into()))?;
                Ok(Self::Zstd(decoder))
            }
            // Strict: no windows beyond the 16 MiB of RFC 7932.
            Codec::Brotli => {
                let [a, b, c] = [(); 3].map(|()| StandardAlloc::default());
                Ok(Self::Brotli(Box::new(BrotliState::new_strict(a, b, c))))
            }
        }
    }

    fn step(&mut self, input: &[u8], output: &mut [u8]) -> Result<Step, String> {
        match self {
            Self::Zstd(decoder) => match decoder.run_on_buffers(input, output) {
                Ok(status) => Ok(Step {
                    consumed: status.bytes_read,
                    produced: status.bytes_written,
                    ended: status.remaining == 0,
                }),
                Err(error) => Err(error.to_string()),
            },
            Self::Brotli(state) => {
                let (mut consumed, mut produced) = (0, 0);
                let result = BrotliDecompressStream(
                    &mut { input.len() },
                    &mut consumed,
                    input,
                    &mut { output.len() },
                    &mut produced,
                    output,
                    &mut 0,
                    state,
                );
                match result {
                    BrotliResult::ResultFailure => Err(format!("{:?}", state.error_code)),
                    _ => {
                        let ended = matches!(result, BrotliResult::ResultSuccess);
                        Ok(Step {
                            consumed,
                            produced,
                            ended,
                        })
                    }
                }
            }
        }
    }
}

/// The decompressed stream.
pub(super) struct Stream<R> {
    codec: Codec,
    decoder: Decoder,
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
        let window_log = ceil_log2(max_len).clamp(ZSTD_BLOCK_LOG, ZSTD_MAX_WINDOW_LOG);
        let decoder = Decoder::new(codec, window_log).map_err(|source| ReadError::Io { offset, source })?;
        let input = vec![0; INPUT_LEN].into_boxed_slice();
        let mut stream = Self {
            codec,
            decoder,
            source,
            input,
            start: 0,
            end: 0,
            offset,
            ended: false,
        };
        if codec == Codec::Zstd {
            stream.start_frame(window_log)?;
        }
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

    /// Checks the start of a zstd frame, and lowers its declared window to 2^`window_log` bytes.
    ///
    /// Existing encoders declare 128 MiB whatever they write, and the decoder allocates what is declared. No distance
    /// exceeds the content's length, so a window of that length decodes it just as well.
    fn start_frame(&mut self, window_log: u8) -> Result<(), ReadError> {
        while self.end < 6 {
            if !self.fill()? {
                return Err(self.truncated());
            }
        }
        // The library takes frames of other formats, too: skippable ones, and those of zstd's early versions.
        if self.input[..4] != ZSTD_MAGIC {
            return Err(self.broken("no zstd frame".to_owned()));
        }
        // A single segment has no window: it declares its content's length, which the decoder holds against the limit.
        let single_segment = self.input[4] & 1 << 5 != 0;
        // Five bits of exponent above 10, then three of mantissa.
        let (declared_log, mantissa) = ((self.input[5] >> 3) + 10, self.input[5] & 7);
        let too_large = (declared_log, mantissa) > (ZSTD_MAX_WINDOW_LOG, 0);
        // One that no file may declare stays, for the decoder to refuse.
        if !single_segment && !too_large && declared_log >= window_log {
            self.input[5] = (window_log - 10) << 3;
        }
        Ok(())
    }

    /// Reads more input behind what is left of it. Returns whether there was any.
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

/// The smallest `n` with `x <= 2^n`.
fn ceil_log2(x: u64) -> u8 {
    (64 - x.saturating_sub(1).leading_zeros()) as u8
}
