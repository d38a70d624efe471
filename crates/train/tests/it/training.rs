//! Training as a whole, on a tiny net and a text of few words.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex};

use czip_model::v2::{Config, Contents, File};
use czip_train::adapt::{self, Work};
use czip_train::checkpoint::{self, Checkpoint};
use czip_train::corpus::{Corpus, CorpusOptions};
use czip_train::curve;
use czip_train::device::Device;
use czip_train::parameters::{Layout, Random};
use czip_train::preset::Preset;
use czip_train::session::{self, Base, Budget, End, Error, Options, Progress, Trained};
use czip_train::trainer::Hyperparameters;

const CONFIG: Config = Config {
    vocab_size: 0,
    layers: 2,
    d_model: 48,
    heads: 1,
    d_ff: 64,
    window: 32,
    bigram_buckets: 256,
    bigram_width: 16,
};

/// Tokens of a step.
const STEP: u64 = 4 * 256;

/// Sentences of a small grammar: much can be learnt of them.
fn text(seed: u64, len: usize) -> String {
    const SUBJECTS: [&str; 6] = [
        "The cat",
        "A dog",
        "My uncle",
        "The engineer",
        "Nobody",
        "Every bird",
    ];
    const VERBS: [&str; 6] = [
        "sees",
        "likes",
        "has forgotten",
        "paints",
        "never eats",
        "remembers",
    ];
    const OBJECTS: [&str; 6] = [
        "the moon",
        "a violin",
        "old letters",
        "the sea",
        "two apples",
        "everything",
    ];
    let mut random = Random(seed);
    let mut text = String::new();
    while text.len() < len {
        for words in [&SUBJECTS, &VERBS, &OBJECTS] {
            text.push_str(words[random.below(words.len())]);
            text.push(' ');
        }
        text.pop();
        text.push_str(if random.below(5) == 0 { ".\n" } else { ". " });
    }
    text
}

static CORPUS: LazyLock<Corpus> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("text.txt");
    std::fs::write(&path, text(1, 150_000)).unwrap();
    czip_train::corpus::read(&[path], &mut &b""[..], &CorpusOptions::default()).unwrap()
});

fn options(steps: u64) -> Options {
    Options {
        preset: Preset::Fast,
        config: Some(CONFIG),
        vocab_size: Some(320),
        split: None,
        budget: Budget::Tokens(steps * STEP),
        hyperparameters: Hyperparameters {
            sequence_len: 256,
            batch_size: 4,
            seed: 7,
            ..Hyperparameters::default()
        },
        device: Device::cpu(),
        base: None,
        checkpoint: None,
        resume: false,
    }
}

fn go_on(_: &Progress) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

fn train(options: &Options) -> Trained {
    session::train(&CORPUS, options, go_on).unwrap()
}

/// Everything but the time.
fn outcome(trained: &Trained) -> (&czip_model::v2::Weights, Vec<(u64, f64, f64)>, f64) {
    let curve = trained.curve.iter();
    let curve = curve.map(|point| (point.tokens, point.train, point.heldout));
    (&trained.weights, curve.collect(), trained.heldout)
}

#[test]
fn cost_falls_and_the_file_is_what_was_trained() {
    let mut steps = 0;
    let trained = session::train(&CORPUS, &options(150), |progress| {
        steps += 1;
        assert_eq!(progress.tokens, steps * STEP);
        ControlFlow::Continue(())
    })
    .unwrap();
    assert_eq!(steps, 150);
    assert_eq!(trained.tokens, 150 * STEP);
    assert_eq!(trained.end, End::Whole);
    let (first, last) = (trained.curve.first().unwrap(), trained.curve.last().unwrap());
    assert!(last.heldout < 0.5 * first.heldout, "{:?}", trained.curve);
    // A sentence is three choices among six and one with 0.72 bits, and has about 29 bytes: 0.294 bits a byte are the least.
    assert!((0.29..0.5).contains(&trained.heldout), "{}", trained.heldout);

    // The run itself has compared the logits of the file's net with its own.
    let contents = Contents {
        weights: &trained.weights,
        tokenizer_json: &trained.tokenizer_json,
        mixing_priors: Vec::new(),
        mixing_weights: None,
        facts: [("name".to_owned(), "tiny".to_owned())].into(),
    };
    let bytes = contents.to_bytes().unwrap();
    let file = File::from_bytes(&bytes).unwrap();
    assert_eq!(file.weights, trained.weights);
    assert_eq!(file.facts["name"], "tiny");

    let table = curve::csv(&trained.curve);
    assert_eq!(table.lines().count(), 1 + trained.curve.len());
    let picture = curve::svg(&trained.curve);
    assert!(picture.starts_with("<svg ") && picture.ends_with("</svg>\n"));
}

#[test]
fn integers_stand_for_parameters_and_parameters_for_integers() {
    let trained = train(&options(3));
    let layout = Layout::new(&trained.weights.config);
    let parameters = layout.dequantize(&trained.weights);
    assert_eq!(layout.quantize(&parameters).0, trained.weights);
}

#[test]
fn same_seed_same_model() {
    let first = train(&options(4));
    assert_eq!(outcome(&train(&options(4))), outcome(&first));
    let mut other = options(4);
    other.hyperparameters.seed = 8;
    let other = train(&other);
    assert_ne!(other.weights, first.weights);
}

/// Stops a run after some steps, and goes on.
fn interrupted(path: &Path, after: u64, steps: u64) -> Trained {
    let options = Options {
        checkpoint: Some(path.to_owned()),
        ..options(steps)
    };
    let mut left = after;
    let part = session::train(&CORPUS, &options, |_| {
        left -= 1;
        if left == 0 {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    })
    .unwrap();
    assert_eq!(part.end, End::Stopped);
    assert_eq!(part.tokens, after * STEP);
    assert!(part.heldout.is_finite());
    train(&Options {
        resume: true,
        ..options
    })
}

#[test]
fn a_run_that_was_interrupted_ends_as_one_that_was_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.checkpoint");
    // Long enough for several points, and for several passes through the text.
    let whole = train(&options(60));
    assert!(whole.curve.len() > 1);
    for after in [1, 37] {
        let resumed = interrupted(&path, after, 60);
        assert_eq!(outcome(&resumed), outcome(&whole), "stopped after {after} steps");
    }
}

#[test]
fn checkpoints_of_other_runs_and_other_files_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path: PathBuf = folder.path().join("run.checkpoint");
    let kept = Options {
        checkpoint: Some(path.clone()),
        ..options(3)
    };
    train(&kept);
    assert_eq!(Checkpoint::load(&path).unwrap().state.steps, 3);
    let resume = |options: Options| {
        session::train(
            &CORPUS,
            &Options {
                resume: true,
                ..options
            },
            go_on,
        )
    };
    let mut other = kept.clone();
    other.hyperparameters.seed = 9;
    assert!(matches!(resume(other), Err(Error::OtherRun { path: found }) if found == path));
    for damage in [&b""[..], b"\x08\0\0\0\0\0\0\0{}      "] {
        std::fs::write(&path, damage).unwrap();
        assert!(
            matches!(resume(kept.clone()), Err(Error::Checkpoint(checkpoint::Error::Malformed { path: found, .. })) if found == path)
        );
    }
    std::fs::remove_file(&path).unwrap();
    assert!(
        matches!(resume(kept), Err(Error::Checkpoint(checkpoint::Error::Read { path: found, .. })) if found == path)
    );
}

#[test]
fn a_model_can_be_trained_on() {
    let first = train(&options(100));
    let base = |new_tokenizer| Options {
        vocab_size: Some(330),
        base: Some(Base {
            weights: first.weights.clone(),
            tokenizer_json: first.tokenizer_json.clone(),
            new_tokenizer,
        }),
        ..options(20)
    };
    let fresh = train(&options(20));
    let more = train(&base(false));
    assert_eq!(more.tokenizer_json, first.tokenizer_json);
    assert!(
        more.heldout < 0.7 * fresh.heldout,
        "{} {}",
        more.heldout,
        fresh.heldout
    );
    let other = train(&base(true));
    assert_eq!(other.weights.config.vocab_size, 330);
    assert!(
        other.heldout < fresh.heldout,
        "{} {}",
        other.heldout,
        fresh.heldout
    );
}

/// A model file of a net that has hardly been trained.
fn model() -> Vec<u8> {
    let trained = train(&options(2));
    let contents = Contents {
        facts: [("name".to_owned(), "tiny".to_owned())].into(),
        ..Contents::new(&trained.weights, &trained.tokenizer_json)
    };
    contents.to_bytes().unwrap()
}

#[test]
fn a_model_of_version_2_is_adapted() {
    let model = model();
    let sample = adapt::sample(&CORPUS, 1, 30_000);
    let seen = Mutex::new(Vec::new());
    let observe = |done, total| {
        seen.lock().unwrap().push((done, total));
        ControlFlow::Continue(())
    };
    let adapted = |threads, observe| {
        let facts = [("licence".to_owned(), "mine".to_owned())].into();
        adapt::adapt(&model, sample.iter().copied(), facts, Work { threads, observe }).unwrap()
    };
    let bytes = adapted(1, &observe);
    assert_eq!(adapted(3, &|_, _| ControlFlow::Continue(())), bytes);

    let (before, after) = (
        File::from_bytes(&model).unwrap(),
        File::from_bytes(&bytes).unwrap(),
    );
    assert_eq!(after.weights, before.weights);
    assert_eq!(
        after.extras.tokenizer_json().unwrap(),
        before.extras.tokenizer_json().unwrap()
    );
    assert_eq!(
        (&*after.facts["name"], &*after.facts["licence"]),
        ("tiny", "mine")
    );
    let counts = after.extras.mixing_weights.unwrap();
    let tokens: u64 = counts.iter().map(|&count| u64::from(count)).sum();
    assert_eq!(counts.len(), before.weights.config.vocab_size);
    assert_eq!(after.extras.mixing_priors.len(), 1);
    for priors in &after.extras.mixing_priors {
        czip_mix::Priors::from_bytes(priors).unwrap();
    }

    // Each token is coded in two passes, and each batch of at most 64 tokens is reported.
    let seen = seen.into_inner().unwrap();
    assert!(seen.len() as u64 >= 2 * tokens / 64, "{} batches", seen.len());
    assert_eq!(seen.last(), Some(&(2 * tokens, 2 * tokens)));
    assert!(seen.is_sorted());

    let text = text(9, 20_000);
    let len = |model: &[u8]| {
        let model = czip::Model::from_bytes(model).unwrap();
        czip::compress(&model, text.as_bytes(), &czip::Options::new())
            .unwrap()
            .len()
    };
    assert!(len(&bytes) < len(&model), "{} {}", len(&bytes), len(&model));
}

#[test]
fn fitting_ends_when_told_to() {
    let sample = adapt::sample(&CORPUS, 1, 30_000);
    let seen = Mutex::new(Vec::new());
    let work = Work {
        threads: 2,
        observe: &|done, _| {
            let mut seen = seen.lock().unwrap();
            seen.push(done);
            if seen.len() == 3 {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        },
    };
    let error = adapt::adapt(&model(), sample, BTreeMap::new(), work).unwrap_err();
    assert!(matches!(error, adapt::Error::Stopped), "{error}");
    assert_eq!(seen.into_inner().unwrap().len(), 3);
}

#[test]
fn a_model_of_version_1_is_adapted() {
    let model = czip_vectors::read("model.czm");
    let text = text(9, 6_000);
    let work = Work {
        threads: 2,
        observe: &|_, _| ControlFlow::Continue(()),
    };
    let facts = [("format", "other"), ("name", "mine")];
    let facts = facts.map(|(key, value)| (key.to_owned(), value.to_owned()));
    let bytes = adapt::adapt(&model, [text.as_bytes()], facts.into(), work).unwrap();
    let (before, after) = (
        czip_vectors::ModelFile::parse(&model),
        czip_vectors::ModelFile::parse(&bytes),
    );
    assert_eq!(after.metadata["name"], "mine");
    assert_eq!(after.metadata["format"], "czip-model-v1");
    for (name, tensor) in &before.tensors {
        assert_eq!(after.tensors.get(name), Some(tensor), "{name}");
    }
    assert_eq!(after.tensors.len(), before.tensors.len() + 2);
    // Adapting it again replaces what was there.
    let facts = [("name".to_owned(), "mine".to_owned())].into();
    assert_eq!(
        adapt::adapt(&bytes, [text.as_bytes()], facts, work).unwrap(),
        bytes
    );
    let czip_model::ModelFile::V1(weights) = czip_model::ModelFile::from_bytes(&bytes).unwrap() else {
        panic!("another version")
    };
    assert_eq!(weights.extras.mixing_priors.len(), 1);
    czip::Model::from_bytes(&bytes).unwrap();
}

#[test]
fn the_calibration_set_comes_last_in_a_sample() {
    let mut corpus = CORPUS.clone();
    let before = adapt::sample(&corpus, 1, adapt::SAMPLE_LEN);
    assert!(before.iter().all(|text| text.len() <= 40_000));
    let len: usize = before.iter().map(|text| text.len()).sum();
    assert!((corpus.train_len()..=1_040_000).contains(&len), "{len}");

    corpus.split_calibration(1);
    assert!(corpus.calibration_len() > 3_000);
    let sample = adapt::sample(&corpus, 1, adapt::SAMPLE_LEN);
    let (calibration, trained) = sample.split_last().unwrap();
    assert_eq!(*calibration, corpus.calibration[0].text.as_bytes());
    assert!(!trained.contains(calibration));
}

#[test]
fn a_text_learnt_by_heart_ends_the_run() {
    let mut corpus = CORPUS.clone();
    corpus.train.truncate(1);
    corpus.heldout.truncate(1);
    for (document, seed) in corpus.train.iter_mut().chain(&mut corpus.heldout).zip([3, 4]) {
        let mut random = Random(seed);
        document.text = (0..4_000)
            .map(|_| char::from(b'a' + random.below(26) as u8))
            .collect();
    }
    let trained = session::train(&corpus, &options(1_000), go_on).unwrap();
    assert_eq!(trained.end, End::Overfitted);
    assert!(trained.tokens < 1_000 * STEP);
    let (last, before) = trained.curve.split_last().unwrap();
    assert_eq!(last.tokens, trained.tokens);
    assert!(last.heldout > 1.1 * trained.heldout);
    // It ends at the first point at which that holds.
    let best = before
        .iter()
        .min_by(|a, b| a.heldout.total_cmp(&b.heldout))
        .unwrap();
    assert_eq!(best.heldout, trained.heldout);
    assert!(before.iter().all(|point| {
        point.heldout <= 1.1 * best.heldout
            || point.train >= best.train
            || point.tokens as f64 <= 1.5 * best.tokens as f64
    }));
}

#[test]
fn without_held_out_text_the_average_is_taken() {
    let mut corpus = CORPUS.clone();
    corpus.train.truncate(1);
    corpus.train[0].text = text(3, 60_000);
    corpus.heldout.clear();
    let trained = session::train(&corpus, &options(2), go_on).unwrap();
    assert!(trained.heldout.is_infinite());
    assert_eq!(trained.tokens, 2 * STEP);
}
