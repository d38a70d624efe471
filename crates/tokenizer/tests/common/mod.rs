//! What several tests need: the shared test data, if it's there, and the JSON of small tokenizers.

#![allow(dead_code, reason = "no test needs everything")]
#![allow(clippy::print_stderr, reason = "a test that is skipped says so")]

use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};

/// The folder with the shared test data. Without it, None, unless `CZIP_REQUIRE_SHARED` asks for it.
pub(crate) fn shared() -> Option<PathBuf> {
    let folder = match std::env::var_os("CZIP_SHARED") {
        Some(folder) => PathBuf::from(folder),
        None => PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared")),
    };
    if folder.is_dir() {
        return Some(folder);
    }
    assert!(
        std::env::var_os("CZIP_REQUIRE_SHARED").is_none(),
        "no folder {}",
        folder.display()
    );
    eprintln!("skipped: no folder {}", folder.display());
    None
}

/// The tokenizer JSON inside a model of the conformance data.
pub(crate) fn model_tokenizer_json(shared: &std::path::Path, model: &str) -> Vec<u8> {
    let file = fs::read(shared.join("conformance/models").join(model)).unwrap();
    let (header_len, rest) = file.split_first_chunk().unwrap();
    let (header, data) = rest.split_at(u64::from_le_bytes(*header_len) as usize);
    let header: Value = serde_json::from_slice(header).unwrap();
    assert_eq!(header["__metadata__"]["tokenizer_codec"], "zstd");
    let offsets: [usize; 2] =
        serde_json::from_value(header["tokenizer.data"]["data_offsets"].clone()).unwrap();
    zstd::decode_all(&data[offsets[0]..offsets[1]]).unwrap()
}

/// A tokenizer with a token for each byte, then the given tokens and the given special tokens.
pub(crate) fn tokenizer_json(pattern: &str, tokens: &[&str], special: &[&str]) -> Value {
    let mut ranks = serde_json::Map::new();
    for byte in 0..=255u8 {
        ranks.insert(char::from(byte).to_string(), byte.into());
    }
    for token in tokens {
        ranks.insert((*token).to_owned(), ranks.len().into());
    }
    let first_special = ranks.len();
    let special: serde_json::Map<_, _> = special
        .iter()
        .zip(first_special..)
        .map(|(literal, id)| ((*literal).to_owned(), id.into()))
        .collect();
    json!({
        "name": "small",
        "pat_str": pattern,
        "mergeable_ranks": ranks,
        "special_tokens": special,
        "explicit_n_vocab": null,
    })
}
