//! The tokens that Hugging Face's `tokenizers` gives: `xtask/golden/tokens.py` made tokenizers, texts and tokens.

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::fs;
use std::path::Path;

use czip_tokenizer::{Pattern, TokenId, Tokenizer};
use czip_vectors::{array, hash_words, numbers, text};
use serde_json::Value;

fn read(name: &str) -> Value {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    serde_json::from_slice(&fs::read(folder.join(name)).unwrap()).unwrap()
}

/// The text of a seed: fragments chosen by xorshift.
fn generated(fragments: &[&str], seed: u64) -> String {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        fragments[(state >> 33) as usize % fragments.len()]
    };
    (0..400).map(|_| next()).collect()
}

fn encode(tokenizer: &Tokenizer, text: &str) -> Vec<TokenId> {
    let mut ids = Vec::new();
    tokenizer.encode_ordinary(text, &mut ids).unwrap();
    let mut bytes = Vec::new();
    tokenizer.decode(&ids, &mut bytes).unwrap();
    assert_eq!(bytes, text.as_bytes());
    ids
}

#[test]
fn tokens_are_those_of_another_tokenizer() {
    let expected = read("tokens.json");
    let texts = |key: &str| array(&expected[key]).iter().map(text).collect::<Vec<_>>();
    let (fragments, spelled) = (texts("fragments"), texts("spelled"));
    for (name, pattern) in [
        ("gpt2", Pattern::GPT2),
        ("smollm", Pattern::SMOLLM),
        ("llama3", Pattern::LLAMA3),
        ("qwen2", Pattern::QWEN2),
    ] {
        let mut json = read(&format!("{name}.json"));
        assert_eq!(json["pat_str"], pattern, "{name}");
        let scanner = Tokenizer::from_json(json.to_string().as_bytes()).unwrap();
        // No scanner knows the pattern in a group.
        json["pat_str"] = format!("(?:{pattern})").into();
        let engine = Tokenizer::from_json(json.to_string().as_bytes()).unwrap();

        let expected = &expected["tokenizers"][name];
        let tokens = array(&expected["spelled"]);
        assert_eq!(tokens.len(), 5);
        let hashes = array(&expected["hashes"]);
        assert_eq!(hashes.len(), 60);
        for tokenizer in [&scanner, &engine] {
            for (text, tokens) in spelled.iter().zip(tokens) {
                assert_eq!(
                    encode(tokenizer, text),
                    numbers::<TokenId>(tokens),
                    "{name}: {text:?}"
                );
            }
            for (hash, seed) in hashes.iter().zip(0..) {
                let generated = generated(&fragments, seed);
                assert_eq!(
                    hash_words(encode(tokenizer, &generated)),
                    text(hash),
                    "{name}: {generated:?}"
                );
            }
        }
    }
}
