//! The outer codec Zstandard (RFC 8878).

use std::io::{self, Read, Write};

use zstd::stream::raw::{self, CParameter, DParameter, Operation};

use super::decode::{Decode, NewDecoder, Step};

/// The window that existing encoders declare, and the greatest a file may: 128 MiB.
const MAX_WINDOW_LOG: u8 = 27;
/// No block is larger than this window, so lowering a window no further makes no block too large for it.
const BLOCK_LOG: u8 = 17;
const FRAME_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

const LEVEL: i32 = 22;
/// Level 22 would take a window of 128 MiB, and most of a gigabyte for its tables. Chunks are nearly random: what can
/// be compressed is the table of their lengths, which is small.
const WINDOW_LOG: u32 = 22;

struct Decoder {
    inner: raw::Decoder<'static>,
    window_log: u8,
}

/// A decoder with no larger window than a stream of at most `max_len` bytes needs.
pub(super) fn decoder(max_len: u64) -> NewDecoder {
    let window_log = ceil_log2(max_len).clamp(BLOCK_LOG, MAX_WINDOW_LOG);
    let mut inner = raw::Decoder::new()?;
    inner.set_parameter(DParameter::WindowLogMax(window_log.into()))?;
    Ok(Box::new(Decoder { inner, window_log }))
}

impl Decode for Decoder {
    fn start_len(&self) -> usize {
        6
    }

    /// Takes the start of a frame, and lowers the window that it declares to the decoder's.
    ///
    /// Existing encoders declare 128 MiB whatever they write, and the decoder allocates what is declared. No distance
    /// exceeds the content's length, so a window of that length decodes it just as well.
    fn start(&self, start: &mut [u8]) -> Result<(), String> {
        let Some(([magic @ .., descriptor, window], _)) = start.split_first_chunk_mut::<6>() else {
            return Err("no zstd frame".to_owned());
        };
        // The library takes frames of other formats, too: skippable ones, and those of zstd's early versions.
        if *magic != FRAME_MAGIC {
            return Err("no zstd frame".to_owned());
        }
        // A single segment has no window: it declares its content's length, which the decoder holds against the limit.
        let single_segment = *descriptor & 1 << 5 != 0;
        // Five bits of exponent above 10, then three of mantissa.
        let (declared_log, mantissa) = ((*window >> 3) + 10, *window & 7);
        let too_large = (declared_log, mantissa) > (MAX_WINDOW_LOG, 0);
        // One that no file may declare stays, for the decoder to refuse.
        if !single_segment && !too_large && declared_log >= self.window_log {
            *window = (self.window_log - 10) << 3;
        }
        Ok(())
    }

    fn step(&mut self, input: &[u8], output: &mut [u8]) -> Result<Step, String> {
        match self.inner.run_on_buffers(input, output) {
            Ok(status) => Ok(Step {
                consumed: status.bytes_read,
                produced: status.bytes_written,
                ended: status.remaining == 0,
            }),
            Err(error) => Err(error.to_string()),
        }
    }
}

/// Compresses `len` bytes.
pub(super) fn write(stream: &mut dyn Read, len: u64, writer: &mut dyn Write) -> io::Result<()> {
    let mut encoder = zstd::Encoder::new(writer, LEVEL)?;
    encoder.include_checksum(false)?;
    encoder.include_contentsize(false)?;
    encoder.set_parameter(CParameter::WindowLog(WINDOW_LOG))?;
    // Not written to the frame: it lets the encoder choose a window and tables no larger than the data.
    encoder.set_pledged_src_size(Some(len))?;
    io::copy(stream, &mut encoder)?;
    encoder.finish()?;
    Ok(())
}

/// The smallest `n` with `x <= 2^n`.
fn ceil_log2(x: u64) -> u8 {
    (64 - x.saturating_sub(1).leading_zeros()) as u8
}
