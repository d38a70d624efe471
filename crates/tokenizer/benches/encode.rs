//! How fast a tokenizer encodes prose, and text made to be slow.

#![allow(missing_docs, reason = "criterion's macros make undocumented functions")]
#![allow(clippy::unwrap_used, reason = "a bench may fail by panicking")]

use std::hint::black_box;
use std::path::PathBuf;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use czip_tokenizer::Tokenizer;

const PATTERN: &str = concat!(
    r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+",
    r"|\s++$|\s*[\r\n]|\s+(?!\S)|\s",
);

const LEN: usize = 1 << 20;

/// Numbers that look random: xorshift.
fn numbers() -> impl FnMut(usize) -> usize {
    let mut state = 0x1234_5678_9abc_def1_u64;
    move |below| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 33) as usize % below
    }
}

/// Words, a few frequent and most rare, as in prose.
fn generated_prose() -> String {
    let mut number = numbers();
    let words: Vec<String> = (0..20_000)
        .map(|_| {
            (0..2 + number(9))
                .map(|_| char::from(b"etaoinshrdlucmfwyp"[number(18)]))
                .collect()
        })
        .collect();
    let mut text = String::new();
    while text.len() < LEN {
        let bound = 1 + number(words.len());
        let bound = 1 + number(bound);
        text.push_str(&words[number(bound)]);
        text.push_str([" ", " ", " ", " ", " ", " ", ", ", ".\n"][number(8)]);
    }
    text
}

/// English prose of the shared bench texts, or generated text where they aren't.
fn prose() -> String {
    let shared = match std::env::var_os("CZIP_SHARED") {
        Some(folder) => PathBuf::from(folder),
        None => PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared")),
    };
    ["alice29.txt", "asyoulik.txt", "lcet10.txt", "plrabn12.txt"]
        .iter()
        .map(|name| std::fs::read_to_string(shared.join("bench/canterbury").join(name)).ok())
        .collect::<Option<String>>()
        .unwrap_or_else(generated_prose)
}

/// A tokenizer of 1024 tokens, trained on nothing: the frequent pairs of letters and what can be made of them.
fn tokenizer() -> Tokenizer {
    let mut tokens: Vec<String> = (0..=255u8).map(|byte| char::from(byte).to_string()).collect();
    for first in " etaoinshrdlu".chars() {
        tokens.extend("etaoinshrdlu".chars().map(|second| format!("{first}{second}")));
    }
    let mut number = numbers();
    while tokens.len() < 1024 {
        let token = format!(
            "{}{}",
            tokens[256 + number(tokens.len() - 256)],
            char::from(b"etaoinshrdlu"[number(12)])
        );
        if !tokens.contains(&token) {
            tokens.push(token);
        }
    }
    let ranks: serde_json::Map<_, _> = tokens
        .into_iter()
        .zip(0..)
        .map(|(token, rank)| (token, serde_json::Value::from(rank)))
        .collect();
    let json = serde_json::json!({
        "name": "bench",
        "pat_str": PATTERN,
        "mergeable_ranks": ranks,
        "special_tokens": {},
        "explicit_n_vocab": null,
    });
    Tokenizer::from_json(json.to_string().as_bytes()).unwrap()
}

fn encode(criterion: &mut Criterion) {
    let tokenizer = tokenizer();
    let mut number = numbers();
    let texts = [
        ("prose", prose()),
        ("one letter", "e".repeat(LEN)),
        (
            "random word",
            (0..LEN).map(|_| char::from(b'a' + number(26) as u8)).collect(),
        ),
        ("spaces", " ".repeat(LEN) + "x"),
        (
            "newlines and spaces",
            (0..LEN).map(|_| ['\n', ' '][number(2)]).collect(),
        ),
        ("ideographs", "\u{4e2d}\u{6587}".repeat(LEN / 6)),
    ];
    let mut group = criterion.benchmark_group("encode");
    group
        .sample_size(10)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1));
    for (name, text) in &texts {
        group.throughput(Throughput::Bytes(text.len() as u64));
        let mut ids = Vec::new();
        group.bench_function(*name, |bencher| {
            bencher.iter(|| {
                ids.clear();
                tokenizer.encode(black_box(text), &mut ids).unwrap();
                ids.len()
            });
        });
    }
    group.finish();
}

criterion_group!(benches, encode);
criterion_main!(benches);
