//! Files made by hand, and the outer codecs undone without the crate's own reader.

use std::io::{Read, Write};

use czip_container::v1::{
    self, Builder, Codec, ContextLog2, File, Flags, FormatError, Limits, Params, ReadError,
};

pub(super) fn params(codec: Codec, log2: u8) -> Params {
    Params {
        flags: Flags::default(),
        codec,
        model_id_hash: 0x0123_4567,
        tokenizer_id: 0,
        context: ContextLog2::new(log2).unwrap(),
    }
}

/// A file of three chunks of up to 2^6 tokens, the last of which holds 5.
pub(super) fn sample(codec: Codec) -> File {
    let mut builder = Builder::new(params(codec, 6));
    builder.push(&[1, 2, 3]).unwrap();
    builder.push(&[0x80]).unwrap();
    builder.push(&[7; 300]).unwrap();
    builder.finish(1000, 133).unwrap()
}

pub(super) fn written(file: &File) -> Vec<u8> {
    let mut bytes = Vec::new();
    v1::write(file, &mut bytes).unwrap();
    bytes
}

pub(super) fn read(bytes: &[u8]) -> Result<File, ReadError> {
    v1::read(bytes, &Limits::default())
}

/// The rule that a file breaks.
pub(super) fn read_err(bytes: &[u8]) -> FormatError {
    match read(bytes) {
        Err(ReadError::Format(error)) => error,
        other => panic!("expected a format error, got {other:?}"),
    }
}

/// A header, with nothing checked.
pub(super) fn header(codec: u8, original_len: u32, inner_len: u32) -> Vec<u8> {
    let mut bytes = b"CZIPv1\0".to_vec();
    bytes.push(codec);
    bytes.extend(original_len.to_le_bytes());
    bytes.extend(inner_len.to_le_bytes());
    bytes
}

/// An inner header, with nothing checked.
pub(super) fn inner(count: u32, last: u16, context: u8, lens: &[u16]) -> Vec<u8> {
    let mut bytes = vec![1, 2, 3, 4];
    bytes.extend(count.to_le_bytes());
    bytes.extend(last.to_le_bytes());
    bytes.extend([0, context]);
    bytes.extend(lens.iter().flat_map(|len| len.to_le_bytes()));
    bytes
}

pub(super) fn compress(codec: Codec, data: &[u8]) -> Vec<u8> {
    match codec {
        Codec::Zstd => zstd::encode_all(data, 1).unwrap(),
        Codec::Brotli => {
            let mut writer = brotli::CompressorWriter::new(Vec::new(), 4096, 2, 22);
            writer.write_all(data).unwrap();
            writer.into_inner()
        }
        _ => unreachable!("no other codec"),
    }
}

pub(super) fn decompress(codec: Codec, data: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    match codec {
        Codec::Zstd => {
            let mut decoder = zstd::Decoder::new(data).unwrap();
            decoder.window_log_max(27).unwrap();
            decoder.read_to_end(&mut out).unwrap();
        }
        Codec::Brotli => {
            brotli::Decompressor::new(data, 4096)
                .read_to_end(&mut out)
                .unwrap();
        }
        _ => unreachable!("no other codec"),
    }
    out
}

/// A file whose stream decompresses to `inner`, with a header that declares `inner_len`.
pub(super) fn file_of(codec: Codec, inner_len: u32, inner: &[u8]) -> Vec<u8> {
    let mut bytes = header(codec.to_byte(), 1000, inner_len);
    bytes.extend(compress(codec, inner));
    bytes
}
