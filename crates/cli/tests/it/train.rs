//! `train`: a model of one's own.

use std::fmt::Write as _;

use serde_json::Value;

use crate::run::{Finished, Folder};

/// Lines that look alike, as a log has them.
fn log(lines: u32) -> String {
    let mut log = String::new();
    let mut state = 1u32;
    for line in 0..lines {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let (user, took) = (state >> 24, (state >> 8) & 0xfff);
        let action = ["opened", "closed", "renamed", "printed"][(state >> 20) as usize % 4];
        let _ = writeln!(
            log,
            "2026-11-{:02} user{user} {action} document {line} in {took} ms",
            line / 500 + 1
        );
    }
    log
}

fn train(folder: &Folder, arguments: &[&str]) -> Finished {
    let mut command = folder.command();
    command.arg("train").args(arguments);
    Finished(command.output().unwrap())
}

#[test]
fn a_model_is_trained_written_and_used() {
    let folder = Folder::new();
    let log = log(9_000);
    folder.write("log.txt", &log);
    let steps = [
        "--tokens",
        "40000",
        "--preset",
        "fast",
        "--vocab",
        "300",
        "--heldout",
        "0.15",
        "-T",
        "1",
    ];
    let arguments = [
        &["log.txt", "-o", "log.czm", "--name", "log", "--licence", "none"],
        &steps[..],
    ]
    .concat();
    let report = train(&folder, &arguments).exits(0).stderr();
    assert_eq!(folder.names(), ["log.csv", "log.czm", "log.svg", "log.txt"]);
    for part in [
        "bits/byte held out",
        "wrote log.czm",
        "brotli-11",
        "zstd-19 with a dictionary",
        "pays for itself",
    ] {
        assert!(report.contains(part), "{part}: {report}");
    }
    assert!(folder.read("log.csv").starts_with(b"tokens,seconds,"));

    let info = folder
        .czip("none".as_ref(), ["info", "--json", "log.czm"])
        .exits(0);
    let info: Value = serde_json::from_slice(info.stdout()).unwrap();
    assert_eq!(info["format"], "czip-model-v2");
    assert_eq!(info["vocab_size"], 300);
    assert_eq!(info["facts"]["name"], "log");
    assert_eq!(info["facts"]["licence"], "none");
    assert_eq!(info["facts"]["training.tokens"], "40960");

    let model = folder.path("log.czm");
    folder.write("some.txt", &log[..4_000]);
    folder.czip(&model, ["compress", "some.txt"]).exits(0);
    folder
        .czip("none".as_ref(), ["compress", "some.txt", "-o", "bytes"])
        .exits(0);
    // What the adaptive coder has learnt is most of it, after so few steps.
    assert!(folder.read("some.txt.czip").len() < folder.read("bytes").len());
    folder
        .czip(&model, ["decompress", "some.txt.czip", "-o", "back"])
        .exits(0);
    assert_eq!(folder.read("back"), &log.as_bytes()[..4_000]);

    // The same again is the same model; on from it is another.
    let again = [
        &["log.txt", "-o", "again.czm", "--name", "log", "--licence", "none"],
        &steps[..],
    ]
    .concat();
    train(&folder, &again).exits(0);
    let weights = |name: &str| match czip::Weights::from_bytes(&folder.read(name)).unwrap() {
        czip::Weights::V2(file) => file.content_hash,
        czip::Weights::V1(_) => panic!("{name}"),
    };
    assert_eq!(weights("again.czm"), weights("log.czm"));
    let more = [
        "log.txt", "-o", "more.czm", "--from", "log.czm", "--tokens", "8000", "-T", "1",
    ];
    train(&folder, &more).exits(0);
    assert_ne!(weights("more.czm"), weights("log.czm"));
}

#[test]
fn what_cannot_be_trained_on() {
    let folder = Folder::new();
    folder.write("short.txt", "Too short.\n");
    folder.write("log.txt", log(3_000));
    folder.write("bytes.txt", [&b"abc\xff"[..], &[b'x'; 200_000]].concat());
    folder.write("taken.czm", "");
    let fails = |arguments: &[&str], code: i32, message: &str| {
        train(&folder, arguments).fails(code, message);
    };
    fails(&["no.txt", "-o", "m.czm"], 1, "no such file: no.txt");
    fails(&["bytes.txt", "-o", "m.czm"], 1, "bytes.txt: not UTF-8 at byte 3");
    #[cfg(not(feature = "gpu"))]
    fails(
        &["log.txt", "-o", "m.czm", "--device", "gpu"],
        2,
        "this build cannot train on a GPU: it was made without `--features gpu`; leave --device out to train on the CPU",
    );
    #[cfg(all(feature = "gpu", target_os = "linux"))]
    {
        let mut command = folder.command();
        for name in ["VK_DRIVER_FILES", "VK_ICD_FILENAMES"] {
            command.env(name, folder.path("nothing.json"));
        }
        command.args(["train", "log.txt", "-o", "m.czm", "--device", "gpu"]);
        Finished(command.output().unwrap()).fails(
            1,
            "no GPU was found: its driver for Vulkan, or Metal on a Mac, has to be installed; leave --device out to train on the CPU",
        );
    }
    fails(
        &["log.txt", "-o", "taken.czm"],
        1,
        "taken.czm: exists already; -f overwrites it",
    );
    fails(
        &["log.txt", "-o", "gone/m.czm"],
        1,
        "gone/m.czm: there is no directory gone",
    );
    let report = train(&folder, &["short.txt", "-o", "m.czm"]).exits(1).stderr();
    assert!(report.contains("100000"), "{report}");
    let golden = czip_vectors::read("model.czm");
    folder.write("v1.czm", golden);
    let report = train(&folder, &["log.txt", "-o", "m.czm", "--from", "v1.czm"])
        .exits(1)
        .stderr();
    assert!(
        report.ends_with("v1.czm: is a model of version 1, which can be used but not trained on\n"),
        "{report}"
    );
    let report = train(&folder, &["log.txt", "-o", "m.czm", "--resume"])
        .exits(1)
        .stderr();
    assert!(report.contains("m.czm.checkpoint"), "{report}");
    assert_eq!(
        folder.names(),
        ["bytes.txt", "log.txt", "short.txt", "taken.czm", "v1.czm"]
    );
}
