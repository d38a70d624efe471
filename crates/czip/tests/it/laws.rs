//! What holds of all texts, however they are written, read and sought in.

use std::io::{BufRead, Cursor, Read, Seek, SeekFrom, Write};
use std::num::NonZeroUsize;

use czip::{Decoder, Encoder, Level, Options};
use proptest::prelude::*;

/// Bytes some of which compress, of a few segments.
fn texts() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..400),
        ("[a-z ]{1,20}", 1..60usize).prop_map(|(words, count)| words.repeat(count).into_bytes()),
    ];
    prop::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat())
}

/// Level 1 to 3, one thread to three, segments of 1 to 2 KiB, and an index or none.
fn options() -> impl Strategy<Value = Options> {
    (1..=3u8, 1..=3usize, 1024..2048usize, any::<bool>()).prop_map(|(level, threads, segment_len, index)| {
        Options::new()
            .level(Level::new(level).unwrap())
            .threads(NonZeroUsize::new(threads).unwrap())
            .segment_len(segment_len)
            .index(index)
    })
}

#[derive(Clone, Debug)]
enum Step {
    Read(usize),
    /// Takes at most this many bytes of the buffer.
    Consume(usize),
    Seek(SeekFrom),
}

/// Lengths and places, some beyond the text.
fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => (0..3000usize).prop_map(Step::Read),
        2 => (0..3000usize).prop_map(Step::Consume),
        1 => (0..9000u64).prop_map(|to| Step::Seek(SeekFrom::Start(to))),
        1 => (-3000..3000i64).prop_map(|by| Step::Seek(SeekFrom::Current(by))),
        1 => (-9000..100i64).prop_map(|by| Step::Seek(SeekFrom::End(by))),
    ];
    prop::collection::vec(step, 1..12)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(48) })]

    /// The pieces that a text is written in do not show, and neither do those that it is read in.
    #[test]
    fn any_split_of_a_stream_is_the_same(
        text in texts(),
        options in options(),
        writes in prop::collection::vec(1..5000usize, 1..8),
        reads in prop::collection::vec(1..5000usize, 1..8),
    ) {
        let expected = czip::compress(None, &text, &options).unwrap();
        let mut encoder = Encoder::new(None, Vec::new(), &options);
        let mut rest = &text[..];
        for len in writes.into_iter().cycle() {
            let (piece, after) = rest.split_at(len.min(rest.len()));
            encoder.write_all(piece).unwrap();
            encoder.flush().unwrap();
            rest = after;
            if rest.is_empty() {
                break;
            }
        }
        let (file, summary) = encoder.finish().unwrap();
        prop_assert!(file == expected);
        prop_assert_eq!((summary.text_len, summary.file_len), (text.len() as u64, file.len() as u64));

        let mut decoder = Decoder::new(None, &file[..], &options);
        let mut found = Vec::new();
        for len in reads.into_iter().cycle() {
            let mut piece = vec![0; len];
            let read = decoder.read(&mut piece).unwrap();
            if read == 0 {
                break;
            }
            found.extend_from_slice(&piece[..read]);
        }
        prop_assert!(found == text);
    }

    /// Seeking and reading is what it is in the text itself.
    #[test]
    fn seeking_is_skipping(text in texts(), options in options(), steps in steps()) {
        let file = czip::compress(None, &text, &options).unwrap();
        let mut decoder = Decoder::new(None, Cursor::new(&file), &options);
        let mut cursor = Cursor::new(&text);
        for step in steps {
            match step {
                Step::Read(len) => {
                    let (mut found, mut expected) = (Vec::new(), Vec::new());
                    (&mut decoder).take(len as u64).read_to_end(&mut found).unwrap();
                    (&mut cursor).take(len as u64).read_to_end(&mut expected).unwrap();
                    prop_assert!(found == expected);
                }
                Step::Consume(len) => {
                    let buffer = decoder.fill_buf().unwrap();
                    let found = buffer[..len.min(buffer.len())].to_vec();
                    decoder.consume(found.len());
                    let mut expected = vec![0; found.len()];
                    cursor.read_exact(&mut expected).unwrap();
                    prop_assert!(found == expected);
                    prop_assert!(!found.is_empty() || len == 0 || cursor.position() >= text.len() as u64);
                }
                Step::Seek(to) => match (decoder.seek(to), cursor.seek(to)) {
                    (Ok(found), Ok(expected)) => prop_assert_eq!(found, expected),
                    (Err(found), Err(expected)) => prop_assert_eq!(found.kind(), expected.kind()),
                    (found, expected) => prop_assert!(false, "{:?} instead of {:?}", found, expected),
                },
            }
            prop_assert_eq!(decoder.stream_position().unwrap(), cursor.position());
        }
    }

    /// Threads change nothing, and every level gives the text back.
    #[test]
    fn levels_and_threads_give_the_text(text in texts(), options in options(), others in 1..=3usize) {
        let file = czip::compress(None, &text, &options).unwrap();
        let others = options.threads(NonZeroUsize::new(others).unwrap());
        prop_assert!(czip::compress(None, &text, &others).unwrap() == file);
        prop_assert!(czip::decompress(None, &file, &others).unwrap() == text);
        let mut decoder = Decoder::new(None, Cursor::new(&file), &others);
        prop_assert!(decoder.read_range(0..u64::MAX).unwrap() == text);
    }
}
