//! Reading a corpus: each rule, and each error.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use czip_train::corpus::{self, Corpus, CorpusOptions, Document, Error, Faults, Heldout, HeldoutBy};
use czip_train::curve;
use tempfile::TempDir;

/// A folder with these files.
fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = TempDir::new().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    folder
}

/// Everything is to train on, and nothing is too little.
fn all() -> CorpusOptions {
    CorpusOptions {
        heldout: Heldout::Fraction(0.0),
        min_len: 0,
        ..CorpusOptions::default()
    }
}

fn field(name: &str) -> CorpusOptions {
    CorpusOptions {
        field: Some(name.to_owned()),
        ..all()
    }
}

fn heldout(heldout: Heldout) -> CorpusOptions {
    CorpusOptions { heldout, ..all() }
}

/// Reads inputs in a folder.
fn read(folder: &TempDir, inputs: &[&str], options: &CorpusOptions) -> Result<Corpus, Error> {
    let inputs: Vec<PathBuf> = inputs.iter().map(|input| folder.path().join(input)).collect();
    corpus::read(&inputs, &mut std::io::empty(), options)
}

fn texts(documents: &[Document]) -> Vec<&str> {
    documents.iter().map(|document| document.text.as_str()).collect()
}

/// The texts of what is read, with nothing held out.
fn train(folder: &TempDir, inputs: &[&str], options: &CorpusOptions) -> Vec<String> {
    let corpus = read(folder, inputs, options).unwrap();
    assert_eq!((corpus.heldout.len(), corpus.heldout_by), (0, HeldoutBy::None));
    corpus.train.into_iter().map(|document| document.text).collect()
}

/// The sources, without the folder.
fn sources(folder: &TempDir, documents: &[Document]) -> Vec<String> {
    let prefix = format!("{}/", folder.path().display());
    documents
        .iter()
        .map(|document| {
            document
                .source
                .to_string()
                .replace('\\', "/")
                .replace(&prefix.replace('\\', "/"), "")
        })
        .collect()
}

/// The message, without the folder.
fn message(folder: &TempDir, inputs: &[&str], options: &CorpusOptions) -> String {
    let error = read(folder, inputs, options).unwrap_err().to_string();
    error.replace(
        &format!("{}{}", folder.path().display(), std::path::MAIN_SEPARATOR),
        "",
    )
}

#[test]
fn a_folder_is_read_in_order_without_hidden_files() {
    let folder = folder(&[
        ("c/b.txt", "b"),
        ("c/.git/x", "x"),
        ("c/.hidden", "x"),
        ("c/a/z.txt", "z"),
        ("c/a.log", "1 a\n2 b\n"),
        ("c/blank.txt", " \n"),
    ]);
    let corpus = read(&folder, &["c"], &all()).unwrap();
    assert_eq!(texts(&corpus.train), ["z", "1 a\n2 b\n", "b"]);
    assert_eq!(
        sources(&folder, &corpus.train),
        ["c/a/z.txt", "c/a.log", "c/b.txt"]
    );
    assert_eq!((corpus.train_len(), corpus.heldout_len()), (10, 0));
    // A hidden file that is named is meant.
    assert_eq!(train(&folder, &["c/.hidden"], &all()), ["x"]);
}

#[test]
fn a_file_is_read_once_in_the_order_of_the_inputs() {
    let folder = folder(&[("a.txt", "a"), ("b.txt", "b")]);
    assert_eq!(train(&folder, &["b.txt", ".", "./a.txt"], &all()), ["b", "a"]);
}

#[test]
fn patterns_match_files_and_folders() {
    let folder = folder(&[
        ("a.log", "a"),
        ("b.log", "b"),
        ("c.txt", "c"),
        (".d.log", "d"),
        ("sub/e.log", "e"),
        ("[f].log", "f"),
    ]);
    assert_eq!(train(&folder, &["?.log"], &all()), ["a", "b"]);
    assert_eq!(train(&folder, &["**/*.log"], &all()), ["f", "a", "b", "e"]);
    assert_eq!(train(&folder, &["s*"], &all()), ["e"]);
    // Names come before patterns.
    assert_eq!(train(&folder, &["[f].log"], &all()), ["f"]);
    assert_eq!(message(&folder, &["*.csv"], &all()), "no file matches *.csv");
    assert_eq!(
        message(&folder, &["a[.log"], &all()),
        "not a valid file name pattern: a[.log: Pattern syntax error near position 0: invalid range pattern"
            .replace(
                "position 0",
                &format!("position {}", folder.path().join("a").as_os_str().len())
            )
    );
}

#[cfg(unix)]
#[test]
fn neither_links_to_folders_nor_pipes_are_followed() {
    let folder = folder(&[("c/a.txt", "a"), ("other/b.txt", "b")]);
    std::os::unix::fs::symlink(folder.path(), folder.path().join("c/circle")).unwrap();
    std::os::unix::fs::symlink(folder.path().join("other/b.txt"), folder.path().join("c/b.txt")).unwrap();
    std::os::unix::fs::symlink("nowhere", folder.path().join("c/d.txt")).unwrap();
    // This pipe has no writer, so opening it would block for ever.
    let pipe = folder.path().join("c/e.txt");
    assert!(
        std::process::Command::new("mkfifo")
            .arg(pipe)
            .status()
            .unwrap()
            .success()
    );
    for input in ["c", "c/*.txt"] {
        assert_eq!(train(&folder, &[input], &all()), ["a", "b"]);
    }
}

#[test]
fn standard_input_is_an_input() {
    let folder = folder(&[("a.txt", "a")]);
    let inputs = [folder.path().join("a.txt"), PathBuf::from("-")];
    let corpus = corpus::read(&inputs, &mut b"one\n<|doc|>\ntwo".as_slice(), &all()).unwrap();
    assert_eq!(texts(&corpus.train), ["a", "one\n", "two"]);
    assert_eq!(corpus.train[2].source.to_string(), "-:3");

    let json = b"{\"text\":\"one\"}\n".as_slice();
    let corpus = corpus::read(&["-"], &mut { json }, &field("text")).unwrap();
    assert_eq!(texts(&corpus.train), ["one"]);
    let error = corpus::read(&["-"], &mut b"ab\xff".as_slice(), &all()).unwrap_err();
    assert_eq!(error.to_string(), "-: not UTF-8 at byte 2");
}

#[test]
fn separators_end_documents() {
    let text = "<|doc|>\none\n\n<|doc|> \r\ntwo <|doc|>\n<|doc|>\n \n<|doc|>\nthree";
    let folder = folder(&[("a.txt", text)]);
    let corpus = read(&folder, &["a.txt"], &all()).unwrap();
    assert_eq!(texts(&corpus.train), ["one\n\n", "two <|doc|>\n", "three"]);
    assert_eq!(sources(&folder, &corpus.train), ["a.txt:2", "a.txt:5", "a.txt:9"]);

    let other = |separator: Option<&str>| CorpusOptions {
        separator: separator.map(str::to_owned),
        ..all()
    };
    assert_eq!(train(&folder, &["a.txt"], &other(None)), [text]);
    assert_eq!(train(&folder, &["a.txt"], &other(Some(""))), [text]);
    assert_eq!(
        train(&folder, &["a.txt"], &other(Some("three"))),
        [&text[..text.len() - 5]]
    );
}

#[test]
fn records_are_one_text_without_a_field() {
    let json = "{\"text\":\"a\"}\n{\"text\":\"b\"}\n";
    let folder = folder(&[("a.ndjson", json), ("b.csv", "x,y\n1,2\n")]);
    assert_eq!(
        train(&folder, &["a.ndjson", "b.csv"], &all()),
        [json, "x,y\n1,2\n"]
    );
}

#[test]
fn a_field_of_json_is_a_document() {
    let folder = folder(&[
        (
            "a.JSONL",
            "{\"text\":\"one\\ntwo\",\"n\":1}\n\n{\"n\":2}\r\n{\"text\":null}\n{\"text\":[1, \"a\"]}\n{\"text\":\" \"}",
        ),
        (
            "b.ndjson",
            "{\"a.b\":\"dotted\",\"a\":{\"b\":\"nested\"}}\n{\"a\":{\"b\":\"inside\"}}\n{\"a\":[{\"b\":\"x\"}]}\n",
        ),
        ("c.txt", "plain"),
    ]);
    let corpus = read(&folder, &["a.JSONL", "c.txt"], &field("text")).unwrap();
    assert_eq!(texts(&corpus.train), ["one\ntwo", "[1,\"a\"]", "plain"]);
    assert_eq!(
        sources(&folder, &corpus.train),
        ["a.JSONL:1", "a.JSONL:5", "c.txt"]
    );
    assert_eq!(corpus.left_out.without_field, 2);
    assert_eq!(train(&folder, &["b.ndjson"], &field("a.b")), ["dotted", "inside"]);
    assert_eq!(train(&folder, &["b.ndjson"], &field("a.0.b")), ["x"]);
}

#[test]
fn a_column_is_a_document_for_each_row() {
    let folder = folder(&[
        ("a.csv", "id,body\n1,\"one, \"\"two\"\"\nthree\"\n2,four\n3,\n"),
        ("b.tsv", "id\tbody\n1\ta,b\n"),
    ]);
    let corpus = read(&folder, &["a.csv", "b.tsv"], &field("body")).unwrap();
    assert_eq!(texts(&corpus.train), ["one, \"two\"\nthree", "four", "a,b"]);
    assert_eq!(sources(&folder, &corpus.train), ["a.csv:2", "a.csv:4", "b.tsv:2"]);
}

#[test]
fn a_missing_field_names_those_there_are() {
    let folder = folder(&[
        (
            "a.ndjson",
            "{\"title\":\"a\",\"meta\":{\"id\":1,\"tags\":[]}}\n{\"body\":\"b\"}\n",
        ),
        ("b.csv", "id,name\n1,a\n"),
        ("c.ndjson", "1\n[]\n"),
        ("d.txt", "d"),
    ]);
    for (input, expected) in [
        (
            "a.ndjson",
            "no record has the field \"text\": there are body, meta.id, meta.tags, title",
        ),
        ("b.csv", "no record has the field \"text\": there are id, name"),
        (
            "c.ndjson",
            "no record has the field \"text\": the records have no fields",
        ),
        (
            "d.txt",
            "no records to take the field \"text\" from: none of the files is .ndjson, .jsonl, .csv or .tsv",
        ),
    ] {
        assert_eq!(message(&folder, &[input], &field("text")), expected);
    }
    // One file with it is enough.
    let corpus = read(&folder, &["a.ndjson", "b.csv"], &field("name")).unwrap();
    assert_eq!(
        (texts(&corpus.train), corpus.left_out.without_field),
        (vec!["a"], 2)
    );
}

/// What was left out, without the folder.
fn faults(folder: &TempDir, faults: &Faults) -> (usize, usize, Vec<String>) {
    let prefix = format!("{}{}", folder.path().display(), std::path::MAIN_SEPARATOR);
    let examples = faults.examples.iter();
    let examples = examples.map(|fault| fault.to_string().replace(&prefix, ""));
    (faults.count, faults.of, examples.collect())
}

#[test]
fn errors_say_where() {
    let folder = folder(&[
        ("blank.txt", "\n"),
        ("other/.hidden", "x"),
        ("none.csv", "a\n"),
        ("end.csv", "id,text\n1,a\n2,\"b\n3,c\n"),
        ("later.csv", "id,text\n1,\"a\"\n\"2\nb\",\"c\n\n"),
        ("long.csv", &format!("text\na\n\"b\n{}\"\n", "c\n".repeat(1000))),
    ]);
    fs::write(folder.path().join("latin1.txt"), b"caf\xe9").unwrap();
    for (input, options, expected) in [
        ("none.txt", all(), "no such file: none.txt"),
        ("latin1.txt", all(), "latin1.txt: not UTF-8 at byte 3"),
        ("blank.txt", all(), "no text in blank.txt"),
        ("other", all(), "no files in the folder other"),
        ("none.csv", field("a"), "no text in none.csv"),
        (
            "end.csv",
            field("text"),
            "end.csv:3: a quote is not closed before the end of the file",
        ),
        (
            "later.csv",
            field("text"),
            "later.csv:3: a quote in line 4 is not closed before the end of the file",
        ),
        (
            "long.csv",
            field("text"),
            "long.csv:3: a quote is not closed within 1000 lines",
        ),
    ] {
        assert_eq!(message(&folder, &[input], &options), expected);
    }
    let none: [&Path; 0] = [];
    let error = corpus::read(&none, &mut std::io::empty(), &all()).unwrap_err();
    assert_eq!(error.to_string(), "no text in no files");
}

#[test]
fn records_that_cannot_be_read_are_left_out() {
    let json = "{\"text\":\"good\"}\n".repeat(20);
    let folder = folder(&[(
        "a.csv",
        "id,text\n1,one\n2\n3,two,\n \n\"4\nx\",three\n5,\"f\"our\n6,five\n",
    )]);
    let bad: [&[u8]; 2] = [
        b"{\"text\":\"lone \\ud83d\"}\n{\"text\":\n",
        b"{\"text\":\"\xff\"}\n",
    ];
    let bytes = [json.as_bytes(), bad[0], bad[1]].concat();
    fs::write(folder.path().join("a.ndjson"), bytes).unwrap();

    let corpus = read(&folder, &["a.ndjson"], &field("text")).unwrap();
    assert_eq!(texts(&corpus.train), ["good"; 20]);
    assert_eq!(
        faults(&folder, &corpus.left_out.records),
        (
            3,
            23,
            vec![
                "a.ndjson:21: not JSON: unexpected end of hex escape at column 21".to_owned(),
                "a.ndjson:22: not JSON: EOF while parsing a value at column 8".to_owned(),
                "a.ndjson:23: not UTF-8 at byte 9".to_owned(),
            ]
        )
    );
    assert_eq!(corpus.left_out.without_field, 0);

    let corpus = read(&folder, &["a.csv"], &field("text")).unwrap();
    assert_eq!(texts(&corpus.train), ["one", "three", "five"]);
    assert_eq!(sources(&folder, &corpus.train), ["a.csv:2", "a.csv:6", "a.csv:9"]);
    assert_eq!(
        faults(&folder, &corpus.left_out.records),
        (
            3,
            6,
            vec![
                "a.csv:3: 1 fields, not 2".to_owned(),
                "a.csv:4: 3 fields, not 2".to_owned(),
                "a.csv:8: text follows the closing quote in line 8".to_owned(),
            ]
        )
    );

    // Held-out documents are counted as well.
    let options = CorpusOptions {
        heldout: Heldout::Path(folder.path().join("a.csv")),
        ..field("text")
    };
    let corpus = read(&folder, &["a.ndjson"], &options).unwrap();
    let (count, of, examples) = faults(&folder, &corpus.left_out.records);
    assert_eq!((count, of, examples.len()), (6, 29, 5));
}

#[test]
fn too_many_bad_records_are_an_error() {
    let records = |good: usize, bad: usize| {
        let json = "{\"text\":\"good\"}\n".repeat(good) + &"{\n".repeat(bad);
        let folder = folder(&[("a.ndjson", &json)]);
        read(&folder, &["a.ndjson"], &field("text")).map(|corpus| corpus.left_out.records.count)
    };
    // A tenth, or three.
    for (good, bad) in [(360, 40), (27, 3), (1, 3)] {
        assert_eq!(records(good, bad).unwrap(), bad);
    }
    for (good, bad) in [(359, 41), (27, 4), (0, 1)] {
        let error = records(good, bad).unwrap_err();
        assert!(
            matches!(&error, Error::BadRecords(faults) if (faults.count, faults.of) == (bad, good + bad)),
            "{error}"
        );
    }
    let folder = folder(&[("a.ndjson", &"{\n".repeat(6))]);
    let each = |line| format!("a.ndjson:{line}: not JSON: EOF while parsing an object at column 1");
    let examples: Vec<String> = (1..=5).map(each).collect();
    assert_eq!(
        message(&folder, &["a.ndjson"], &field("text")),
        format!(
            "too many records cannot be read, all 6: {}; ...",
            examples.join("; ")
        )
    );
}

#[test]
fn rows_that_a_wrong_quote_takes_with_it_count_as_bad() {
    // The quote in row 10 ends at the next one.
    let table = |next: usize| -> String {
        let row = |number: usize| match number {
            10 => String::from("10,\"open\n"),
            _ if number == next => format!("{number},\"closed\"\n"),
            _ => format!("{number},text\n"),
        };
        String::from("id,text\n") + &(1..=100).map(row).collect::<String>()
    };
    let folder = folder(&[("few.csv", &table(15)), ("many.csv", &table(70))]);
    let corpus = read(&folder, &["few.csv"], &field("text")).unwrap();
    let (count, of, examples) = faults(&folder, &corpus.left_out.records);
    assert_eq!((count, of), (6, 100));
    assert_eq!(examples.len(), 1);
    assert!(examples[0].starts_with("few.csv:11: "), "{examples:?}");
    let error = message(&folder, &["many.csv"], &field("text"));
    assert!(error.contains("61 of 100"), "{error}");
}

#[test]
fn files_that_are_no_text_are_left_out_unless_they_are_named() {
    let folder = folder(&[("c/a.txt", "a"), ("c/d/b.txt", "b"), ("c/gone.txt", "gone")]);
    for name in ["c/1.jpg", "c/d/2.jpg"] {
        fs::write(folder.path().join(name), b"ab\xff").unwrap();
    }
    let (options, path) = (all(), |name: &str| folder.path().join(name));
    let find = |inputs: &[&str]| {
        let inputs: Vec<PathBuf> = inputs.iter().map(|name| path(name)).collect();
        corpus::find(&inputs, &options).unwrap()
    };
    let files = find(&["c"]);
    let gone = find(&["c/gone.txt"]);
    fs::remove_file(path("c/gone.txt")).unwrap();
    let corpus = files.read(&mut std::io::empty()).unwrap();
    assert_eq!(texts(&corpus.train), ["a", "b"]);
    let (count, of, examples) = faults(&folder, &corpus.left_out.files);
    assert_eq!((count, of), (3, 5));
    assert_eq!(
        (&*examples[0], &*examples[1]),
        ("c/1.jpg: not UTF-8 at byte 2", "c/d/2.jpg: not UTF-8 at byte 2")
    );
    assert!(
        examples[2].starts_with("c/gone.txt: ") && examples[2].contains("os error"),
        "{examples:?}"
    );
    assert!(matches!(
        gone.read(&mut std::io::empty()),
        Err(Error::Io { path: found, .. }) if found == path("c/gone.txt")
    ));

    // A file that matches a pattern is found, not named; one given by its name is named, even if it is also found.
    let corpus = read(&folder, &["c/*"], &all()).unwrap();
    assert_eq!(corpus.left_out.files.count, 2);
    for inputs in [
        &["c/1.jpg"][..],
        &["c", "c/1.jpg"],
        &["c/a.txt", "c/*.jpg", "c/1.jpg"],
    ] {
        assert_eq!(message(&folder, inputs, &all()), "c/1.jpg: not UTF-8 at byte 2");
    }

    fs::write(path("c/3.jpg"), b"\xff").unwrap();
    fs::write(path("c/4.jpg"), b"\xff").unwrap();
    assert_eq!(
        message(&folder, &["c"], &all()),
        "too many files cannot be read or are not text, 4 of 6: c/1.jpg: not UTF-8 at byte 2; c/3.jpg: not UTF-8 at \
         byte 0; c/4.jpg: not UTF-8 at byte 0; c/d/2.jpg: not UTF-8 at byte 2"
    );
    assert!(matches!(
        read(&folder, &["c/?.jpg"], &all()),
        Err(Error::BadFiles(faults)) if (faults.count, faults.of) == (3, 3)
    ));
    for index in 2..35 {
        fs::write(path(&format!("c/{index}.txt")), "good").unwrap();
    }
    assert!(read(&folder, &["c"], &all()).is_err());
    fs::write(path("c/35.txt"), "good").unwrap();
    let corpus = read(&folder, &["c"], &all()).unwrap();
    assert_eq!((corpus.left_out.files.count, corpus.left_out.files.of), (4, 40));
}

#[test]
fn what_czip_has_made_is_left_out_of_folders() {
    let curve = curve::csv(&[]);
    let folder = folder(&[
        ("c/a.txt", "a"),
        ("c/m.czm.csv", &curve),
        ("c/m.czm.svg", &curve::svg(&[])),
        (
            "c/m.czm",
            "\0\0\0\0\0\0\0\0{\"__metadata__\":{\"format\":\"czip-model-v2\"}}",
        ),
        (
            "c/m.czm.checkpoint.new",
            "\0\0\0\0\0\0\0\0{\"__metadata__\":{\"best\":\"1\",\"format\":\"czip-checkpoint-1\"",
        ),
        ("c/b.txt.czip", "x"),
    ]);
    for input in ["c", "c/*"] {
        let corpus = read(&folder, &[input], &all()).unwrap();
        assert_eq!(texts(&corpus.train), ["a"]);
        assert_eq!((corpus.left_out.made_by_czip, corpus.left_out.files.of), (5, 1));
    }
    // Who names it means it.
    assert_eq!(train(&folder, &["c/m.czm.csv"], &all()), [curve]);
}

#[test]
fn files_are_found_before_they_are_read() {
    let folder = folder(&[
        ("c/a.txt", "a"),
        ("c/b.log", "b"),
        ("d.txt", "d"),
        ("e/f.txt", "f"),
    ]);
    let path = |name: &str| folder.path().join(name);
    let options = heldout(Heldout::Path(path("e")));
    let inputs = [path("c"), PathBuf::from("-"), path("d.txt"), path("c/b.log")];
    let files = corpus::find(&inputs, &options).unwrap();
    let found: Vec<(PathBuf, bool)> = files
        .iter()
        .map(|file| (file.path.clone(), file.is_named))
        .collect();
    assert_eq!(
        found,
        [
            (path("c/a.txt"), false),
            (path("c/b.log"), true),
            (path("d.txt"), true),
            (path("e/f.txt"), false)
        ]
    );
}

#[test]
fn a_byte_order_mark_is_kept_in_texts_and_no_part_of_records() {
    let bom = |text: &str| format!("\u{feff}{text}");
    let folder = folder(&[
        ("a.txt", &bom("a")),
        ("b.txt", &bom("<|doc|>\nb\n<|doc|>\n\u{feff}c")),
        ("c.ndjson", &bom("{\"text\":\"c\"}\n")),
        ("d.csv", &bom("text,n\nd,1\n")),
        ("e.tsv", &bom("text\tn\ne\t1\n")),
    ]);
    assert_eq!(
        train(&folder, &["a.txt", "b.txt"], &all()),
        ["\u{feff}a", "b\n", "\u{feff}c"]
    );
    for (name, expected) in [("c.ndjson", "c"), ("d.csv", "d"), ("e.tsv", "e")] {
        assert_eq!(train(&folder, &[name], &field("text")), [expected]);
    }
    assert_eq!(train(&folder, &["d.csv"], &all()), ["\u{feff}text,n\nd,1\n"]);
}

#[test]
fn tabs_separate_fields_that_have_no_quotes() {
    let folder = folder(&[(
        "a.tsv",
        "id\ttext\n1\t\"an open quote\n2\ttwo \"2\"\n3\t\"three\"\n4\t4\t4\n",
    )]);
    let corpus = read(&folder, &["a.tsv"], &field("text")).unwrap();
    assert_eq!(
        texts(&corpus.train),
        ["\"an open quote", "two \"2\"", "\"three\""]
    );
    assert_eq!(
        faults(&folder, &corpus.left_out.records).2,
        ["a.tsv:5: 3 fields, not 2"]
    );
}

#[test]
fn what_errors_quote_is_cut_and_escaped() {
    let cell = format!("\x1b[31m{}", "x".repeat(200_000));
    let json = format!("{{\"\\u001b{}\":1}}\n", &cell[1..]);
    let csv = format!("{cell},b\n1,2\n");
    let folder = folder(&[
        ("a.csv", &csv),
        ("b.ndjson", &json),
        ("c.txt", "c"),
        ("d.ndjson", "{}\n"),
    ]);
    let cut = format!("\\u{{1b}}[31m{}...", "x".repeat(95));
    for (input, others) in [("a.csv", ", b"), ("b.ndjson", "")] {
        assert_eq!(
            message(&folder, &[input], &field("text")),
            format!("no record has the field \"text\": there are {cut}{others}")
        );
    }
    let messages = [
        message(&folder, &["d.ndjson"], &field(&cell)),
        message(&folder, &["c.txt"], &field(&cell)),
        corpus::read(&[format!("*{cell}")], &mut std::io::empty(), &all())
            .unwrap_err()
            .to_string(),
    ];
    assert!(messages[0].starts_with(&format!("no record has the field \"{cut}\": ")));
    assert!(messages[1].starts_with(&format!("no records to take the field \"{cut}\" from: ")));
    assert!(
        messages
            .iter()
            .all(|message| message.len() < 500 && !message.contains('\x1b'))
    );
    // Forty names of the most characters have a bound together.
    let header: Vec<String> = (10..90)
        .map(|index| format!("{index}{}", "y".repeat(200)))
        .collect();
    fs::write(
        folder.path().join("a.csv"),
        header.join(",") + "\n1\n" + &",".repeat(79) + "\n",
    )
    .unwrap();
    let message = message(&folder, &["a.csv"], &field("text"));
    assert!(message.len() < 1300 && message.ends_with("..., ..."), "{message}");
}

#[test]
fn too_little_text_is_refused() {
    let folder = folder(&[("a.txt", "four"), ("b.txt", "five5")]);
    let at_least = |min_len| CorpusOptions { min_len, ..all() };
    assert_eq!(train(&folder, &["."], &at_least(9)), ["four", "five5"]);
    assert_eq!(
        message(&folder, &["."], &at_least(10)),
        "9 bytes of text are too few: at least 10 are needed"
    );
    let error = read(&folder, &["."], &CorpusOptions::default()).unwrap_err();
    assert!(matches!(error, Error::TooLittle { len: 9, min: 100_000 }));
}

#[test]
fn shares_out_of_range_are_refused() {
    let folder = folder(&[("a.txt", "a")]);
    for (fraction, shown) in [(1.0, "1"), (-0.5, "-0.5"), (f64::NAN, "NaN")] {
        assert_eq!(
            message(&folder, &["a.txt"], &heldout(Heldout::Fraction(fraction))),
            format!("cannot hold out a share of {shown}: it must be at least 0 and below 1")
        );
    }
}

/// Documents of some lengths, each twice.
fn many() -> TempDir {
    let documents: Vec<String> = (0..200)
        .map(|index| format!("{index} {}\n", "x".repeat(index % 37)))
        .collect();
    folder(&[(
        "a.txt",
        &[documents.join("<|doc|>\n"), documents.join("<|doc|>\n")].join("<|doc|>\n"),
    )])
}

#[test]
fn whole_documents_are_held_out_and_equal_ones_together() {
    let folder = many();
    let options = heldout(Heldout::Fraction(0.1));
    let corpus = read(&folder, &["a.txt"], &options).unwrap();
    assert_eq!(corpus.heldout_by, HeldoutBy::Document);
    assert_eq!(corpus.train.len() + corpus.heldout.len(), 400);
    let total = corpus.train_len() + corpus.heldout_len();
    assert!((total * 9 / 100..=total / 10).contains(&corpus.heldout_len()));
    let train: HashSet<&str> = texts(&corpus.train).into_iter().collect();
    assert!(texts(&corpus.heldout).iter().all(|text| !train.contains(text)));

    // The seed decides, and nothing else.
    assert_eq!(read(&folder, &["a.txt"], &options).unwrap(), corpus);
    let other = read(&folder, &["a.txt"], &CorpusOptions { seed: 1, ..options }).unwrap();
    assert_ne!(other.heldout, corpus.heldout);
}

#[test]
fn a_calibration_set_is_in_nothing_else() {
    let folder = many();
    let options = heldout(Heldout::Fraction(0.1));
    let before = read(&folder, &["a.txt"], &options).unwrap();
    let mut corpus = before.clone();
    corpus.split_calibration(options.seed);
    assert_eq!(corpus.heldout, before.heldout);
    assert_eq!(corpus.train.len() + corpus.calibration.len(), before.train.len());
    let total = before.train_len();
    assert!((total * 2 / 100..=total * 25 / 1000).contains(&corpus.calibration_len()));
    let others: HashSet<&str> = texts(&corpus.train)
        .into_iter()
        .chain(texts(&corpus.heldout))
        .collect();
    assert!(
        texts(&corpus.calibration)
            .iter()
            .all(|text| !others.contains(text))
    );
}

#[test]
fn half_a_megabyte_of_much_text_is_for_calibration() {
    let lines: String = (0..4_000_000).map(|line| format!("{line:09}\n")).collect();
    let folder = folder(&[("a.txt", &lines)]);
    let mut corpus = read(&folder, &["a.txt"], &all()).unwrap();
    corpus.split_calibration(0);
    assert_eq!(
        (corpus.train_len(), corpus.calibration_len()),
        (39_500_000, 500_000)
    );
    assert!(lines.ends_with(&corpus.calibration[0].text));
}

#[test]
fn the_end_of_few_documents_is_held_out() {
    let lines: String = (10..90).map(|line| format!("line {line}\n")).collect();
    let folder = folder(&[
        ("a.txt", &lines),
        ("b.txt", "<|doc|>\nno line break"),
        ("c.txt", "x"),
    ]);
    let corpus = read(
        &folder,
        &["a.txt", "b.txt", "c.txt"],
        &heldout(Heldout::Fraction(0.26)),
    )
    .unwrap();
    assert_eq!(corpus.heldout_by, HeldoutBy::Position);
    // 0.26 of 640 bytes are 166, and the nearest line starts 168 from the end.
    let (train, end) = lines.split_at(640 - 168);
    assert_eq!(texts(&corpus.train), [train, "no line br", "x"]);
    assert_eq!(texts(&corpus.heldout), [end, "eak"]);
    assert_eq!(sources(&folder, &corpus.heldout), ["a.txt", "b.txt:2"]);
}

#[test]
fn one_large_document_among_many_is_split_by_position() {
    let small: String = (0..30).map(|index| format!("{index}\n<|doc|>\n")).collect();
    let folder = folder(&[("a.txt", &small), ("b.txt", &"some line\n".repeat(1000))]);
    let corpus = read(&folder, &["."], &heldout(Heldout::Fraction(0.2))).unwrap();
    assert_eq!(corpus.heldout_by, HeldoutBy::Position);
    assert_eq!(corpus.heldout.last().unwrap().text, "some line\n".repeat(200));
}

#[test]
fn an_end_that_is_a_document_is_not_held_out() {
    let folder = folder(&[
        ("a.txt", "first line\nlast\n"),
        ("b.txt", "last\n"),
        ("c.txt", "one two\nend\n"),
    ]);
    let corpus = read(&folder, &["."], &heldout(Heldout::Fraction(0.3))).unwrap();
    assert_eq!(texts(&corpus.train), ["first line\n", "last\n", "one two\n"]);
    assert_eq!(texts(&corpus.heldout), ["end\n"]);
}

#[test]
fn what_is_held_out_can_be_read_from_elsewhere() {
    let folder = folder(&[
        ("a.txt", "one\n<|doc|>\ntwo\n<|doc|>\none\n"),
        ("test/b.txt", "three\n<|doc|>\none\n"),
        ("c.ndjson", "{\"text\":\"four\"}\n"),
        ("blank.txt", " "),
    ]);
    let from = |path: &str| Heldout::Path(folder.path().join(path));
    let corpus = read(&folder, &["a.txt"], &heldout(from("test"))).unwrap();
    assert_eq!(corpus.heldout_by, HeldoutBy::Path);
    assert_eq!(texts(&corpus.train), ["two\n"]);
    assert_eq!(texts(&corpus.heldout), ["three\n", "one\n"]);
    assert_eq!(corpus.removed_documents, 2);

    // Records to train on, text to measure on.
    let options = CorpusOptions {
        heldout: from("test"),
        ..field("text")
    };
    let corpus = read(&folder, &["c.ndjson"], &options).unwrap();
    assert_eq!((texts(&corpus.train), corpus.heldout.len()), (vec!["four"], 2));

    for (path, expected) in [
        (
            "a.txt",
            "every document is also in a.txt, which is to be held out",
        ),
        ("none.txt", "no such file: none.txt"),
        ("blank.txt", "no text in blank.txt"),
    ] {
        assert_eq!(message(&folder, &["a.txt"], &heldout(from(path))), expected);
    }
    let options = CorpusOptions {
        min_len: 5,
        ..heldout(from("test"))
    };
    assert_eq!(
        message(&folder, &["a.txt"], &options),
        "4 bytes of text are too few: at least 5 are needed"
    );
}
