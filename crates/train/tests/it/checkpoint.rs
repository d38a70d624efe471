//! Checkpoints that were cut, changed or made up: going on from them is an error, or fine.

use std::fs::{self, OpenOptions};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use czip_model::v2::Config;
use czip_train::checkpoint::{self, Checkpoint, Error as CheckpointError};
use czip_train::corpus::{self, Corpus, CorpusOptions};
use czip_train::device::Device;
use czip_train::parameters::Random;
use czip_train::preset::Preset;
use czip_train::session::{self, Budget, Error, Options, Progress, Trained};
use czip_train::trainer::Hyperparameters;
use serde_json::Value;
use tempfile::TempDir;

/// A run of ten steps of a net that is as small as can be, and what it left when it was stopped after three.
struct Run {
    _folder: TempDir,
    path: PathBuf,
    corpus: Corpus,
    options: Options,
    checkpoint: Vec<u8>,
}

const STEP: u64 = 2 * 16;

impl Run {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let text = folder.path().join("text.txt");
        let lines: String = (0..100)
            .map(|line| format!("line {line} of {}\n", line * line))
            .collect();
        fs::write(&text, lines).unwrap();
        let corpus_options = CorpusOptions {
            min_len: 0,
            ..CorpusOptions::default()
        };
        let path = folder.path().join("run.checkpoint");
        let mut run = Self {
            corpus: corpus::read(&[text], &mut std::io::empty(), &corpus_options).unwrap(),
            options: Options {
                preset: Preset::Fast,
                config: Some(Config {
                    vocab_size: 0,
                    layers: 1,
                    d_model: 4,
                    heads: 1,
                    d_ff: 4,
                    window: 4,
                    bigram_buckets: 2,
                    bigram_width: 2,
                }),
                vocab_size: Some(260),
                split: None,
                budget: Budget::Tokens(10 * STEP),
                hyperparameters: Hyperparameters {
                    sequence_len: 16,
                    batch_size: 2,
                    ..Hyperparameters::default()
                },
                device: Device::cpu(),
                base: None,
                checkpoint: Some(path.clone()),
                resume: false,
            },
            checkpoint: Vec::new(),
            path,
            _folder: folder,
        };
        run.train(3).unwrap();
        run.options.resume = true;
        run.checkpoint = fs::read(&run.path).unwrap();
        run
    }

    /// Trains for this many steps.
    fn train(&self, steps: u64) -> Result<Trained, Error> {
        let mut left = steps;
        session::train(&self.corpus, &self.options, |_: &Progress| {
            left -= 1;
            if left == 0 {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        })
    }

    /// Goes on from some bytes for a step.
    fn resume(&self, bytes: &[u8]) -> Result<Trained, Error> {
        fs::write(&self.path, bytes).unwrap();
        self.train(1)
    }

    /// What is wrong with a checkpoint, if it is found to be none.
    fn problem(&self, bytes: &[u8]) -> &'static str {
        match self.resume(bytes) {
            Err(Error::Checkpoint(CheckpointError::Malformed { path, problem })) if path == self.path => {
                problem
            }
            other => panic!("{other:?}"),
        }
    }

    /// The checkpoint with another header, and without the hash that would tell of it.
    fn with(&self, change: impl FnOnce(&mut Value, &mut Vec<u8>)) -> Vec<u8> {
        let (mut header, mut data) = split(&self.checkpoint);
        header["__metadata__"]
            .as_object_mut()
            .unwrap()
            .remove("hash")
            .unwrap();
        change(&mut header, &mut data);
        join(&header, &data)
    }
}

fn split(bytes: &[u8]) -> (Value, Vec<u8>) {
    let (len, rest) = bytes.split_first_chunk::<8>().unwrap();
    let (header, data) = rest.split_at(u64::from_le_bytes(*len) as usize);
    (serde_json::from_slice(header).unwrap(), data.to_vec())
}

fn join(header: &Value, data: &[u8]) -> Vec<u8> {
    let header = header.to_string();
    [&(header.len() as u64).to_le_bytes(), header.as_bytes(), data].concat()
}

/// Where a tensor's data lie.
fn place(header: &Value, name: &str) -> std::ops::Range<usize> {
    let offsets = &header[name]["data_offsets"];
    offsets[0].as_u64().unwrap() as usize..offsets[1].as_u64().unwrap() as usize
}

#[test]
fn one_without_a_hash_is_as_good() {
    let run = Run::new();
    let whole = run.resume(&run.checkpoint).unwrap();
    let older = run.resume(&run.with(|_, _| {})).unwrap();
    assert_eq!((whole.weights, whole.tokens), (older.weights, 4 * STEP));
}

#[test]
fn every_truncation_is_told_of() {
    let run = Run::new();
    let file = OpenOptions::new().write(true).open(&run.path).unwrap();
    for len in (0..run.checkpoint.len()).rev() {
        file.set_len(len as u64).unwrap();
        let loaded = Checkpoint::load(&run.path);
        assert!(
            matches!(loaded, Err(CheckpointError::Malformed { .. })),
            "{len}: {loaded:?}"
        );
    }
}

#[test]
fn a_changed_bit_is_told_of() {
    let run = Run::new();
    let (header, data) = split(&run.checkpoint);
    let data_start = run.checkpoint.len() - data.len();
    for name in [
        "config",
        "curve",
        "parameters",
        "first",
        "second",
        "average",
        "tokenizer",
    ] {
        let place = place(&header, name);
        if place.is_empty() {
            continue;
        }
        let mut bytes = run.checkpoint.clone();
        bytes[data_start + place.start] ^= 1;
        fs::write(&run.path, &bytes).unwrap();
        assert!(
            matches!(
                Checkpoint::load(&run.path),
                Err(CheckpointError::Malformed { .. })
            ),
            "{name}"
        );
    }
}

#[test]
fn what_a_header_declares_is_checked() {
    let run = Run::new();
    let header = |name: &'static str, value: &'static str| {
        run.with(|header, _| header["__metadata__"][name] = value.into())
    };
    for (name, value) in [
        ("run", "x"),
        ("steps", "-1"),
        ("steps", "1073741825"),
        ("steps", "18446744073709551615"),
        ("seconds", "inf"),
        ("seconds", "NaN"),
        ("seconds", "-1"),
        ("since_bits", "1e300"),
        ("since_tokens", "18446744073709551615"),
    ] {
        let problem = run.problem(&header(name, value));
        assert_eq!(problem, "a number in it cannot be used", "{name} {value}");
    }
    // Eleven steps of ten are what a run may have taken when it ends, and no more.
    assert!(run.resume(&header("steps", "11")).is_ok());
    let problem = run.problem(&header("steps", "12"));
    assert_eq!(problem, "it has taken more steps than the run can have");
    assert_eq!(
        run.problem(&header("format", "czip-checkpoint-0")),
        "it has another format"
    );
    assert!(matches!(
        run.resume(&header("run", "1")),
        Err(Error::OtherRun { .. })
    ));

    let offsets = |name: &'static str, offsets: [u64; 2]| {
        run.with(|header, _| header[name]["data_offsets"] = offsets.as_slice().into())
    };
    let most = u64::MAX;
    for (name, places) in [
        ("config", [0, most]),
        ("config", [most, most]),
        ("config", [64, 0]),
        ("parameters", [0, 1 << 60]),
        ("parameters", [0, 4]),
        ("parameters", [0, 3]),
        ("curve", [0, 8]),
        ("curve", [0, 16]),
        ("tokenizer", [1, 0]),
    ] {
        let problem = run.problem(&offsets(name, places));
        assert!(!problem.is_empty(), "{name} {places:?}");
    }
    let long = run.with(|header, _| header["more"] = "x".repeat(1 << 14).into());
    assert_eq!(run.problem(&long), "its header cannot be used");
    let mut declared = run.checkpoint.clone();
    declared[..8].copy_from_slice(&u64::MAX.to_le_bytes());
    assert_eq!(run.problem(&declared), "its header cannot be used");
}

#[test]
fn sizes_of_nets_are_those_of_the_run() {
    let run = Run::new();
    for index in 0..8 {
        for size in [0, 1, 3, 261, 65_537, 1 << 24, 1 << 32, 1 << 62, u64::MAX] {
            let bytes = run.with(|header, data| {
                let start = place(header, "config").start + 8 * index;
                data[start..start + 8].copy_from_slice(&size.to_le_bytes());
            });
            // One layer and one head are what it has.
            if !(size == 1 && [1, 3].contains(&index)) {
                let problem = run.problem(&bytes);
                let expected = match index {
                    0 if size < 65_537 => "a tensor has another length than its net",
                    _ => "its net has other sizes than the run's",
                };
                assert_eq!(problem, expected, "{index} {size}");
            }
        }
    }
}

#[test]
fn numbers_that_are_none_are_refused() {
    let run = Run::new();
    for name in ["parameters", "first", "second", "average"] {
        for number in [f32::NAN, f32::INFINITY] {
            let bytes = run.with(|header, data| {
                let start = place(header, name).start + 40;
                data[start..start + 4].copy_from_slice(&number.to_le_bytes());
            });
            assert_eq!(
                run.problem(&bytes),
                "it holds numbers that are not finite",
                "{name}"
            );
        }
    }
    let tokenizer = run.with(|header, data| {
        let json = String::from_utf8(data[place(header, "tokenizer")].to_vec()).unwrap();
        let end = data.len() - json.len();
        data.truncate(end);
        let mut json: Value = serde_json::from_str(&json).unwrap();
        json["name"] = "other".into();
        data.extend(json.to_string().bytes());
        header["tokenizer"]["data_offsets"] = [end, data.len()].as_slice().into();
    });
    run.resume(&tokenizer).unwrap();
}

#[test]
fn nothing_random_breaks_anything() {
    let run = Run::new();
    let plain = run.with(|_, _| {});
    let header_len = plain.len() - split(&plain).1.len();
    let mut random = Random(13);
    let (mut refused, mut fine) = (0, 0);
    for round in 0..4_000 {
        let mut bytes = plain.clone();
        for _ in 0..=random.below(3) {
            // The header as often as all the numbers.
            let end = if random.below(2) == 0 {
                header_len
            } else {
                bytes.len()
            };
            let at = random.below(end);
            match random.below(4) {
                0 => bytes[at] = random.bits() as u8,
                1 => bytes[at] ^= 1 << random.below(8),
                2 => bytes[at] = b"0123456789-.eE\"{}[],:"[random.below(21)],
                _ => drop(bytes.splice(at..at + 1, [])),
            }
        }
        fs::write(&run.path, &bytes).unwrap();
        let loaded = Checkpoint::load(&run.path);
        // Going on takes longer.
        match loaded.map_err(|error| Some(error.into())).and_then(|_| {
            if round % 4 == 0 {
                run.train(1).map_err(Some)
            } else {
                Err(None)
            }
        }) {
            Ok(_) => fine += 1,
            Err(Some(_)) => refused += 1,
            Err(None) => {}
        }
    }
    assert!(refused > 1_000 && fine > 100, "{refused} {fine}");
}

#[test]
fn a_save_that_fails_leaves_the_one_before() {
    let run = Run::new();
    let mut checkpoint = Checkpoint::load(&run.path).unwrap();
    let names = |path: &Path| fs::read_dir(path.parent().unwrap()).unwrap().count();
    assert_eq!(names(&run.path), 2);
    // What a killed process left is replaced.
    let temporary = checkpoint::temporary(&run.path);
    fs::write(&temporary, "part").unwrap();
    checkpoint.seconds = 7.0;
    checkpoint.save(&run.path).unwrap();
    assert_eq!(Checkpoint::load(&run.path).unwrap(), checkpoint);
    assert_eq!(names(&run.path), 2);
    // The temporary file cannot be made.
    fs::create_dir(&temporary).unwrap();
    let failed = Checkpoint {
        seconds: 8.0,
        ..checkpoint.clone()
    };
    assert!(matches!(failed.save(&run.path), Err(CheckpointError::Write { path, .. }) if path == run.path));
    assert_eq!(Checkpoint::load(&run.path).unwrap(), checkpoint);
}
