//! `train`: a model of one's own.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;

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
    assert_eq!(
        folder.names(),
        ["log.czm", "log.czm.csv", "log.czm.svg", "log.txt"]
    );
    for part in [
        "bits/byte held out",
        "wrote log.czm",
        "czip with the built-in model, czip ",
        " than with the built-in model",
        "brotli-11",
        "zstd-19 with a dictionary",
        "pays for itself",
    ] {
        assert!(report.contains(part), "{part}: {report}");
    }
    assert!(folder.read("log.czm.csv").starts_with(b"tokens,seconds,"));

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
    // Most of the gain comes from the mixing priors, after so few steps.
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
    let weights = |name: &str| match czip::ModelFile::from_bytes(&folder.read(name)).unwrap() {
        czip::ModelFile::V2(file) => file.content_hash,
        _ => panic!("{name}"),
    };
    assert_eq!(weights("again.czm"), weights("log.czm"));
    let more = [
        "log.txt", "-o", "more.czm", "--from", "log.czm", "--tokens", "8000", "-T", "1",
    ];
    train(&folder, &more).exits(0);
    assert_ne!(weights("more.czm"), weights("log.czm"));

    // At low rates it is another again, and says how it was made.
    let gentle = [&more[..2], &["gentle.czm", "--rate", "0.2"], &more[3..]].concat();
    train(&folder, &gentle).exits(0);
    assert_ne!(weights("gentle.czm"), weights("more.czm"));
    let info = folder
        .czip("none".as_ref(), ["info", "--json", "gentle.czm"])
        .exits(0);
    let info: Value = serde_json::from_slice(info.stdout()).unwrap();
    assert_eq!(info["facts"]["training.rate"], "0.2");
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
        "this build cannot train on a GPU: it was made without `--features gpu`; leave out --device to train on the CPU",
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
            "no GPU was found: its driver for Vulkan, or Metal on a Mac, has to be installed; leave out --device to train on the CPU",
        );
    }
    fails(
        &["log.txt", "-o", "taken.czm"],
        1,
        "taken.czm: already exists; -f overwrites it",
    );
    fails(
        &["log.txt", "-o", "gone/m.czm"],
        1,
        "gone/m.czm: there is no folder gone",
    );
    let report = train(&folder, &["short.txt", "-o", "m.czm"]).exits(1).stderr();
    assert!(report.contains("100000"), "{report}");
    let golden = czip_vectors::read("model.czm");
    folder.write("v1.czm", golden);
    let report = train(&folder, &["log.txt", "-o", "m.czm", "--from", "v1.czm"])
        .exits(1)
        .stderr();
    assert!(
        report.ends_with("v1.czm: is a czip-model-v1 file, which can be used but not trained\n"),
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

/// The contents of all files in a folder, and in those in it.
fn contents(folder: &std::path::Path) -> BTreeMap<std::path::PathBuf, Vec<u8>> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(contents(&path));
        } else {
            all.insert(path.clone(), fs::read(path).unwrap());
        }
    }
    all
}

#[test]
fn nothing_is_overwritten_that_is_read() {
    let folder = Folder::new();
    let log = log(3_000);
    fs::create_dir(folder.path("texts")).unwrap();
    for name in [
        "log.txt",
        "m.czm.csv",
        "held.txt",
        "texts/a.txt",
        "texts/n.czm.svg",
    ] {
        folder.write(name, &log);
    }
    folder.write("base.czm", czip_vectors::read("model.czm"));
    let before = contents(&folder.path(""));
    let refused = |arguments: &[&str], name: &str| {
        for force in [false, true] {
            let arguments = [arguments, if force { &["-f"] } else { &[] }].concat();
            let message = "is also an input, and inputs are never overwritten; name another output with -o";
            train(&folder, &arguments).fails(2, &format!("{name}: {message}"));
        }
        assert_eq!(contents(&folder.path("")), before, "{arguments:?}");
    };
    refused(&["log.txt", "-o", "log.txt"], "log.txt");
    refused(&["log.txt", "-o", "texts/../log.txt"], "texts/../log.txt");
    // Beside the model.
    refused(&["m.czm.csv", "--field", "x", "-o", "m.czm"], "m.czm.csv");
    refused(&["texts", "-o", "texts/n.czm"], "texts/n.czm.svg");
    // In folders, by patterns, held out, gone on from.
    refused(&["texts", "-o", "texts/a.txt"], "texts/a.txt");
    refused(&["texts/*.txt", "-o", "texts/a.txt"], "texts/a.txt");
    refused(
        &["log.txt", "--heldout", "held.txt", "-o", "held.txt"],
        "held.txt",
    );
    refused(&["log.txt", "--from", "base.czm", "-o", "base.czm"], "base.czm");
    #[cfg(unix)]
    {
        let stdin = fs::File::open(folder.path("log.txt")).unwrap();
        let mut command = folder.command();
        command.args(["train", "-", "-f", "-o", "log.txt"]).stdin(stdin);
        let report = Finished(command.output().unwrap()).exits(2).stderr();
        assert!(report.starts_with("czip: log.txt: is also an input"), "{report}");

        fs::hard_link(folder.path("log.txt"), folder.path("hard.czm")).unwrap();
        std::os::unix::fs::symlink("log.txt", folder.path("soft.czm.checkpoint")).unwrap();
        let before = contents(&folder.path(""));
        for (output, name) in [("hard.czm", "hard.czm"), ("soft.czm", "soft.czm.checkpoint")] {
            let report = train(&folder, &["log.txt", "-f", "-o", output]).exits(2).stderr();
            assert!(
                report.starts_with(&format!("czip: {name}: is also an input")),
                "{report}"
            );
        }
        assert_eq!(contents(&folder.path("")), before);
    }
}

#[test]
fn all_outputs_are_checked_before_training_begins() {
    let folder = Folder::new();
    folder.write("log.txt", log(3_000));
    for name in [
        "a.czm",
        "b.czm.csv",
        "c.czm.svg",
        "d.czm.checkpoint",
        "e.czm.checkpoint.new",
        "f.czm.checkpoint.lock",
    ] {
        folder.write(name, "x");
    }
    fs::create_dir(folder.path("g.czm.svg")).unwrap();
    let before = contents(&folder.path(""));
    let fails = |arguments: &[&str], code: i32, message: &str| {
        let arguments = [&["log.txt"], arguments].concat();
        train(&folder, &arguments).fails(code, message);
        assert_eq!(contents(&folder.path("")), before);
    };
    for name in [
        "a.czm",
        "b.czm.csv",
        "c.czm.svg",
        "e.czm.checkpoint.new",
        "f.czm.checkpoint.lock",
    ] {
        let message = format!("{name}: already exists; -f overwrites it");
        fails(&["-o", &name[..5]], 1, &message);
    }
    fails(
        &["-o", "d.czm"],
        1,
        "d.czm.checkpoint: belongs to a run that was interrupted; --resume continues it, -f starts over",
    );
    let report = train(&folder, &["log.txt", "-o", "d.czm", "--resume"])
        .exits(1)
        .stderr();
    let problem = "it is truncated; use -f instead of --resume to start over";
    assert!(
        report.ends_with(&format!(
            "czip: d.czm.checkpoint is not a checkpoint of a training run: {problem}\n"
        )),
        "{report}"
    );
    fails(
        &["-o", "h.czm", "--resume"],
        1,
        "h.czm.checkpoint: does not exist, so there is no run to resume; leave out --resume to start one",
    );
    fails(&["-f", "-o", "g.czm"], 1, "g.czm.svg: is a folder");
    let stream = "is not a file, but other files are written beside a model; name a file with -o";
    fails(&["-o", "-"], 2, &format!("<stdout>: {stream}"));
    #[cfg(unix)]
    fails(&["-o", "/dev/null"], 2, &format!("/dev/null: {stream}"));
    fails(
        &["-o", "h.czm", "--from", "a.czm", "--vocab", "300"],
        2,
        "--vocab and --split need a new tokenizer, but --from keeps the model's; add --new-tokenizer",
    );
}

#[test]
fn a_folder_is_trained_on_again_without_what_was_made_there() {
    let folder = Folder::new();
    let (mut csv, mut json) = (String::from("id,text\n"), String::from("\u{feff}"));
    for (index, line) in log(2_500).lines().enumerate() {
        let _ = writeln!(csv, "{index},\"{line}\"");
        let _ = writeln!(json, "{{\"text\":\"{line}!\"}}");
    }
    csv.push_str("1,2,3\n");
    json.push_str("{\"text\":\"\\ud83d\"}\n");
    folder.write("mails.csv", &csv);
    folder.write("notes.ndjson", &json);
    folder.write("photo.jpg", b"\xff\xd8\xff\xe0");
    let run = |more: &[&str]| {
        let arguments = [
            ".",
            "--field",
            "text",
            "-o",
            "mails.czm",
            "--preset",
            "fast",
            "--tokens",
            "8000",
            "--vocab",
            "9999",
            "-T",
            "1",
        ];
        let report = train(&folder, &[&arguments, more].concat()).exits(0).stderr();
        for part in [
            "czip: warning: skipped files that cannot be read or are not text, 1 of 3: ./photo.jpg: not UTF-8 at byte 0\n",
            "czip: warning: skipped records that cannot be read or are not text, 2 of 5002: ./mails.csv:2502: 3 fields, \
             not 2; ./notes.ndjson:2501: not JSON: unexpected end of hex escape at column 16\n",
            " tokens, not 9999: no other pair of tokens occurs twice in the text\n",
        ] {
            assert!(report.contains(part), "{part}: {report}");
        }
        report
    };
    run(&[]);
    assert_eq!(
        folder.names(),
        [
            "mails.csv",
            "mails.czm",
            "mails.czm.csv",
            "mails.czm.svg",
            "notes.ndjson",
            "photo.jpg"
        ]
    );
    assert_eq!(folder.read("mails.csv"), csv.as_bytes());
    let first = folder.read("mails.czm");
    let report = run(&["-f"]);
    assert!(report.contains("skipped 3 files that czip wrote\n"), "{report}");
    let hash = |bytes: &[u8]| match czip::ModelFile::from_bytes(bytes).unwrap() {
        czip::ModelFile::V2(file) => file.content_hash,
        _ => panic!("another version"),
    };
    assert_eq!(hash(&folder.read("mails.czm")), hash(&first));

    // Named, they are inputs.
    let report = train(&folder, &["mails.czm.csv", "-f", "-o", "mails.czm"])
        .exits(2)
        .stderr();
    assert!(
        report.starts_with("czip: mails.czm.csv: is also an input"),
        "{report}"
    );
    let report = train(&folder, &["photo.jpg", "mails.csv", "-o", "other.czm"])
        .exits(1)
        .stderr();
    assert_eq!(report, "czip: photo.jpg: not UTF-8 at byte 0\n");
}

#[test]
fn what_is_no_text_is_passed_over_among_texts() {
    let folder = Folder::new();
    folder.write("a.txt", log(3_000));
    folder.write("binary", b"\x7fELF\0\0");
    folder.write("old.txt.czip", "of an earlier run");
    let inputs = ["a.txt", "binary", "old.txt.czip"];
    let steps = "-o m.czm --preset fast --tokens 8000 --vocab 300 -T 1";
    let arguments: Vec<&str> = inputs.into_iter().chain(steps.split(' ')).collect();
    let report = train(&folder, &arguments).exits(0).stderr();
    for line in [
        "czip: warning: binary: passed over: it is not text\n",
        "czip: warning: old.txt.czip: passed over: czip wrote it\n",
    ] {
        assert!(report.contains(line), "{line}: {report}");
    }
    // Alone, it is what was meant, and an error.
    train(&folder, &["old.txt.czip", "-o", "n.czm"]).exits(1);
    // It is still an input.
    let report = train(&folder, &["a.txt", "binary", "-fo", "binary"])
        .exits(2)
        .stderr();
    assert!(report.contains("binary: is also an input"), "{report}");
}

#[cfg(unix)]
#[test]
fn a_run_that_was_killed_or_stopped_goes_on() {
    use std::path::Path;
    use std::process::{Child, Command, Stdio};
    use std::time::Duration;

    let folder = Folder::new();
    folder.write("log.txt", log(2_500));
    // Little is held out, so there are many points, and a checkpoint after each step.
    let arguments = [
        "train",
        "log.txt",
        "-o",
        "m.czm",
        "--preset",
        "fast",
        "--vocab",
        "300",
        "--heldout",
        "0.004",
        "--tokens",
        "2000000",
        "-T",
        "1",
    ];
    let start = |more: &[&str]| {
        let mut command = folder.command();
        command.args(arguments).args(more).stderr(Stdio::piped());
        command.spawn().unwrap()
    };
    let refused = |more: &[&str], message: &str| {
        let mut command = folder.command();
        command.args(arguments).args(more);
        Finished(command.output().unwrap()).fails(1, message);
    };
    let checkpoint = folder.path("m.czm.checkpoint");
    let changed = |path: &Path| fs::metadata(path).and_then(|metadata| metadata.modified()).ok();
    let wait_for_checkpoint = |child: &mut Child| {
        let before = changed(&checkpoint);
        while changed(&checkpoint) == before {
            assert_eq!(child.try_wait().unwrap(), None);
            std::thread::sleep(Duration::from_millis(20));
        }
    };

    let mut killed = start(&[]);
    wait_for_checkpoint(&mut killed);
    killed.kill().unwrap();
    killed.wait().unwrap();
    let left = [
        "log.txt",
        "m.czm.checkpoint",
        "m.czm.checkpoint.lock",
        "m.czm.checkpoint.new",
    ];
    assert!(
        folder.names().iter().all(|name| left.contains(&name.as_str())),
        "{:?}",
        folder.names()
    );
    let whole = folder.read("m.czm.checkpoint");
    // As if it had been killed while it wrote the next.
    folder.write("m.czm.checkpoint.new", &whole[..1_000]);
    let interrupted =
        "m.czm.checkpoint: belongs to a run that was interrupted; --resume continues it, -f starts over";
    refused(&[], interrupted);
    assert!(folder.read("m.czm.checkpoint") == whole);

    let mut resumed = start(&["--resume"]);
    wait_for_checkpoint(&mut resumed);
    refused(
        &["--resume"],
        "training failed: another run is writing m.czm.checkpoint",
    );
    refused(
        &["-f"],
        "training failed: another run is writing m.czm.checkpoint",
    );
    let pid = resumed.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-TERM", &pid])
            .status()
            .unwrap()
            .success()
    );
    let report = Finished(resumed.wait_with_output().unwrap()).exits(0).stderr();
    assert!(
        report.contains("stopped; the model is the best so far, and --resume -f continues\n"),
        "{report}"
    );
    assert_eq!(
        folder.names(),
        ["log.txt", "m.czm", "m.czm.checkpoint", "m.czm.csv", "m.czm.svg"]
    );
    czip::ModelFile::from_bytes(&folder.read("m.czm")).unwrap();

    refused(&[], interrupted);
    refused(&["--resume"], "m.czm: already exists; -f overwrites it");
    let report = train(
        &folder,
        &["log.txt", "-o", "m.czm", "--tokens", "8000", "--resume", "-f"],
    );
    let report = report.exits(1).stderr();
    let other = "czip: m.czm.checkpoint belongs to a run with other texts or options; use -f instead of --resume to start over\n";
    assert!(report.ends_with(other), "{report}");
}

/// Whenever the signal comes, the model that is there is worth more than one that has hardly begun to learn.
#[cfg(target_os = "linux")]
#[test]
fn a_model_is_not_replaced_by_one_that_has_learnt_nothing() {
    use std::process::{Command, Stdio};
    use std::time::Duration;

    let folder = Folder::new();
    folder.write("log.txt", log(2_500));
    folder.write("m.czm", "precious");
    let mut command = folder.command();
    command
        .args([
            "train", "-f", "log.txt", "-o", "m.czm", "--preset", "fast", "--vocab", "300", "-T", "1",
        ])
        .args(["--tokens", "2000000000"])
        .stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    while !folder.path("m.czm.checkpoint.lock").exists() {
        assert_eq!(child.try_wait().unwrap(), None);
        std::thread::sleep(Duration::from_millis(5));
    }
    // Not SIGINT: shells have their background jobs ignore it, and what these start inherits that.
    let kill = Command::new("kill")
        .args(["-TERM", &child.id().to_string()])
        .status();
    assert!(kill.unwrap().success());
    let status = child.wait().unwrap();
    assert!(!status.success(), "{status}");
    assert_eq!(folder.read("m.czm"), b"precious");
    assert!(!folder.path("m.czm.checkpoint.lock").exists());
}
