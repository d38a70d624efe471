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
        #[cfg(all(feature = "zstd-decoder", not(feature = "zstd")))]
        ZSTD => Some(rust_zstd::decompress),
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
    let mut decoder = zstd::Decoder::new(data)?;
    decoder.window_log_max(WINDOW_LOG)?;
    read(decoder, most)
}

/// The logarithm of zstd's largest window: so much may be allocated before anything is handed out.
#[cfg(any(feature = "zstd", feature = "zstd-decoder"))]
const WINDOW_LOG: u32 = 24;

/// The decoder in Rust.
#[cfg(feature = "zstd-decoder")]
#[cfg_attr(
    feature = "zstd",
    allow(dead_code, reason = "then the library in C decodes, and only tests use this")
)]
mod rust_zstd {
    use std::io::{self, Read};

    use ruzstd::decoding::StreamingDecoder;

    use super::WINDOW_LOG;

    /// The first bytes of all frames, at most `most`. A frame's checksum, which is optional, is not looked at: a model has a
    /// hash of its own.
    pub(super) fn decompress(mut data: &[u8], most: u64) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        // Where there is no frame the decoder says so.
        loop {
            if let Some(len) = skippable_len(data) {
                data = data.get(len..).ok_or(io::ErrorKind::UnexpectedEof)?;
                if data.is_empty() {
                    return Ok(bytes);
                }
                continue;
            }
            // It would hold back as much as a window, of any size.
            if window_len(data).is_some_and(|len| len > 1 << WINDOW_LOG) {
                return Err(io::Error::other("window of more than 2^24 bytes"));
            }
            let mut frame = StreamingDecoder::new(&mut data).map_err(io::Error::other)?;
            let left = most - bytes.len() as u64;
            (&mut frame).take(left).read_to_end(&mut bytes)?;
            if data.is_empty() || bytes.len() as u64 == most {
                return Ok(bytes);
            }
        }
    }

    /// The length of a skippable frame, by section 3.1.2 of RFC 8878; `None` where there is no header of one.
    fn skippable_len(data: &[u8]) -> Option<usize> {
        let (header, _) = data.split_first_chunk::<8>()?;
        let (magic, len) = (
            u64::from_le_bytes(*header) as u32,
            u64::from_le_bytes(*header) >> 32,
        );
        (magic & !15 == 0x184d_2a50).then_some(8 + len as usize)
    }

    /// The length of a frame's window, by section 3.1.1.1 of RFC 8878; `None` where the header is cut short.
    fn window_len(frame: &[u8]) -> Option<u64> {
        const MAGIC_LEN: usize = 4;

        let (&descriptor, rest) = frame.get(MAGIC_LEN..)?.split_first()?;
        let is_single_segment = descriptor & 0x20 != 0;
        if !is_single_segment {
            let window = rest.first()?;
            let base = 1_u64 << (10 + (window >> 3));
            return Some(base + base / 8 * u64::from(window & 7));
        }
        // The content is the window.
        let content_len = rest.get([0, 1, 2, 4][usize::from(descriptor & 3)]..)?;
        let number = |len: usize| {
            let mut number = [0; 8];
            number[..len].copy_from_slice(content_len.get(..len)?);
            Some(u64::from_le_bytes(number))
        };
        match descriptor >> 6 {
            0 => number(1),
            1 => number(2).map(|len| len + 256),
            2 => number(4),
            _ => number(8),
        }
    }
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

#[cfg(all(test, feature = "zstd", feature = "zstd-decoder"))]
mod tests {
    use super::*;

    /// A skippable frame of three bytes.
    const SKIPPED: [u8; 11] = [0x5f, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3];

    /// Texts of several kinds, and of lengths around those of blocks.
    fn texts() -> Vec<Vec<u8>> {
        let mut state = 1_u32;
        let mut noise = |len: usize, mask: u32| {
            let byte = |_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                ((state >> 24) & mask) as u8
            };
            (0..len).map(byte).collect::<Vec<u8>>()
        };
        let mut texts = vec![Vec::new(), b"a".to_vec(), vec![b'a'; 300_000]];
        for len in [255, 256, 65_791, 65_792, 131_073, 300_000] {
            texts.push(noise(len, 0xff));
            texts.push(noise(len, 7));
            texts.push(noise(100, 0xff).repeat(len / 100));
        }
        texts.push(include_str!("codec.rs").repeat(20).into_bytes());
        texts
    }

    #[test]
    fn both_decoders_of_zstd_agree() {
        let texts = texts();
        for (number, text) in texts.iter().enumerate() {
            for level in [-5, 3, 19] {
                let data = zstd::bulk::compress(text, level).unwrap();
                assert!(
                    rust_zstd::decompress(&data, u64::MAX).unwrap() == *text,
                    "{number}, {level}"
                );
                // One frame after the other, and the beginning of what they hold.
                let twice = [&SKIPPED[..], &data, &SKIPPED, &data].concat();
                for most in [0, 1, text.len(), text.len() + 1, 3 * text.len()] {
                    let expected = from_zstd(&twice, most as u64).unwrap();
                    assert!(
                        rust_zstd::decompress(&twice, most as u64).unwrap() == expected,
                        "{number}, {level}, {most}"
                    );
                }
            }
        }
    }

    #[test]
    fn both_decoders_of_zstd_refuse_the_same() {
        let data = to_zstd(&b"Integers are the same everywhere. ".repeat(100)).unwrap();
        for len in 1..data.len() {
            assert!(from_zstd(&data[..len], u64::MAX).is_err(), "{len}");
            assert!(rust_zstd::decompress(&data[..len], u64::MAX).is_err(), "{len}");
        }
        assert!(from_zstd(&SKIPPED[..10], u64::MAX).is_err());
        assert!(rust_zstd::decompress(&SKIPPED[..10], u64::MAX).is_err());
        // A window of 2^24 bytes and one of an eighth more; then an empty block, the last.
        for (window, is_valid) in [(14 << 3, true), (14 << 3 | 1, false), (31 << 3, false)] {
            let frame = [0x28, 0xb5, 0x2f, 0xfd, 0, window, 1, 0, 0];
            assert_eq!(from_zstd(&frame, 1).is_ok(), is_valid);
            assert_eq!(rust_zstd::decompress(&frame, 1).is_ok(), is_valid);
        }
        // A single segment of 2^24 bytes and one more, which is said and not there.
        for (len, expected) in [(1_u32 << 24, "window"), ((1 << 24) + 1, "2^24")] {
            let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0xa0];
            frame.extend(len.to_le_bytes());
            frame.extend([1, 0, 0]);
            let error = rust_zstd::decompress(&frame, 1).map(drop);
            assert_eq!(
                error.is_err_and(|error| error.to_string().contains("2^24")),
                expected == "2^24"
            );
        }
    }
}
