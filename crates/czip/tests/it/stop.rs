//! Work can be stopped, and is asked about often enough.
#![cfg(all(feature = "v1", feature = "brotli", feature = "zstd"))]

use std::io::{Cursor, Read, Write};
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};

use czip::v2::container::{Header, Writer};
use czip::{Decoder, Encoder, Error, Level, Mode, Model, Options, recover_to};
use czip_vectors::read;

static MODEL: LazyLock<Model> = LazyLock::new(|| Model::from_bytes(&read("model.czm")).unwrap());

/// The most bytes of text between two questions.
const PACE: usize = 64 << 10;

fn options(level: u8) -> Options {
    let level = Level::new(level).unwrap();
    Options::new().threads(NonZeroUsize::MIN).level(level)
}

/// Options that stop at a question with this number, from 1, and how often was asked.
fn stopping_at(options: &Options, stop: usize) -> (Options, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    let options = options
        .clone()
        .stop_when(move || counted.fetch_add(1, Ordering::Relaxed) + 1 >= stop);
    (options, asked)
}

/// Runs something whole, which must ask often enough, and then stops it at a few of the questions.
fn check<T>(place: &str, options: &Options, least: usize, run: impl Fn(&Options) -> Result<T, Error>) {
    let (never, asked) = stopping_at(options, usize::MAX);
    assert!(run(&never).is_ok(), "{place}");
    let asked = asked.load(Ordering::Relaxed);
    assert!(asked >= least, "{place}: asked {asked} times, not {least}");
    for stop in [1, asked / 2, asked] {
        let (options, counted) = stopping_at(options, stop.max(1));
        let result = run(&options).map(|_| ());
        assert!(
            matches!(result, Err(Error::Stopped)),
            "{place}, {stop} of {asked}: {result:?}"
        );
        // After the answer there are no more questions and no more work.
        assert_eq!(counted.load(Ordering::Relaxed), stop.max(1), "{place}");
    }
}

/// Lines that have another number each: a long passage that comes twice would not be coded.
fn text(len: usize) -> Vec<u8> {
    let lines =
        (0..).flat_map(|number: u32| format!("Integers are the same everywhere: {number}.\n").into_bytes());
    lines.take(len).collect()
}

#[test]
fn every_mode_and_direction_can_be_stopped() {
    for (mode, level, len) in [
        (Mode::Bytes, 1, 150_000),
        (Mode::Tokens, 1, 150_000),
        (Mode::Net, 4, 5_000),
        (Mode::Stored, 1, 150_000),
    ] {
        let text = text(len);
        // Stored segments are copied, and as quickly written as asked about.
        let segment = if mode == Mode::Stored { 1 << 15 } else { 1 << 20 };
        let options = options(level).only(mode).segment_len(segment);
        let least = len.div_ceil(PACE);
        let place = |what: &str| format!("{what}, {mode}");
        check(&place("compress"), &options, least, |options| {
            czip::compress(&*MODEL, &text, options)
        });
        let file = czip::compress(&*MODEL, &text, &options).unwrap();
        check(&place("decompress"), &options, least, |options| {
            czip::decompress(&*MODEL, &file, options)
        });
        check(&place("read_range"), &options, least, |options| {
            Decoder::new(&*MODEL, Cursor::new(&file), options).read_range(0..len as u64)
        });
        check(&place("recover"), &options, least, |options| {
            recover_to(&*MODEL, Cursor::new(&file), Vec::new(), options)
        });
        check(&place("decompress_many"), &options, least, |options| {
            czip::decompress_many(&*MODEL, &[&file], options).remove(0)
        });
        check(&place("compress_many"), &options, least, |options| {
            czip::compress_many(&*MODEL, &[&text], options).remove(0)
        });
    }
    // Where every mode is tried.
    let text = text(70_000);
    check("level 6", &options(6), 3 * text.len().div_ceil(PACE), |options| {
        czip::compress(None, &text, options)
    });
}

#[test]
fn czipv1_can_be_stopped() {
    let text = text(20_000);
    let options = options(5);
    check("compress", &options, 1, |options| {
        czip::v1::compress(&MODEL, &text, options)
    });
    let file = czip::v1::compress(&MODEL, &text, &options).unwrap();
    check("decompress", &options, 1, |options| {
        czip::decompress(&*MODEL, &file, options)
    });
}

/// A few bytes that claim the longest text there is.
#[test]
fn a_small_file_that_claims_much_text_stops_at_once() {
    for (mode, model) in [(Mode::Bytes, None), (Mode::Tokens, Some(MODEL.id()))] {
        let header = Header {
            level: Level::new(1).unwrap(),
            model,
        };
        let mut writer = Writer::new(Vec::new(), header);
        writer.write(mode, true, b"x", &vec![0; 1 << 24]).unwrap();
        let file = writer.finish().unwrap();
        assert!(file.len() <= 24, "{}", file.len());
        let (options, asked) = stopping_at(&options(1), 5);
        let error = czip::decompress(&*MODEL, &file, &options).unwrap_err();
        assert!(matches!(error, Error::Stopped), "{error}");
        assert_eq!(asked.load(Ordering::Relaxed), 5);
    }
}

#[test]
fn streams_that_were_stopped_stay_so() {
    let text = text(5000);
    let file = czip::compress(None, &text, &options(1)).unwrap();
    let (stopping, _) = stopping_at(&options(1), 1);
    let mut decoder = Decoder::new(None, &file[..], &stopping);
    let mut found = Vec::new();
    let error = decoder.read_to_end(&mut found).unwrap_err();
    assert_eq!(error.to_string(), "stopped before the work was done");
    assert!(found.is_empty());
    assert!(decoder.read_to_end(&mut found).is_err());

    let mut encoder = Encoder::new(None, Vec::new(), &stopping);
    encoder.write_all(&text).unwrap();
    assert!(matches!(encoder.finish().unwrap_err(), Error::Stopped));
}

#[test]
fn all_threads_stop() {
    let text = text(200_000);
    let options = options(1)
        .segment_len(1 << 14)
        .threads(NonZeroUsize::new(3).unwrap());
    for stop in [1, 4, 9] {
        let (stopping, _) = stopping_at(&options, stop);
        let results = czip::compress_many(None, &[&text, &text], &stopping);
        assert!(
            results
                .into_iter()
                .all(|result| matches!(result, Err(Error::Stopped)))
        );
        let file = czip::compress(None, &text, &options).unwrap();
        let results = czip::decompress_many(None, &[&file[..], b"junk", &file], &stopping);
        let errors: Vec<String> = results
            .into_iter()
            .map(|result| result.unwrap_err().to_string())
            .collect();
        let stopped = "stopped before the work was done";
        let junk = "neither a czip nor a CZIPv1 file: it starts with \"junk\"";
        assert_eq!(errors, [stopped, junk, stopped]);
    }
}
