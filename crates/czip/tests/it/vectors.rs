//! The golden vectors: coder, whole files of both formats, variants of the model, and everything that must be refused.
#![cfg(all(feature = "v1", feature = "brotli", feature = "zstd"))]
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::num::NonZeroUsize;

use czip::v1::ChunkLevel;
use czip::v1::container::{self, File};
use czip::v2::container::Reader;
use czip::{Kernels, Level, Limits, Mode, Model, Options};
use czip_coder::v1::{Decoder, Encoder};
use czip_vectors::{array, from_hex, json, numbers, patched_model, read, text};
use serde_json::Value;

fn parse(file: &[u8]) -> File {
    container::read(file, &container::Limits::default()).unwrap()
}

fn chunks(entry: &Value) -> Vec<Vec<u8>> {
    array(&entry["chunks"]).iter().map(from_hex).collect()
}

/// What the entry of a file or a variant has as its text.
fn text_of(entry: &Value) -> Vec<u8> {
    read(&format!("texts/{}.txt", text(&entry["text"])))
}

#[test]
fn coded_messages() {
    let messages = json("coder.json");
    assert_eq!(array(&messages).len(), 13);
    for message in array(&messages) {
        let name = text(&message["name"]);
        let symbols = array(&message["symbols"]).iter();
        let symbols: Vec<[u32; 3]> = symbols.map(|share| numbers(share).try_into().unwrap()).collect();
        let mut encoder = Encoder::new();
        for &[low, high, total] in &symbols {
            encoder.encode(low, high, total);
        }
        let bytes = from_hex(&message["bytes"]);
        assert_eq!(encoder.finish(), bytes, "{name}");
        let mut decoder = Decoder::new(&bytes);
        for &[low, high, total] in &symbols {
            assert!((low..high).contains(&decoder.target(total)), "{name}");
            decoder.consume(low, high, total);
        }
        assert_eq!(decoder.finish(), Ok(()), "{name}");
    }
}

#[test]
fn whole_files_at_every_level_with_any_threads() {
    let index = json("files.json");
    let model_file = read("model.czm");
    for kernels in Kernels::available() {
        let model = Model::with_kernels(&model_file, kernels).unwrap();
        let model = model.named(text(&index["model_path"]));
        for threads in [1, 2, 5] {
            for entry in array(&index["files"]) {
                let name = text(&entry["file"]);
                let place = format!("{name}, {}, {threads} threads", kernels.instruction_set());
                let options = Options::new().threads(NonZeroUsize::new(threads).unwrap());
                let (file, expected_text) = (read(name), text_of(entry));
                let restored = czip::v1::decompress(&model, &file, &options).unwrap();
                assert!(restored == expected_text, "{place}");

                // What an encoder of this version writes: chunks of 64 tokens or more, and no flags.
                let field = entry["context_field"].as_u64().unwrap();
                if field < 6 || entry["flags"] != 0 {
                    continue;
                }
                let level = ChunkLevel::new(field as u8 - 5).unwrap();
                let options = options
                    .v1_level(level)
                    .v1_codec(text(&entry["codec"]).parse().unwrap());
                let made = czip::v1::compress(&model, &expected_text, &options).unwrap();
                assert_eq!(made[..16], from_hex(&entry["header"]), "{place}");
                assert_eq!(parse(&made), parse(&file), "{place}");
                assert_eq!(
                    parse(&made).chunks().collect::<Vec<_>>(),
                    chunks(entry),
                    "{place}"
                );
            }
        }
    }
}

/// How a member of a file of czip v2 is made.
fn v2_options(member: &Value) -> Options {
    let number = |key: &str| member[key].as_u64().unwrap();
    let modes = [Mode::Stored, Mode::Bytes, Mode::Tokens, Mode::Net];
    let mode = modes.into_iter().find(|mode| mode.to_string() == member["mode"]);
    Options::new()
        .level(Level::new(number("level") as u8).unwrap())
        .segment_len(number("segment_len") as usize)
        .index(member["index"].as_bool().unwrap())
        .only(mode.unwrap())
}

/// The model that a file of czip v2 is of.
fn v2_model_name(entry: &Value) -> &str {
    let members = array(&entry["members"]);
    assert!(
        members
            .iter()
            .all(|member| member["model"] == members[0]["model"])
    );
    text(&members[0]["model"])
}

fn v2_files_of(model_name: &str) {
    let index = json("v2.json");
    let model_file = read(model_name);
    let entries = array(&index["files"]).iter();
    let entries: Vec<&Value> = entries
        .filter(|entry| v2_model_name(entry) == model_name)
        .collect();
    let files: Vec<Vec<u8>> = entries.iter().map(|entry| read(text(&entry["file"]))).collect();
    let texts: Vec<Vec<u8>> = entries
        .iter()
        .map(|entry| array(&entry["members"]).iter().flat_map(text_of).collect())
        .collect();
    for kernels in Kernels::available() {
        let model = Model::with_kernels(&model_file, kernels).unwrap();
        assert_eq!(model.id().to_string(), text(&index["model_ids"][model_name]));
        let options_of = |threads| Options::new().threads(NonZeroUsize::new(threads).unwrap());
        // How threads share the work does not depend on what the kernels are.
        let is_best = kernels.instruction_set() == Kernels::detect().instruction_set();
        let threads: &[usize] = if is_best { &[1, 3] } else { &[1] };
        for &threads in threads {
            for ((entry, file), expected_text) in entries.iter().zip(&files).zip(&texts) {
                let members = array(&entry["members"]);
                let segments: usize = members
                    .iter()
                    .map(|member| array(&member["segments"]).len())
                    .sum();
                // A segment takes one thread, however many there are.
                if threads > 1 && segments == 1 {
                    continue;
                }
                let place = format!(
                    "{}, {}, {threads} threads",
                    entry["file"],
                    kernels.instruction_set()
                );
                let restored = czip::decompress(&model, file, &options_of(threads)).unwrap();
                assert!(restored == *expected_text, "{place}");
                let made: Vec<u8> = members
                    .iter()
                    .flat_map(|member| {
                        let options = v2_options(member).threads(NonZeroUsize::new(threads).unwrap());
                        czip::compress(&model, &text_of(member), &options).unwrap()
                    })
                    .collect();
                assert!(made == *file, "{place}");
            }
        }
        if !is_best {
            continue;
        }
        let together = czip::decompress_many(&model, &files, &options_of(3));
        for ((entry, restored), expected_text) in entries.iter().zip(together).zip(&texts) {
            let place = format!("{}, {}, all together", entry["file"], kernels.instruction_set());
            assert!(restored.unwrap() == *expected_text, "{place}");
        }
    }
}

#[test]
fn v2_files_at_every_level_with_any_threads() {
    assert_eq!(array(&json("v2.json")["files"]).len(), 71);
    v2_files_of("model.czm");
}

#[test]
fn v2_files_of_the_model_of_version_2() {
    v2_files_of("model2.czm");
}

#[test]
fn v2_files_of_the_model_of_version_3() {
    v2_files_of("model3.czm");
}

/// Chunks of CZIPv1, coded by another coder.
fn check_chunks(model: &str) {
    let entry = &json(&format!("{model}.json"))["chunks"];
    let expected_text = text_of(entry);
    let chunk_level = ChunkLevel::new(1).unwrap();
    assert_eq!(entry["chunk_len"], 1 << chunk_level.context_log2());
    let expected = array(&entry["bytes"]);
    assert_eq!(expected.len(), 5);
    for kernels in Kernels::available() {
        let model = Model::with_kernels(&read(&format!("{model}.czm")), kernels).unwrap();
        let options = Options::new().v1_level(chunk_level);
        let made = czip::v1::compress(&model, &expected_text, &options).unwrap();
        let chunks: Vec<Vec<u8>> = parse(&made).chunks().map(<[u8]>::to_vec).collect();
        assert_eq!(chunks, expected.iter().map(from_hex).collect::<Vec<_>>());
        assert!(czip::v1::decompress(&model, &made, &options).unwrap() == expected_text);
    }
}

#[test]
fn chunks_of_the_model_of_version_2() {
    check_chunks("model2");
}

#[test]
fn chunks_of_the_model_of_version_3() {
    check_chunks("model3");
}

#[test]
fn v2_files_have_the_segments_that_the_index_says() {
    for entry in array(&json("v2.json")["files"]) {
        let name = text(&entry["file"]);
        let file = read(name);
        let expected = array(&entry["members"])
            .iter()
            .flat_map(|member| array(&member["segments"]));
        let segments: Vec<_> = Reader::new(&file[..]).map(Result::unwrap).collect();
        assert_eq!(segments.len(), expected.clone().count(), "{name}");
        for (segment, expected) in segments.iter().zip(expected) {
            let header = &segment.info.header;
            let found = serde_json::json!([
                header.mode().to_string(),
                segment.payload.len(),
                header.text_len()
            ]);
            assert_eq!(found, *expected, "{name}");
        }
    }
}

#[test]
fn variants_of_the_model() {
    let variants = json("variants.json");
    assert_eq!(array(&variants).len(), 15);
    for variant in array(&variants) {
        let model_file = patched_model(&variant["patch"]);
        for kernels in Kernels::available() {
            let place = format!("{}, {}", text(&variant["name"]), kernels.instruction_set());
            let model = Model::with_kernels(&model_file, kernels).unwrap();
            assert_eq!(
                model.config().context_length,
                variant["context_length"],
                "{place}"
            );
            let expected_text = text_of(variant);
            let made = czip::v1::compress(&model, &expected_text, &Options::new()).unwrap();
            assert_eq!(
                parse(&made).chunks().collect::<Vec<_>>(),
                chunks(variant),
                "{place}"
            );
            assert!(
                czip::v1::decompress(&model, &made, &Options::new()).unwrap() == expected_text,
                "{place}"
            );
        }
    }
}

#[test]
fn malformed_files_say_what_is_wrong() {
    let model_file = read("model.czm");
    let index = json("errors.json");
    for kernels in Kernels::available() {
        let model = Model::with_kernels(&model_file, kernels).unwrap();
        for entry in array(&index["files"]) {
            let name = text(&entry["file"]);
            let error = czip::v1::decompress(&model, &read(name), &Options::new()).unwrap_err();
            assert_eq!(error.to_string(), text(&entry["error"]), "{name}");
        }
    }
}

#[test]
fn a_longer_text_than_allowed_is_refused_at_once() {
    let model = Model::from_bytes(&read("model.czm")).unwrap();
    let file = read("files/short.k7.zstd.czip");
    let limited = |bytes| Options::new().limits(Limits::new().with_text_len(bytes));
    assert_eq!(
        czip::v1::decompress(&model, &file, &limited(42)).unwrap().len(),
        42
    );
    let error = czip::v1::decompress(&model, &file, &limited(41)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "file declares 42 bytes of text, more than the limit of 41"
    );
}

/// Holds the error against `error`, or against `error_prefix` where the rest is a library's own words.
fn check_model_error(file: &[u8], entry: &Value, name: &str) {
    let error = Model::from_bytes(file).unwrap_err().to_string();
    match entry.get("error_prefix") {
        Some(prefix) => assert!(
            error.len() > text(prefix).len() && error.starts_with(text(prefix)),
            "{name}: {error}"
        ),
        None => assert_eq!(error, text(&entry["error"]), "{name}"),
    }
}

#[test]
fn malformed_models_say_what_is_wrong() {
    let index = json("errors.json");
    let files = array(&index["model_files"]);
    assert_eq!(files.len(), 5);
    for entry in files {
        let name = text(&entry["file"]);
        check_model_error(&read(name), entry, name);
    }
    let patches = array(&index["models"]);
    assert!(patches.len() > 150, "{}", patches.len());
    for entry in patches {
        check_model_error(&patched_model(&entry["patch"]), entry, text(&entry["name"]));
    }
}
