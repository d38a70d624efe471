//! A file in memory to bytes.

use std::io::{self, Read, Write};

use super::codec::Codec;
#[cfg(any(doc, not(all(feature = "brotli", feature = "zstd"))))]
use super::codec::CodecNotBuilt;
use super::file::File;

/// Writes a file and flushes the writer.
///
/// The outer codec's output goes to the writer as it comes. Beyond the file itself, memory in use is 2 bytes for each
/// chunk and what the codec takes: some tens of MiB for a large file, less for a small one.
///
/// The header and the decompressed stream depend only on `file`. So do the compressed bytes for given versions of the
/// codec libraries, but other versions may write others.
///
/// # Errors
///
/// What the writer reports; [`CodecNotBuilt`] in an error of the kind [`Unsupported`](io::ErrorKind::Unsupported) without
/// the feature for the file's codec.
pub fn write<W: Write>(file: &File, mut writer: W) -> io::Result<()> {
    let codec = file.params().codec;
    codec.check_built()?;
    writer.write_all(&file.header().to_bytes())?;
    let inner_header = file.inner_header();
    let lens = [inner_header.len() as u64, file.payload().len() as u64];
    compress(
        codec,
        &mut inner_header.as_slice().chain(file.payload()),
        lens,
        &mut writer,
    )?;
    writer.flush()
}

/// Compresses a table and a payload of these lengths.
#[cfg_attr(
    not(any(feature = "brotli", feature = "zstd")),
    expect(unused_variables, reason = "there is no codec to use them")
)]
fn compress(
    codec: Codec,
    stream: &mut dyn Read,
    [table_len, payload_len]: [u64; 2],
    writer: &mut dyn Write,
) -> io::Result<()> {
    match codec {
        #[cfg(feature = "zstd")]
        Codec::Zstd => super::zstd::write(stream, table_len + payload_len, writer),
        #[cfg(feature = "brotli")]
        Codec::Brotli => super::brotli::write(stream, table_len, payload_len, writer),
        #[cfg(not(all(feature = "brotli", feature = "zstd")))]
        codec => Err(CodecNotBuilt { codec }.into()),
    }
}
