//! Errors of readers and writers come through as they are.
#![cfg(all(feature = "v1", feature = "brotli", feature = "zstd"))]

use std::io::{self, Cursor, ErrorKind, Read, Seek, SeekFrom, Write};
use std::num::NonZeroUsize;
use std::sync::LazyLock;

use czip::{Decoder, Encoder, Error, Mode, Model, Options, recover_to};
use czip_vectors::read;

static MODEL: LazyLock<Model> = LazyLock::new(|| Model::from_bytes(&read("model.czm")).unwrap());

const KINDS: [ErrorKind; 3] = [
    ErrorKind::UnexpectedEof,
    ErrorKind::PermissionDenied,
    ErrorKind::WriteZero,
];

/// Fails after this many bytes.
struct Failing {
    inner: Cursor<Vec<u8>>,
    left: usize,
    kind: ErrorKind,
}

impl Failing {
    fn new(bytes: &[u8], left: usize, kind: ErrorKind) -> Self {
        Self {
            inner: Cursor::new(bytes.to_vec()),
            left,
            kind,
        }
    }

    fn take(&mut self, len: usize) -> io::Result<usize> {
        if self.left == 0 {
            return Err(self.kind.into());
        }
        let len = len.min(self.left);
        self.left -= len;
        Ok(len)
    }
}

impl Read for Failing {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let len = self.take(buffer.len())?;
        self.inner.read(&mut buffer[..len])
    }
}

impl Seek for Failing {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.inner.seek(to)
    }
}

impl Write for Failing {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.take(buffer.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn options() -> Options {
    Options::new()
        .threads(NonZeroUsize::MIN)
        .segment_len(1024)
        .only(Mode::Bytes)
}

fn kind_of(error: Error) -> ErrorKind {
    io::Error::from(error).kind()
}

#[test]
fn kinds_of_errors_are_kept() {
    let text: Vec<u8> = b"Integers are the same everywhere. "
        .iter()
        .copied()
        .cycle()
        .take(3000)
        .collect();
    let file = czip::compress(None, &text, &options()).unwrap();
    let old = czip::v1::compress(&MODEL, &text, &options()).unwrap();
    for kind in KINDS {
        for part in [0, 5, 40, 90] {
            let at = |bytes: &[u8]| bytes.len() * part / 100;
            let place = format!("{kind:?} after {part} %");
            let failing = |bytes: &[u8]| Failing::new(bytes, at(bytes), kind);

            let input = failing(&text);
            let error = czip::compress_to(None, input, Vec::new(), &options()).unwrap_err();
            assert_eq!(kind_of(error), kind, "compress from, {place}");
            let output = failing(&file);
            let error = czip::compress_to(None, &text[..], output, &options()).unwrap_err();
            assert_eq!(kind_of(error), kind, "compress to, {place}");
            let mut encoder = Encoder::new(None, failing(&file), &options());
            let written = encoder.write_all(&text).map_err(Error::from);
            let error = written.and_then(|()| encoder.finish().map(|_| ())).unwrap_err();
            assert_eq!(kind_of(error), kind, "encoder, {place}");

            for (file, name) in [(&file, "v2"), (&old, "v1")] {
                let error = czip::decompress_to(&*MODEL, failing(file), Vec::new(), &options()).unwrap_err();
                assert_eq!(kind_of(error), kind, "decompress from {name}, {place}");
                let output = failing(&text);
                let error = czip::decompress_to(&*MODEL, &file[..], output, &options()).unwrap_err();
                assert_eq!(kind_of(error), kind, "decompress {name} to, {place}");
            }
            let error = czip::v1::compress_to(&MODEL, failing(&text), Vec::new(), &options()).unwrap_err();
            assert_eq!(kind_of(error), kind, "compress v1 from, {place}");
            let error = czip::v1::inspect(failing(&old), &options()).unwrap_err();
            assert_eq!(kind_of(error), kind, "inspect, {place}");

            let mut decoder = Decoder::new(None, failing(&file), &options());
            let error = decoder.read_to_end(&mut Vec::new()).unwrap_err();
            assert_eq!(error.kind(), kind, "decoder, {place}");
            let mut decoder = Decoder::new(None, failing(&file), &options());
            let error = decoder.read_range(0..u64::MAX).unwrap_err();
            assert_eq!(kind_of(error), kind, "range, {place}");
            // What cannot be read is no damage.
            let error = recover_to(None, failing(&file), Vec::new(), &options()).unwrap_err();
            assert_eq!(kind_of(error), kind, "recover from, {place}");
            let error = recover_to(None, Cursor::new(&file), failing(&text), &options()).unwrap_err();
            assert_eq!(kind_of(error), kind, "recover to, {place}");
        }
    }
    // What ends early says so, and other damage is bad data.
    let mut damaged = file.clone();
    damaged[20] ^= 1;
    for (file, kind) in [
        (&file[..60], ErrorKind::UnexpectedEof),
        (&file[..2], ErrorKind::UnexpectedEof),
        (&file[..0], ErrorKind::UnexpectedEof),
        (&old[..40], ErrorKind::UnexpectedEof),
        (&old[..7], ErrorKind::UnexpectedEof),
        (&b"junk"[..], ErrorKind::InvalidData),
        (&damaged[..], ErrorKind::InvalidData),
        (&b"CZIPv1\xff\0\0\0\0\0\0\0\0\0"[..], ErrorKind::InvalidData),
    ] {
        let error = czip::decompress(&*MODEL, file, &options()).unwrap_err();
        assert_eq!(kind_of(error), kind, "{}", file.escape_ascii());
        if !file.starts_with(b"CZIP") {
            let mut decoder = Decoder::new(None, file, &options());
            let error = decoder.read_to_end(&mut Vec::new()).unwrap_err();
            assert_eq!(error.kind(), kind, "{}", file.escape_ascii());
        }
    }
}

/// A batch is read no further than its end, so text can be had before the rest of the file has arrived.
#[test]
fn a_batch_of_segments_is_decoded_once_it_is_there() {
    let options = options().segment_len(1 << 10);
    let text = b"Integers are the same everywhere. ".repeat(200);
    let file = czip::compress(None, &text, &options).unwrap();
    let segments = czip::Index::open(&mut Cursor::new(&file)).unwrap();
    // The end of the second segment and that of the third.
    let ends = [2, 3].map(|segment| segments.segments()[segment].offset as usize);
    let mut decoder = Decoder::new(None, Failing::new(&file, ends[0], ErrorKind::Other), &options);
    decoder.set_batch(const { NonZeroUsize::new(2).unwrap() });
    let mut found = vec![0; 2 << 10];
    decoder.read_exact(&mut found).unwrap();

    decoder.get_mut().left = ends[1] - ends[0];
    decoder.set_batch(NonZeroUsize::MIN);
    found.resize(3 << 10, 0);
    decoder.read_exact(&mut found[2 << 10..]).unwrap();
    assert_eq!(found, text[..3 << 10]);

    decoder.get_mut().left = usize::MAX;
    decoder.read_to_end(&mut found).unwrap();
    assert_eq!(found, text);
}
