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
    for command in ["compress", "verify", "bench"] {
        assert_eq!(
            czip(&[command, "--format", "v1", "notes.txt"]).stderr(),
            no_model,
            "{command}"
        );
    }
    assert_eq!(
        czip(&["compress", "-t", "t.json", "notes.txt"]).stderr(),
        no_model
    );
    for (arguments, message) in [
        (&["-L", "6", "--format", "v1"][..], "levels run from 1 to 5 in v1"),
        (
            &["-c", "zstd", "-9"],
            "levels run from 1 to 5 in v1, which --codec selects",
        ),
        (
            &["-c", "zstd", "--format", "v2"],
            "--codec applies to --format v1 only",
        ),
        (
            &["-c", "zstd", "--no-index"],
            "--segment and --no-index apply to --format v2 only, which --codec selects",
        ),
        (
            &["--segment", "64K", "--format", "v1"],
            "--segment and --no-index apply to --format v2 only",
        ),
    ] {
        let arguments = [&["compress", "notes.txt"], arguments].concat();
        assert_eq!(
            czip(&arguments).stderr(),
            format!("czip: {message}\n"),
            "{arguments:?}"
        );
    }
    for (arguments, message) in [
        (&["compress"][..], "no input: name files, or - for standard input"),
        (&["decompress"], "no input: name files, or - for standard input"),
        (
            &["decompress", "-t", "notes.txt"],
            "no input: -t takes a tokenizer here; to test files, use czip -t FILE, without a command",
        ),
        (
            &["comprss", "notes.txt"],
            "there is no file comprss; did you mean czip compress?",
        ),
        (
            &["-9", "compress", "notes.txt"],
            "there is no file compress; a command comes before its options: czip compress ...",
        ),
    ] {
        let finished = czip(arguments);
        assert_eq!(finished.stderr(), format!("czip: {message}\n"), "{arguments:?}");
        assert_eq!(finished.stdout(), b"");
    }
    for arguments in [&["-e", "notes.txt"][..], &["-19", "notes.txt"], &["cat", "--rm"]] {
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
        .args(["compress", "-L", "10", "a"])
        .output()
        .unwrap();
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(
        message.contains(
            "invalid value '10' for '--level <LEVEL>': levels run from 1 to 9, and from 1 to 5 in v1"
        ),
        "{message}"
    );
}

#[test]
fn empty_variable_names_no_model() {
    let folder = Folder::with_text();
    folder
        .czip("none".as_ref(), ["compress", "--format", "v1", "notes.txt"])
        .exits(2);
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
        .fails(1, "sub: is a folder; -r takes all files in it");
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
        "notes.txt: no name for the output: the input's name does not end in .czip; give one with -o OUT \
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
            .starts_with("czip: none.czm: cannot read the model: "),
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
            "notes.txt: neither a czip nor a CZIPv1 file: it starts with \"Intege\"",
        );
    folder.pipe(&model, ["decompress", "-"], b"CZIPv1").fails(
        4,
        "<stdin>: input of 6 bytes is too short for a CZIPv1 file, whose header alone takes 16",
    );
    folder.czip(&model, ["info", "notes.txt"]).fails(
        4,
        "notes.txt: is neither a compressed file nor a model, which is what can be described",
    );
}

#[test]
fn text_that_is_none() {
    let Some(model) = model() else { return };
    let folder = Folder::new();
    folder.write("bytes", b"ab\xffcd");
    let message = "bytes: not UTF-8 text: invalid byte at offset 2; format v1 holds text only";
    for command in ["compress", "verify"] {
        folder
            .czip(&model, [command, "--format", "v1", "bytes"])
            .fails(1, message);
    }
    folder.czip(&model, ["verify", "bytes"]).exits(0);
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
fn model_that_a_file_needs() {
    let (Some(model), Some(other)) = (
        shared("conformance/models/v001_eng.czm"),
        shared("conformance/models/v000_eng.czm"),
    ) else {
        return;
    };
    let folder = Folder::with_text();
    folder.czip(&model, ["compress", "notes.txt"]).exits(0);
    let id = |model: &std::path::Path| czip::Model::open(model).unwrap().id();
    let (id, other_id) = (id(&model), id(&other));
    folder
        .czip("none".as_ref(), ["decompress", "notes.txt.czip", "-o", "out"])
        .fails(
            3,
            &format!(
                "notes.txt.czip: needs the model {id}: name it, or a folder that contains it, with -m; none is available"
            ),
        );
    let refused = folder
        .czip(&other, ["decompress", "notes.txt.czip", "-o", "out"])
        .exits(3);
    let start = format!(
        "czip: notes.txt.czip: needs the model {id}: name it, or a folder that contains it, with -m; {} \
         ({other_id}), standard (",
        other.display()
    );
    assert!(refused.stderr().starts_with(&start), "{}", refused.stderr());
    let mut file = folder.read("notes.txt.czip");
    let last = file.len() - 1;
    file[last] ^= 1;
    folder.write("damaged.czip", file);
    let damaged = folder.czip(&model, ["decompress", "damaged.czip"]).exits(4);
    assert!(
        damaged
            .stderr()
            .starts_with("czip: damaged.czip: segment 0 of member 0, at byte 8: checksum "),
        "{}",
        damaged.stderr()
    );
    assert_eq!(folder.names(), ["damaged.czip", "notes.txt", "notes.txt.czip"]);
}

#[test]
fn level_above_the_context_is_lowered_with_a_warning() {
    let Some(short) = shared("conformance/models/v000_eng.czm") else {
        return;
    };
    let folder = Folder::with_text();
    let compressed = folder
        .czip(&short, ["compress", "--format", "v1", "-L", "5", "notes.txt"])
        .exits(0);
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
