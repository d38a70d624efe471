//! How many times faster than the naive loop each instruction set of the machine is: a table of ratios from one run.
//!
//! Everything is measured in turns, round after round, and the best of each counts, so other work on the machine slows
//! all of them alike. For a naive loop compiled for this processor, run
//! `RUSTFLAGS="-C target-cpu=native" cargo bench -p czip --bench against_naive`.
#![allow(missing_docs, reason = "a benchmark is no library")]
#![allow(clippy::print_stdout, reason = "a benchmark talks to its user")]
#![allow(clippy::unwrap_used, reason = "a benchmark may fail by panicking")]

use std::hint::black_box;
use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use czip::v1::ChunkLevel;
use czip::v1::container::{self, Limits};
use czip::{Kernels, Model, Options};
use czip_model::v1::Weights;

use crate::naive::{Naive, model_file, tokens};

mod naive;

/// Times each thing is measured.
const ROUNDS: usize = 5;

/// English of about 120 KB: more than 32 chunks at every level.
const TEXTS: [&str; 4] = ["alice29.txt", "americas.txt", "einstein.txt", "python.txt"];

/// Bytes of the text that two threads share.
const LONG: usize = 1_000_000;

fn text() -> String {
    let texts = TEXTS.map(|name| czip_vectors::shared_file(&format!("conformance/inputs/{name}")));
    let texts: Option<Vec<Vec<u8>>> = texts.into_iter().collect();
    texts.map_or_else(
        || include_str!("../README.md").repeat(100),
        |texts| String::from_utf8(texts.concat()).unwrap(),
    )
}

/// Something to measure.
struct Candidate<'a> {
    name: String,
    tokens: usize,
    run: Box<dyn FnMut() + 'a>,
    best: Duration,
}

impl<'a> Candidate<'a> {
    fn new(name: impl Into<String>, tokens: usize, run: impl FnMut() + 'a) -> Self {
        Self {
            name: name.into(),
            tokens,
            run: Box::new(run),
            best: Duration::MAX,
        }
    }

    fn tokens_per_second(&self) -> f64 {
        self.tokens as f64 / self.best.as_secs_f64()
    }
}

/// Measures in turns, and prints speeds and how they compare with the first one's.
fn compare(title: &str, mut candidates: Vec<Candidate<'_>>) {
    for _ in 0..ROUNDS {
        for candidate in &mut candidates {
            let start = Instant::now();
            (candidate.run)();
            candidate.best = candidate.best.min(start.elapsed());
        }
    }
    println!("{title}");
    let base = candidates[0].tokens_per_second();
    for candidate in &candidates {
        let speed = candidate.tokens_per_second();
        println!(
            "  {:<24} {speed:>9.0} tokens/s {:>7.2}",
            candidate.name,
            speed / base
        );
    }
}

fn options(level: u8, threads: usize) -> Options {
    Options::new()
        .v1_level(ChunkLevel::new(level).unwrap())
        .threads(NonZeroUsize::new(threads).unwrap())
}

/// Both directions at one chunk level: the naive loop, on the first chunk, and every instruction set of the kernels.
fn levels(models: &[(Kernels, Model)], weights: &Weights<'_>, text: &str, level: u8) {
    let model = &models[0].1;
    let all = tokens(model, text);
    let chunk_len = (1 << (level + 5)).min(model.config().context_length);
    let first = &all[..chunk_len];
    let options = options(level, 1);
    let file = czip::v1::compress(model, text.as_bytes(), &options).unwrap();
    let read = container::read(&file[..], &Limits::default()).unwrap();
    let chunk = read.chunks().next().unwrap();
    let mut naive = Naive::new(model, weights);
    assert_eq!(naive.encode(first), chunk, "the naive loop writes the same bytes");
    assert_eq!(naive.decode(chunk, chunk_len), first);

    let mut encode = vec![Candidate::new("naive", chunk_len, || {
        black_box(naive.encode(black_box(first)));
    })];
    encode.extend(models.iter().map(|(kernels, model)| {
        Candidate::new(kernels.instruction_set().name(), all.len(), || {
            black_box(czip::v1::compress(model, black_box(text.as_bytes()), &options).unwrap());
        })
    }));
    compare(&format!("encode, level {level}"), encode);

    let mut naive = Naive::new(model, weights);
    let mut decode = vec![Candidate::new("naive", chunk_len, || {
        black_box(naive.decode(black_box(chunk), chunk_len));
    })];
    decode.extend(models.iter().map(|(kernels, model)| {
        Candidate::new(kernels.instruction_set().name(), all.len(), || {
            black_box(czip::v1::decompress(model, black_box(&file), &options).unwrap());
        })
    }));
    let chunks = all.len().div_ceil(chunk_len);
    compare(&format!("decode, level {level}, {chunks} chunks"), decode);

    let mut start = Vec::new();
    model.tokenizer().decode(first, &mut start).unwrap();
    let one = czip::v1::compress(model, &start, &options).unwrap();
    let read = container::read(&one[..], &Limits::default()).unwrap();
    assert_eq!(read.chunk_count(), 1);
    let count = read.token_count() as usize;
    let mut naive = Naive::new(model, weights);
    let mut decode = vec![Candidate::new("naive", chunk_len, || {
        black_box(naive.decode(black_box(chunk), chunk_len));
    })];
    decode.extend(models.iter().map(|(kernels, model)| {
        Candidate::new(kernels.instruction_set().name(), count, || {
            black_box(czip::v1::decompress(model, black_box(&one), &options).unwrap());
        })
    }));
    compare(&format!("decode, level {level}, one chunk"), decode);
}

/// One thread and two with the best instruction set.
fn threads(model: &Model, text: &str, level: u8) {
    let long = text.repeat(LONG.div_ceil(text.len()));
    let count = tokens(model, &long).len();
    let file = czip::v1::compress(model, long.as_bytes(), &options(level, 2)).unwrap();
    let named = |threads| if threads == 1 { "1 thread" } else { "2 threads" };
    let encode = [1, 2].map(|threads| {
        let options = options(level, threads);
        let long = &long;
        Candidate::new(named(threads), count, move || {
            black_box(czip::v1::compress(model, black_box(long.as_bytes()), &options).unwrap());
        })
    });
    compare(
        &format!("encode, level {level}, {} bytes", long.len()),
        encode.into(),
    );
    let decode = [1, 2].map(|threads| {
        let options = options(level, threads);
        let file = &file;
        Candidate::new(named(threads), count, move || {
            black_box(czip::v1::decompress(model, black_box(file), &options).unwrap());
        })
    });
    compare(
        &format!("decode, level {level}, {} bytes", long.len()),
        decode.into(),
    );
}

/// The start of a program: a model from its bytes, packed.
fn start(file: &[u8]) {
    for kernels in Kernels::available() {
        let mut best = Duration::MAX;
        for _ in 0..ROUNDS {
            let start = Instant::now();
            black_box(Model::with_kernels(black_box(file), kernels).unwrap());
            best = best.min(start.elapsed());
        }
        println!(
            "  {:<24} {:>9.2} ms",
            kernels.instruction_set().name(),
            best.as_secs_f64() * 1e3
        );
    }
}

fn main() {
    let file = model_file();
    let weights = Weights::from_bytes(&file).unwrap();
    let models: Vec<(Kernels, Model)> = Kernels::available()
        .map(|kernels| (kernels, Model::with_kernels(&file, kernels).unwrap()))
        .collect();
    let text = text();
    println!("start");
    start(&file);
    for level in [1, 5] {
        levels(&models, &weights, &text, level);
    }
    let best = &models.last().unwrap().1;
    for level in [1, 5] {
        threads(best, &text, level);
    }
}
