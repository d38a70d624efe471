//! Text to train on.

use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;

use czip_train::corpus::{self, Corpus, CorpusOptions, Heldout};
use serde_json::json;
use tempfile::TempDir;

use crate::fixtures;
use crate::input::Input;

static FOLDER: LazyLock<TempDir> = LazyLock::new(fixtures::folder);

/// A file of records or of text that is anything: what is read is no more than what is there, and the same each time; errors
/// are short lines. Records that are written are those that are read.
pub fn corpus(data: &[u8]) {
    let mut input = Input::new(data);
    let extension = ["ndjson", "csv", "tsv", "txt", "jsonl"][input.below(5)];
    let options = CorpusOptions {
        field: input
            .flag()
            .then(|| ["text", "a.b", "a.0", ""][input.below(4)].to_owned()),
        separator: input
            .flag()
            .then(|| ["<|doc|>", "--", ""][input.below(3)].to_owned()),
        heldout: Heldout::Fraction([0.0, 0.3, 0.05][input.below(3)]),
        seed: input.byte().into(),
        min_len: input.below(2),
    };
    if input.flag() {
        written(input);
    } else {
        anything(input.rest(8 << 10), extension, &options);
    }
}

fn read(bytes: &[u8], extension: &str, options: &CorpusOptions) -> Result<Corpus, corpus::Error> {
    // Fuzzers side by side are processes of their own, each with a folder.
    let path: PathBuf = FOLDER.path().join("corpus").with_extension(extension);
    fs::write(&path, bytes).expect("a folder for temporary files");
    corpus::read(&[path], &mut std::io::empty(), options)
}

fn anything(bytes: &[u8], extension: &str, options: &CorpusOptions) {
    let first = read(bytes, extension, options);
    let second = read(bytes, extension, options);
    let (corpus, again) = match (first, second) {
        (Ok(corpus), Ok(again)) => (corpus, again),
        (Err(error), Err(again)) => {
            let message = error.to_string();
            assert_eq!(message, again.to_string());
            // What it quotes is cut and escaped.
            assert!(
                message.len() < 6_000 && !message.contains(char::is_control),
                "{message}"
            );
            return;
        }
        (first, second) => panic!("{first:?} first, then {second:?}"),
    };
    assert_eq!(corpus, again);
    let all = || corpus.train.iter().chain(&corpus.heldout);
    assert!(all().all(|document| !document.text.trim().is_empty()));
    assert_eq!(
        corpus.train_len() + corpus.heldout_len(),
        all().map(|document| document.text.len()).sum::<usize>()
    );
    // What is no string in JSON is written anew, perhaps longer: 1e9 becomes 1000000000.0.
    if options.field.is_none() || !extension.ends_with(['n', 'l']) {
        assert!(corpus.train_len() + corpus.heldout_len() <= bytes.len());
    }

    let mut with_aside = corpus.clone();
    with_aside.set_aside(options.seed);
    assert_eq!(
        with_aside.train_len() + with_aside.aside_len(),
        corpus.train_len()
    );
}

/// Texts in records of each kind.
fn written(mut input: Input<'_>) {
    let mut texts = Vec::new();
    while !input.is_empty() {
        let text = String::from_utf8_lossy(input.bytes()).into_owned();
        if !text.trim().is_empty() {
            texts.push(text);
        }
    }
    if texts.is_empty() {
        return;
    }
    let options = CorpusOptions {
        field: Some("text".to_owned()),
        heldout: Heldout::Fraction(0.0),
        min_len: 0,
        ..CorpusOptions::default()
    };
    let lines: Vec<String> = texts
        .iter()
        .map(|text| json!({"id": 1, "text": text}).to_string())
        .collect();
    same(&texts, read(lines.join("\n").as_bytes(), "ndjson", &options));

    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(["id", "text"]).expect("writing to memory");
    for text in &texts {
        writer.write_record(["1", text]).expect("writing to memory");
    }
    let table = writer.into_inner().expect("writing to memory");
    same(&texts, read(&table, "csv", &options));
}

fn same(texts: &[String], read: Result<Corpus, corpus::Error>) {
    let corpus = read.expect("records that were written");
    assert_eq!(corpus.left_out.without_field, 0);
    assert_eq!(corpus.left_out.records.count, 0);
    let read = corpus.train.iter().map(|document| document.text.as_str());
    assert!(read.eq(texts.iter().map(String::as_str)), "other texts");
}
