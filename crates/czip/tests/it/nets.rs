//! Models of versions 2 and 3 in both file formats: texts come back, and files are the same however they are made.
#![cfg(all(feature = "v1", feature = "brotli", feature = "zstd"))]
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::io::{Cursor, Read, Seek, SeekFrom, Write};
use std::num::NonZeroUsize;
use std::sync::LazyLock;

use czip::v1::ChunkLevel;
use czip::v2::container::Reader;
use czip::{Decoder, Encoder, Error, Kernels, Level, Mode, Model, Options};
use czip_vectors::{ModelFile, read};
use proptest::prelude::*;

/// A synthetic model.
struct Net {
    file: Vec<u8>,
    model: Model,
    /// The model with every instruction set of this machine.
    models: Vec<Model>,
}

static NETS: LazyLock<[Net; 2]> = LazyLock::new(|| {
    ["model2.czm", "model3.czm"].map(|name| {
        let file = read(name);
        Net {
            model: Model::from_bytes(&file).unwrap(),
            models: Kernels::available()
                .map(|kernels| Model::with_kernels(&file, kernels).unwrap())
                .collect(),
            file,
        }
    })
});

fn options(threads: usize) -> Options {
    Options::new().threads(NonZeroUsize::new(threads).unwrap())
}

fn net(level: u8, threads: usize) -> Options {
    options(threads).level(Level::new(level).unwrap()).only(Mode::Net)
}

/// Text with enough repetition to be compressed by a model that knows nothing.
fn text(len: usize) -> Vec<u8> {
    let line = "Positions go on without end: 1, 2, 3.\r\nNaïvely <|bos|> or not.\0\n".as_bytes();
    let mut text: Vec<u8> = line.iter().copied().cycle().take(len).collect();
    for (i, byte) in text.iter_mut().enumerate().skip(5).step_by(97) {
        *byte = i as u8;
    }
    text
}

#[test]
fn the_model_says_what_it_is() {
    let [second, third] = NETS.each_ref().map(|net| net.model.config());
    assert_eq!(second.format, "czip-model-v2");
    assert_eq!((second.window, second.bigram_buckets), (Some(18), 64));
    assert_eq!((second.context_length, second.context_log2()), (1 << 14, 14));
    assert_eq!(third.format, "czip-model-v3");
    assert_eq!((third.window, third.bigram_buckets), (Some(18), 0));
    assert_eq!((third.context_length, third.context_log2()), (1 << 14, 14));
}

#[test]
fn every_level_with_the_net_at_every_kernel_level() {
    for Net { model, models, .. } in &*NETS {
        let text = text(3000);
        for level in [4, 5, 9] {
            let file = czip::compress(model, &text, &net(level, 1).segment_len(1024)).unwrap();
            let modes: Vec<Mode> = Reader::new(&file[..])
                .map(|segment| segment.unwrap().info.header.mode())
                .collect();
            assert_eq!(modes, [Mode::Net; 3], "level {level}");
            for (number, model) in models.iter().enumerate() {
                let options = net(level, 1 + number % 3).segment_len(1024);
                assert!(
                    czip::compress(model, &text, &options).unwrap() == file,
                    "level {level}"
                );
                assert!(
                    czip::decompress(model, &file, &options).unwrap() == text,
                    "level {level}"
                );
            }
            let free = options(2).level(Level::new(level).unwrap());
            let file = czip::compress(model, &text, &free).unwrap();
            assert!(
                czip::decompress(model, &file, &free).unwrap() == text,
                "level {level}"
            );
        }
    }
}

/// A text of more positions than a cache holds, and than a turn of the rotation has.
#[test]
fn a_segment_longer_than_any_window() {
    for Net { model, models, .. } in &*NETS {
        let text = text(12_000);
        let file = czip::compress(model, &text, &net(5, 1)).unwrap();
        assert_eq!(Reader::new(&file[..]).count(), 1);
        for model in models {
            assert!(czip::decompress(model, &file, &options(1)).unwrap() == text);
        }
    }
}

/// Lanes of different lengths advance together, and each begins another segment when one has ended.
#[test]
fn many_segments_in_lockstep() {
    for Net { model, models, .. } in &*NETS {
        let texts: Vec<Vec<u8>> = (0..36).map(|number| text(30 + number * 41)).collect();
        for threads in [1, 3] {
            let options = net(5, threads).segment_len(1024);
            let files: Vec<Vec<u8>> = czip::compress_many(model, &texts, &options)
                .into_iter()
                .map(Result::unwrap)
                .collect();
            for (text, file) in texts.iter().zip(&files).step_by(9) {
                assert!(czip::compress(model, text, &net(5, 1).segment_len(1024)).unwrap() == *file);
            }
            for model in models {
                let restored = czip::decompress_many(model, &files, &options);
                for (text, restored) in texts.iter().zip(restored) {
                    assert!(restored.unwrap() == *text);
                }
            }
        }
    }
}

#[test]
fn streams_and_places() {
    for Net { model, .. } in &*NETS {
        let text = text(5000);
        let options = net(4, 2).segment_len(1024);
        let whole = czip::compress(model, &text, &options).unwrap();
        let mut encoder = Encoder::new(model, Vec::new(), &options);
        for piece in text.chunks(777) {
            encoder.write_all(piece).unwrap();
        }
        let (file, summary) = encoder.finish().unwrap();
        assert!(file == whole);
        assert_eq!(summary.segments, 5);

        let mut decoder = Decoder::new(model, Cursor::new(&file), &options);
        let mut restored = Vec::new();
        decoder.read_to_end(&mut restored).unwrap();
        assert!(restored == text);
        for (from, len) in [(4999, 1), (0, 3), (1020, 10), (3000, 1500)] {
            decoder.seek(SeekFrom::Start(from as u64)).unwrap();
            let mut piece = vec![0; len];
            decoder.read_exact(&mut piece).unwrap();
            assert!(piece == text[from..from + len], "{from}, {len}");
            let range = from as u64..(from + len) as u64;
            assert!(decoder.read_range(range).unwrap() == text[from..from + len]);
        }
    }
}

#[test]
fn chunks_of_czip_v1() {
    for Net { model, models, .. } in &*NETS {
        let text = String::from_utf8(text(9000).iter().map(|byte| byte & 0x7f).collect()).unwrap();
        let text = text.as_bytes();
        for level in [None, Some(1), Some(3), Some(5)] {
            let options_of = |threads| {
                let options = options(threads);
                match level {
                    Some(level) => options.v1_level(ChunkLevel::new(level).unwrap()),
                    None => options,
                }
            };
            let mut file = Vec::new();
            let summary = czip::v1::compress_to(model, text, &mut file, &options_of(1)).unwrap();
            assert_eq!(summary.chunk_len, level.map_or(1 << 14, |level| 32 << level));
            assert!(!summary.level_lowered);
            for model in models {
                let mut again = Vec::new();
                czip::v1::compress_to(model, text, &mut again, &options_of(3)).unwrap();
                assert!(again == file, "{level:?}");
                assert!(
                    czip::v1::decompress(model, &file, &options_of(2)).unwrap() == text,
                    "{level:?}"
                );
            }
        }
    }
}

/// A token has a frequency of at least 1 of 2^30, so the bytes of the longest chunk fit the 16 bits of their length,
/// whatever the text is. Here each token is the one that the model expects least.
#[test]
fn the_worst_text_fits_the_chunks_of_czip_v1() {
    for Net { model, .. } in &*NETS {
        let transformer = model.transformer();
        let chunk_len = model.config().context_length;
        let (mut caches, mut scratch) = ([transformer.cache(1)], transformer.scratch(1));
        let mut window = transformer.window(model.tokenizer().special_token("<|bos|>").unwrap(), 2, 0);
        let mut row = window.first(0);
        let mut frequencies = vec![0; model.config().vocab_size];
        let mut worst = Vec::new();
        for _ in 0..chunk_len {
            transformer.forward(&[row], &mut caches, &mut scratch);
            transformer.frequencies(scratch.logits(0), &mut frequencies);
            // Only bytes: other tokens might be joined in another way.
            let letters = (b'!'..b'~').filter(|byte| !byte.is_ascii_alphanumeric());
            let byte = letters
                .min_by_key(|&byte| frequencies[usize::from(byte)])
                .unwrap();
            worst.push(byte);
            row = window.next(0, byte.into(), transformer, &mut caches, &mut scratch);
        }
        let file = czip::v1::compress(model, &worst, &options(1)).unwrap();
        assert!(czip::v1::decompress(model, &file, &options(1)).unwrap() == worst);
        assert!(chunk_len * 31 / 8 + 8 < 1 << 16);
    }
}

#[test]
fn another_model_is_refused() {
    for Net { model, .. } in &*NETS {
        let first = Model::from_bytes(&read("model.czm")).unwrap();
        let text = text(500);
        for (model, other) in [(model, &first), (&first, model)] {
            let file = czip::compress(model, &text, &net(5, 1)).unwrap();
            let error = czip::decompress(other, &file, &options(1)).unwrap_err();
            assert!(
                matches!(error, Error::MissingModel { file, ref offered } if file == Some(model.id()) && *offered == [other.id()]),
                "{error}"
            );
            let error = czip::decompress(None, &file, &options(1)).unwrap_err();
            assert!(
                matches!(error, Error::MissingModel { file, ref offered } if file == Some(model.id()) && offered.is_empty()),
                "{error}"
            );
        }
        // What names no model shows where it does not fit.
        let text: Vec<u8> = text.iter().map(|byte| byte & 0x7f).collect();
        let file = czip::v1::compress(model, &text, &options(1)).unwrap();
        let error = czip::v1::decompress(&first, &file, &options(1)).unwrap_err();
        let expected =
            "file has chunks of 16384 tokens, but the model's context is 128: it was made with another model";
        assert_eq!(error.to_string(), expected);
        let chunk_level = options(1).v1_level(ChunkLevel::new(1).unwrap());
        let file = czip::v1::compress(model, &text, &chunk_level).unwrap();
        assert!(czip::v1::decompress(&first, &file, &options(1)).is_err());
    }
}

/// The hash covers only the tensors: other metadata make another model, which the id of the whole file tells.
#[test]
fn another_window_is_another_model() {
    for Net {
        model,
        file: model_file,
        ..
    } in &*NETS
    {
        let mut file = ModelFile::parse(model_file);
        file.metadata.insert("window".to_owned(), "17".to_owned());
        let other = Model::from_bytes(&file.to_bytes()).unwrap();
        assert_ne!(other.id(), model.id());
        let text = text(500);
        let compressed = czip::compress(model, &text, &net(5, 1)).unwrap();
        let error = czip::decompress(&other, &compressed, &options(1)).unwrap_err();
        assert!(matches!(error, Error::MissingModel { .. }), "{error}");
    }
}

#[test]
fn damaged_models_say_so() {
    for Net { file: model_file, .. } in &*NETS {
        let mut file = model_file.clone();
        let last = file.len() - 1;
        file[last] ^= 1;
        let error = Model::from_bytes(&file).unwrap_err();
        let expected =
            "bad model: model file is damaged: its tensors do not have the hash that its metadata name";
        assert_eq!(error.to_string(), expected);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(24) })]

    #[test]
    fn any_bytes_come_back(
        text in proptest::collection::vec(any::<u8>(), 0..300),
        repeat in 1usize..4,
        level in 4u8..=9,
        version in 0..2usize,
        kernels in any::<proptest::sample::Index>(),
    ) {
        let tested = &NETS[version];
        let text = text.repeat(repeat);
        let model = kernels.get(&tested.models[..]);
        let file = czip::compress(model, &text, &net(level, 1)).unwrap();
        prop_assert_eq!(czip::decompress(&tested.model, &file, &options(1)).unwrap(), &text[..]);
        prop_assert_eq!(czip::compress(&tested.model, &text, &net(level, 1)).unwrap(), file);
    }

    #[test]
    fn damaged_files_do_not_panic(
        place in any::<proptest::sample::Index>(),
        change in 1u8..=255,
        version in 0..2usize,
    ) {
        let tested = &NETS[version];
        let text = text(400);
        let mut file = czip::compress(&tested.model, &text, &net(4, 1)).unwrap();
        let place = place.index(file.len());
        file[place] ^= change;
        prop_assert!(czip::decompress(&tested.model, &file, &options(1)).is_err());
    }
}
