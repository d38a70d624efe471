//! The golden vectors: what another tokenizer, written from the definition, makes of some texts.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use czip_tokenizer::Tokenizer;
use czip_vectors::{json, numbers, read};

#[test]
fn tokens_of_the_texts() {
    let tokenizer = Tokenizer::from_json(&read("tokenizer.json")).unwrap();
    assert_eq!(tokenizer.name(), "vectors");
    assert_eq!(tokenizer.vocab_size(), 283);
    assert_eq!(tokenizer.special_token("<|bos|>"), Some(281));
    let expected = json("tokens.json");
    let expected = expected.as_object().unwrap();
    assert_eq!(expected.len(), 8);
    for (name, tokens) in expected {
        let text = String::from_utf8(read(&format!("texts/{name}.txt"))).unwrap();
        let mut found = Vec::new();
        tokenizer.encode(&text, &mut found).unwrap();
        assert_eq!(found, numbers::<czip_tokenizer::TokenId>(tokens), "{name}");
        let mut bytes = Vec::new();
        tokenizer.decode(&found, &mut bytes).unwrap();
        assert!(bytes == text.as_bytes(), "{name}");
    }
}
