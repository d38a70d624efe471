//! What those who make tokenizers use: the pattern on its own, and the JSON that is written.

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use czip_tokenizer::{Definition, Error, Pattern, Tokenizer, definition_json};

#[test]
fn a_pattern_splits_as_the_tokenizer_does() {
    let text = "I'll 12345  ok\n";
    for (pattern, expected) in [
        (
            Pattern::CL100K,
            ["I", "'ll", " ", "123", "45", " ", " ok", "\n"].as_slice(),
        ),
        (Pattern::GPT2, &["I", "'ll", " 12345", " ", " ok", "\n"]),
        (Pattern::LLAMA3, &["I", "'ll", " ", "123", "45", " ", " ok", "\n"]),
        (
            Pattern::QWEN2,
            &["I", "'ll", " ", "1", "2", "3", "4", "5", " ", " ok", "\n"],
        ),
        (
            Pattern::SMOLLM,
            &["I", "'ll", " ", "1", "2", "3", "4", "5", " ", " ok", "\n"],
        ),
        ("[a-z]+", &["I'", "ll", " 12345  ", "ok", "\n"]),
    ] {
        let pattern = Pattern::new(pattern).unwrap();
        let mut pieces = Vec::new();
        pattern.split(text, |range| pieces.push(&text[range])).unwrap();
        assert_eq!(pieces, expected, "{}", pattern.as_str());
    }
    assert_eq!(format!("{:?}", Pattern::new("a").unwrap()), r#"Pattern("a")"#);
    assert!(matches!(Pattern::new("(a"), Err(Error::Pattern { .. })));
}

#[test]
fn the_written_json_is_read() {
    let tokens: Vec<Vec<u8>> = (0..=255)
        .map(|byte| vec![byte])
        .chain([b"\xc3\xa9".to_vec()])
        .collect();
    let json = definition_json(
        "n",
        r"\w+",
        tokens.iter().map(Vec::as_slice),
        &["<\u{e9}>", "<b>"],
    )
    .unwrap();
    let text = String::from_utf8(json.clone()).unwrap();
    assert!(text.starts_with(r#"{"name":"n","pat_str":"\\w+","mergeable_ranks":{"\u0000":0,"\u0001":1,"#));
    assert!(text.ends_with(
        "\"\u{ff}\":255,\"\u{c3}\u{a9}\":256},\"special_tokens\":{\"<\u{e9}>\":257,\"<b>\":258},\
        \"explicit_n_vocab\":259}"
    ));

    let tokenizer = Tokenizer::from_json(&json).unwrap();
    assert_eq!((tokenizer.name(), tokenizer.vocab_size()), ("n", 259));
    for (id, token) in (0..).zip(&tokens) {
        assert_eq!(tokenizer.token_bytes(id), Some(token.as_slice()));
    }
    assert_eq!(tokenizer.special_token("<\u{e9}>"), Some(257));
    assert_eq!(tokenizer.special_token("<b>"), Some(258));
}

#[test]
fn a_definition_is_written_as_it_is() {
    let mut definition = Definition::new("n", Pattern::SMOLLM);
    definition.mergeable = (0..255).map(|byte| (vec![byte], byte.into())).collect();
    definition.mergeable.push((b"ab".to_vec(), 300));
    definition.special = vec![("<e>".to_owned(), 290), ("<b>".to_owned(), 280)];
    assert_eq!(definition.vocab_size(), 301);
    assert_eq!(definition.add_missing_bytes(), 301..302);
    assert_eq!(definition.add_missing_bytes(), 302..302);
    assert_eq!(definition.vocab_size(), 302);
    definition.merges = Some(vec![[97, 98]]);
    definition.ignore_merges = Some(true);
    let ends_with = |definition: &Definition, end: &str| {
        let json = String::from_utf8(definition.to_json().unwrap()).unwrap();
        assert!(json.ends_with(end), "{json}");
        Tokenizer::from_json(json.as_bytes()).unwrap().vocab_size()
    };
    let end = concat!(
        "\"ab\":300,\"\u{ff}\":301},\"special_tokens\":{\"<e>\":290,\"<b>\":280},",
        r#""merges":[97,98],"ignore_merges":true,"explicit_n_vocab":302}"#
    );
    assert_eq!(ends_with(&definition, end), 302);

    definition.explicit_vocab_size = Some(310);
    assert_eq!(definition.add_missing_bytes(), 310..310);
    assert_eq!(ends_with(&definition, r#""explicit_n_vocab":310}"#), 310);
    definition.mergeable.pop();
    assert_eq!(definition.add_missing_bytes(), 310..311);
    assert_eq!(definition.explicit_vocab_size, Some(311));
    definition.ignore_merges = None;
    assert_eq!(
        ends_with(&definition, r#""merges":[97,98],"explicit_n_vocab":311}"#),
        311
    );
}
