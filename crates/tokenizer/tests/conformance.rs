//! The tokens of the conformance data, and the shared bench texts.

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use czip_tokenizer::{TokenId, Tokenizer};

const MODELS: [&str; 5] = [
    "v000_eng.czm",
    "v001_eng.czm",
    "synth_2x4.czm",
    "synth_3x8_sink.czm",
    "synth_peaked.czm",
];

fn encode(tokenizer: &Tokenizer, text: &str) -> Vec<TokenId> {
    let mut ids = Vec::new();
    tokenizer.encode(text, &mut ids).unwrap();
    ids
}

fn decode(tokenizer: &Tokenizer, ids: &[TokenId]) -> Vec<u8> {
    let mut bytes = Vec::new();
    tokenizer.decode(ids, &mut bytes).unwrap();
    bytes
}

/// All files under a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found
}

#[test]
fn tokens_of_every_input() {
    let Some(shared) = common::shared() else { return };
    for model in MODELS {
        let tokenizer = Tokenizer::from_json(&common::model_tokenizer_json(&shared, model)).unwrap();
        assert_eq!(tokenizer.name(), "compress-tokenizer");
        assert_eq!(tokenizer.vocab_size(), 1024);
        assert_eq!(tokenizer.special_token("<|bos|>"), Some(1022));
        assert_eq!(tokenizer.special_token("<|eos|>"), Some(1023));

        let mut compared = 0;
        for input in files(&shared.join("conformance/inputs")) {
            let text = fs::read_to_string(&input).unwrap();
            let name = input.file_name().unwrap().to_str().unwrap();
            let expected: Vec<TokenId> =
                match fs::read(shared.join(format!("conformance/tokens/{name}.u16le"))) {
                    Ok(tokens) => {
                        let (tokens, rest) = tokens.as_chunks();
                        assert!(rest.is_empty(), "{name}");
                        tokens.iter().map(|&id| u16::from_le_bytes(id).into()).collect()
                    }
                    Err(_) => {
                        assert_eq!(text, "", "no tokens for {name}");
                        Vec::new()
                    }
                };
            let ids = encode(&tokenizer, &text);
            assert!(ids == expected, "{name} with {model}");
            assert!(decode(&tokenizer, &ids) == text.as_bytes(), "{name} with {model}");
            compared += 1;
        }
        assert_eq!(compared, 17);
    }
}

/// The scanner against the regex engine. A pattern in a group splits as the pattern does, but no scanner knows it.
#[test]
fn bench_texts_are_tokenized_as_by_the_regex_engine() {
    let Some(shared) = common::shared() else { return };
    let json = common::model_tokenizer_json(&shared, "v001_eng.czm");
    let scanner = Tokenizer::from_json(&json).unwrap();
    let mut json: serde_json::Value = serde_json::from_slice(&json).unwrap();
    let grouped = format!("(?:{})", json["pat_str"].as_str().unwrap());
    json["pat_str"] = grouped.into();
    let regex = Tokenizer::from_json(json.to_string().as_bytes()).unwrap();

    let mut compared = 0;
    for path in files(&shared.join("bench")) {
        if fs::metadata(&path).unwrap().len() > 200_000 {
            continue;
        }
        let Ok(text) = fs::read_to_string(&path) else {
            continue;
        };
        let mut expected = Vec::new();
        regex.encode(&text, &mut expected).unwrap();
        let ids = encode(&scanner, &text);
        assert!(ids == expected, "{}", path.display());
        assert!(decode(&scanner, &ids) == text.as_bytes(), "{}", path.display());
        compared += 1;
    }
    assert!(compared >= 50, "only {compared} texts");
}
