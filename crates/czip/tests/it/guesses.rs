//! Decoders of few segments guess tokens and share passes, and those of many do not: all give the same texts and errors.
#![cfg(all(feature = "brotli", feature = "zstd"))]

use std::io::{Cursor, Read, Seek, SeekFrom};
use std::num::NonZeroUsize;
use std::sync::LazyLock;

use czip::v2::container::Reader;
use czip::{Decoder, Kernels, Level, Mode, Model, Options};
use czip_vectors::read;

/// Files that a thread decodes together without guesses.
const MANY: usize = 8;

/// The synthetic models of all versions, with every instruction set of this machine, the fastest last.
static MODELS: LazyLock<Vec<Model>> = LazyLock::new(|| {
    let models = ["model.czm", "model2.czm", "model3.czm"].map(read);
    let with = |kernels| {
        models
            .each_ref()
            .map(|model| Model::with_kernels(model, kernels).unwrap())
    };
    Kernels::available().flat_map(with).collect()
});

/// Those of the fastest instruction set.
fn fastest() -> &'static [Model] {
    &MODELS[MODELS.len() - 3..]
}

fn net(level: u8) -> Options {
    Options::new()
        .threads(NonZeroUsize::MIN)
        .level(Level::new(level).unwrap())
        .only(Mode::Net)
}

/// Text in which guesses come true for long, then turn out wrong, again and again.
fn text(len: usize) -> Vec<u8> {
    let mut state = 1u32;
    let mut text = Vec::new();
    while text.len() < len {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let line: &[u8] = match state >> 30 {
            0 => b"the guess comes true, and the next one, and the one after it;\n",
            1 => b"the guess is wrong\n",
            2 => "na\u{ef}vely <|bos|> or not\0".as_bytes(),
            _ => &(state >> 8).to_le_bytes(),
        };
        text.extend_from_slice(line);
    }
    text.truncate(len);
    text
}

/// The text or the error of a file, alone and among others.
fn decode(model: &Model, file: &[u8]) -> Result<Vec<u8>, String> {
    let alone = czip::decompress(model, file, &net(5)).map_err(|error| error.to_string());
    for among in czip::decompress_many(model, &[file; MANY], &net(5)) {
        assert_eq!(among.map_err(|error| error.to_string()), alone);
    }
    alone
}

#[test]
fn every_model() {
    let text = text(1500);
    for model in &*MODELS {
        let file = czip::compress(model, &text, &net(5)).unwrap();
        assert_eq!(decode(model, &file).unwrap(), text);
    }
}

/// One segment at a time, some that end at different times, and more than guess, with threads that share a pass and that
/// do not.
#[test]
fn every_number_of_lanes_and_threads() {
    for model in fastest() {
        for count in [0, 1, 2, 3, MANY - 1, MANY, MANY + 1, 2 * MANY] {
            let text = text(count * 149);
            let options = net(4).segment_len(300);
            let file = czip::compress(model, &text, &options).unwrap();
            for threads in 1..=3 {
                let options = options.clone().threads(NonZeroUsize::new(threads).unwrap());
                let restored = czip::decompress(model, &file, &options).unwrap();
                assert_eq!(restored, text, "{count}, {threads} threads");
            }
        }
    }
}

/// Places in the middle, after others were decoded.
#[test]
fn places() {
    let text = text(3000);
    for model in fastest() {
        let options = net(5).segment_len(700);
        let file = czip::compress(model, &text, &options).unwrap();
        let mut decoder = Decoder::new(model, Cursor::new(&file), &options);
        for start in [2500, 0, 1300, 699, 2100] {
            let mut part = vec![0; 400];
            decoder.seek(SeekFrom::Start(start as u64)).unwrap();
            decoder.read_exact(&mut part).unwrap();
            assert!(part == text[start..start + 400], "from {start}");
        }
    }
}

/// What damaged bytes decode to is guessed from, too. It is never handed out, and the error is that of the damage.
#[test]
fn damaged_payloads() {
    for model in fastest() {
        let file = czip::compress(model, &text(400), &net(5)).unwrap();
        let segment = Reader::new(&file[..]).next().unwrap().unwrap();
        let payload = segment.payload.len();
        let start = file
            .windows(payload)
            .position(|bytes| bytes == segment.payload)
            .unwrap();
        for at in (start..start + payload).step_by(3) {
            let mut damaged = file.clone();
            damaged[at] ^= 1 << (at % 8);
            decode(model, &damaged).unwrap_err();
        }
    }
}
