//! Small files that declare or expand to a lot. How much memory they get is checked in `tests/memory.rs`.

use std::io::{self, Read};

use czip_container::v1::{self, Codec, FormatError, Limits, ReadError};

use super::util::{compress, file_of, header, inner, read_err};

/// A zstd frame with a window byte, raw bytes, and then blocks of 128 KiB that repeat a byte.
pub(crate) fn zstd_frame(window: u8, raw: &[u8], byte: u8, repeats: usize) -> Vec<u8> {
    let block = |kind: u32, size: u32, last: bool| (size << 3 | kind << 1 | u32::from(last)).to_le_bytes();
    let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0, window];
    frame.extend(&block(0, raw.len() as u32, repeats == 0)[..3]);
    frame.extend(raw);
    for i in 1..=repeats {
        frame.extend(&block(1, 128 << 10, i == repeats)[..3]);
        frame.push(byte);
    }
    frame
}

struct Counting<'a>(&'a [u8], &'a mut usize);

impl Read for Counting<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let len = self.0.read(buf)?;
        *self.1 += len;
        Ok(len)
    }
}

/// The error, and how many bytes were read before it.
fn read_counting(bytes: &[u8]) -> (FormatError, usize) {
    let mut count = 0;
    match v1::read(Counting(bytes, &mut count), &Limits::default()) {
        Err(ReadError::Format(error)) => (error, count),
        other => panic!("{other:?}"),
    }
}

#[test]
fn huge_inner_len_with_little_data() {
    for codec in [Codec::Zstd, Codec::Brotli] {
        // The format's most chunks are over the limit.
        let (count, max) = (2_147_483_641, 1 << 26);
        let bytes = file_of(codec, u32::MAX - 1, &inner(count, 1, 6, &[1; 50]));
        assert_eq!(read_err(&bytes), FormatError::ChunkCountLimit { count, max });

        let expected = 12 + (2 << 26);
        let bytes = file_of(codec, expected, &inner(max, 1, 6, &[1; 50]));
        assert_eq!(
            read_err(&bytes),
            FormatError::InnerTruncated { expected, found: 112 }
        );
    }
}

#[test]
fn wide_zstd_window() {
    let with_window = |window, raw: &[u8]| {
        let mut bytes = header(0, 0, 12);
        bytes.extend(zstd_frame(window, raw, 0, 0));
        bytes
    };
    // 128 MiB, as existing encoders declare.
    let bytes = with_window(0x88, &inner(0, 64, 6, &[]));
    assert_eq!(v1::read(&bytes[..], &Limits::default()).unwrap().chunk_count(), 0);
    assert_eq!(
        read_err(&with_window(0x88, &[])),
        FormatError::InnerTruncated {
            expected: 12,
            found: 0
        }
    );
    assert_eq!(
        read_err(&with_window(0x88, &[])[..22]),
        FormatError::StreamTruncated {
            codec: Codec::Zstd,
            offset: 22
        }
    );
    // Anything more is refused, as much as zstd can declare.
    for window in [0x89, 0x90, 0xa0, 0xff] {
        let FormatError::Stream { codec, reason, .. } = read_err(&with_window(window, &inner(0, 64, 6, &[])))
        else {
            panic!("no stream error");
        };
        assert_eq!(
            (codec, reason.as_str()),
            (Codec::Zstd, "Frame requires too much memory for decoding")
        );
    }
}

#[test]
fn zstd_single_segment() {
    let content = inner(0, 64, 6, &[]);
    let with_content_size = |size: u32| {
        let mut bytes = header(0, 0, 12);
        bytes.extend([0x28, 0xb5, 0x2f, 0xfd, 0xa0]);
        bytes.extend(size.to_le_bytes());
        bytes.extend([12 << 3 | 1, 0, 0]);
        bytes.extend(&content);
        bytes
    };
    assert_eq!(
        v1::read(&with_content_size(12)[..], &Limits::default())
            .unwrap()
            .token_count(),
        0
    );
    // 128 MiB of content cannot belong to an inner header of 12 bytes.
    let FormatError::Stream { reason, .. } = read_err(&with_content_size(1 << 27)) else {
        panic!("no stream error");
    };
    assert_eq!(reason, "Frame requires too much memory for decoding");
}

#[test]
fn brotli_large_window() {
    // An extension of Brotli that RFC 7932 does not have: byte 0x11, then a window of 2^30 bytes.
    let mut bytes = header(1, 0, 12);
    bytes.extend([0x11, 0x1e, 0x03]);
    assert!(matches!(
        read_err(&bytes),
        FormatError::Stream {
            codec: Codec::Brotli,
            ..
        }
    ));
}

#[test]
fn only_zstd_frames() {
    let stream = |stream: &[u8]| [&header(0, 0, 12)[..], stream].concat();
    let frame = zstd_frame(0, &inner(0, 64, 6, &[]), 0, 0);
    assert_eq!(
        v1::read(&stream(&frame)[..], &Limits::default())
            .unwrap()
            .chunk_count(),
        0
    );
    let error = |offset| FormatError::Stream {
        codec: Codec::Zstd,
        offset,
        reason: "no zstd frame".to_owned(),
    };
    // A skippable frame, and the magic number of zstd 0.7.
    let skippable = [&[0x50, 0x2a, 0x4d, 0x18, 0, 0, 0, 0][..], &frame].concat();
    assert_eq!(read_err(&stream(&skippable)), error(16 + skippable.len() as u64));
    assert_eq!(
        read_err(&stream(&[0x27, 0xb5, 0x2f, 0xfd, 0, 0, 0, 0])),
        error(24)
    );
}

#[test]
fn payload_bombs() {
    // 4 GiB after a payload of 3 bytes, and instead of it.
    for payload in [&[1, 2, 3][..], &[]] {
        let mut bytes = header(0, 1, 14);
        bytes.extend(zstd_frame(
            0x88,
            &[&inner(1, 1, 6, &[3]), payload].concat(),
            7,
            1 << 15,
        ));
        let (error, count) = read_counting(&bytes);
        assert_eq!(error, FormatError::TrailingPayload { len: 3 });
        // One piece of the 131,117 bytes.
        assert_eq!(count, 16 + (32 << 10));
    }

    let data = [inner(1, 1, 6, &[3]), vec![0; 64 << 20]].concat();
    let bytes = [header(1, 1, 14), compress(Codec::Brotli, &data)].concat();
    assert!(bytes.len() < 1000);
    assert_eq!(read_err(&bytes), FormatError::TrailingPayload { len: 3 });
}

#[test]
fn table_bombs() {
    // 2^26 chunk lengths as the header declares them: 65,535 each, 257 each, 0 each.
    let bytes = |byte| {
        let mut bytes = header(0, 1, 12 + (2 << 26));
        bytes.extend(zstd_frame(0x88, &inner(1 << 26, 1, 6, &[]), byte, 1 << 10));
        bytes
    };
    let max = 1 << 30;
    assert_eq!(
        read_err(&bytes(0xff)),
        FormatError::PayloadLenLimit { chunk: 16_384, max }
    );
    assert_eq!(
        read_err(&bytes(0x01)),
        FormatError::PayloadLenLimit {
            chunk: 4_177_983,
            max
        }
    );
    assert_eq!(read_err(&bytes(0x00)), FormatError::ChunkEmpty { chunk: 0 });
}
