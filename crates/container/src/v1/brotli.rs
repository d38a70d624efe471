//! The outer codec Brotli (RFC 7932).

use std::io::{self, Read, Write};

use brotli::enc::{BrotliEncoderParams, StandardAlloc};
use brotli::{BrotliDecompressStream, BrotliResult, BrotliState};

use super::decode::{Decode, NewDecoder, Step};

/// For files in which the table of chunk lengths, the only part that can be compressed, is large.
const QUALITY: i32 = 11;
/// For other files: 25 KB of long chunks came out the same to the byte in a fortieth of the time.
const FAST_QUALITY: i32 = 5;
/// The table counts as large from this part of the payload on.
const TABLE_PART: u64 = 128;
const WINDOW_LOG: i32 = 22;

type State = BrotliState<StandardAlloc, StandardAlloc, StandardAlloc>;

struct Decoder(State);

/// A decoder that takes no windows beyond the 16 MiB of RFC 7932.
pub(super) fn decoder() -> NewDecoder {
    let [a, b, c] = [(); 3].map(|()| StandardAlloc::default());
    Ok(Box::new(Decoder(BrotliState::new_strict(a, b, c))))
}

impl Decode for Decoder {
    fn step(&mut self, input: &[u8], output: &mut [u8]) -> Result<Step, String> {
        let Self(state) = self;
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
            _ => Ok(Step {
                consumed,
                produced,
                ended: matches!(result, BrotliResult::ResultSuccess),
            }),
        }
    }
}

/// Compresses a table of `table_len` bytes and a payload of `payload_len`.
///
/// Reader and writer are dynamic, or the encoder would be compiled again for each kind of them.
pub(super) fn write(
    mut stream: &mut dyn Read,
    table_len: u64,
    payload_len: u64,
    mut writer: &mut dyn Write,
) -> io::Result<()> {
    let table_counts = table_len * TABLE_PART >= payload_len;
    let params = BrotliEncoderParams {
        quality: if table_counts { QUALITY } else { FAST_QUALITY },
        lgwin: WINDOW_LOG,
        size_hint: usize::try_from(table_len + payload_len).unwrap_or(usize::MAX),
        ..Default::default()
    };
    brotli::BrotliCompress(&mut stream, &mut writer, &params)?;
    Ok(())
}
