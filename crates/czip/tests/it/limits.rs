//! Whatever the options are, a file gives its text or an error.
#![cfg(all(feature = "v1", feature = "brotli", feature = "zstd"))]

use std::io::{Cursor, Read, Seek, SeekFrom};
use std::num::NonZeroUsize;
use std::sync::LazyLock;

use czip::{Decoder, Error, Level, Limits, Mode, Model, Options, recover_to};
use czip_vectors::read;

static MODEL: LazyLock<Model> = LazyLock::new(|| Model::from_bytes(&read("model.czm")).unwrap());

fn options(threads: usize) -> Options {
    Options::new()
        .threads(NonZeroUsize::new(threads).unwrap())
        .level(Level::new(4).unwrap())
        .segment_len(1024)
}

fn text(len: usize) -> Vec<u8> {
    let line = b"Integers are the same everywhere: 1, 2, 3.\n";
    line.iter().copied().cycle().take(len).collect()
}

/// All ways to restore a file give the same: its text, or an error of the same kind.
fn restore(file: &[u8], options: &Options) -> Result<Vec<u8>, Error> {
    let mut results = Vec::new();
    results.push(czip::decompress(&*MODEL, file, options));
    results.push(czip::decompress_many(&*MODEL, &[file], options).remove(0));
    if file.starts_with(b"\xfacz") {
        results.push(Decoder::new(&*MODEL, Cursor::new(file), options).read_range(0..u64::MAX));
        let mut text = Vec::new();
        let recovery = recover_to(&*MODEL, Cursor::new(file), &mut text, options).unwrap();
        results.push(match recovery.missing.into_iter().next() {
            None => Ok(text),
            Some(missing) => Err(missing.reason),
        });
        let mut decoder = Decoder::new(&*MODEL, Cursor::new(file), options);
        decoder.seek(SeekFrom::Start(0)).unwrap();
        let mut text = Vec::new();
        if decoder.read_to_end(&mut text).is_ok() {
            results.push(Ok(text));
        }
    }
    let first = results.remove(0);
    for other in results {
        match (&first, &other) {
            (Ok(first), Ok(other)) => assert!(first == other),
            (Err(first), Err(other)) => assert_eq!(first.to_string(), other.to_string()),
            _ => panic!("{first:?}, {other:?}"),
        }
    }
    first
}

#[test]
fn any_number_of_threads_gives_the_text() {
    assert_eq!(Options::MAX_THREADS.get(), 1024);
    let text = text(5000);
    let file = czip::compress(&*MODEL, &text, &options(1)).unwrap();
    let old = czip::v1::compress(&MODEL, &text, &options(1)).unwrap();
    for threads in [1, 2, 1024, 1025, 1 << 41, 1 << 42, usize::MAX] {
        let options = options(threads);
        assert!(
            czip::compress(&*MODEL, &text, &options).unwrap() == file,
            "{threads}"
        );
        let mut made = Vec::new();
        czip::compress_to(&*MODEL, &text[..], &mut made, &options).unwrap();
        assert!(made == file, "{threads}");
        assert!(restore(&file, &options).unwrap() == text, "{threads}");
    }
    // Each of these starts as many.
    for threads in [2, usize::MAX] {
        let options = options(threads);
        assert!(
            czip::v1::compress(&MODEL, &text, &options).unwrap() == old,
            "{threads}"
        );
        assert!(restore(&old, &options).unwrap() == text, "{threads}");
    }
}

#[test]
fn with_any_memory_there_is_the_text_or_an_error_that_says_how_much_it_takes() {
    let (text, long) = (text(1000), text(3000));
    let mut files = vec![czip::v1::compress(&MODEL, &text, &options(1)).unwrap()];
    for mode in [Mode::Stored, Mode::Bytes, Mode::Tokens, Mode::Net] {
        files.push(czip::compress(&*MODEL, &text, &options(1).only(mode)).unwrap());
    }
    for (number, file) in files.iter().enumerate() {
        let with_memory = |threads, bytes| options(threads).limits(Limits::default().with_memory(bytes));
        // For CZIPv1 the table of chunks is known first, and then what each takes.
        let mut needed = 0;
        for _ in 0..=usize::from(number == 0) {
            let error = restore(file, &with_memory(1, needed)).unwrap_err();
            let Error::MemoryLimit { needed: more, limit } = error else {
                panic!("file {number}: {error}")
            };
            assert!(limit == needed && more > needed, "file {number}");
            needed = more;
        }
        let error = restore(file, &with_memory(1, needed - 1)).unwrap_err();
        let limit = needed - 1;
        assert_eq!(
            error.to_string(),
            format!("decoding takes {needed} bytes of memory, more than the limit of {limit}")
        );
        for threads in [1, 3] {
            for memory in [needed, needed + 1, 2 * needed, 10 * needed, u64::MAX] {
                let found = restore(file, &with_memory(threads, memory)).unwrap();
                assert!(found == text, "file {number}, {memory} bytes, {threads} threads");
            }
        }
    }
    // Of several segments some are decoded before one that takes too much is found, but never is any left out.
    for mode in [Mode::Stored, Mode::Bytes, Mode::Tokens, Mode::Net] {
        let file = czip::compress(&*MODEL, &long, &options(1).only(mode)).unwrap();
        for log2 in (0..32).step_by(2) {
            let limits = Limits::default().with_memory(1 << log2);
            match czip::decompress(&*MODEL, &file, &options(2).limits(limits)) {
                Err(Error::MemoryLimit { needed, .. }) => assert!(needed > 1 << log2),
                found => assert!(found.unwrap() == long, "{mode}, 2^{log2}"),
            }
        }
    }
}

/// A few bytes that claim as much text as there can be are refused before memory is taken for it.
#[test]
fn a_small_file_may_need_much_memory() {
    use czip::v2::container::{Header, Writer};

    let header = Header {
        level: Level::new(9).unwrap(),
        model: None,
    };
    let mut writer = Writer::new(Vec::new(), header);
    writer.write(Mode::Bytes, true, b"x", &vec![0; 1 << 24]).unwrap();
    let file = writer.finish().unwrap();
    let options = options(1).limits(Limits::default().with_memory(64 << 20));
    let Error::MemoryLimit { needed, limit } = restore(&file, &options).unwrap_err() else {
        panic!()
    };
    assert_eq!(limit, 64 << 20);
    assert!((100 << 20..200 << 20).contains(&needed), "{needed}");
}

#[test]
fn a_table_of_chunks_counts_as_memory() {
    let mut file = b"CZIPv1\0\x01\xff\xff\xff\xff".to_vec();
    file.extend((12u32 + (2 << 26)).to_le_bytes());
    let options = options(1).limits(Limits::default().with_memory((128 << 20) - 1));
    assert_eq!(
        restore(&file, &options).unwrap_err().to_string(),
        "decoding takes 134217728 bytes of memory, more than the limit of 134217727"
    );
}

#[test]
fn what_a_czipv1_file_says_is_known_without_its_chunks() {
    for text in [text(0), text(1), text(3000)] {
        let file = czip::v1::compress(&MODEL, &text, &options(1)).unwrap();
        let whole = czip::v1::container::read(&file[..], &czip::v1::container::Limits::default()).unwrap();
        let found = czip::v1::inspect(&file[..], &options(1)).unwrap();
        assert_eq!(found.header, whole.header());
        assert_eq!(found.params, *whole.params());
        assert_eq!(found.last_chunk_tokens, whole.last_chunk_tokens());
        assert_eq!(found.token_count, whole.token_count());
        assert_eq!(found.payload_len, whole.payload().len() as u64);
        for len in (0..file.len()).step_by(7) {
            assert!(czip::v1::inspect(&file[..len], &options(1)).is_err(), "{len}");
            assert!(restore(&file[..len], &options(1)).is_err(), "{len}");
        }
        let longer = [&file[..], b"x"].concat();
        assert!(czip::v1::inspect(&longer[..], &options(1)).is_err());
        assert!(restore(&longer, &options(1)).is_err());
        assert!(restore(&file, &options(1)).unwrap() == text);
    }
    let file = czip::v1::compress(&MODEL, &text(100), &options(1)).unwrap();
    let limited = options(1).limits(Limits::new().with_text_len(99));
    assert!(matches!(
        czip::v1::inspect(&file[..], &limited).unwrap_err(),
        Error::TextLimit {
            declared: 100,
            limit: 99
        }
    ));
}
