//! From the keys and names of a GGUF file to a net and a tokenizer.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use crate::error::Error;
use crate::gguf::{self, Gguf, Problem, Value};
use crate::net::{Architecture, Net, NetConfig, Scaling};
use crate::parts::{Facts, Parts};
use crate::store::{LayerRole, Place, Role, Store};
use crate::vocab::{Token, Vocabulary, mergeable};
use czip_model::quote::cut;
use czip_tokenizer::Pattern;

/// Reads everything but the weights.
pub(crate) fn open(path: &Path, file: File) -> Result<Parts, Error> {
    let io = |source| Error::Io {
        path: path.to_owned(),
        source,
    };
    let len = file.metadata().map_err(io)?.len();
    let gguf = match gguf::read(BufReader::new(&file), len) {
        Ok(gguf) => gguf,
        Err(Problem::Io(error)) => return Err(io(error)),
        Err(Problem::Model(error)) => return Err(error),
    };
    let keys = Keys::new(&gguf.metadata)?;
    let (vocabulary, start_token) = read_tokenizer(&keys)?;
    let facts = Facts {
        name: keys.text("general.name")?.map(str::to_owned),
        licence: keys.text("general.license")?.map(str::to_owned),
        format: format!("GGUF, version {}", gguf.version),
    };
    let net = read_net(&keys, &gguf, path, file)?;
    Parts::new(net, vocabulary, start_token, facts, vec![path.to_owned()])
}

/// The metadata of a net of this architecture.
struct Keys<'g> {
    metadata: &'g BTreeMap<String, Value>,
    architecture: Architecture,
}

impl<'g> Keys<'g> {
    fn new(metadata: &'g BTreeMap<String, Value>) -> Result<Self, Error> {
        let keys = Self {
            metadata,
            architecture: Architecture::Llama,
        };
        let name = keys.required("general.architecture", keys.text("general.architecture")?)?;
        Ok(Self {
            architecture: Architecture::of_name(name)?,
            ..keys
        })
    }

    /// A key of the architecture's.
    fn of_net(&self, key: &str) -> String {
        format!("{}.{key}", self.architecture.name())
    }

    fn required<T>(&self, key: &str, value: Option<T>) -> Result<T, Error> {
        value.ok_or_else(|| Error::MissingKey { key: key.to_owned() })
    }

    fn wrong<T>(&self, key: &str, wanted: &str) -> Result<T, Error> {
        Err(Error::BadKey {
            key: key.to_owned(),
            reason: format!("is not {wanted}"),
        })
    }

    fn text(&self, key: &str) -> Result<Option<&'g str>, Error> {
        match self.metadata.get(key) {
            None => Ok(None),
            Some(Value::Text(text)) => Ok(Some(text)),
            Some(_) => self.wrong(key, "a text"),
        }
    }

    fn texts(&self, key: &str) -> Result<&'g [String], Error> {
        match self.metadata.get(key) {
            None => Err(Error::MissingKey { key: key.to_owned() }),
            Some(Value::Texts(texts)) => Ok(texts),
            Some(_) => self.wrong(key, "an array of texts"),
        }
    }

    fn size(&self, key: &str) -> Result<Option<usize>, Error> {
        match self.metadata.get(key) {
            None => Ok(None),
            Some(&Value::Integer(size)) => match u32::try_from(size) {
                Ok(size) => Ok(Some(size as usize)),
                Err(_) => self.wrong(key, "0 to 2^32 - 1"),
            },
            Some(_) => self.wrong(key, "an integer"),
        }
    }

    fn float(&self, key: &str) -> Result<Option<f64>, Error> {
        match self.metadata.get(key) {
            None => Ok(None),
            Some(&Value::Float(float)) if float.is_finite() && float > 0.0 => Ok(Some(float)),
            Some(_) => self.wrong(key, "a positive number"),
        }
    }

    fn net_size(&self, key: &str) -> Result<Option<usize>, Error> {
        self.size(&self.of_net(key))
    }

    fn required_size(&self, key: &str) -> Result<usize, Error> {
        let key = self.of_net(key);
        let size = self.size(&key)?;
        self.required(&key, size)
    }
}

/// The name of a tensor in GGUF files.
fn name_of(role: Role) -> String {
    let (layer, role) = match role {
        Role::Embedding => return "token_embd.weight".to_owned(),
        Role::RotationFactors => return "rope_freqs.weight".to_owned(),
        Role::HeadNorm => return "output_norm.weight".to_owned(),
        Role::Head => return "output.weight".to_owned(),
        Role::Layer(layer, role) => (layer, role),
    };
    let name = match role {
        LayerRole::AttentionNorm => "attn_norm.weight",
        LayerRole::Query => "attn_q.weight",
        LayerRole::Key => "attn_k.weight",
        LayerRole::Value => "attn_v.weight",
        LayerRole::QueryBias => "attn_q.bias",
        LayerRole::KeyBias => "attn_k.bias",
        LayerRole::ValueBias => "attn_v.bias",
        LayerRole::QueryNorm => "attn_q_norm.weight",
        LayerRole::KeyNorm => "attn_k_norm.weight",
        LayerRole::Out => "attn_output.weight",
        LayerRole::FeedForwardNorm => "ffn_norm.weight",
        LayerRole::Gate => "ffn_gate.weight",
        LayerRole::Up => "ffn_up.weight",
        LayerRole::Down => "ffn_down.weight",
    };
    format!("blk.{layer}.{name}")
}

fn read_net(keys: &Keys<'_>, gguf: &Gguf, path: &Path, file: File) -> Result<Net, Error> {
    for key in ["expert_count", "attention.sliding_window"] {
        if keys.net_size(key)?.is_some_and(|count| count > 0) {
            return Err(Error::Unsupported {
                what: "key",
                value: keys.of_net(key),
                supported: "nets without it are",
            });
        }
    }
    let heads = keys.required_size("attention.head_count")?;
    let d_model = keys.required_size("embedding_length")?;
    let head_dim = match keys.net_size("attention.key_length")? {
        Some(len) => len,
        None => d_model / heads.max(1),
    };
    if keys
        .net_size("attention.value_length")?
        .is_some_and(|len| len != head_dim)
    {
        return keys.wrong(&keys.of_net("attention.value_length"), "the length of keys");
    }
    let layers = keys.required_size("block_count")?;
    let mut store = Store::default();
    let file = store.add_file(path, file);
    let roles = [Role::Embedding, Role::RotationFactors, Role::HeadNorm, Role::Head];
    // A limit of the format, so the table stays small.
    let of_layers =
        (0..layers.min(128)).flat_map(|layer| LayerRole::ALL.map(|role| Role::Layer(layer, role)));
    let names: HashMap<String, Role> = roles
        .into_iter()
        .chain(of_layers)
        .map(|role| (name_of(role), role))
        .collect();
    for tensor in &gguf.tensors {
        let place = Place {
            name: tensor.name.clone(),
            file,
            offset: tensor.offset,
            element_type: tensor.element_type,
            shape: tensor.shape.clone(),
        };
        let Some(&role) = names.get(&tensor.name) else {
            return Err(place.unknown());
        };
        store.add(role, place)?;
    }
    let config = NetConfig {
        architecture: keys.architecture,
        vocab_size: store.place(Role::Embedding).map_or(0, |place| place.shape[0]),
        layers,
        d_model,
        heads,
        kv_heads: keys.net_size("attention.head_count_kv")?.unwrap_or(heads),
        head_dim,
        rotary_dim: keys.net_size("rope.dimension_count")?.unwrap_or(head_dim),
        d_ff: keys.required_size("feed_forward_length")?,
        epsilon: {
            let key = keys.of_net("attention.layer_norm_rms_epsilon");
            keys.required(&key, keys.float(&key)?)?
        },
        rope_base: keys.float(&keys.of_net("rope.freq_base"))?.unwrap_or(10_000.0),
        context_len: keys.required_size("context_length")?,
        qkv_bias: store.has_any(&[LayerRole::QueryBias, LayerRole::KeyBias, LayerRole::ValueBias]),
        head_norms: store.has_any(&[LayerRole::QueryNorm, LayerRole::KeyNorm]),
        tied: store.place(Role::Head).is_none(),
    };
    let scaling = read_scaling(keys, &store)?;
    let adjacent = keys.architecture == Architecture::Llama;
    Net::new(config, scaling, adjacent, store, name_of)
}

fn read_scaling(keys: &Keys<'_>, store: &Store) -> Result<Scaling, Error> {
    let key = keys.of_net("rope.scaling.type");
    match keys.text(&key)? {
        None | Some("none") => {}
        Some(other) => {
            return Err(Error::Unsupported {
                what: "scaling of rotations",
                value: cut(other),
                supported: "none and rope_freqs.weight are",
            });
        }
    }
    let has_factors = store.place(Role::RotationFactors).is_some();
    Ok(if has_factors {
        Scaling::Tensor
    } else {
        Scaling::None
    })
}

/// The tokenizer, and the token that a text begins with, if the file has one.
fn read_tokenizer(keys: &Keys<'_>) -> Result<(Vocabulary, Option<u32>), Error> {
    let text = |key: &str| keys.required(key, keys.text(key)?);
    let model = text("tokenizer.ggml.model")?;
    if model != "gpt2" {
        return Err(Error::Unsupported {
            what: "tokenizer",
            value: cut(model),
            supported: "byte-level BPE (gpt2) is",
        });
    }
    let pattern = match text("tokenizer.ggml.pre")? {
        "gpt-2" => Pattern::GPT2,
        "smollm" => Pattern::SMOLLM,
        "llama-bpe" | "llama3" | "llama-v3" => Pattern::LLAMA3,
        "qwen2" => Pattern::QWEN2,
        other => {
            return Err(Error::Unsupported {
                what: "splitting of text",
                value: cut(other),
                supported: "gpt-2, smollm, llama-bpe and qwen2 are",
            });
        }
    };
    let spellings = keys.texts("tokenizer.ggml.tokens")?;
    let kinds = match keys.metadata.get("tokenizer.ggml.token_type") {
        None => {
            return Err(Error::MissingKey {
                key: "tokenizer.ggml.token_type".to_owned(),
            });
        }
        Some(Value::Integers(kinds)) if kinds.len() == spellings.len() => kinds,
        Some(_) => return keys.wrong("tokenizer.ggml.token_type", "an array of a number for each token"),
    };
    // Those that fill up the vocabulary.
    const UNUSED: i64 = 5;
    let used = kinds
        .iter()
        .rposition(|&kind| kind != UNUSED)
        .map_or(0, |last| last + 1);
    let mut tokens = Vec::with_capacity(used);
    for (id, (spelling, &kind)) in spellings.iter().zip(kinds).take(used).enumerate() {
        tokens.push(if kind == 1 {
            mergeable(id, spelling)?
        } else {
            Token::Special(spelling.clone())
        });
    }
    // Spellings have no spaces.
    let merges = keys.texts("tokenizer.ggml.merges")?;
    let pairs = merges
        .iter()
        .map(|merge| merge.split_once(' ').unwrap_or((merge, "")));
    // No key says so, but the tokenizer of Llama 3 has tokens that no merges make.
    let ignore_merges = pattern == Pattern::LLAMA3;
    let vocabulary = Vocabulary::new(pattern, tokens, pairs, ignore_merges)?;
    let start = match keys.size("tokenizer.ggml.bos_token_id")? {
        Some(id) => Some(id),
        None => keys.size("tokenizer.ggml.eos_token_id")?,
    };
    Ok((vocabulary, start.and_then(|id| u32::try_from(id).ok())))
}
