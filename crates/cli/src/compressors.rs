//! The general-purpose compressors that czip is compared with, each at its highest common level.

use std::io::{self, Read, Write};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;

/// A compressor and its level. All work in memory and on one thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compressor {
    Brotli,
    Xz,
    Zstd,
    Gzip,
}

impl Compressor {
    /// The compressors in the order of reports.
    pub(crate) const ALL: [Self; 4] = [Self::Brotli, Self::Xz, Self::Zstd, Self::Gzip];

    /// Its name, with the level.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Brotli => "brotli-11",
            Self::Xz => "xz-9",
            Self::Zstd => "zstd-19",
            Self::Gzip => "gzip-9",
        }
    }

    /// The compressed file of a text.
    pub(crate) fn compress(self, text: &[u8]) -> io::Result<Vec<u8>> {
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
            Self::Zstd => zstd::bulk::compress(text, 19),
            Self::Gzip => {
                let mut encoder = GzEncoder::new(Vec::new(), Compression::new(9));
                encoder.write_all(text)?;
                encoder.finish()
            }
        }
    }

    /// The text of a compressed file.
    pub(crate) fn decompress(self, file: &[u8]) -> io::Result<Vec<u8>> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_come_back() {
        let text = b"Integers are the same everywhere. ".repeat(100);
        let starts: [&[u8]; 4] = [&[], b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd", b"\x1f\x8b\x08"];
        for (compressor, start) in Compressor::ALL.into_iter().zip(starts) {
            for text in [&text[..], b""] {
                let file = compressor.compress(text).unwrap();
                assert!(file.starts_with(start), "{}: {file:x?}", compressor.name());
                assert_eq!(compressor.decompress(&file).unwrap(), text);
            }
        }
    }

    #[test]
    fn file_cut_short_is_an_error() {
        for compressor in Compressor::ALL {
            let file = compressor.compress(b"Integers are the same everywhere.").unwrap();
            let cut = compressor.decompress(&file[..file.len() - 9]);
            assert!(cut.is_err(), "{}", compressor.name());
        }
    }
}
