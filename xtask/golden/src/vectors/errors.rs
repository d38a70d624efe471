//! Files and models that must be refused, each with what the error must say.
//!
//! The messages are written down here, not taken from the code that they are to check.

use czip_model::v1::Weights;
use czip_vectors::{ModelFile, stored_brotli, stored_zstd, to_hex};
use serde_json::{Value, json};

use super::model::{BOS, CONTEXT, SPECIAL, VOCAB, chunks};

/// The fields of a file, each free to be wrong.
#[derive(Clone)]
pub(super) struct Parts {
    pub(super) magic: [u8; 6],
    pub(super) flags: u8,
    pub(super) codec: u8,
    pub(super) original_len: u32,
    pub(super) inner_len: u32,
    pub(super) model_id: u32,
    pub(super) count: u32,
    pub(super) last: u16,
    pub(super) context: u8,
    pub(super) lens: Vec<u16>,
    pub(super) payload: Vec<u8>,
}

impl Parts {
    /// A valid file of chunks of 2^`context` tokens, `tokens` in all.
    pub(super) fn new(
        text_len: usize,
        tokens: usize,
        context: u8,
        chunks: &[Vec<u8>],
        codec: u8,
        model_id: u32,
    ) -> Self {
        let full = 1 << if context == 0 { 6 } else { context };
        Self {
            magic: *b"CZIPv1",
            flags: 0,
            codec,
            original_len: text_len as u32,
            inner_len: 12 + 2 * chunks.len() as u32,
            model_id,
            count: chunks.len() as u32,
            last: match tokens % full {
                0 => full as u16,
                rest => rest as u16,
            },
            context,
            lens: chunks.iter().map(|chunk| chunk.len() as u16).collect(),
            payload: chunks.concat(),
        }
    }

    pub(super) fn outer_header(&self) -> Vec<u8> {
        let mut bytes = self.magic.to_vec();
        bytes.extend([self.flags, self.codec]);
        bytes.extend(self.original_len.to_le_bytes());
        bytes.extend(self.inner_len.to_le_bytes());
        bytes
    }

    pub(super) fn inner_header(&self) -> Vec<u8> {
        let mut bytes = self.model_id.to_le_bytes().to_vec();
        bytes.extend(self.count.to_le_bytes());
        bytes.extend(self.last.to_le_bytes());
        bytes.extend([0, self.context]);
        bytes.extend(self.lens.iter().flat_map(|len| len.to_le_bytes()));
        bytes
    }

    /// The file, its contents stored by the codec as they are.
    fn stored(&self) -> Vec<u8> {
        self.stored_as(&[self.inner_header(), self.payload.clone()].concat())
    }

    /// The file's header, then these contents.
    fn stored_as(&self, contents: &[u8]) -> Vec<u8> {
        let stream = match self.codec {
            1 => stored_brotli(contents),
            _ => stored_zstd(contents),
        };
        [self.outer_header(), stream].concat()
    }
}

/// A malformed file: name, bytes, error, and whether the error needs a model to be found.
pub(super) struct BadFile {
    pub(super) name: &'static str,
    pub(super) bytes: Vec<u8>,
    pub(super) error: String,
    pub(super) needs_model: bool,
}

/// The malformed `.czip` files.
pub(super) fn files(weights: &Weights<'_>) -> Vec<BadFile> {
    let mut files = container_files(weights);
    files.extend(coded_files(weights));
    files
}

/// Files that break a rule of the container.
fn container_files(weights: &Weights<'_>) -> Vec<BadFile> {
    let a = chunks(weights, &[b'a'.into()], CONTEXT);
    let len = a[0].len();
    let zstd = Parts::new(1, 1, 7, &a, 0, 0);
    let brotli = Parts::new(1, 1, 7, &a, 1, 0);
    let with = |change: fn(&mut Parts)| {
        let mut parts = zstd.clone();
        change(&mut parts);
        parts.stored()
    };
    let (zstd_file, brotli_file) = (zstd.stored(), brotli.stored());
    let contents = [zstd.inner_header(), zstd.payload.clone()].concat();
    let cut = |file: &[u8], len: usize| file[..len].to_vec();
    let longer = |file: &[u8], more: &[u8]| [file, more].concat();
    let empty = Parts::new(0, 0, 7, &[], 0, 0);
    let mut empty_with_last = empty.clone();
    empty_with_last.last = 1;
    let mut skippable = zstd_file.clone();
    skippable[16] = 0x50;

    let cases: Vec<(&'static str, Vec<u8>, String)> = vec![
        (
            "nothing",
            vec![],
            "input of 0 bytes is too short for a CZIPv1 file, whose header alone takes 16".into(),
        ),
        (
            "header-15-bytes",
            cut(&zstd_file, 15),
            "input of 15 bytes is too short for a CZIPv1 file, whose header alone takes 16".into(),
        ),
        (
            "magic",
            with(|parts| parts.magic = *b"CZIPv2"),
            "not a CZIPv1 file: it starts with \"CZIPv2\" instead of \"CZIPv1\"".into(),
        ),
        (
            "magic-binary",
            with(|parts| parts.magic = [0x1f, 0x8b, 8, 0, b'"', b'\n']),
            r#"not a CZIPv1 file: it starts with "\x1f\x8b\x08\x00\"\n" instead of "CZIPv1""#.into(),
        ),
        (
            "flags-reserved",
            with(|parts| parts.flags = 4),
            "unknown flags 0x04 at byte 6".into(),
        ),
        (
            "flags-all",
            with(|parts| parts.flags = 0xff),
            "unknown flags 0xfc at byte 6".into(),
        ),
        (
            "codec",
            with(|parts| parts.codec = 2),
            "unknown outer codec 2 at byte 7".into(),
        ),
        (
            "inner-length-short",
            with(|parts| parts.inner_len = 11),
            "inner header length 11 at byte 12 is not 12 plus an even number".into(),
        ),
        (
            "inner-length-odd",
            with(|parts| parts.inner_len = 15),
            "inner header length 15 at byte 12 is not 12 plus an even number".into(),
        ),
        (
            "chunks-above-limit",
            with(|parts| parts.inner_len = 0xffff_fffe),
            "2147483641 chunks exceed the limit of 67108864".into(),
        ),
        (
            "stream-missing-zstd",
            cut(&zstd_file, 16),
            "file ends at byte 16, inside its zstd stream".into(),
        ),
        (
            "stream-missing-brotli",
            cut(&brotli_file, 16),
            "file ends at byte 16, inside its brotli stream".into(),
        ),
        (
            "stream-truncated-zstd",
            cut(&zstd_file, zstd_file.len() - 1),
            format!(
                "file ends at byte {}, inside its zstd stream",
                zstd_file.len() - 1
            ),
        ),
        (
            "stream-truncated-brotli",
            cut(&brotli_file, brotli_file.len() - 1),
            format!(
                "file ends at byte {}, inside its brotli stream",
                brotli_file.len() - 1
            ),
        ),
        (
            "stream-no-frame",
            skippable,
            format!(
                "broken zstd stream before byte {}: no zstd frame",
                zstd_file.len()
            ),
        ),
        (
            "trailing-bytes-zstd",
            longer(&zstd_file, b"x"),
            format!(
                "trailing bytes from byte {}, where the zstd stream has ended",
                zstd_file.len()
            ),
        ),
        (
            "trailing-frame-zstd",
            longer(&zstd_file, &stored_zstd(b"")),
            format!(
                "trailing bytes from byte {}, where the zstd stream has ended",
                zstd_file.len()
            ),
        ),
        (
            "trailing-bytes-brotli",
            longer(&brotli_file, b"x"),
            format!(
                "trailing bytes from byte {}, where the brotli stream has ended",
                brotli_file.len()
            ),
        ),
        (
            "inner-truncated",
            zstd.stored_as(&contents[..5]),
            "inner header ends after 5 of its 14 bytes".into(),
        ),
        (
            "inner-truncated-in-table",
            zstd.stored_as(&contents[..13]),
            "inner header ends after 13 of its 14 bytes".into(),
        ),
        (
            "chunk-count",
            with(|parts| parts.count = 2),
            "chunk count 2 at byte 4 of the inner header does not fit its length of 14 bytes".into(),
        ),
        (
            "last-chunk-0",
            with(|parts| parts.last = 0),
            "0 tokens in the last of 1 chunks of up to 128, at byte 8 of the inner header".into(),
        ),
        (
            "last-chunk-129",
            with(|parts| parts.last = 129),
            "129 tokens in the last of 1 chunks of up to 128, at byte 8 of the inner header".into(),
        ),
        (
            "last-chunk-of-none",
            empty_with_last.stored(),
            "1 tokens in the last of 0 chunks of up to 128, at byte 8 of the inner header".into(),
        ),
        (
            "context",
            with(|parts| parts.context = 16),
            "context field 16 at byte 11 of the inner header is more than 15".into(),
        ),
        (
            "chunk-empty",
            with(|parts| {
                parts.lens = vec![0];
                parts.payload.clear();
            }),
            "chunk 0 is empty".into(),
        ),
        (
            "payload-truncated",
            zstd.stored_as(&contents[..contents.len() - 1]),
            format!("payload ends after {} of the {len} bytes of chunk 0", len - 1),
        ),
        (
            "payload-trailing",
            zstd.stored_as(&longer(&contents, b"x")),
            format!("trailing bytes in the payload after its {len} bytes"),
        ),
        (
            "payload-without-chunks",
            empty.stored_as(&longer(&empty.inner_header(), b"x")),
            "trailing bytes in the payload after its 0 bytes".into(),
        ),
    ];
    let case = |(name, bytes, error)| BadFile {
        name,
        bytes,
        error,
        needs_model: false,
    };
    cases.into_iter().map(case).collect()
}

/// Files whose container is sound but that do not decode.
fn coded_files(weights: &Weights<'_>) -> Vec<BadFile> {
    let text: Vec<u32> = b"abcdefghijklmnopqrst".map(u32::from).to_vec();
    let one = chunks(weights, &text, CONTEXT);
    let two = chunks(weights, &text, 16);
    let len = text.len();
    let parts = |context, chunks: &[Vec<u8>]| Parts::new(len, len, context, chunks, 1, 0);
    let declaring = |original_len| {
        let mut parts = parts(7, &one);
        parts.original_len = original_len;
        parts.stored()
    };
    let last_byte_longer = |mut chunks: Vec<Vec<u8>>| {
        if let Some(last) = chunks.last_mut() {
            last.push(0);
        }
        chunks
    };
    // A 1 bit after the one that ends the chunk: where enough zeros lie between, it changes no symbol.
    let ends = (1..=len).map(|len| (len, chunks(weights, &text[..len], CONTEXT)));
    let padding = |chunks: &[Vec<u8>]| chunks[0].last().map_or(0, |last| last.trailing_zeros());
    let (end_len, mut end) = ends
        .max_by_key(|(_, chunks)| padding(chunks))
        .unwrap_or((len, one.clone()));
    let end_bit = end[0].len() as u32 * 8 - 1 - padding(&end);
    if let Some(last) = end[0].last_mut() {
        *last |= 1;
    }
    let damaged = "the file is damaged or made with another model";
    let cases: Vec<(&'static str, Vec<u8>, String)> =
        vec![
        (
            "context-of-another-model",
            parts(8, &one).stored(),
            "file has chunks of 256 tokens, but the model's context is 128: it was made with another model"
                .into(),
        ),
        (
            "context-of-another-model-0",
            Parts::new(0, 0, 8, &[], 0, 0).stored(),
            "file has chunks of 256 tokens, but the model's context is 128: it was made with another model"
                .into(),
        ),
        (
            "length-below-tokens",
            declaring(len as u32 - 1),
            format!("decoded {len} bytes where the file declares {}: {damaged}", len - 1),
        ),
        (
            "length-above",
            declaring(len as u32 + 1),
            format!("decoded {len} bytes where the file declares {}: {damaged}", len + 1),
        ),
        (
            "length-4-gib",
            declaring(u32::MAX),
            format!("decoded {len} bytes where the file declares 4294967295: {damaged}"),
        ),
        (
            "length-of-nothing",
            {
                let mut parts = Parts::new(0, 0, 7, &[], 1, 0);
                parts.original_len = 1;
                parts.stored()
            },
            format!("decoded 0 bytes where the file declares 1: {damaged}"),
        ),
        (
            "chunk-longer",
            parts(7, &last_byte_longer(one.clone())).stored(),
            format!(
                "chunk 0 ({} bytes of coded data, but the symbols decoded from them take {}): {damaged}",
                one[0].len() + 1,
                one[0].len()
            ),
        ),
        (
            "second-chunk-longer",
            parts(4, &last_byte_longer(two.clone())).stored(),
            format!(
                "chunk 1 ({} bytes of coded data, but the symbols decoded from them take {}): {damaged}",
                two[1].len() + 1,
                two[1].len()
            ),
        ),
        (
            "chunk-end",
            Parts::new(end_len, end_len, 7, &end, 1, 0).stored(),
            format!("chunk 0 (coded data do not end in a 1 bit and zeros at bit {end_bit}): {damaged}"),
        ),
    ];
    let case = |(name, bytes, error)| BadFile {
        name,
        bytes,
        error,
        needs_model: true,
    };
    cases.into_iter().map(case).collect()
}

/// Tiny malformed `.czm` files: name, bytes, key of the message, message.
pub(super) fn model_files() -> Vec<(&'static str, Vec<u8>, &'static str, String)> {
    let file = |len: u64, header: &str| [&len.to_le_bytes(), header.as_bytes()].concat();
    let safetensors = "bad model: not a safetensors file: ".to_owned();
    vec![
        ("nothing", vec![], "error", no_model("an empty file")),
        (
            "header-huge",
            file(u64::MAX, "{}"),
            "error_prefix",
            safetensors.clone(),
        ),
        ("header-cut", file(9, "{}"), "error_prefix", safetensors),
        (
            "header-no-json",
            file(8, "CZIPv1  "),
            "error",
            no_model("a file of another kind"),
        ),
        (
            "no-tensors",
            file(8, "{}      "),
            "error",
            no_model("a safetensors file of another program"),
        ),
    ]
}

fn no_model(kind: &str) -> String {
    format!("bad model: this is {kind}, not a model of czip (a .czm file)")
}

/// Patches of `model.czm` that make it invalid: name, patch, key of the message, message.
pub(super) fn models(model: &ModelFile) -> Vec<Value> {
    let mut cases = Vec::new();
    let mut add = |name: String, patch: Value, error: String| {
        cases.push(json!({ "name": name, "patch": patch, "error": format!("bad model: {error}") }));
    };
    tensors(model, &mut add);
    metadata(&mut add);
    ranges(&mut add);
    tokenizers(&mut cases);
    let file_len = model.to_bytes().len();
    for (len, kind) in [
        (0, "an empty file"),
        (7, "a file of another kind"),
        (8, "a file of another kind"),
    ] {
        cases.push(json!({
            "name": format!("the first {len} bytes"),
            "patch": { "truncate": len },
            "error": no_model(kind),
        }));
    }
    for len in [100, file_len / 2, file_len - 1] {
        cases.push(json!({
            "name": format!("the first {len} bytes"),
            "patch": { "truncate": len },
            "error_prefix": "bad model: not a safetensors file: ",
        }));
    }
    cases
}

/// Every tensor missing, of another type, of another shape.
fn tensors(model: &ModelFile, add: &mut impl FnMut(String, Value, String)) {
    for (name, tensor) in &model.tensors {
        if ["head.mult", "head.shift"].contains(&name.as_str()) {
            continue;
        }
        if name != "layers.1.attn.sink_key" {
            add(
                format!("{name} missing"),
                json!({ "tensors": { name: null } }),
                format!("tensor `{name}` is missing"),
            );
        }
        let (wanted, other) = (&tensor.dtype, other_dtype(&tensor.dtype));
        add(
            format!("{name} of another type"),
            json!({ "tensors": { name: { "dtype": other } } }),
            format!("tensor `{name}` has type {other}, not {wanted}"),
        );
        if name != "tokenizer.data" {
            let shape = match tensor.shape[..] {
                [] => vec![1],
                [len] => vec![1, len],
                [..] => vec![tensor.shape.iter().product()],
            };
            add(
                format!("{name} of another shape"),
                json!({ "tensors": { name: { "shape": shape } } }),
                format!("tensor `{name}` has shape {shape:?}, not {:?}", tensor.shape),
            );
        }
    }
    for name in ["softmax.coef_q24", "softmax.target_total"] {
        add(
            format!("{name} of another type"),
            json!({ "tensors": { name: { "dtype": "I32", "shape": [] } } }),
            format!("tensor `{name}` has type I32, not U32"),
        );
        add(
            format!("{name} of another shape"),
            json!({ "tensors": { name: { "dtype": "U32", "shape": [2] } } }),
            format!("tensor `{name}` has shape [2], not []"),
        );
    }
}

/// A type of the same size.
fn other_dtype(dtype: &str) -> &'static str {
    match dtype {
        "I8" => "U8",
        "U8" => "I8",
        "I16" => "U16",
        "U16" => "I16",
        _ => "U32",
    }
}

fn metadata(add: &mut impl FnMut(String, Value, String)) {
    let required = [
        "vocab_size",
        "n_layers",
        "n_heads",
        "n_kv_heads",
        "d_model",
        "d_ff",
        "head_dim",
        "rope_theta_q16",
    ];
    for key in required {
        add(
            format!("metadata without {key}"),
            json!({ "metadata": { key: null } }),
            format!("model metadata lack `{key}`"),
        );
    }
    let no_model = "this is a safetensors file of another program, not a model of czip (a .czm file)";
    for (name, patch) in [
        ("metadata without format", json!({ "format": null })),
        ("format = pt", json!({ "format": "pt" })),
        ("no metadata", Value::Null),
    ] {
        add(name.into(), json!({ "metadata": patch }), no_model.into());
    }
    let decimal = "must be a decimal number";
    let power = "must be a power of two from 2 to 32768";
    let values = [
        (
            "format",
            "czip-model-v4",
            "only czip-model-v1, -v2 and -v3 are known",
        ),
        ("n_heads", "2", "must be 4, 6 or 8"),
        ("n_heads", "5", "must be 4, 6 or 8"),
        ("n_heads", "10", "must be 4, 6 or 8"),
        ("n_heads", "four", decimal),
        ("n_kv_heads", "2", "must be 1"),
        ("head_dim", "32", "must be 64"),
        ("d_model", "255", "must be 64 * n_heads"),
        ("d_model", "-256", decimal),
        ("context_length", "0", power),
        ("context_length", "1", power),
        ("context_length", "100", power),
        ("context_length", "65536", power),
        ("context_length", "", decimal),
        ("vocab_size", "1", "must be 2 to 65536"),
        ("vocab_size", "65537", "must be 2 to 65536"),
        ("vocab_size", "18446744073709551616", decimal),
        ("n_layers", "0", "must be 1 to 64"),
        ("n_layers", "65", "must be 1 to 64"),
        ("d_ff", "0", "must be 1 to 65536"),
        ("d_ff", "65537", "must be 1 to 65536"),
        ("rope_theta_q16", "10000.0", decimal),
        ("tokenizer_codec", "gzip", "must be zstd or brotli"),
    ];
    for (key, value, reason) in values {
        add(
            format!("{key} = {value}"),
            json!({ "metadata": { key: value } }),
            format!("model metadata have `{key}` = `{value}`: {reason}"),
        );
    }
    for log2 in ["0", "16"] {
        add(
            format!("context_length_log2 = {log2}"),
            json!({ "metadata": { "context_length": null, "context_length_log2": log2 } }),
            format!("model metadata have `context_length_log2` = `{log2}`: must be 1 to 15"),
        );
    }
    add(
        "a context from tables of 100 rows".into(),
        json!({
            "metadata": { "context_length": null },
            "tensors": { "lut.rope_cos": { "shape": [100, 32] }, "lut.rope_sin": { "shape": [100, 32] } },
        }),
        format!("model metadata have `context_length` = `100`: {power}"),
    );
    let mismatches = [
        (
            json!({ "context_length": "64" }),
            "lut.rope_cos",
            "[128, 32]",
            "[64, 32]",
        ),
        (
            json!({ "d_ff": "32" }),
            "layers.0.ffn.up.weight",
            "[66, 256]",
            "[64, 256]",
        ),
        (
            json!({ "n_heads": "6", "d_model": "384" }),
            "layers.0.attn_norm.weight",
            "[256]",
            "[384]",
        ),
    ];
    for (metadata, tensor, found, wanted) in mismatches {
        add(
            format!("{tensor} for another model"),
            json!({ "metadata": metadata }),
            format!("tensor `{tensor}` has shape {found}, not {wanted}"),
        );
    }
    add(
        "a layer too few".into(),
        json!({ "metadata": { "n_layers": "3" } }),
        "tensor `layers.2.attn_norm.weight` is missing".into(),
    );
}

fn ranges(add: &mut impl FnMut(String, Value, String)) {
    for (layer, linear, shift) in [
        (0, "attn.qkv", 63),
        (0, "attn.out", 64),
        (1, "ffn.up", 127),
        (1, "ffn.down", 63),
    ] {
        let name = format!("layers.{layer}.{linear}.shift");
        add(
            format!("{name} = {shift}"),
            json!({ "tensors": { &name: { "data": to_hex(&[shift]) } } }),
            format!("tensor `{name}` holds {shift}, outside -128..=62"),
        );
    }
    for mult in [(1 << 27) + 1, i32::MIN] {
        let name = "layers.1.attn.score_mult";
        let mults = [1, 2, mult, i32::MAX].map(i32::to_le_bytes).concat();
        add(
            format!("{name} = {mult}"),
            json!({ "tensors": { name: { "data": to_hex(&mults) } } }),
            format!("tensor `{name}` holds {mult}, outside -134217728..=134217728"),
        );
    }
    for total in [0, VOCAB as u32, (1 << 30) + 1, u32::MAX] {
        let name = "softmax.target_total";
        let tensor = json!({ "dtype": "U32", "shape": [], "data": to_hex(&total.to_le_bytes()) });
        add(
            format!("{name} = {total}"),
            json!({ "tensors": { name: tensor } }),
            format!(
                "tensor `{name}` holds {total}, outside {}..=1073741824",
                VOCAB + 1
            ),
        );
    }
}

/// Models whose tokenizer is of no use.
fn tokenizers(cases: &mut Vec<Value>) {
    let mut add = |name: &str, patch: Value, key: &str, error: String| {
        cases.push(json!({ "name": name, "patch": patch, key: error }));
    };
    let undecodable = |codec| format!("bad model: tokenizer in the model does not decompress as {codec}: ");
    let prefix = "error_prefix";
    add(
        "tokenizer compressed otherwise",
        json!({ "metadata": { "tokenizer_codec": "zstd" } }),
        prefix,
        undecodable("zstd"),
    );
    add(
        "tokenizer cut short",
        json!({ "tensors": { "tokenizer.data": { "shape": [100] } } }),
        prefix,
        undecodable("brotli"),
    );
    add(
        "no bytes of tokenizer",
        json!({ "tensors": { "tokenizer.data": { "shape": [0] } } }),
        prefix,
        undecodable("brotli"),
    );
    let json = stored_brotli(b"{}");
    add(
        "tokenizer without its keys",
        json!({ "tensors": { "tokenizer.data": { "shape": [json.len()], "data": to_hex(&json) } } }),
        prefix,
        "bad tokenizer: malformed tokenizer JSON: ".into(),
    );
    add(
        "tokenizer that miscounts",
        json!({ "tokenizer": { "codec": "brotli", "edit": { "explicit_n_vocab": 7 } } }),
        "error",
        format!("bad tokenizer: `explicit_n_vocab` is 7, but there are {VOCAB} tokens"),
    );
    add(
        "tokenizer without <|bos|>",
        json!({ "tokenizer": {
            "codec": "brotli",
            "edit": { "special_tokens": { "<|start|>": BOS, SPECIAL[1]: BOS + 1 } },
        } }),
        "error",
        "tokenizer has no token `<|bos|>`".into(),
    );
    let rows = VOCAB - 1;
    add(
        "tokenizer larger than the model",
        json!({
            "metadata": { "vocab_size": rows.to_string() },
            "tensors": { "embed.weight": { "shape": [rows, 256] }, "head.weight": { "shape": [rows, 256] } },
        }),
        "error",
        format!("tokenizer of {VOCAB} tokens for a model of {rows}"),
    );
}
