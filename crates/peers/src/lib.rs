#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![deny(clippy::float_arithmetic)]

use std::io::{self, Read, Write};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;

/// The level of zstd.
const ZSTD_LEVEL: i32 = 19;

/// A compressor and its level. All work in memory and on one thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Compressor {
    /// Brotli (RFC 7932), quality 11, a window of 4 MiB.
    Brotli,
    /// LZMA2 in a file of xz, preset 9.
    Xz,
    /// Zstandard (RFC 8878), level 19.
    Zstd,
    /// DEFLATE in a file of gzip (RFC 1952), level 9.
    Gzip,
}

impl Compressor {
    /// The compressors in the order of reports.
    pub const ALL: [Self; 4] = [Self::Brotli, Self::Xz, Self::Zstd, Self::Gzip];

    /// Its name, with the level.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Brotli => "brotli-11",
            Self::Xz => "xz-9",
            Self::Zstd => "zstd-19",
            Self::Gzip => "gzip-9",
        }
    }

    /// The compressed file of a text.
    ///
    /// # Errors
    ///
    /// What the compressor's library reports.
    pub fn compress(self, text: &[u8]) -> io::Result<Vec<u8>> {
        match self {
            Self::Brotli => {
                let params = brotli::enc::BrotliEncoderParams {
                    quality: 11,
                    lgwin: 22,
                    ..Default::default()
                };
                let mut file = Vec::new();
                brotli::BrotliCompress(&mut &text[..], &mut file, &params)?;
                Ok(file)
            }
            Self::Xz => liblzma::encode_all(text, 9),
            Self::Zstd => zstd::bulk::compress(text, ZSTD_LEVEL),
            Self::Gzip => {
                let mut encoder = GzEncoder::new(Vec::new(), Compression::new(9));
                encoder.write_all(text)?;
                encoder.finish()
            }
        }
    }

    /// The text of a compressed file.
    ///
    /// # Errors
    ///
    /// A file that this compressor has not written.
    pub fn decompress(self, file: &[u8]) -> io::Result<Vec<u8>> {
        let mut text = Vec::new();
        match self {
            Self::Brotli => brotli::BrotliDecompress(&mut &file[..], &mut text)?,
            Self::Xz => text = liblzma::decode_all(file)?,
            Self::Zstd => text = zstd::decode_all(file)?,
            Self::Gzip => {
                GzDecoder::new(file).read_to_end(&mut text)?;
            }
        }
        Ok(text)
    }
}

/// What zstd makes a dictionary of: texts like those that it is to compress.
///
/// # Errors
///
/// Too few texts, or too small ones.
pub fn zstd_dictionary(samples: &[&[u8]], max_len: usize) -> io::Result<Vec<u8>> {
    zstd::dict::from_samples(samples, max_len)
}

/// The bytes of each text's file by zstd, at the level of [`Compressor::Zstd`], with a dictionary.
///
/// # Errors
///
/// What zstd reports.
pub fn zstd_sizes<'t>(
    dictionary: &[u8],
    texts: impl IntoIterator<Item = &'t [u8]>,
) -> io::Result<Vec<usize>> {
    let mut compressor = zstd::bulk::Compressor::with_dictionary(ZSTD_LEVEL, dictionary)?;
    texts
        .into_iter()
        .map(|text| Ok(compressor.compress(text)?.len()))
        .collect()
}
