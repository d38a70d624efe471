//! `adapt`: a model fitted to texts of one's own.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::run::{Finished, Folder};

/// The golden model of that version, whose net has random weights.
fn golden(version: u32) -> PathBuf {
    let name = if version == 1 { "model.czm" } else { "model2.czm" };
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../vectors/data")
        .join(name)
}

/// Lines of a few words.
fn letters(seed: u32, lines: u32) -> String {
    let mut text = String::new();
    let mut state = seed;
    let mut word = |words: [&'static str; 4]| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        words[(state >> 20) as usize % 4]
    };
    for _ in 0..lines {
        let (who, what) = (
            word(["Anna", "Bert", "Cleo", "Dora"]),
            word(["sent", "wrote", "lost", "found"]),
        );
        let _ = writeln!(
            text,
            "{who} {what} {}.",
            word(["a letter", "two cards", "no stamps", "the ink"])
        );
    }
    text
}

fn adapt(folder: &Folder, arguments: &[&str]) -> Finished {
    let mut command = folder.command();
    command.arg("adapt").args(arguments);
    Finished(command.output().unwrap())
}

#[test]
fn models_of_both_versions_are_adapted() {
    for version in [1, 2] {
        let folder = Folder::new();
        fs::copy(golden(version), folder.path("old.czm")).unwrap();
        fs::create_dir(folder.path("letters")).unwrap();
        fs::write(folder.path("letters/a.txt"), letters(1, 400)).unwrap();
        fs::write(folder.path("letters/photo.jpg"), b"\xff\xd8\xff").unwrap();
        fs::write(folder.path("letters/b.txt"), letters(2, 400)).unwrap();
        folder.write("held.txt", letters(3, 300));
        let arguments = [
            "old.czm",
            "letters",
            "-o",
            "new.czm",
            "--heldout",
            "held.txt",
            "--name",
            "mine",
        ];
        let report = adapt(&folder, &arguments).exits(0).stderr();
        assert_eq!(folder.names(), ["held.txt", "letters", "new.czm", "old.czm"]);
        for part in [
            "2 documents, ",
            "warning: skipped files that cannot be read or are not text, 1 of 4: letters/photo.jpg: not UTF-8 at byte 0\n",
            "wrote new.czm: ",
        ] {
            assert!(report.contains(part), "{part}: {report}");
        }

        // What it says of the held-out text is what the program makes of it.
        let len = |model: &str| {
            let out = format!("{model}.czip");
            folder
                .czip(&folder.path(model), ["compress", "held.txt", "-o", &out])
                .exits(0);
            let arguments = ["decompress", &out, "-o", "back", "-f"];
            folder.czip(&folder.path(model), arguments).exits(0);
            assert!(folder.read("back") == folder.read("held.txt"));
            folder.read(&out).len()
        };
        let (before, after) = (len("old.czm"), len("new.czm"));
        let sizes = format!(
            "held-out text, {} bytes, at level 5: {before} bytes before, {after} after, -",
            folder.read("held.txt").len()
        );
        assert!(report.contains(&sizes), "{sizes}: {report}");
        assert!(after < before, "{after} {before}");

        let info = folder
            .czip("none".as_ref(), ["info", "--json", "new.czm"])
            .exits(0);
        let info: Value = serde_json::from_slice(info.stdout()).unwrap();
        assert_eq!(info["format"], format!("czip-model-v{version}"));
        let (old, new) = (folder.read("old.czm"), folder.read("new.czm"));
        let (old, new) = (
            czip_vectors::ModelFile::parse(&old),
            czip_vectors::ModelFile::parse(&new),
        );
        assert_eq!(new.metadata["name"], "mine");
        assert_eq!(new.metadata["adaptation.seed"], "0");
        // The priors with a net, and the weights of the symbols. All else is as it was, but for how the tokenizer is
        // compressed.
        let is_mixing = |name: &str| name.starts_with("mixing.");
        assert_eq!(new.tensors.keys().filter(|name| is_mixing(name)).count(), 2);
        let of_net = |name: &str| !is_mixing(name) && !name.starts_with("tokenizer.");
        for (name, tensor) in old.tensors.iter().filter(|(name, _)| of_net(name)) {
            assert_eq!(new.tensors.get(name), Some(tensor), "{name}");
        }

        // The same again is the same model, on any number of threads.
        let again = [
            "old.czm",
            "letters",
            "-o",
            "again.czm",
            "--heldout",
            "held.txt",
            "--name",
            "mine",
            "-T",
            "1",
        ];
        adapt(&folder, &again).exits(0);
        assert!(folder.read("again.czm") == folder.read("new.czm"));
    }
}

#[test]
fn the_sample_may_be_smaller_and_nothing_held_out() {
    let folder = Folder::new();
    fs::copy(golden(2), folder.path("old.czm")).unwrap();
    folder.write("a.txt", letters(1, 2_000));
    let arguments = [
        "old.czm",
        "a.txt",
        "-o",
        "new.czm",
        "--heldout",
        "0",
        "--sample",
        "20K",
    ];
    let report = adapt(&folder, &arguments).exits(0).stderr();
    assert!(report.contains("; nothing is held out\n"), "{report}");
    assert!(!report.contains("held-out text"), "{report}");
    let new = czip_vectors::ModelFile::parse(&folder.read("new.czm"));
    let sampled: usize = new.metadata["adaptation.text_bytes"].parse().unwrap();
    assert!((20_480..60_480).contains(&sampled), "{sampled}");
}

#[test]
fn nothing_is_lost() {
    let folder = Folder::new();
    fs::copy(golden(2), folder.path("old.czm")).unwrap();
    folder.write("a.txt", letters(1, 500));
    folder.write("short.txt", "Too short.\n");
    folder.write("taken.czm", "mine");
    let fails = |arguments: &[&str], code: i32, message: &str| {
        let names = folder.names();
        adapt(&folder, arguments).fails(code, message);
        assert_eq!(folder.names(), names);
        assert_eq!(folder.read("taken.czm"), b"mine");
    };
    let is_input = "is also an input, and inputs are never overwritten; name another output with -o";
    fails(
        &["old.czm", "a.txt", "-o", "taken.czm"],
        1,
        "taken.czm: already exists; -f overwrites it",
    );
    fails(
        &["old.czm", "a.txt", "-f", "-o", "a.txt"],
        2,
        &format!("a.txt: {is_input}"),
    );
    fails(
        &["old.czm", "a.txt", "-f", "-o", "old.czm"],
        2,
        &format!("old.czm: {is_input}"),
    );
    adapt(&folder, &["a.txt", "short.txt", "-o", "new.czm"]).exits(4);
    fails(
        &["no.czm", "a.txt", "-o", "new.czm"],
        1,
        "no.czm: cannot read the model: No such file or directory (os error 2)",
    );
    fails(&["old.czm", "no.txt", "-o", "new.czm"], 1, "no such file: no.txt");
    fails(
        &["old.czm", "short.txt", "-o", "new.czm"],
        1,
        "11 bytes of text are too few: at least 10000 are needed",
    );

    // A model that was made in a folder of texts is no text, and is replaced if the user wants it.
    adapt(&folder, &["old.czm", ".", "-o", "new.czm"]).exits(0);
    fails(
        &["old.czm", ".", "-o", "new.czm"],
        1,
        "new.czm: already exists; -f overwrites it",
    );
    let before = folder.read("new.czm");
    let report = adapt(&folder, &["old.czm", ".", "-f", "-o", "new.czm"])
        .exits(0)
        .stderr();
    assert!(report.contains("skipped 2 files that czip wrote\n"), "{report}");
    assert!(folder.read("new.czm") == before);
}
