//! Texts to files and back, beside the naive loop: one token at a time through the plainest transformer; and what is
//! done to each token outside the transformer.
//!
//! The naive loop is too slow for the whole text. It codes the first chunk, and rates are per token.
#![allow(missing_docs, reason = "criterion's macros make undocumented functions")]
#![allow(clippy::unwrap_used, reason = "a benchmark may fail by panicking")]

use std::hint::black_box;
use std::num::NonZeroUsize;
use std::time::Duration;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use czip::v1::ChunkLevel;
use czip::v1::container::{self, Limits};
use czip::{Level, Model, Options};
use czip_coder::v1::{Decoder, Encoder};
use czip_model::Row;
use czip_model::v1::Weights;

use crate::naive::{Naive, model_file, tokens};

mod naive;

/// About 60 KB of English.
fn text() -> String {
    let prose = czip_vectors::shared_file("conformance/inputs/alice29.txt");
    prose.map_or_else(
        || include_str!("../README.md").repeat(48),
        |prose| String::from_utf8(prose).unwrap(),
    )
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
        .v1_level(ChunkLevel::new(level).unwrap())
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
        let file = czip::v1::compress(&model, text.as_bytes(), &options(level, 2)).unwrap();
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
                b.iter(|| czip::v1::compress(&model, black_box(text.as_bytes()), &options).unwrap());
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
                b.iter(|| czip::v1::decompress(&model, black_box(&file), &options).unwrap());
            });
        }
        decompress.finish();
    }
}

/// A text of one chunk: tokens come one after another, so neither batches nor threads help.
fn one_chunk(criterion: &mut Criterion) {
    let model_file = model_file();
    let model = Model::from_bytes(&model_file).unwrap();
    let weights = Weights::from_bytes(&model_file).unwrap();
    let text = text();
    // A token has at least one byte.
    let most = model.config().context_length;
    let text: String = text.chars().filter(char::is_ascii).take(most).collect();
    let tokens = tokens(&model, &text);
    let options = options(5, 1);
    let file = czip::v1::compress(&model, text.as_bytes(), &options).unwrap();
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
        b.iter(|| czip::v1::decompress(&model, black_box(&file), &options).unwrap());
    });
    group.finish();
}

/// What happens to each token outside the net, in tokens.
fn stages(criterion: &mut Criterion) {
    let model = Model::from_bytes(&model_file()).unwrap();
    let text = text();
    let all = tokens(&model, &text);
    let options = options(1, 1);
    let file = czip::v1::compress(&model, text.as_bytes(), &options).unwrap();
    let inner = container::read(&file[..], &Limits::default()).unwrap();

    // The shares that the tokens of one chunk have.
    let transformer = model.transformer();
    let chunk = &all[..inner.params().context.chunk_tokens() as usize];
    let mut caches = [transformer.cache(chunk.len())];
    let mut scratch = transformer.scratch(1);
    let mut frequencies = vec![0; transformer.config().vocab_size];
    let mut last = model.tokenizer().special_token("<|bos|>").unwrap();
    let mut intervals = Vec::new();
    for (position, &token) in chunk.iter().enumerate() {
        let row = Row {
            sequence: 0,
            position,
            token: last,
        };
        transformer.forward(&[row], &mut caches, &mut scratch);
        let total = transformer.frequencies(scratch.logits(0), &mut frequencies);
        intervals.push((transformer.interval(&frequencies, token), total));
        last = token;
    }
    let encode = || {
        let mut encoder = Encoder::new();
        for &(interval, total) in &intervals {
            encoder.encode(interval.low, interval.high, total);
        }
        encoder.finish()
    };
    let coded = encode();
    assert_eq!(inner.chunks().next(), Some(&coded[..]));

    let mut group = group(criterion, "stages");
    group.throughput(Throughput::Elements(chunk.len() as u64));
    group.bench_function("coder, encode", |b| b.iter(encode));
    group.bench_function("coder, decode", |b| {
        b.iter(|| {
            let mut decoder = Decoder::new(black_box(&coded));
            for &(interval, total) in &intervals {
                black_box(decoder.target(total));
                decoder.consume(interval.low, interval.high, total);
            }
            decoder.finish().unwrap();
        });
    });
    group.throughput(Throughput::Elements(all.len() as u64));
    group.bench_function("tokenizer, encode", |b| {
        let mut out = Vec::new();
        b.iter(|| {
            out.clear();
            model.tokenizer().encode(black_box(&text), &mut out).unwrap();
        });
    });
    group.bench_function("tokenizer, decode", |b| {
        let mut out = Vec::new();
        b.iter(|| {
            out.clear();
            model.tokenizer().decode(black_box(&all), &mut out).unwrap();
        });
    });
    group.bench_function("container, write", |b| {
        b.iter(|| container::write(black_box(&inner), std::io::sink()).unwrap());
    });
    group.bench_function("container, read", |b| {
        b.iter(|| container::read(black_box(&file[..]), &Limits::default()).unwrap());
    });
    group.finish();
}

/// czip v2 beside CZIPv1, on one thread: one segment, which is decoded token by token, and eight, side by side.
fn segments(criterion: &mut Criterion) {
    let model_file = model_file();
    let model = Model::from_bytes(&model_file).unwrap();
    let text = text();
    let tokens = tokens(&model, &text).len() as u64;
    let whole = Options::new().threads(NonZeroUsize::MIN);
    let eight = whole.clone().segment_len(text.len().div_ceil(8));
    let v1 = options(5, 1);
    let mut cases: Vec<(String, Options)> = Vec::new();
    for number in [1, 5, 9] {
        let level = Level::new(number).unwrap();
        cases.push((format!("level {number}, one segment"), whole.clone().level(level)));
        cases.push((
            format!("level {number}, eight segments"),
            eight.clone().level(level),
        ));
    }

    let mut compress = group(criterion, "compress, v2");
    compress.throughput(Throughput::Elements(tokens));
    compress.bench_function("CZIPv1, level 5", |b| {
        b.iter(|| czip::v1::compress(&model, black_box(text.as_bytes()), &v1).unwrap());
    });
    for (name, options) in &cases {
        compress.bench_function(name, |b| {
            b.iter(|| czip::compress(&model, black_box(text.as_bytes()), options).unwrap());
        });
    }
    compress.finish();

    let mut decompress = group(criterion, "decompress, v2");
    decompress.throughput(Throughput::Elements(tokens));
    let file = czip::v1::compress(&model, text.as_bytes(), &v1).unwrap();
    decompress.bench_function("CZIPv1, level 5", |b| {
        b.iter(|| czip::v1::decompress(&model, black_box(&file), &v1).unwrap());
    });
    for (name, options) in &cases {
        let file = czip::compress(&model, text.as_bytes(), options).unwrap();
        decompress.bench_function(name, |b| {
            b.iter(|| czip::decompress(&model, black_box(&file), options).unwrap());
        });
    }
    decompress.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().without_plots();
    targets = whole_text, one_chunk, stages, segments
}
criterion_main!(benches);
