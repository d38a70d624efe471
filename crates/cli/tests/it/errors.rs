//! What is refused, with which message and exit code.

use std::fs;

use czip_vectors::{shared, shared_file};
use serde_json::{Map, Value, json};

use crate::run::{Finished, Folder, TEXT, model};

#[test]
fn wrong_command_lines() {
    let folder = Folder::with_text();
    let czip = |arguments: &[&str]| Finished(folder.command().args(arguments).output().unwrap()).exits(2);
    let no_model = "czip: no model: name one with -m MODEL or in the environment variable CZIP_MODEL\n";
    assert_eq!(czip(&["compress", "notes.txt"]).stderr(), no_model);
    assert_eq!(czip(&["verify", "notes.txt"]).stderr(), no_model);
    for arguments in [&[][..], &["compress"], &["squeeze", "notes.txt"]] {
        let finished = czip(arguments);
        assert!(finished.stderr().contains("Usage: czip"), "{arguments:?}");
        assert_eq!(finished.stdout(), b"");
    }
    assert_eq!(folder.names(), ["notes.txt"]);
}

#[test]
fn level_says_what_it_may_be() {
    let folder = Folder::new();
    let output = folder
        .command()
        .args(["compress", "-L", "6", "a"])
        .output()
        .unwrap();
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(
        message.contains("invalid value '6' for '--level <LEVEL>': levels are 1 to 5"),
        "{message}"
    );
}

#[test]
fn empty_variable_names_no_model() {
    let folder = Folder::with_text();
    folder.czip("".as_ref(), ["compress", "notes.txt"]).exits(2);
}

#[test]
fn inputs_and_outputs_that_cannot_be() {
    let Some(model) = model() else { return };
    let folder = Folder::with_text();
    fs::create_dir(folder.path("sub")).unwrap();
    let names = folder.names();

    let missing = folder.czip(&model, ["compress", "none.txt"]).exits(1);
    assert!(
        missing.stderr().starts_with("czip: none.txt: cannot read: "),
        "{}",
        missing.stderr()
    );
    folder
        .czip(&model, ["compress", "sub"])
        .fails(1, "sub: is a directory");
    folder
        .czip(&model, ["info", "sub"])
        .fails(1, "sub: is a directory");
    folder
        .czip(&model, ["compress", "notes.txt", "-o", "sub"])
        .fails(1, "sub: is a directory");
    folder
        .czip(&model, ["compress", "notes.txt", "-o", "none/out"])
        .fails(1, "none/out: there is no directory none");
    folder.czip(&model, ["decompress", "notes.txt"]).fails(
        2,
        "notes.txt: no name for the output: the input's does not end in .czip; name one with -o OUT \
         (- is standard output)",
    );
    assert_eq!(folder.names(), names);
}

#[test]
fn models_and_tokenizers_that_cannot_be() {
    let folder = Folder::with_text();
    let missing = folder
        .czip("none.czm".as_ref(), ["compress", "notes.txt"])
        .exits(1);
    assert!(
        missing
            .stderr()
            .starts_with("czip: cannot read the model none.czm: "),
        "{}",
        missing.stderr()
    );
    let no_model = folder
        .czip("notes.txt".as_ref(), ["compress", "notes.txt"])
        .exits(4);
    assert!(
        no_model.stderr().starts_with("czip: notes.txt: bad model: "),
        "{}",
        no_model.stderr()
    );

    let Some(model) = model() else { return };
    folder.write("broken.json", "{");
    let broken = folder
        .czip(&model, ["compress", "-t", "broken.json", "notes.txt"])
        .exits(4);
    assert!(
        broken.stderr().starts_with("czip: broken.json: bad tokenizer: "),
        "{}",
        broken.stderr()
    );
    let none = folder
        .czip(&model, ["compress", "-t", "none.json", "notes.txt"])
        .exits(1);
    assert!(
        none.stderr().starts_with("czip: none.json: cannot read: "),
        "{}",
        none.stderr()
    );
    assert_eq!(folder.names(), ["broken.json", "notes.txt"]);
}

#[test]
fn tokenizer_larger_than_the_model() {
    let Some(model) = model() else { return };
    let folder = Folder::with_text();
    let tokens = 60_000_u32;
    let bytes: Map<String, Value> = (0..256)
        .map(|byte| (char::from_u32(byte).unwrap().to_string(), byte.into()))
        .collect();
    let special: Map<String, Value> = (256..tokens).map(|id| (format!("<|{id}|>"), id.into())).collect();
    let tokenizer = json!({
        "name": "large", "pat_str": r"\s+|\S+", "mergeable_ranks": bytes, "special_tokens": special,
        "explicit_n_vocab": tokens,
    });
    folder.write("large.json", tokenizer.to_string());
    let refused = folder
        .czip(&model, ["compress", "-t", "large.json", "notes.txt"])
        .exits(3);
    let message = refused.stderr();
    assert!(
        message.starts_with("czip: large.json: tokenizer of 60000 tokens for a model of "),
        "{message}"
    );
}

#[test]
fn malformed_files() {
    let Some(model) = model() else { return };
    let folder = Folder::with_text();
    folder
        .czip(&model, ["decompress", "notes.txt", "-o", "out"])
        .fails(
            4,
            "notes.txt: not a CZIPv1 file: it starts with \"Intege\" instead of \"CZIPv1\"",
        );
    folder.pipe(&model, ["decompress", "-"], b"CZIPv1").fails(
        4,
        "<stdin>: input of 6 bytes is too short for a CZIPv1 file, whose header alone takes 16",
    );
    folder
        .czip(&model, ["info", "notes.txt"])
        .fails(4, "notes.txt: neither a CZIPv1 file nor a czip-model-v1 model");
}

#[test]
fn text_that_is_none() {
    let Some(model) = model() else { return };
    let folder = Folder::new();
    folder.write("bytes", b"ab\xffcd");
    let message = "bytes: not UTF-8 text: invalid byte at offset 2; format v1 holds text only";
    folder.czip(&model, ["compress", "bytes"]).fails(1, message);
    folder.czip(&model, ["verify", "bytes"]).fails(1, message);
}

#[test]
fn models_of_other_files() {
    let Some(short) = shared("conformance/models/v000_eng.czm") else {
        return;
    };
    let folder = Folder::new();
    let file = |name: &str| shared_file(&format!("conformance/expected/{name}")).unwrap();
    folder.write("long.czip", file("code.rs.v001_eng.5.brotli.czip"));
    folder.write("other.czip", file("code.rs.v001_eng.1.brotli.czip"));

    folder.czip(&short, ["decompress", "long.czip"]).fails(
        3,
        "long.czip: file has chunks of 1024 tokens, but the model's context is 64: it was made with another model",
    );
    let other = folder.czip(&short, ["decompress", "other.czip"]).exits(3);
    let message = other.stderr();
    assert!(
        message.ends_with("the file is damaged or made with another model\n"),
        "{message}"
    );
    assert_eq!(folder.names(), ["long.czip", "other.czip"]);
}

#[test]
fn level_above_the_context_is_lowered_with_a_warning() {
    let Some(short) = shared("conformance/models/v000_eng.czm") else {
        return;
    };
    let folder = Folder::with_text();
    let compressed = folder.czip(&short, ["compress", "-L", "5", "notes.txt"]).exits(0);
    let warning = "czip: warning: notes.txt: level lowered to chunks of 64 tokens, the model's context\n";
    assert!(
        compressed.stderr().starts_with(warning),
        "{}",
        compressed.stderr()
    );
    let restored = folder
        .czip(&short, ["decompress", "notes.txt.czip", "-o", "-"])
        .exits(0);
    assert_eq!(restored.stdout(), TEXT.as_bytes());
}
