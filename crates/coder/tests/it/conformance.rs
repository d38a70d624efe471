//! Chunks of an existing encoder, with the cumulative frequencies that its model gave.

use std::{env, fs, path::PathBuf};

use czip_coder::v1::{Decoder, Encoder};
use czip_container::v1::{self, Limits};

/// The conformance data, if there are any here.
fn conformance() -> Option<PathBuf> {
    let shared = env::var_os("CZIP_SHARED").map_or_else(
        || concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared").into(),
        PathBuf::from,
    );
    let folder = shared.join("conformance");
    if folder.is_dir() {
        return Some(folder);
    }
    assert!(
        env::var_os("CZIP_REQUIRE_SHARED").is_none(),
        "no folder {}",
        folder.display()
    );
    eprintln!("skipped: no folder {}", folder.display());
    None
}

/// A trace's record: a token and the inclusive prefix sums it was coded with.
fn record(bytes: &[u8]) -> (usize, Vec<u32>) {
    let words: Vec<u32> = bytes
        .as_chunks()
        .0
        .iter()
        .map(|word| u32::from_le_bytes(*word))
        .collect();
    (words[2] as usize, words[3 + 1024..].to_vec())
}

#[test]
fn first_tokens_of_traces() {
    let Some(folder) = conformance() else { return };
    for (model, codec) in [
        ("v001_eng", "brotli"),
        ("synth_2x4", "zstd"),
        ("synth_3x8_sink", "zstd"),
    ] {
        let path = folder.join(format!("expected/python.txt.{model}.d.{codec}.czip"));
        let file = v1::read(&fs::read(path).unwrap()[..], &Limits::default()).unwrap();
        let chunk = file.chunks().next().unwrap();
        let trace = fs::read(folder.join(format!("trace/python.{model}.trace"))).unwrap();
        let records: Vec<_> = trace.chunks(4 * (3 + 1024 + 1024)).map(record).collect();
        assert_eq!(records.len(), 26);

        let mut encoder = Encoder::new();
        let mut decoder = Decoder::new(chunk);
        for (token, cum) in &records[..24] {
            let total = *cum.last().unwrap();
            let target = decoder.target(total);
            assert_eq!(cum.partition_point(|&cum| cum <= target), *token, "{model}");
            let lo = if *token == 0 { 0 } else { cum[token - 1] };
            decoder.consume(lo, cum[*token], total);
            encoder.encode(lo, cum[*token], total);
        }
        // The last byte has the end in it, and the one before may depend on bits pending.
        let bytes = encoder.finish();
        assert!(bytes.len() > 10);
        assert_eq!(bytes[..bytes.len() - 2], chunk[..bytes.len() - 2], "{model}");
    }
}
