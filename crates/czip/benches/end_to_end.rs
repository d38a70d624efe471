//! Texts to files and back, beside the naive loop: one token at a time through the plainest transformer.
//!
//! The naive loop is too slow for the whole text. It codes the first chunk, and rates are per token.
#![allow(missing_docs, reason = "criterion's macros make undocumented functions")]
#![allow(clippy::unwrap_used, reason = "a benchmark may fail by panicking")]

use std::hint::black_box;
use std::num::NonZeroUsize;
use std::time::Duration;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use czip::container::{self, Limits};
use czip::{ChunkLevel, Model, Options, Weights};
use czip_coder::v1::{Decoder, Encoder};
use czip_model::reference::Reference;

/// A trained model where there is one, else one of random weights, which is much smaller.
fn model_file() -> Vec<u8> {
    czip_vectors::shared_file("conformance/models/v001_eng.czm")
        .unwrap_or_else(|| czip_vectors::read("model.czm"))
}

/// About 60 KB of English.
fn text() -> String {
    let prose = czip_vectors::shared_file("conformance/inputs/alice29.txt");
    prose.map_or_else(
        || include_str!("../README.md").repeat(48),
        |prose| String::from_utf8(prose).unwrap(),
    )
}

fn tokens(model: &Model, text: &str) -> Vec<u16> {
    let mut tokens = Vec::new();
    model.tokenizer().encode(text, &mut tokens).unwrap();
    tokens
}

/// The naive loop, with what it needs between two tokens.
struct Naive<'a> {
    reference: Reference<'a>,
    start_token: u16,
    total: u32,
    frequencies: Vec<u32>,
}

impl<'a> Naive<'a> {
    fn new(model: &Model, weights: &'a Weights<'a>) -> Self {
        Self {
            reference: Reference::new(weights),
            start_token: model.tokenizer().special_token("<|bos|>").unwrap(),
            total: weights.softmax.total(),
            frequencies: vec![0; weights.config.vocab_size],
        }
    }

    fn predict(&mut self, position: usize, last: u16) {
        if position == 0 {
            self.reference.reset();
            self.reference.step(self.start_token);
        } else {
            self.reference.step(last);
        }
        self.reference.frequencies(&mut self.frequencies);
    }

    fn encode(&mut self, tokens: &[u16]) -> Vec<u8> {
        let mut encoder = Encoder::new();
        let mut last = self.start_token;
        for (position, &token) in tokens.iter().enumerate() {
            self.predict(position, last);
            let symbol = usize::from(token);
            let low: u32 = self.frequencies[..symbol].iter().sum();
            encoder.encode(low, low + self.frequencies[symbol], self.total);
            last = token;
        }
        encoder.finish()
    }

    fn decode(&mut self, chunk: &[u8], len: usize) -> Vec<u16> {
        let mut decoder = Decoder::new(chunk);
        let mut tokens = Vec::with_capacity(len);
        let mut last = self.start_token;
        for position in 0..len {
            self.predict(position, last);
            let target = decoder.target(self.total);
            let (mut symbol, mut low) = (0, 0);
            while low + self.frequencies[symbol] <= target {
                low += self.frequencies[symbol];
                symbol += 1;
            }
            decoder.consume(low, low + self.frequencies[symbol], self.total);
            last = symbol as u16;
            tokens.push(last);
        }
        decoder.finish().unwrap();
        tokens
    }
}

/// A group with rates in tokens, for runs that take long.
fn group<'c>(criterion: &'c mut Criterion, name: &str) -> BenchmarkGroup<'c, WallTime> {
    let mut group = criterion.benchmark_group(name);
    group
        .sample_size(10)
        .sampling_mode(SamplingMode::Flat)
        .warm_up_time(Duration::from_millis(100))
        .measurement_time(Duration::from_secs(2));
    group
}

fn options(level: u8, threads: usize) -> Options {
    Options::new()
        .level(ChunkLevel::new(level).unwrap())
        .threads(NonZeroUsize::new(threads).unwrap())
}

fn threads_name(threads: usize) -> &'static str {
    if threads == 1 { "1 thread" } else { "2 threads" }
}

/// Both directions at the shortest and longest chunks.
fn whole_text(criterion: &mut Criterion) {
    let model_file = model_file();
    let model = Model::from_bytes(&model_file).unwrap();
    let weights = Weights::from_bytes(&model_file).unwrap();
    let text = text();
    let tokens = tokens(&model, &text);
    let token_count = tokens.len() as u64;
    for level in [1, 5] {
        let chunk_len = (1 << (level + 5)).min(model.config().context_length);
        let first = &tokens[..chunk_len];
        let file = czip::compress(&model, text.as_bytes(), &options(level, 2)).unwrap();
        let read = container::read(&file[..], &Limits::default()).unwrap();
        let chunk = read.chunks().next().unwrap();
        let mut naive = Naive::new(&model, &weights);
        assert_eq!(naive.encode(first), chunk, "the naive loop writes the same bytes");
        assert_eq!(naive.decode(chunk, chunk_len), first);

        let mut compress = group(criterion, &format!("compress, level {level}"));
        compress.throughput(Throughput::Elements(chunk_len as u64));
        compress.bench_function("naive", |b| b.iter(|| naive.encode(black_box(first))));
        compress.throughput(Throughput::Elements(token_count));
        for threads in [1, 2] {
            let options = options(level, threads);
            compress.bench_function(threads_name(threads), |b| {
                b.iter(|| czip::compress(&model, black_box(text.as_bytes()), &options).unwrap());
            });
        }
        compress.finish();

        let mut decompress = group(criterion, &format!("decompress, level {level}"));
        decompress.throughput(Throughput::Elements(chunk_len as u64));
        decompress.bench_function("naive", |b| {
            b.iter(|| naive.decode(black_box(chunk), chunk_len));
        });
        decompress.throughput(Throughput::Elements(token_count));
        for threads in [1, 2] {
            let options = options(level, threads);
            decompress.bench_function(threads_name(threads), |b| {
                b.iter(|| czip::decompress(&model, black_box(&file), &options).unwrap());
            });
        }
        decompress.finish();
    }
}

/// A text of one chunk: tokens come one after another, so that neither batches nor threads help.
fn one_chunk(criterion: &mut Criterion) {
    let model_file = model_file();
    let model = Model::from_bytes(&model_file).unwrap();
    let weights = Weights::from_bytes(&model_file).unwrap();
    let text = text();
    // A token has a byte at least.
    let most = model.config().context_length;
    let text: String = text.chars().filter(char::is_ascii).take(most).collect();
    let tokens = tokens(&model, &text);
    let options = options(5, 1);
    let file = czip::compress(&model, text.as_bytes(), &options).unwrap();
    let mut naive = Naive::new(&model, &weights);
    let read = container::read(&file[..], &Limits::default()).unwrap();
    let chunk = read.chunks().next().unwrap();
    assert_eq!(naive.decode(chunk, tokens.len()), tokens);

    let mut group = group(criterion, "decompress, one chunk");
    group.throughput(Throughput::Elements(tokens.len() as u64));
    group.bench_function("naive", |b| {
        b.iter(|| naive.decode(black_box(chunk), tokens.len()));
    });
    group.bench_function("1 thread", |b| {
        b.iter(|| czip::decompress(&model, black_box(&file), &options).unwrap());
    });
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().without_plots();
    targets = whole_text, one_chunk
}
criterion_main!(benches);
