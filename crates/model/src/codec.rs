//! The codecs inside model files: the bytes of a tensor to compressed ones and back, with those codecs that are built in.

use std::io;

use crate::Error;

/// The codec of a tensor, unless the metadata name another.
pub(crate) const ZSTD: &str = "zstd";
pub(crate) const BROTLI: &str = "brotli";

/// Gives at most this many of the first bytes.
type Decompress = fn(&[u8], u64) -> io::Result<Vec<u8>>;
type Compress = fn(&[u8]) -> io::Result<Vec<u8>>;

fn decompressor(codec: &str) -> Option<Decompress> {
    match codec {
        #[cfg(feature = "zstd")]
        ZSTD => Some(from_zstd),
        #[cfg(feature = "brotli")]
        BROTLI => Some(from_brotli),
        _ => None,
    }
}

fn compressor(codec: &str) -> Option<Compress> {
    match codec {
        #[cfg(feature = "zstd")]
        ZSTD => Some(to_zstd),
        _ => None,
    }
}

#[cfg(feature = "zstd")]
fn to_zstd(bytes: &[u8]) -> io::Result<Vec<u8>> {
    zstd::bulk::compress(bytes, 19)
}

#[cfg(feature = "zstd")]
fn from_zstd(data: &[u8], most: u64) -> io::Result<Vec<u8>> {
    /// The logarithm of the largest window: it is allocated before anything is decompressed.
    const WINDOW_LOG: u32 = 24;

    let mut decoder = zstd::Decoder::new(data)?;
    decoder.window_log_max(WINDOW_LOG)?;
    read(decoder, most)
}

#[cfg(feature = "brotli")]
fn from_brotli(data: &[u8], most: u64) -> io::Result<Vec<u8>> {
    read(brotli::Decompressor::new(data, 4096), most)
}

#[cfg(any(feature = "zstd", feature = "brotli"))]
fn read(decoder: impl io::Read, most: u64) -> io::Result<Vec<u8>> {
    use io::Read;

    let mut bytes = Vec::new();
    decoder.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The first bytes of what the tensor `name` decompresses to, at most `most`. `bad` makes an error of what the codec
/// says.
pub(crate) fn decompress(
    name: &str,
    codec: &'static str,
    data: &[u8],
    most: u64,
    bad: impl FnOnce(String) -> Error,
) -> Result<Vec<u8>, Error> {
    let decompress = decompressor(codec).ok_or_else(|| not_built(name, codec))?;
    decompress(data, most).map_err(|error| bad(error.to_string()))
}

/// Compresses the tensor `name` with zstd. `bad` makes an error of what the codec says.
pub(crate) fn compress(
    name: &str,
    bytes: &[u8],
    bad: impl FnOnce(String) -> Error,
) -> Result<Vec<u8>, Error> {
    let compress = compressor(ZSTD).ok_or_else(|| not_built(name, ZSTD))?;
    compress(bytes).map_err(|error| bad(error.to_string()))
}

fn not_built(name: &str, codec: &'static str) -> Error {
    Error::CodecNotBuilt {
        name: name.to_owned(),
        codec,
    }
}
