//! Writes folders as Hugging Face's libraries do.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::{Map, Value, json};

use crate::fixture::{Kind, Model, Tensor, encode};

/// What goes into a folder: its JSON files, and the tensors of each safetensors file.
#[derive(Clone, Debug)]
pub(crate) struct Folder {
    pub(crate) config: Value,
    pub(crate) tokenizer: Value,
    pub(crate) tokenizer_config: Option<Value>,
    pub(crate) card: Option<&'static str>,
    pub(crate) element_type: &'static str,
    /// With more than one there is an index.
    pub(crate) files: Vec<BTreeMap<String, Tensor>>,
}

impl Folder {
    /// A model whose tensors have this type, in so many files.
    pub(crate) fn new(model: &Model, element_type: &'static str, files: usize) -> Self {
        let mut config = json!({
            "model_type": model.architecture,
            "hidden_size": model.d,
            "num_hidden_layers": model.layers,
            "num_attention_heads": model.heads,
            "num_key_value_heads": model.kv_heads,
            "head_dim": model.h,
            "intermediate_size": model.units,
            "vocab_size": model.tensors["model.embed_tokens.weight"].shape[0],
            "max_position_embeddings": model.context,
            "rms_norm_eps": 1e-5,
            "rope_theta": 10000.0,
            "rope_scaling": null,
            "hidden_act": "silu",
            "tie_word_embeddings": model.tied,
            "use_sliding_window": false,
            "bos_token_id": model.start,
            "eos_token_id": [1, 2],
        });
        if let Some([factor, low, high, context]) = model.scaling {
            config["rope_scaling"] = json!({
                "rope_type": "llama3",
                "factor": factor,
                "low_freq_factor": low,
                "high_freq_factor": high,
                "original_max_position_embeddings": context,
            });
        }
        let tokens = model.tokens.iter().enumerate();
        let vocab = tokens.clone().filter(|(_, (_, kind))| *kind == Kind::Mergeable);
        let vocab: Map<String, Value> = vocab
            .map(|(id, (spelling, _))| (spelling.clone(), id.into()))
            .collect();
        let added = tokens.filter(|(_, (_, kind))| *kind == Kind::Special);
        let added = added.map(|(id, (content, _))| json!({"id": id, "content": content, "special": id == 0}));
        let merges = model
            .merges
            .iter()
            .map(|(left, right)| json!(format!("{left} {right}")));
        let tokenizer = json!({
            "version": "1.0",
            "normalizer": null,
            "pre_tokenizer": {
                "type": "Sequence",
                "pretokenizers": [
                    {"type": "Digits", "individual_digits": true},
                    {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true},
                ],
            },
            "added_tokens": added.collect::<Vec<_>>(),
            "model": {"type": "BPE", "unk_token": null, "vocab": vocab, "merges": merges.collect::<Vec<_>>()},
        });
        let mut parts = vec![BTreeMap::new(); files];
        for (index, (name, tensor)) in model.tensors.iter().enumerate() {
            parts[index % files].insert(name.clone(), tensor.clone());
        }
        Self {
            config,
            tokenizer,
            tokenizer_config: None,
            card: Some("---\nlicense: mit\n---\n# Tiny\n"),
            element_type,
            files: parts,
        }
    }

    pub(crate) fn write(&self, path: &Path) {
        fs::create_dir_all(path).unwrap();
        let json = |name: &str, value: &Value| fs::write(path.join(name), value.to_string()).unwrap();
        json("config.json", &self.config);
        json("tokenizer.json", &self.tokenizer);
        if let Some(config) = &self.tokenizer_config {
            json("tokenizer_config.json", config);
        }
        if let Some(card) = self.card {
            fs::write(path.join("README.md"), card).unwrap();
        }
        let mut map = Map::new();
        for (index, tensors) in self.files.iter().enumerate() {
            let name = if self.files.len() == 1 {
                "model.safetensors".to_owned()
            } else {
                format!("model-{:05}-of-{:05}.safetensors", index + 1, self.files.len())
            };
            fs::write(path.join(&name), safetensors(self.element_type, tensors)).unwrap();
            map.extend(tensors.keys().map(|tensor| (tensor.clone(), json!(name))));
        }
        if self.files.len() > 1 {
            json(
                "model.safetensors.index.json",
                &json!({"metadata": {}, "weight_map": map}),
            );
        }
    }
}

/// A safetensors file.
pub(crate) fn safetensors(element_type: &str, tensors: &BTreeMap<String, Tensor>) -> Vec<u8> {
    let mut data = Vec::new();
    let mut header = Map::new();
    header.insert("__metadata__".to_owned(), json!({"format": "pt"}));
    for (name, tensor) in tensors {
        let start = data.len();
        data.extend(encode(element_type, &tensor.numbers));
        let offsets = [start, data.len()];
        let entry = json!({"dtype": element_type, "shape": tensor.shape, "data_offsets": offsets});
        header.insert(name.clone(), entry);
    }
    let header = Value::Object(header).to_string();
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend(header.as_bytes());
    file.extend(data);
    file
}
