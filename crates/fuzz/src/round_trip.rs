//! Any bytes to file and back.

use czip::v1::{self, ChunkLevel, Codec};
use czip::{Error, Level, Limits, Mode, Model, Options};

use crate::fixtures;
use crate::input::Input;

/// Any text at any level, with segments of any length, with any model: it comes back, and its bytes do not depend on what
/// is compressed beside it. With CZIPv1 the same holds of UTF-8, and all else is refused.
pub fn round_trip(data: &[u8]) {
    let mut input = Input::new(data);
    let model = fixtures::model(input.byte());
    let level = fixtures::level(input.byte());
    let choices = input.byte();
    let segment_len = 1 << 10 | input.number() & 0xff;
    let text = input.text(fixtures::max_text_len(model));
    match model {
        Some(model) if choices & 1 == 1 => by_v1(model, level, choices, &text),
        model => by_v2(model, level, choices, segment_len, &text),
    }
}

fn by_v2(model: Option<&Model>, level: Level, choices: u8, segment_len: usize, text: &[u8]) {
    let mut options = fixtures::options_for(text.len())
        .level(level)
        .segment_len(segment_len)
        .index(choices & 2 == 0);
    match choices >> 2 & 7 {
        1 => options = options.only(Mode::Stored),
        2 => options = options.only(Mode::Bytes),
        3 => options = options.only(Mode::Tokens),
        4 => options = options.only(Mode::Net),
        _ => {}
    }
    let file = czip::compress(model, text, &options).expect("any text can be compressed");
    let back = czip::decompress(model, &file, &options).expect("what was compressed can be restored");
    assert!(back == text, "another text");

    // What is compressed before or beside it must not matter. Checking this takes twice as long, so not each time.
    if choices & 32 != 0 {
        return;
    }
    let half = &text[..text.len() / 2];
    let files = czip::compress_many(model, &[half, text], &options);
    let [first, second] = &files[..] else {
        panic!("{} files of two texts", files.len());
    };
    assert!(
        second.as_ref().is_ok_and(|second| *second == file),
        "another file"
    );
    let first = first.as_ref().expect("any text can be compressed");
    let joined = [first.as_slice(), &file].concat();
    let options = options.limits(Limits::new().with_text_len((half.len() + text.len()) as u64));
    let back = czip::decompress(model, &joined, &options).expect("joined files are a file");
    assert!(back == [half, text].concat(), "another text of joined files");
}

fn by_v1(model: &Model, level: Level, choices: u8, text: &[u8]) {
    let level = ChunkLevel::new(1 + level.get() % 5).expect("levels are 1 to 5");
    let codec = if choices & 2 == 0 {
        Codec::Zstd
    } else {
        Codec::Brotli
    };
    let options = Options::new().v1_codec(codec).v1_level(level);
    match (v1::compress(model, text, &options), std::str::from_utf8(text)) {
        (Ok(file), Ok(_)) => {
            let limits = Limits::new().with_text_len(text.len() as u64);
            let back = czip::decompress(model, &file, &options.limits(limits));
            assert!(back.is_ok_and(|back| back == text), "another text");
        }
        (Err(Error::V1(v1::Error::NotText { valid_up_to })), Err(error)) => {
            assert_eq!(valid_up_to, error.valid_up_to())
        }
        (file, utf8) => panic!("{file:?} for a text that is {utf8:?}"),
    }
}
