//! Hostile files must not make the reader reserve memory that they do not fill.
//!
//! One test in its own process, since address space is counted for all threads together.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::fs;

use czip_model::ModelFile;

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
    // The longest header, one that is longer, and one of all memory.
    files.extend([1 << 20, 100_000_000, u64::MAX].map(|len| file(&headers[0], len)));

    // The peak already holds what the allocator reserved for this thread.
    let before = status("VmPeak");
    let errors: Vec<String> = files
        .iter()
        .map(|file| ModelFile::from_bytes(file).unwrap_err().to_string())
        .collect();
    let reserved = status("VmPeak") - before;
    assert!(reserved < 8 << 10, "{reserved} KiB reserved");
    assert_eq!(errors[0], "tensor `tokenizer.data` is missing");
    for error in &errors[1..] {
        assert!(error.starts_with("not a safetensors file: "), "{error}");
    }

    let models = bombs();
    let before = status("VmPeak");
    for (what, bytes, expected) in &models {
        assert!(bytes.len() < 64 << 10, "{what}: {} bytes", bytes.len());
        let error = match ModelFile::from_bytes(bytes) {
            Ok(weights) => weights.extras().tokenizer_json().unwrap_err(),
            Err(error) => error,
        };
        assert_eq!(error.to_string(), *expected, "{what}");
    }
    // What is decompressed, at most 16 MiB in a buffer that doubles and moves, a window of as much, and little else.
    let reserved = status("VmPeak") - before;
    assert!(reserved < 96 << 10, "{reserved} KiB reserved");
}

/// Models of some KiB that hold what decompresses to thousands of times that: what it is, the file, the error.
fn bombs() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let with = |name: &str, codec: &str, data: &[u8]| {
        let tensor = czip_vectors::Tensor {
            dtype: "U8".to_owned(),
            shape: vec![data.len()],
            data: data.to_vec(),
        };
        let mut file = small_model();
        file.tensors.insert(name.to_owned(), tensor);
        file.metadata
            .insert("tokenizer_codec".to_owned(), codec.to_owned());
        let mut hashed = Vec::new();
        for (name, tensor) in &file.tensors {
            hashed.extend_from_slice(format!("{name}\0{}\0", tensor.dtype).as_bytes());
            hashed.extend((tensor.shape.len() as u64).to_le_bytes());
            hashed.extend(tensor.shape.iter().flat_map(|&n| (n as u64).to_le_bytes()));
            hashed.extend_from_slice(&tensor.data);
        }
        let hash = xxhash_rust::xxh3::xxh3_128(&hashed);
        file.metadata
            .insert("content_hash".to_owned(), format!("{hash:032x}"));
        file.to_bytes()
    };
    let tokenizer = "tokenizer.data";
    let zeros = zstd_frame(&[0x60], 8 << 10);
    let long = "longer than 16777216 bytes";
    let zstd = ["tokenizer in the model does not decompress as zstd: ", long]
        .concat()
        .leak();
    let brotli = ["tokenizer in the model does not decompress as brotli: ", long]
        .concat()
        .leak();
    vec![
        ("a GiB in zstd", with(tokenizer, "zstd", &zeros), zstd),
        (
            "256 MiB in brotli",
            with(tokenizer, "brotli", &brotli_zeros()),
            brotli,
        ),
        (
            "a window of 128 MiB",
            with(tokenizer, "zstd", &zstd_frame(&[0x88], 1)),
            "tokenizer in the model does not decompress as zstd: Frame requires too much memory for decoding",
        ),
        (
            "priors of a GiB",
            with("mixing.priors.0", "zstd", &zeros),
            "tensor `mixing.priors.0` does not decompress: all priors together have more than 16777216 bytes",
        ),
    ]
}

/// A zstd frame with the given byte for its window, and blocks of 128 KiB of zeros.
fn zstd_frame(window: &[u8; 1], blocks: usize) -> Vec<u8> {
    let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0];
    frame.extend(window);
    for block in 1..=blocks {
        let header = u32::from(block == blocks) | 1 << 1 | (128 << 10) << 3;
        frame.extend_from_slice(&header.to_le_bytes()[..3]);
        frame.push(0);
    }
    frame
}

/// 256 MiB of zeros in brotli.
fn brotli_zeros() -> Vec<u8> {
    let mut compressed = Vec::new();
    let mut encoder = brotli::CompressorWriter::new(&mut compressed, 1 << 20, 5, 24);
    for _ in 0..256 {
        std::io::Write::write_all(&mut encoder, &vec![0; 1 << 20]).unwrap();
    }
    drop(encoder);
    compressed
}

/// The smallest valid model.
fn small_model() -> czip_vectors::ModelFile {
    use czip_model::v2::{Config, Contents, Layer, Matrix, Weights};
    let matrix = |rows: usize, cols: usize| Matrix {
        weights: vec![0; rows * cols],
        shifts: vec![0; rows],
    };
    let weights = Weights {
        config: Config {
            vocab_size: 2,
            layers: 1,
            d_model: 4,
            heads: 1,
            d_ff: 4,
            window: 1,
            bigram_buckets: 0,
            bigram_width: 0,
        },
        frequencies: [0; 32],
        embedding: matrix(2, 4),
        bigram: matrix(0, 0),
        layers: vec![Layer {
            qkv: matrix(192, 4),
            gains: vec![0],
            sinks: vec![0],
            out: matrix(4, 64),
            up: matrix(4, 4),
            down: matrix(4, 4),
        }],
        head: matrix(2, 4),
    };
    czip_vectors::ModelFile::parse(&Contents::new(&weights, b"{}").to_bytes().unwrap())
}
