//! The model of the vectors: small, random, and odd wherever the format leaves room for it.

use std::collections::BTreeMap;
use std::io::Cursor;

use brotli::enc::BrotliEncoderParams;
use czip_fixed::tables;
use czip_model::v1::{Weights, reference::Reference};
use czip_vectors::{ModelFile, Tensor};
use serde_json::json;

use super::plain::{Random, Share, Tokenizer, code};
use xtask::Result;

const SEED: u64 = 0x637a_6970_5f76_3100;

const HEADS: usize = 4;
const D: usize = 64 * HEADS;
/// No multiple of any vector's length.
const D_FF: usize = 33;
pub(super) const CONTEXT: usize = 128;

/// The pattern of known models.
const PATTERN: &str = concat!(
    r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+",
    r"|\s++$|\s*[\r\n]|\s+(?!\S)|\s"
);

/// Tokens after the 256 bytes. No merge leads to ` vector`: only a piece that is the whole token becomes it.
const MERGES: [&str; 25] = [
    " t", "he", "in", " a", "er", "on", "re", "at", "es", "or", " s", "nd", "ou", " the", " w", " c", "en",
    "it", " o", "ing", " and", "  ", "\r\n", "é", " vector",
];

pub(super) const SPECIAL: [&str; 2] = ["<|bos|>", "<|eos|>"];

pub(super) const BOS: u32 = 256 + MERGES.len() as u32;

pub(super) const VOCAB: usize = BOS as usize + SPECIAL.len();

/// The bytes of the mergeable tokens in the order of their ids.
fn mergeable() -> Vec<Vec<u8>> {
    let bytes = (0..=u8::MAX).map(|byte| vec![byte]);
    bytes
        .chain(MERGES.iter().map(|token| token.as_bytes().to_vec()))
        .collect()
}

pub(super) fn tokenizer() -> Result<Tokenizer> {
    Tokenizer::new(PATTERN, &mergeable(), &SPECIAL)
}

/// The tokenizer's JSON, a token to a line.
pub(super) fn tokenizer_json() -> String {
    let entries = |tokens: Vec<String>, first: usize| {
        let entry = |(token, id): (String, usize)| format!("    {}: {id}", json!(token));
        let entries: Vec<String> = tokens.into_iter().zip(first..).map(entry).collect();
        entries.join(",\n")
    };
    let as_characters = |token: Vec<u8>| token.into_iter().map(char::from).collect();
    let ranks = entries(mergeable().into_iter().map(as_characters).collect(), 0);
    let special = entries(SPECIAL.map(str::to_owned).to_vec(), BOS as usize);
    format!(
        "{{\n  \"name\": \"vectors\",\n  \"pat_str\": {},\n  \"mergeable_ranks\": {{\n{ranks}\n  }},\n  \
         \"special_tokens\": {{\n{special}\n  }},\n  \"explicit_n_vocab\": {VOCAB}\n}}\n",
        json!(PATTERN)
    )
}

/// A tensor as it is made: type, shape, little-endian elements.
fn tensor(dtype: &str, shape: &[usize], data: Vec<u8>) -> Tensor {
    Tensor {
        dtype: dtype.to_owned(),
        shape: shape.to_vec(),
        data,
    }
}

/// Adds the tensors of one model in turn, from one stream of random numbers.
struct Maker {
    random: Random,
    tensors: BTreeMap<String, Tensor>,
}

impl Maker {
    fn add(&mut self, name: &str, tensor: Tensor) {
        self.tensors.insert(name.to_owned(), tensor);
    }

    /// Int8 elements, evenly from `low` to `high`.
    fn int8(&mut self, name: &str, shape: &[usize], low: i64, high: i64) {
        let len = shape.iter().product();
        let data = (0..len)
            .map(|_| self.random.within(low, high) as i8 as u8)
            .collect();
        self.add(name, tensor("I8", shape, data));
    }

    /// Gains of a norm: first -128, then evenly in magnitude from half of `high` to it, every seventh negative.
    fn gain(&mut self, name: &str, high: i64) {
        let gain = |i| {
            let magnitude = self.random.within(high / 2, high) as i8;
            match i {
                0 => i8::MIN,
                _ if i % 7 == 6 => -magnitude,
                _ => magnitude,
            }
        };
        let data = (0..D).map(gain).map(|gain| gain as u8).collect();
        self.add(name, tensor("I8", &[D], data));
    }

    /// A matrix with weights of magnitude up to `most`, and -128 where that is 127, and its requantisation.
    fn linear(&mut self, name: &str, shape: [usize; 2], most: i64, mult: i32, shift: i8) {
        let low = if most == 127 { -128 } else { -most };
        self.int8(&format!("{name}.weight"), &shape, low, most);
        self.add(
            &format!("{name}.mult"),
            tensor("I32", &[], mult.to_le_bytes().to_vec()),
        );
        self.add(
            &format!("{name}.shift"),
            tensor("I8", &[], shift.to_le_bytes().to_vec()),
        );
    }

    /// What both layers have, with different numbers.
    fn layer(&mut self, layer: usize, score_mult: [i32; HEADS], linears: [(i64, i32, i8); 4]) {
        let name = |part: &str| format!("layers.{layer}.{part}");
        let [qkv, out, up, down] = linears;
        self.gain(&name("attn_norm.weight"), 90);
        self.linear(&name("attn.qkv"), [D + 128, D], qkv.0, qkv.1, qkv.2);
        let score_mult = score_mult.iter().flat_map(|mult| mult.to_le_bytes()).collect();
        self.add(&name("attn.score_mult"), tensor("I32", &[HEADS], score_mult));
        self.add(&name("attn.score_shift"), tensor("I8", &[], vec![15]));
        self.linear(&name("attn.out"), [D, D], out.0, out.1, out.2);
        self.gain(&name("ffn_norm.weight"), 60);
        self.gain(&name("post_attn_norm.weight"), 100);
        self.linear(&name("ffn.up"), [2 * D_FF, D], up.0, up.1, up.2);
        self.linear(&name("ffn.down"), [D, D_FF], down.0, down.1, down.2);
        self.gain(&name("post_ffn_norm.weight"), 50);
    }
}

/// The bytes of `model.czm`: except for the tokenizer's compression, the same with every version of every library.
pub(super) fn model(tokenizer_json: &str) -> Result<Vec<u8>> {
    let mut maker = Maker {
        random: Random::new(SEED),
        tensors: BTreeMap::new(),
    };
    // The first element of each row is -128, which the first clamp makes -127.
    maker.int8("embed.weight", &[VOCAB, D], -60, 60);
    if let Some(embedding) = maker.tensors.get_mut("embed.weight") {
        embedding
            .data
            .iter_mut()
            .step_by(D)
            .for_each(|first| *first = i8::MIN as u8);
    }
    maker.layer(
        0,
        [20_000, 65_536, 400_000, 3_000_000],
        [
            (127, 9_587, 24),
            (127, 1_400_000_000, 40),
            (90, 70, 16),
            (127, 55, 14),
        ],
    );
    // The second layer has a sink key, a score factor and a matrix that turn signs, and a matrix without a shift:
    // its weights are small enough to get by.
    maker.layer(
        1,
        [-150_000, 32_768, 1_000_000, 250_000],
        [(127, -2_397, 22), (127, 337, 18), (1, 2, 5), (1, 1, -3)],
    );
    maker.int8("layers.1.attn.sink_key", &[64], -128, 127);
    maker.gain("norm.weight", 120);
    maker.int8("head.weight", &[VOCAB, D], -128, 127);
    // Every known model has both, and nothing uses them.
    maker.add("head.mult", tensor("I32", &[], 12_345i32.to_le_bytes().to_vec()));
    maker.add("head.shift", tensor("I8", &[], vec![63]));

    let exp2 = tables::EXP2.iter().flat_map(|entry| entry.to_le_bytes());
    maker.add("lut.exp2", tensor("U16", &[256], exp2.collect()));
    let rows: Option<Vec<_>> = (0..CONTEXT).map(tables::rope_row).collect();
    let rows = rows.ok_or("the tables end before the context")?;
    let table = |half: Vec<[i16; 32]>| {
        let data = half.iter().flatten().flat_map(|entry| entry.to_le_bytes());
        tensor("I16", &[CONTEXT, 32], data.collect())
    };
    let (cos, sin) = rows.into_iter().unzip();
    maker.add("lut.rope_cos", table(cos));
    maker.add("lut.rope_sin", table(sin));

    let mut tokenizer = Vec::new();
    let params = BrotliEncoderParams {
        quality: 11,
        lgwin: 22,
        ..Default::default()
    };
    brotli::BrotliCompress(&mut Cursor::new(tokenizer_json), &mut tokenizer, &params)?;
    maker.add("tokenizer.data", tensor("U8", &[tokenizer.len()], tokenizer));

    let metadata = [
        ("format", "czip-model-v1".to_owned()),
        ("vocab_size", VOCAB.to_string()),
        ("n_layers", "2".to_owned()),
        ("n_heads", HEADS.to_string()),
        ("n_kv_heads", "1".to_owned()),
        ("d_model", D.to_string()),
        ("d_ff", D_FF.to_string()),
        ("head_dim", "64".to_owned()),
        // As in known models: a number that says nothing about the model.
        ("max_seq_len", "8192".to_owned()),
        ("rope_theta_q16", tables::ROPE_THETA_Q16.to_string()),
        ("tokenizer_codec", "brotli".to_owned()),
        ("context_length", CONTEXT.to_string()),
    ];
    let file = ModelFile {
        metadata: metadata.map(|(key, value)| (key.to_owned(), value)).into(),
        tensors: maker.tensors,
    };
    Ok(file.to_bytes())
}

/// One token coded after those before it.
pub(super) struct Step {
    pub(super) position: usize,
    /// The token that the net takes.
    pub(super) input: u32,
    /// The token that it predicts.
    pub(super) coded: u32,
    /// The activations between.
    pub(super) stages: Vec<(String, Vec<i32>)>,
    pub(super) logits: Vec<i32>,
    pub(super) cumulative: Vec<u32>,
}

impl Step {
    /// What the coder is given.
    pub(super) fn share(&self) -> Share {
        let index = self.coded as usize;
        let low = match index.checked_sub(1) {
            Some(before) => self.cumulative[before],
            None => 0,
        };
        [
            low,
            self.cumulative[index],
            self.cumulative[self.cumulative.len() - 1],
        ]
    }
}

/// The steps of one chunk.
pub(super) fn steps(weights: &Weights<'_>, tokens: &[u32]) -> Vec<Step> {
    let mut reference = Reference::new(weights);
    let mut frequencies = vec![0; weights.config.vocab_size];
    let inputs = std::iter::once(&BOS).chain(tokens);
    let step = |(position, (&input, &coded))| {
        let (stages, logits) = reference.step_observed(input);
        let logits = logits.to_vec();
        reference.frequencies(&mut frequencies);
        let sum = |sum: &mut u32, frequency: &u32| {
            *sum += frequency;
            Some(*sum)
        };
        Step {
            position,
            input,
            coded,
            stages,
            logits,
            cumulative: frequencies.iter().scan(0, sum).collect(),
        }
    };
    inputs.zip(tokens).enumerate().map(step).collect()
}

/// The bytes of each chunk.
pub(super) fn chunks(weights: &Weights<'_>, tokens: &[u32], chunk_len: usize) -> Vec<Vec<u8>> {
    let chunks = tokens.chunks(chunk_len);
    chunks
        .map(|chunk| code(steps(weights, chunk).iter().map(Step::share)))
        .collect()
}
