//! Text to train on.

use std::fs;
use std::path::Path;

use czip_train::corpus::{self, Corpus, CorpusOptions, Heldout};
use serde_json::json;

use crate::fixtures;
use crate::input::Input;

/// Any file of records or of text: what is read is no more than what is there, and the same each time; errors are short
/// lines. Records come back as they were written.
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
    let folder = fixtures::folder();
    if input.flag() {
        written(input, folder.path());
    } else {
        let path = folder.path().join("corpus").with_extension(extension);
        anything(input.rest(8 << 10), &path, &options);
    }
}

fn read(bytes: &[u8], path: &Path, options: &CorpusOptions) -> Result<Corpus, corpus::Error> {
    fs::write(path, bytes).expect("a folder for temporary files");
    corpus::read(&[path], &mut std::io::empty(), options)
}

fn anything(bytes: &[u8], path: &Path, options: &CorpusOptions) {
    let first = read(bytes, path, options);
    let second = read(bytes, path, options);
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
    // A JSON value that is not a string is written again, perhaps longer: 1e9 becomes 1000000000.0.
    let is_json = path
        .extension()
        .is_some_and(|extension| extension != "csv" && extension != "tsv");
    if options.field.is_none() || !is_json {
        assert!(corpus.train_len() + corpus.heldout_len() <= bytes.len());
    }

    // The end of one document may be the whole of another, and is then left out.
    let mut with_calibration = corpus.clone();
    with_calibration.split_calibration(options.seed);
    assert!(with_calibration.train_len() + with_calibration.calibration_len() <= corpus.train_len());
}

/// Texts in records of each kind.
fn written(mut input: Input<'_>, folder: &Path) {
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
    same(
        &texts,
        read(lines.join("\n").as_bytes(), &folder.join("a.ndjson"), &options),
    );

    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(["id", "text"]).expect("writing to memory");
    for text in &texts {
        writer.write_record(["1", text]).expect("writing to memory");
    }
    let table = writer.into_inner().expect("writing to memory");
    same(&texts, read(&table, &folder.join("a.csv"), &options));
}

fn same(texts: &[String], read: Result<Corpus, corpus::Error>) {
    let corpus = read.expect("records that were written");
    assert_eq!(corpus.left_out.without_field, 0);
    assert_eq!(corpus.left_out.records.count, 0);
    let read = corpus.train.iter().map(|document| document.text.as_str());
    assert!(read.eq(texts.iter().map(String::as_str)), "other texts");
}
