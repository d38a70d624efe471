//! Writing of a file.

use std::io::{self, Read, Write};

use brotli::enc::BrotliEncoderParams;
use zstd::stream::raw::CParameter;

use super::{Codec, File};

/// For files whose table of chunk lengths is a good part of them: it is all that can be compressed.
const BROTLI_QUALITY: i32 = 11;
/// For other files: 25 KB of long chunks came out the same to the byte in a fortieth of the time.
const BROTLI_FAST_QUALITY: i32 = 5;
/// The table counts from this part of the payload on.
const BROTLI_TABLE_PART: u64 = 128;
const BROTLI_WINDOW_LOG: i32 = 22;
const ZSTD_LEVEL: i32 = 22;
/// Level 22 would take a window of 128 MiB, and most of a gigabyte for its tables. Chunks are all but random: what can
/// be compressed is the table of their lengths, which is small.
const ZSTD_WINDOW_LOG: u32 = 22;

/// Writes a file and flushes the writer.
///
/// The outer codec's output goes to the writer as it comes. Memory in use besides the file is 2 bytes a chunk and what
/// the codec takes: some tens of MiB for a large file, less for a small one.
///
/// The header and the decompressed stream follow from `file` alone. The compressed bytes do, too, for given versions of
/// the codec libraries, but other versions may give others.
pub fn write<W: Write>(file: &File, mut writer: W) -> io::Result<()> {
    writer.write_all(&file.header().to_bytes())?;
    let inner_header = file.inner_header();
    let len = inner_header.len() as u64 + file.payload().len() as u64;
    let stream = inner_header.as_slice().chain(file.payload());
    match file.params().codec {
        Codec::Zstd => write_zstd(stream, len, &mut writer)?,
        Codec::Brotli => {
            let table_counts = inner_header.len() as u64 * BROTLI_TABLE_PART >= file.payload().len() as u64;
            let quality = if table_counts {
                BROTLI_QUALITY
            } else {
                BROTLI_FAST_QUALITY
            };
            write_brotli(stream, len, quality, &mut writer)?;
        }
    }
    writer.flush()
}

fn write_zstd(mut stream: impl Read, len: u64, writer: &mut impl Write) -> io::Result<()> {
    let mut encoder = zstd::Encoder::new(writer, ZSTD_LEVEL)?;
    encoder.include_checksum(false)?;
    encoder.include_contentsize(false)?;
    encoder.set_parameter(CParameter::WindowLog(ZSTD_WINDOW_LOG))?;
    // Not written to the frame: it lets the encoder choose a window and tables no larger than the data.
    encoder.set_pledged_src_size(Some(len))?;
    io::copy(&mut stream, &mut encoder)?;
    encoder.finish()?;
    Ok(())
}

fn write_brotli(mut stream: impl Read, len: u64, quality: i32, writer: &mut impl Write) -> io::Result<()> {
    let params = BrotliEncoderParams {
        quality,
        lgwin: BROTLI_WINDOW_LOG,
        size_hint: usize::try_from(len).unwrap_or(usize::MAX),
        ..Default::default()
    };
    brotli::BrotliCompress(&mut stream, writer, &params)?;
    Ok(())
}
