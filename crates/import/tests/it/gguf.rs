//! Writes GGUF files.

use std::path::Path;

use crate::fixture::{Kind, Model, Tensor, encode};

/// A value of the metadata.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    U32(u32),
    F32(f32),
    Bool(bool),
    Text(String),
    Texts(Vec<String>),
    I32s(Vec<i32>),
    F32s(Vec<f32>),
    U64(u64),
}

/// A tensor as it is stored.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    pub(crate) name: String,
    /// The fastest dimension first.
    pub(crate) dimensions: Vec<u64>,
    pub(crate) element_type: u32,
    pub(crate) bytes: Vec<u8>,
}

/// What goes into a file.
#[derive(Clone, Debug)]
pub(crate) struct Gguf {
    pub(crate) version: u32,
    pub(crate) metadata: Vec<(String, Value)>,
    pub(crate) tensors: Vec<Stored>,
    pub(crate) alignment: u64,
}

pub(crate) fn type_number(name: &str) -> u32 {
    match name {
        "F32" => 0,
        "F16" => 1,
        "BF16" => 30,
        "Q8_0" => 8,
        _ => panic!("type {name}"),
    }
}

fn text(out: &mut Vec<u8>, text: &str) {
    out.extend((text.len() as u64).to_le_bytes());
    out.extend(text.as_bytes());
}

fn value(out: &mut Vec<u8>, value: &Value) {
    let kind: u32 = match value {
        Value::U32(_) => 4,
        Value::F32(_) => 6,
        Value::Bool(_) => 7,
        Value::Text(_) => 8,
        Value::U64(_) => 10,
        Value::Texts(_) | Value::I32s(_) | Value::F32s(_) => 9,
    };
    out.extend(kind.to_le_bytes());
    let array = |out: &mut Vec<u8>, kind: u32, count: usize| {
        out.extend(kind.to_le_bytes());
        out.extend((count as u64).to_le_bytes());
    };
    match value {
        Value::U32(x) => out.extend(x.to_le_bytes()),
        Value::F32(x) => out.extend(x.to_le_bytes()),
        Value::Bool(x) => out.push((*x).into()),
        Value::U64(x) => out.extend(x.to_le_bytes()),
        Value::Text(x) => text(out, x),
        Value::Texts(texts) => {
            array(out, 8, texts.len());
            texts.iter().for_each(|it| text(out, it));
        }
        Value::I32s(numbers) => {
            array(out, 5, numbers.len());
            numbers.iter().for_each(|x| out.extend(x.to_le_bytes()));
        }
        Value::F32s(numbers) => {
            array(out, 6, numbers.len());
            numbers.iter().for_each(|x| out.extend(x.to_le_bytes()));
        }
    }
}

impl Gguf {
    /// A model, its matrices in this type.
    pub(crate) fn new(model: &Model, element_type: &str) -> Self {
        let a = model.architecture;
        let mut metadata: Vec<(String, Value)> = Vec::new();
        let mut set = |key: &str, value| metadata.push((key.replace("{}", a), value));
        let size = |x: usize| Value::U32(x as u32);
        set("general.architecture", Value::Text(a.to_owned()));
        set("general.name", Value::Text("Tiny".to_owned()));
        set("general.license", Value::Text("mit".to_owned()));
        set("general.languages", Value::Texts(vec!["en".to_owned()]));
        set("{}.block_count", size(model.layers));
        set("{}.context_length", size(model.context));
        set("{}.embedding_length", size(model.d));
        set("{}.feed_forward_length", Value::U64(model.units as u64));
        set("{}.attention.head_count", size(model.heads));
        set("{}.attention.head_count_kv", size(model.kv_heads));
        set("{}.attention.key_length", size(model.h));
        set("{}.attention.value_length", size(model.h));
        set("{}.rope.dimension_count", size(model.rotated));
        set("{}.rope.freq_base", Value::F32(model.base));
        set("{}.attention.layer_norm_rms_epsilon", Value::F32(model.epsilon));
        set("tokenizer.ggml.model", Value::Text("gpt2".to_owned()));
        set("tokenizer.ggml.pre", Value::Text("smollm".to_owned()));
        let spellings = model.tokens.iter().map(|(spelling, _)| spelling.clone());
        set("tokenizer.ggml.tokens", Value::Texts(spellings.collect()));
        let kinds = model.tokens.iter().map(|(_, kind)| match kind {
            Kind::Mergeable => 1,
            Kind::Special => 3,
        });
        set("tokenizer.ggml.token_type", Value::I32s(kinds.collect()));
        let merges = model.merges.iter().map(|(left, right)| format!("{left} {right}"));
        set("tokenizer.ggml.merges", Value::Texts(merges.collect()));
        set("tokenizer.ggml.bos_token_id", Value::U32(model.start));
        set("tokenizer.ggml.add_bos_token", Value::Bool(false));
        set("tokenizer.ggml.scores", Value::F32s(vec![0.5; 3]));

        let mut tensors = Vec::new();
        for (name, tensor) in &model.tensors {
            tensors.push(stored(model, name, tensor, element_type));
        }
        if let Some(divisors) = model.divisors() {
            tensors.push(Stored {
                name: "rope_freqs.weight".to_owned(),
                dimensions: vec![divisors.len() as u64],
                element_type: 0,
                bytes: encode("F32", &divisors),
            });
        }
        Self {
            version: 3,
            metadata,
            tensors,
            alignment: 32,
        }
    }

    pub(crate) fn set(&mut self, key: &str, value: Value) {
        self.remove(key);
        self.metadata.push((key.to_owned(), value));
    }

    pub(crate) fn remove(&mut self, key: &str) {
        self.metadata.retain(|(it, _)| it != key);
    }

    pub(crate) fn tensor(&mut self, name: &str) -> &mut Stored {
        self.tensors
            .iter_mut()
            .find(|tensor| tensor.name == name)
            .unwrap()
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut out = b"GGUF".to_vec();
        out.extend(self.version.to_le_bytes());
        out.extend((self.tensors.len() as u64).to_le_bytes());
        out.extend((self.metadata.len() as u64).to_le_bytes());
        for (key, it) in &self.metadata {
            text(&mut out, key);
            value(&mut out, it);
        }
        let mut data: Vec<u8> = Vec::new();
        let align =
            |bytes: &mut Vec<u8>| bytes.resize(bytes.len().next_multiple_of(self.alignment as usize), 0);
        for tensor in &self.tensors {
            align(&mut data);
            text(&mut out, &tensor.name);
            out.extend((tensor.dimensions.len() as u32).to_le_bytes());
            tensor
                .dimensions
                .iter()
                .for_each(|size| out.extend(size.to_le_bytes()));
            out.extend(tensor.element_type.to_le_bytes());
            out.extend((data.len() as u64).to_le_bytes());
            data.extend(&tensor.bytes);
        }
        align(&mut out);
        out.extend(data);
        out
    }

    pub(crate) fn write(&self, path: &Path) {
        std::fs::write(path, self.bytes()).unwrap();
    }
}

/// A tensor under its name in GGUF files. In those of llama, row `2 j + p` of a head of queries or keys is row
/// `p * h / 2 + j` of the original.
fn stored(model: &Model, name: &str, tensor: &Tensor, element_type: &str) -> Stored {
    let mut numbers = tensor.numbers.clone();
    let adjacent = model.architecture == "llama" && (name.contains("q_proj") || name.contains("k_proj"));
    if adjacent {
        let cols = if tensor.shape.len() == 2 {
            tensor.shape[1]
        } else {
            1
        };
        let half = model.rotated / 2;
        for head in 0..tensor.shape[0] / model.h {
            for j in 0..half {
                for p in 0..2 {
                    let to = (head * model.h + 2 * j + p) * cols;
                    let from = (head * model.h + p * half + j) * cols;
                    numbers[to..to + cols].copy_from_slice(&tensor.numbers[from..from + cols]);
                }
            }
        }
    }
    let is_matrix = tensor.shape.len() == 2;
    let element_type = if is_matrix { element_type } else { "F32" };
    Stored {
        name: gguf_name(name),
        dimensions: tensor.shape.iter().rev().map(|&size| size as u64).collect(),
        element_type: type_number(element_type),
        bytes: encode(element_type, &numbers),
    }
}

fn gguf_name(name: &str) -> String {
    match name {
        "model.embed_tokens.weight" => return "token_embd.weight".to_owned(),
        "model.norm.weight" => return "output_norm.weight".to_owned(),
        "lm_head.weight" => return "output.weight".to_owned(),
        _ => {}
    }
    let (layer, rest) = name
        .strip_prefix("model.layers.")
        .unwrap()
        .split_once('.')
        .unwrap();
    let (module, kind) = rest.rsplit_once('.').unwrap();
    let module = match module {
        "input_layernorm" => "attn_norm",
        "self_attn.q_proj" => "attn_q",
        "self_attn.k_proj" => "attn_k",
        "self_attn.v_proj" => "attn_v",
        "self_attn.o_proj" => "attn_output",
        "self_attn.q_norm" => "attn_q_norm",
        "self_attn.k_norm" => "attn_k_norm",
        "post_attention_layernorm" => "ffn_norm",
        "mlp.gate_proj" => "ffn_gate",
        "mlp.up_proj" => "ffn_up",
        "mlp.down_proj" => "ffn_down",
        _ => panic!("{name}"),
    };
    format!("blk.{layer}.{module}.{kind}")
}
