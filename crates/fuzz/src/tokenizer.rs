//! Tokenizers: their JSON, and how they split a text.

use std::sync::LazyLock;

use czip_tokenizer::{Definition, Pattern, TokenId, Tokenizer};
use serde_json::Value;

use crate::input::Input;

static JSON: LazyLock<Value> = LazyLock::new(|| czip_vectors::json("tokenizer.json"));

/// The patterns that have their own scanner, and the same patterns run like any others.
static KNOWN: LazyLock<[[Pattern; 2]; 5]> = LazyLock::new(|| {
    let patterns = [
        Pattern::CL100K,
        Pattern::GPT2,
        Pattern::LLAMA3,
        Pattern::QWEN2,
        Pattern::SMOLLM,
    ];
    patterns.map(|pattern| {
        [pattern.to_owned(), format!("(?:{pattern})")]
            .map(|pattern| Pattern::new(&pattern).expect("a known pattern"))
    })
});

/// Any JSON and any split pattern: what is accepted cuts any text into pieces that cover it and tokens that decode to it.
/// Pieces are those of the regex engine that the patterns are written for; those of known patterns are the same however
/// they are run. Listed merges are made in the order that the rule says.
pub fn tokenizer(data: &[u8]) {
    let mut input = Input::new(data);
    match input.byte() % 5 {
        0 => {
            if let Ok(tokenizer) = Tokenizer::from_json(input.rest(8 << 10)) {
                check(
                    &tokenizer,
                    "Tokens are the same ev\u{e9}rywhere, 1234 times.\r\n  <|bos|>".as_bytes(),
                );
            }
        }
        1 => edited(input),
        2 => pattern(input),
        3 => scanners(&String::from_utf8_lossy(input.rest(512))),
        _ => listed(input),
    }
}

/// The golden tokenizer with another pattern, merges and special tokens.
fn edited(mut input: Input<'_>) {
    let mut json = JSON.clone();
    let pattern = input.bytes();
    if !pattern.is_empty() {
        json["pat_str"] = String::from_utf8_lossy(pattern).into();
    }
    for _ in 0..input.below(8) {
        let place = ["mergeable_ranks", "special_tokens"][input.below(2)];
        // A character for each byte, as the JSON has them.
        let token: String = input.bytes().iter().map(|&byte| char::from(byte)).collect();
        let id = input.below(300);
        json[place][token] = id.into();
    }
    if let Ok(tokenizer) = Tokenizer::from_json(json.to_string().as_bytes()) {
        check(&tokenizer, input.rest(64));
    }
}

/// A tokenizer with a list of merges, and one piece.
fn listed(mut input: Input<'_>) {
    let mut definition = Definition::new("", "(?s:.+)");
    for _ in 0..input.below(16) {
        let token = input.bytes().to_vec();
        definition.mergeable.push((token, input.below(400) as TokenId));
    }
    definition.add_missing_bytes();
    let tokens = definition.mergeable.clone();
    let id = |bytes: &[u8]| tokens.iter().find(|(token, _)| token == bytes).map(|&(_, id)| id);
    let mut merges = Vec::new();
    for _ in 0..input.below(32) {
        let (token, other) = &tokens[input.below(tokens.len())];
        let (left, right) = token.split_at(input.below(token.len() + 1));
        // What does not make the token is refused, unless it makes another.
        let right = id(right).unwrap_or_else(|| input.below(400) as TokenId);
        merges.push([id(left).unwrap_or(*other), right]);
    }
    definition.merges = Some(merges.clone());
    definition.ignore_merges = [None, Some(false), Some(true)][input.below(3)];
    definition.explicit_vocab_size = [None, Some(700)][input.below(2)];
    let json = definition.to_json().expect("any definition can be written");
    let Ok(tokenizer) = Tokenizer::from_json(&json) else {
        return;
    };
    assert_eq!(tokenizer.vocab_size(), definition.vocab_size());
    let text = String::from_utf8_lossy(input.rest(400)).into_owned();
    check(&tokenizer, text.as_bytes());

    let whole = id(text.as_bytes()).filter(|_| definition.ignore_merges == Some(true));
    let expected = match whole {
        Some(id) => vec![id],
        None => merged(&tokens, &merges, text.as_bytes()),
    };
    let mut found = Vec::new();
    tokenizer
        .encode(&text, &mut found)
        .expect("one piece takes few steps");
    assert_eq!(found, expected, "{definition:?} of {text:?}");
}

/// The pair of lowest rank that stands first, again and again.
fn merged(tokens: &[(Vec<u8>, TokenId)], merges: &[[TokenId; 2]], piece: &[u8]) -> Vec<TokenId> {
    let id = |bytes: &[u8]| {
        let found = tokens.iter().find(|(token, _)| token == bytes);
        found.expect("a token").1
    };
    let mut parts: Vec<&[u8]> = piece.chunks(1).collect();
    let mut ids: Vec<TokenId> = parts.iter().map(|part| id(part)).collect();
    let rank = |pair: &[TokenId]| merges.iter().position(|merge| merge == pair);
    while let Some((_, index)) = ids
        .windows(2)
        .enumerate()
        .filter_map(|(index, pair)| Some((rank(pair)?, index)))
        .min()
    {
        let start = parts[..index].iter().map(|part| part.len()).sum::<usize>();
        let len = parts[index].len() + parts[index + 1].len();
        parts[index] = &piece[start..start + len];
        parts.remove(index + 1);
        ids[index] = id(parts[index]);
        ids.remove(index + 1);
    }
    ids
}

fn check(tokenizer: &Tokenizer, text: &[u8]) {
    let count = tokenizer.vocab_size();
    let mut ids = Vec::new();
    // Steps of a pattern are limited, so an error is a valid result.
    if tokenizer.encode_bytes(text, &mut ids).is_ok() {
        same(tokenizer, &ids, text);
    } else {
        assert!(ids.is_empty());
    }
    if let Ok(text) = std::str::from_utf8(text) {
        ids.clear();
        if tokenizer.encode(text, &mut ids).is_ok() {
            same(tokenizer, &ids, text.as_bytes());
        }
    }
    let mut out = b"before".to_vec();
    assert!(tokenizer.decode(&[0, count as u32], &mut out).is_err());
    assert_eq!(out, b"before");
}

fn same(tokenizer: &Tokenizer, ids: &[u32], text: &[u8]) {
    assert!(ids.iter().all(|&id| (id as usize) < tokenizer.vocab_size()));
    let mut back = Vec::new();
    tokenizer.decode(ids, &mut back).expect("its own tokens");
    assert!(back == text, "another text");
}

fn pattern(mut input: Input<'_>) {
    let source = String::from_utf8_lossy(input.bytes()).into_owned();
    let Ok(pattern) = Pattern::new(&source) else {
        return;
    };
    let text = String::from_utf8_lossy(input.rest(64));
    if let (Some(ends), Some(expected)) = (pieces(&pattern, &text), pieces_by_engine(&source, &text)) {
        assert_eq!(ends, expected, "{source:?} of {text:?}");
    }
}

/// The same by the regex engine whose patterns these are.
fn pieces_by_engine(pattern: &str, text: &str) -> Option<Vec<usize>> {
    let mut builder = fancy_regex::RegexBuilder::new(pattern);
    let regex = builder.backtrack_limit(20_000).build().ok()?;
    let mut ends = vec![0];
    let mut end = 0;
    for found in regex.find_iter(text) {
        let found = found.ok()?;
        // Empty matches make no pieces, and some begin before the last one has ended.
        if found.start().max(end) < found.end() {
            if found.start() > end {
                ends.push(found.start());
            }
            end = found.end();
            ends.push(end);
        }
    }
    if end < text.len() {
        ends.push(text.len());
    }
    Some(ends)
}

/// The ends of the pieces, or `None` if there are too many steps.
fn pieces(pattern: &Pattern, text: &str) -> Option<Vec<usize>> {
    let mut ends = vec![0];
    let result = pattern.split(text, |piece| {
        assert_eq!(piece.start, *ends.last().expect("one at least"));
        assert!(piece.start < piece.end && text.is_char_boundary(piece.end));
        ends.push(piece.end);
    });
    result.ok()?;
    assert_eq!(ends.last(), Some(&text.len()));
    Some(ends)
}

fn scanners(text: &str) {
    for [scanner, program] in KNOWN.iter() {
        let ends = pieces(scanner, text).expect("a scanner has no limit");
        if let Some(expected) = pieces(program, text) {
            assert_eq!(ends, expected, "{scanner:?} of {text:?}");
        }
    }
}
