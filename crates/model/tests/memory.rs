//! Hostile files must not make the reader reserve memory that they do not fill.
//!
//! A test of its own process, since address space is counted for all threads together.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::fs;

use czip_model::Weights;

/// A line of the process's status, in KiB.
fn status(name: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(name)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

fn file(header: &str, len: u64) -> Vec<u8> {
    [&len.to_le_bytes(), header.as_bytes()].concat()
}

#[test]
fn declared_sizes_reserve_nothing() {
    // The largest sizes of each kind, with a hash of no tensors and of one that is there.
    let metadata = r#""__metadata__":{"format":"czip-model-v2","vocab_size":"65536","n_layers":"64","n_heads":"64",
        "d_model":"4096","d_ff":"16384","window":"1024","bigram_buckets":"16777216","bigram_width":"4096",
        "content_hash":"99aa06d3014798d86001c324468d497f"}"#;
    let tensor = r#""embed.weight":{"dtype":"U8","shape":[65536,2048],"data_offsets":[0,134217728]}"#;
    let headers = [format!("{{{metadata}}}"), format!("{{{metadata},{tensor}}}")];
    let mut files: Vec<Vec<u8>> = headers
        .iter()
        .map(|header| file(header, header.len() as u64))
        .collect();
    // A header of 100 MB, and one of all memory.
    files.extend([100_000_000, u64::MAX].map(|len| file(&headers[0], len)));

    // The peak already holds what the allocator set aside for this thread.
    let before = status("VmPeak");
    let errors: Vec<String> = files
        .iter()
        .map(|file| Weights::from_bytes(file).unwrap_err().to_string())
        .collect();
    let reserved = status("VmPeak") - before;
    assert!(reserved < 8 << 10, "{reserved} KiB reserved");
    assert_eq!(errors[0], "tensor `tokenizer.data` is missing");
    for error in &errors[1..] {
        assert!(error.starts_with("not a safetensors file: "), "{error}");
    }
}
