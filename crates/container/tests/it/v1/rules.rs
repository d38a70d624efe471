//! Each rule and each limit, with the error it gives.

use std::io::{self, Read, Write};

use czip_container::v1::{
    self, Builder, Codec, ContextLog2, File, Flags, FormatError, Header, Limits, Params, ReadError,
    UnknownCodecName,
};

use super::util::{compress, decompress, file_of, header, inner, params, read, read_err, sample, written};

const CODECS: [Codec; 2] = [Codec::Zstd, Codec::Brotli];

#[test]
fn round_trip() {
    for codec in CODECS {
        let file = sample(codec);
        let bytes = written(&file);
        assert_eq!(bytes[..16], header(codec.to_byte(), 1000, 18));
        let mut expected = vec![
            0x67, 0x45, 0x23, 0x01, 3, 0, 0, 0, 5, 0, 0, 6, 3, 0, 1, 0, 0x2c, 1, 1, 2, 3, 0x80,
        ];
        expected.extend([7; 300]);
        assert_eq!(decompress(codec, &bytes[16..]), expected);

        let again = read(&bytes).unwrap();
        assert_eq!(again, file);
        assert_eq!(again.params(), &params(codec, 6));
        assert_eq!(again.original_len(), 1000);
        assert_eq!(again.chunk_count(), 3);
        assert_eq!(again.last_chunk_tokens(), 5);
        assert_eq!(again.token_count(), 133);
        assert_eq!(again.payload(), &expected[18..]);
        assert_eq!(again.chunks().len(), 3);
        assert_eq!(
            again.chunks().collect::<Vec<_>>(),
            [&[1, 2, 3][..], &[0x80], &[7; 300]]
        );
        assert_eq!(again.header().to_bytes(), bytes[..16]);
    }
}

#[test]
fn file_without_chunks() {
    for codec in CODECS {
        let file = Builder::new(params(codec, 10)).finish(0, 0).unwrap();
        assert_eq!(
            (file.chunk_count(), file.last_chunk_tokens(), file.token_count()),
            (0, 1024, 0)
        );
        let bytes = written(&file);
        let again = read(&bytes).unwrap();
        assert_eq!(again, file);
        assert_eq!(again.chunks().next(), None);
    }
}

#[test]
fn large_file() {
    // Some 200 KiB of table and 1 MiB of payload: several steps of each.
    let mut builder = Builder::new(params(Codec::Zstd, 1));
    let mut state = 1u32;
    for i in 0..100_000u32 {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        builder
            .push(&state.to_be_bytes().repeat(5)[..1 + i as usize % 20])
            .unwrap();
    }
    let file = builder.finish(400_000, 199_999).unwrap();
    assert_eq!(file.payload().len(), 1_050_000);
    assert_eq!(read(&written(&file)).unwrap(), file);
    // The brotli encoder at quality 11 is too slow for this test; its decoder is not.
    let inner = decompress(Codec::Zstd, &written(&file)[16..]);
    let again = read(&file_of(Codec::Brotli, 200_012, &inner)).unwrap();
    assert_eq!(again.payload(), file.payload());
    assert!(again.chunks().eq(file.chunks()));
}

#[test]
fn zstd_frames_carry_no_checksum_and_no_content_size() {
    let bytes = written(&sample(Codec::Zstd));
    assert_eq!(bytes[16..20], [0x28, 0xb5, 0x2f, 0xfd]);
    assert_eq!(bytes[20], 0);
    // And declare a window no larger than the data need: 1 KiB, the least there is.
    assert_eq!(bytes[21], 0);
}

#[test]
fn header_fields() {
    let bytes = *b"CZIPv1\x03\x01\x04\x03\x02\x01\x0e\x00\x00\x00";
    let header = Header::parse(&bytes).unwrap();
    assert_eq!(header.flags().bits(), 3);
    assert!(header.flags().contains(Flags::MULTI_FILE) && header.flags().contains(Flags::TRAINING));
    assert_eq!(header.codec(), Codec::Brotli);
    assert_eq!(header.original_len(), 0x0102_0304);
    assert_eq!(header.inner_len(), 14);
    assert_eq!(header.chunk_count(), 1);
    assert_eq!(header.to_bytes(), bytes);
}

#[test]
fn header_rules() {
    assert_eq!(read_err(b""), FormatError::HeaderTruncated { len: 0 });
    assert_eq!(
        read_err(b"CZIPv1\0\0\0\0\0\0\0\0\0"),
        FormatError::HeaderTruncated { len: 15 }
    );
    assert_eq!(
        read_err(b"CZIPv2\0\0\0\0\0\0\x0c\0\0\0"),
        FormatError::Magic { found: *b"CZIPv2" }
    );
    for bit in 2..8 {
        let mut bytes = written(&sample(Codec::Zstd));
        bytes[6] = 1 << bit | 3;
        assert_eq!(read_err(&bytes), FormatError::Flags { unknown: 1 << bit });
    }
    for codec in 2..=255 {
        assert_eq!(read_err(&header(codec, 0, 12)), FormatError::Codec { codec });
        assert_eq!(Codec::from_byte(codec), None);
    }
    for inner_len in [0, 1, 11, 13, 15, u32::MAX] {
        assert_eq!(
            read_err(&header(0, 0, inner_len)),
            FormatError::InnerLen { inner_len }
        );
    }
}

#[test]
fn flags_are_reported() {
    for bits in 0..4 {
        let mut bytes = written(&sample(Codec::Zstd));
        bytes[6] = bits;
        let file = read(&bytes).unwrap();
        assert_eq!(file.params().flags, Flags::from_bits(bits).unwrap());
        assert_eq!(written(&file)[6], bits);
    }
    assert_eq!(Flags::default().bits(), 0);
    assert!(!Flags::MULTI_FILE.contains(Flags::TRAINING));
}

#[test]
fn inner_rules() {
    for codec in CODECS {
        let check =
            |inner_len, inner: &[u8], error| assert_eq!(read_err(&file_of(codec, inner_len, inner)), error);
        let ok = [inner(2, 1, 6, &[1, 2]), vec![9; 3]].concat();
        assert_eq!(read(&file_of(codec, 16, &ok)).unwrap().token_count(), 65);

        for found in 0..16 {
            let error = FormatError::InnerTruncated { expected: 16, found };
            check(16, &ok[..found as usize], error);
        }
        check(
            16,
            &ok[..16],
            FormatError::PayloadTruncated {
                chunk: 0,
                expected: 1,
                found: 0,
            },
        );
        check(
            16,
            &ok[..17],
            FormatError::PayloadTruncated {
                chunk: 1,
                expected: 2,
                found: 0,
            },
        );
        check(
            16,
            &ok[..18],
            FormatError::PayloadTruncated {
                chunk: 1,
                expected: 2,
                found: 1,
            },
        );
        check(
            16,
            &[&ok[..], &[0]].concat(),
            FormatError::TrailingPayload { len: 3 },
        );
        check(
            14,
            &ok,
            FormatError::ChunkCount {
                count: 2,
                inner_len: 14,
            },
        );
        check(
            18,
            &ok,
            FormatError::ChunkCount {
                count: 2,
                inner_len: 18,
            },
        );
        check(16, &inner(2, 1, 16, &[1, 2]), FormatError::Context { field: 16 });
        check(
            16,
            &inner(2, 1, 255, &[1, 2]),
            FormatError::Context { field: 255 },
        );
        check(16, &inner(2, 1, 6, &[1, 0]), FormatError::ChunkEmpty { chunk: 1 });

        for (tokens, chunks, context, chunk_tokens) in [
            (0, 1, 6, 64),
            (65, 1, 6, 64),
            (65, 1, 0, 64),
            (3, 1, 1, 2),
            (32769, 1, 15, 32768),
            (0, 0, 6, 64),
            (63, 0, 6, 64),
            (65, 0, 6, 64),
        ] {
            let bytes = [inner(chunks, tokens, context, &[1][..chunks as usize]), vec![9]].concat();
            check(
                12 + 2 * chunks,
                &bytes,
                FormatError::LastChunkTokens {
                    tokens,
                    chunks,
                    chunk_tokens,
                },
            );
        }
        for (tokens, context) in [(1, 6), (64, 6), (64, 0), (2, 1), (32768, 15)] {
            let bytes = [inner(1, tokens, context, &[1]), vec![9]].concat();
            let file = read(&file_of(codec, 14, &bytes)).unwrap();
            assert_eq!(file.token_count(), u64::from(tokens));
            assert_eq!(file.params().context.field(), context);
            assert_eq!(decompress(codec, &written(&file)[16..]), bytes);
        }
    }
}

#[test]
fn file_ends_with_its_stream() {
    for codec in CODECS {
        let mut bytes = written(&sample(codec));
        let offset = bytes.len() as u64;
        let error = FormatError::StreamTruncated {
            codec,
            offset: offset - 1,
        };
        assert_eq!(read_err(&bytes[..bytes.len() - 1]), error);
        assert_eq!(
            read_err(&bytes[..16]),
            FormatError::StreamTruncated { codec, offset: 16 }
        );
        bytes.push(0);
        assert_eq!(read_err(&bytes), FormatError::TrailingBytes { codec, offset });
        // Far enough that they come with another read.
        bytes.extend([0; 100_000]);
        assert_eq!(read_err(&bytes), FormatError::TrailingBytes { codec, offset });
        // A second stream is no part of the format either.
        bytes.truncate(offset as usize);
        bytes.extend(compress(codec, b""));
        assert_eq!(read_err(&bytes), FormatError::TrailingBytes { codec, offset });
    }
}

#[test]
fn limits() {
    let bytes = written(&sample(Codec::Zstd));
    let read = |change: fn(&mut Limits)| {
        let mut limits = Limits::default();
        change(&mut limits);
        match v1::read(&bytes[..], &limits) {
            Ok(file) => Ok(file.chunk_count()),
            Err(ReadError::Format(error)) => Err(error),
            Err(other) => panic!("{other:?}"),
        }
    };
    assert_eq!(
        read(|l| (l.max_original_len, l.max_chunks, l.max_payload_len) = (1000, 3, 304)),
        Ok(3)
    );
    assert_eq!(
        read(|l| l.max_original_len = 999),
        Err(FormatError::OriginalLenLimit { len: 1000, max: 999 })
    );
    assert_eq!(
        read(|l| l.max_chunks = 2),
        Err(FormatError::ChunkCountLimit { count: 3, max: 2 })
    );
    assert_eq!(
        read(|l| l.max_payload_len = 303),
        Err(FormatError::PayloadLenLimit { chunk: 2, max: 303 })
    );
    assert_eq!(
        read(|l| l.max_payload_len = 3),
        Err(FormatError::PayloadLenLimit { chunk: 1, max: 3 })
    );
}

#[test]
fn builder_rules() {
    let mut builder = Builder::new(params(Codec::Zstd, 6));
    assert_eq!(builder.push(&[]), Err(FormatError::ChunkEmpty { chunk: 0 }));
    assert_eq!(builder.push(&[1; 65_535]), Ok(()));
    assert_eq!(
        builder.push(&[1; 65_536]),
        Err(FormatError::ChunkTooLong {
            chunk: 1,
            len: 65_536
        })
    );
    assert_eq!(builder.push(&[2]), Ok(()));

    let finish = |original_len, token_count| builder.clone().finish(original_len, token_count);
    for tokens in [0, 1, 64, 129] {
        let error = FormatError::TokenCount {
            tokens,
            chunks: 2,
            chunk_tokens: 64,
        };
        assert_eq!(finish(0, tokens), Err(error));
    }
    assert_eq!(
        finish(1 << 32, 65),
        Err(FormatError::OriginalTooLong { len: 1 << 32 })
    );
    let file = finish(u64::from(u32::MAX), 65).unwrap();
    assert_eq!((file.original_len(), file.last_chunk_tokens()), (u32::MAX, 1));
    assert_eq!(finish(0, 128).unwrap().last_chunk_tokens(), 64);
    assert_eq!(read(&written(&file)).unwrap(), file);
}

#[test]
fn codec_names() {
    for codec in CODECS {
        assert_eq!(codec.to_string().parse(), Ok(codec));
        assert_eq!(Codec::from_byte(codec.to_byte()), Some(codec));
    }
    assert_eq!(CODECS.map(|codec| codec.to_string()), ["zstd", "brotli"]);
    assert_eq!(format!("{:>7}", Codec::Zstd), "   zstd");
    let error = "gzip".parse::<Codec>().unwrap_err();
    assert_eq!(error, {
        let e: Result<Codec, UnknownCodecName> = "gzip".parse();
        e.unwrap_err()
    });
    assert_eq!(
        error.to_string(),
        "unknown codec \"gzip\": the codecs are \"zstd\" and \"brotli\""
    );
}

#[test]
fn context_field() {
    assert_eq!(ContextLog2::new(0), None);
    assert_eq!(ContextLog2::new(16), None);
    for log2 in 1..=15 {
        let context = ContextLog2::new(log2).unwrap();
        assert_eq!(context, ContextLog2::from_field(log2).unwrap());
        assert_eq!(
            (context.field(), context.get(), context.chunk_tokens()),
            (log2, log2, 1 << log2)
        );
    }
    let early = ContextLog2::from_field(0).unwrap();
    assert_eq!((early.field(), early.get(), early.chunk_tokens()), (0, 6, 64));
    assert_eq!(
        ContextLog2::from_field(16),
        Err(FormatError::Context { field: 16 })
    );
}

#[test]
fn model_ids() {
    assert_eq!(v1::model_id_hash("models/v001_eng.czm"), 0x271b_f17f);
    // RFC 1321: the MD5 of no bytes is d41d8cd98f00b204e9800998ecf8427e.
    assert_eq!(v1::model_id_hash(""), 0xd41d_8cd9);
}

/// Gives one byte at a time, every second call interrupted.
struct Slow<'a>(&'a [u8], bool);

impl Read for Slow<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.1 = !self.1;
        if self.1 {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let len = buf.len().min(1);
        self.0.read(&mut buf[..len])
    }
}

/// Fails when what it has is read.
struct Failing<'a>(&'a [u8]);

impl Read for Failing<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self.0.read(buf) {
            Ok(0) => Err(io::Error::other("unplugged")),
            result => result,
        }
    }
}

/// Takes a number of bytes, then fails.
struct Full(usize);

impl Write for Full {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        if self.0 == 0 {
            return Err(io::Error::other("full"));
        }
        let len = buf.len().min(self.0);
        self.0 -= len;
        Ok(len)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn readers_and_writers_may_be_slow_or_fail() {
    for codec in CODECS {
        let file = sample(codec);
        let bytes = written(&file);
        assert_eq!(v1::read(Slow(&bytes, false), &Limits::default()).unwrap(), file);
        for len in 0..bytes.len() {
            match v1::read(Failing(&bytes[..len]), &Limits::default()) {
                Err(ReadError::Io { offset, source }) => {
                    assert_eq!((offset, source.to_string().as_str()), (len as u64, "unplugged"));
                }
                other => panic!("{other:?}"),
            }
            assert_eq!(v1::write(&file, Full(len)).unwrap_err().to_string(), "full");
        }
        v1::write(&file, Full(bytes.len())).unwrap();
    }
}

#[test]
fn errors_say_what_and_where() {
    let codec = Codec::Brotli;
    for (error, text) in [
        (
            FormatError::HeaderTruncated { len: 3 },
            "input of 3 bytes is too short for a CZIPv1 file, whose header alone takes 16",
        ),
        (
            FormatError::Magic {
                found: *b"PK\x03\x04\n\0",
            },
            "not a CZIPv1 file: it starts with \"PK\\x03\\x04\\n\\x00\" instead of \"CZIPv1\"",
        ),
        (FormatError::Flags { unknown: 4 }, "unknown flags 0x04 at byte 6"),
        (FormatError::Codec { codec: 9 }, "unknown outer codec 9 at byte 7"),
        (
            FormatError::InnerLen { inner_len: 13 },
            "inner header length 13 at byte 12 is not 12 plus an even number",
        ),
        (
            FormatError::StreamTruncated { codec, offset: 99 },
            "file ends at byte 99, inside its brotli stream",
        ),
        (
            FormatError::TrailingBytes { codec, offset: 99 },
            "trailing bytes from byte 99, where the brotli stream has ended",
        ),
        (
            FormatError::InnerTruncated {
                expected: 14,
                found: 13,
            },
            "inner header ends after 13 of its 14 bytes",
        ),
        (FormatError::ChunkEmpty { chunk: 8 }, "chunk 8 is empty"),
        (
            FormatError::PayloadTruncated {
                chunk: 8,
                expected: 7,
                found: 6,
            },
            "payload ends after 6 of the 7 bytes of chunk 8",
        ),
        (
            FormatError::TrailingPayload { len: 4 },
            "trailing bytes in the payload after its 4 bytes",
        ),
    ] {
        assert_eq!(error.to_string(), text);
        assert_eq!(ReadError::from(error).to_string(), text);
    }
}

#[test]
fn debug_output_is_short() {
    let file: File = sample(Codec::Zstd);
    let text = format!("{file:?}");
    assert!(text.contains("payload_len: 304") && text.len() < 400, "{text}");
    let _: Params = *file.params();
}

#[test]
fn kinds_of_errors() {
    let codec = Codec::Zstd;
    for (error, kind) in [
        (FormatError::HeaderTruncated { len: 3 }, "truncation"),
        (FormatError::StreamTruncated { codec, offset: 20 }, "truncation"),
        (FormatError::OriginalLenLimit { len: 2, max: 1 }, "limit"),
        (FormatError::ChunkCountLimit { count: 2, max: 1 }, "limit"),
        (FormatError::PayloadLenLimit { chunk: 0, max: 1 }, "limit"),
        (FormatError::OriginalTooLong { len: 1 << 32 }, "too large"),
        (
            FormatError::ChunkTooLong {
                chunk: 0,
                len: 1 << 16,
            },
            "too large",
        ),
        (FormatError::TooManyChunks { max: 1 }, "too large"),
        (FormatError::PayloadShort { len: 2, found: 1 }, "none"),
        (FormatError::Codec { codec: 2 }, "none"),
    ] {
        let found = (error.is_truncation(), error.is_limit(), error.is_too_large());
        let expected = (kind == "truncation", kind == "limit", kind == "too large");
        assert_eq!(found, expected, "{error}");
    }
}
