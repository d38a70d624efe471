//! What is the same for models of either version, and what must not be mixed.

use czip_model::{AnyTransformer, Error, Kernels, MAX_HEADER_LEN, MAX_TOKENIZER_LEN, ModelFile, Row, v2};
use czip_vectors::read;

fn transformer(name: &str) -> AnyTransformer {
    AnyTransformer::new(Kernels::detect(), ModelFile::from_bytes(&read(name)).unwrap())
}

fn v1() -> AnyTransformer {
    transformer("model.czm")
}

fn v2() -> AnyTransformer {
    transformer("model2.czm")
}

const ROW: Row = Row {
    sequence: 0,
    position: 0,
    token: 1,
};

#[test]
fn sizes() {
    let net = v1();
    let info = net.config();
    assert_eq!(
        (
            info.format,
            info.vocab_size,
            info.layers,
            info.heads,
            info.d_model,
            info.d_ff
        ),
        ("czip-model-v1", 283, 2, 4, 256, 33)
    );
    assert_eq!(
        (info.context_length, info.context_log2(), info.window),
        (128, 7, None)
    );
    assert_eq!(info.bigram_buckets, 0);
    assert_eq!((info.multiply_adds, info.parameters), (450_816, 525_568));
    assert_eq!((net.cache(5).capacity(), net.cache_len(5)), (5, 2 * 16 * 192));
    assert_eq!(net.scratch(3).capacity(), 3);

    let net = v2();
    let info = net.config();
    assert_eq!(
        (
            info.format,
            info.vocab_size,
            info.layers,
            info.heads,
            info.d_model,
            info.d_ff
        ),
        ("czip-model-v2", 283, 2, 2, 36, 50)
    );
    assert_eq!(
        (info.context_length, info.context_log2(), info.window),
        (1 << 14, 14, Some(18))
    );
    assert_eq!((info.kv_heads, info.sinks, info.bigram_buckets), (1, 0, 64));
    // Two layers of 256 * 36 + 36 * 128 + 2 * 50 * 36, and the head; then embeddings, gains and sinks.
    assert_eq!(info.multiply_adds, 2 * 17_424 + 283 * 36);
    assert_eq!(info.parameters, info.multiply_adds + 283 * 36 + 64 * 20 + 2 * 4);
    // Positions that are kept, 18 + 256, and a window: in groups of 16; each has a token.
    assert_eq!(net.cache_len(5), (288 + 32) * (2 * 192 + 2));
    assert_eq!(net.cache(5).capacity(), usize::MAX);
    assert_eq!(net.scratch(3).capacity(), 3);

    let net = transformer("model3.czm");
    let info = net.config();
    assert_eq!(info.format, "czip-model-v3");
    assert_eq!((info.heads, info.kv_heads), (4, 2));
    assert_eq!(
        (info.window, info.sinks, info.start_token),
        (Some(18), 3, Some(281))
    );
}

#[test]
fn extras() {
    for name in ["model.czm", "model2.czm", "model3.czm"] {
        let bytes = read(name);
        let file = ModelFile::from_bytes(&bytes).unwrap();
        assert_eq!(
            file.extras().tokenizer_json().unwrap(),
            read("tokenizer.json"),
            "{name}"
        );
    }
}

#[test]
fn windows_without_end() {
    let net = v2();
    let (mut caches, mut scratch) = ([net.cache(0)], net.scratch(1));
    let mut window = net.window(3, 8, 3);
    assert_eq!(window.free(), usize::MAX - 1);
    let first = window.first(5);
    assert_eq!((first.sequence, first.position, first.token), (5, 0, 3));
    for position in 1..50 {
        let row = window.next(5, 7, &net, &mut caches, &mut scratch);
        assert_eq!((row.sequence, row.position, row.token), (5, position, 7));
        assert_eq!(window.free(), usize::MAX - 1 - position);
    }
    window.restart();
    assert_eq!(window.free(), usize::MAX - 1);
    assert_eq!(window.next(5, 7, &net, &mut caches, &mut scratch).position, 1);

    assert_eq!(v1().window(3, 8, 3).free(), 7);
}

/// What is remembered serves later tokens as what is taken does.
#[test]
fn remembered_tokens() {
    for net in [v1(), v2()] {
        let row = |position: usize| Row {
            sequence: 0,
            position,
            token: (position * 41 % 283) as u32,
        };
        let rows: Vec<Row> = (0..9).map(row).collect();
        let logits = |remember: bool| {
            let (mut caches, mut scratch) = ([net.cache(9)], net.scratch(8));
            if remember {
                net.remember(&rows[..8], &mut caches, &mut scratch);
            } else {
                net.forward(&rows[..8], &mut caches, &mut scratch);
            }
            net.forward(&rows[8..], &mut caches, &mut scratch);
            scratch.logits(0).to_vec()
        };
        assert_eq!(logits(true), logits(false));
    }
}

#[test]
#[should_panic(expected = "a cache of a model of another version")]
fn caches_of_version_1() {
    v2().forward(&[ROW], &mut [v1().cache(1)], &mut v2().scratch(1));
}

#[test]
#[should_panic(expected = "a cache of a model of another version")]
fn caches_of_version_2() {
    v1().forward(&[ROW], &mut [v2().cache(1)], &mut v1().scratch(1));
}

#[test]
#[should_panic(expected = "scratch of a model of another version")]
fn scratch_of_version_1() {
    v2().forward(&[ROW], &mut [v2().cache(1)], &mut v1().scratch(1));
}

#[test]
#[should_panic(expected = "2 rows in a scratch for 1")]
fn more_rows_than_there_is_room_for() {
    v1().forward(&[ROW, ROW], &mut [v1().cache(2)], &mut v1().scratch(1));
}

#[test]
#[should_panic(expected = "row 1 of 1")]
fn logits_of_a_row_that_was_not_taken() {
    let net = v1();
    let mut scratch = net.scratch(2);
    net.forward(&[ROW], &mut [net.cache(1)], &mut scratch);
    assert_eq!(scratch.logits(0).len(), 283);
    let _ = scratch.logits(1);
}

#[test]
#[should_panic(expected = "row 1 of 1")]
fn logits_of_a_row_of_version_2_that_was_not_taken() {
    let net = v2();
    let mut scratch = net.scratch(2);
    net.forward(&[ROW], &mut [net.cache(1)], &mut scratch);
    let _ = scratch.logits(1);
}

/// The longest header is 1 MiB long.
#[test]
fn lengths_of_headers() {
    let error = |len: u64, there: usize| {
        let mut file = len.to_le_bytes().to_vec();
        file.resize(8 + there, b' ');
        file[8] = b'{';
        ModelFile::from_bytes(&file).unwrap_err().to_string()
    };
    let most = MAX_HEADER_LEN;
    assert_eq!(
        error(most, 1),
        "not a safetensors file: header of 1048576 bytes, of which 1 are there: the file is cut off"
    );
    assert_eq!(
        error(most + 1, 1 << 21),
        "not a safetensors file: header of 1048577 bytes, more than 1048576"
    );
    // This one is there, but is no JSON.
    let whole = error(most, 1 << 20);
    assert!(
        whole.starts_with("not a safetensors file: ") && !whole.contains("header of"),
        "{whole}"
    );
}

/// The longest tokenizer has 16 MiB.
#[test]
fn lengths_of_tokenizers() {
    let bytes = read("model2.czm");
    let file = v2::File::from_bytes(&bytes).unwrap();
    let with = |len: u64| {
        let json = vec![b' '; len as usize];
        let bytes = v2::Contents::new(&file.weights, &json).to_bytes().unwrap();
        let file = ModelFile::from_bytes(&bytes).unwrap();
        file.extras().tokenizer_json().map(|json| json.len() as u64)
    };
    assert_eq!(with(MAX_TOKENIZER_LEN), Ok(16 << 20));
    let expected = Error::Tokenizer {
        codec: "zstd",
        reason: "longer than 16777216 bytes".to_owned(),
    };
    assert_eq!(with(MAX_TOKENIZER_LEN + 1), Err(expected));
}
