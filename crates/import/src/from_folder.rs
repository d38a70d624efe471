//! From the files of a folder of Hugging Face's to a net and a tokenizer: `config.json`, `model.safetensors` or its parts,
//! `tokenizer.json`, and perhaps `tokenizer_config.json` and a `README.md` that names the licence.

use std::collections::{BTreeSet, HashMap};
use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use safetensors::tensor::Metadata as Header;
use serde_json::{Map, Value};

use crate::elements::{self, ElementType};
use crate::error::Error;
use crate::frequencies::Llama3Scaling;
use crate::net::{Architecture, Net, NetConfig, Scaling};
use crate::parts::{Facts, Parts};
use crate::store::{LayerRole, Place, Role, Store};
use crate::vocab::{Token, Vocabulary, mergeable};
use czip_model::quote::cut;
use czip_tokenizer::Pattern;

/// The file by which such a folder is known.
pub(crate) const CONFIG: &str = "config.json";

/// Reads everything but the weights.
pub(crate) fn open(folder: &Path) -> Result<Parts, Error> {
    let mut folder = Folder {
        path: folder,
        files: Vec::new(),
    };
    let config = Keys::read(&mut folder, CONFIG)?;
    let tokenizer = Keys::read(&mut folder, "tokenizer.json")?;
    let tokenizer_config = if folder.has("tokenizer_config.json") {
        Keys::read(&mut folder, "tokenizer_config.json")?
    } else {
        Keys::default()
    };
    let net = read_net(&config, &mut folder)?;
    let vocabulary = read_tokenizer(&tokenizer)?;
    let start_token = start_token(&config, &tokenizer_config, &vocabulary);
    let facts = Facts {
        name: folder.name(),
        licence: folder.licence(),
        format: "safetensors".to_owned(),
    };
    Parts::new(net, vocabulary, start_token, facts, folder.files)
}

/// A folder, and the files that were read of it.
struct Folder<'f> {
    path: &'f Path,
    files: Vec<PathBuf>,
}

impl Folder<'_> {
    fn has(&self, name: &str) -> bool {
        self.path.join(name).is_file()
    }

    fn name(&self) -> Option<String> {
        let path = fs::canonicalize(self.path).ok()?;
        Some(path.file_name()?.to_str()?.to_owned())
    }

    fn failed(&self, name: &str, source: io::Error) -> Error {
        Error::Io {
            path: self.path.join(name),
            source,
        }
    }

    fn open(&mut self, name: &str) -> Result<File, Error> {
        let path = self.path.join(name);
        let file = File::open(&path).map_err(|error| self.failed(name, error))?;
        self.files.push(path);
        Ok(file)
    }

    /// The licence that the model's card states in the lines between its first two `---`.
    fn licence(&self) -> Option<String> {
        let card = fs::read_to_string(self.path.join("README.md")).ok()?;
        let mut lines = card.lines();
        let head = lines.next().is_some_and(|line| line == "---");
        let mut lines = lines.take_while(|&line| head && line != "---");
        let licence = lines.find_map(|line| line.strip_prefix("license:"))?.trim();
        (!licence.is_empty()).then(|| licence.to_owned())
    }
}

/// An object of a JSON file.
#[derive(Default)]
struct Keys {
    file: String,
    /// The keys that lead to it, each with a dot.
    path: String,
    object: Map<String, Value>,
}

impl Keys {
    fn read(folder: &mut Folder<'_>, name: &str) -> Result<Self, Error> {
        let mut bytes = Vec::new();
        let mut file = folder.open(name)?;
        file.read_to_end(&mut bytes)
            .map_err(|error| folder.failed(name, error))?;
        let object = serde_json::from_slice(&bytes).map_err(|error| Error::Malformed {
            place: name.to_owned(),
            reason: cut(&error.to_string()),
        })?;
        Ok(Self {
            file: name.to_owned(),
            path: String::new(),
            object,
        })
    }

    fn name(&self, key: &str) -> String {
        format!("{}{key} in {}", self.path, self.file)
    }

    fn wrong<T>(&self, key: &str, wanted: &str) -> Result<T, Error> {
        Err(Error::BadKey {
            key: self.name(key),
            reason: format!("is not {wanted}"),
        })
    }

    /// The value of a key, unless it is null.
    fn get(&self, key: &str) -> Option<&Value> {
        self.object.get(key).filter(|value| !value.is_null())
    }

    fn required<T>(&self, key: &str, value: Option<T>) -> Result<T, Error> {
        value.ok_or_else(|| Error::MissingKey { key: self.name(key) })
    }

    fn text(&self, key: &str) -> Result<Option<&str>, Error> {
        match self.get(key) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => self.wrong(key, "a text"),
        }
    }

    fn flag(&self, key: &str) -> Result<Option<bool>, Error> {
        match self.get(key) {
            None => Ok(None),
            Some(&Value::Bool(flag)) => Ok(Some(flag)),
            Some(_) => self.wrong(key, "true or false"),
        }
    }

    fn size(&self, key: &str) -> Result<Option<usize>, Error> {
        match self.get(key) {
            None => Ok(None),
            Some(value) => match value.as_u64().and_then(|size| u32::try_from(size).ok()) {
                Some(size) => Ok(Some(size as usize)),
                None => self.wrong(key, "0 to 2^32 - 1"),
            },
        }
    }

    fn required_size(&self, key: &str) -> Result<usize, Error> {
        self.required(key, self.size(key)?)
    }

    /// A positive number, rounded to f32: that is how GGUF files hold it.
    fn float(&self, key: &str) -> Result<Option<f64>, Error> {
        match self.get(key) {
            None => Ok(None),
            Some(value) => match value.as_f64().map(|float| float as f32) {
                Some(float) if float.is_finite() && float > 0.0 => Ok(Some(float.into())),
                _ => self.wrong(key, "a positive number"),
            },
        }
    }

    fn object(&self, key: &str) -> Result<Option<Self>, Error> {
        match self.get(key) {
            None => Ok(None),
            Some(Value::Object(object)) => Ok(Some(Self {
                file: self.file.clone(),
                path: format!("{}{key}.", self.path),
                object: object.clone(),
            })),
            Some(_) => self.wrong(key, "an object"),
        }
    }

    fn array(&self, key: &str) -> Result<&[Value], Error> {
        match self.get(key) {
            None => Ok(&[]),
            Some(Value::Array(values)) => Ok(values),
            Some(_) => self.wrong(key, "an array"),
        }
    }

    /// Refuses a value that stands for something that models of czip do not have.
    fn refuse<T>(&self, key: &str, supported: &'static str) -> Result<T, Error> {
        let value = self.get(key).map(Value::to_string).unwrap_or_default();
        Err(Error::Unsupported {
            what: "the value",
            value: cut(&format!("{value} of {}", self.name(key))),
            supported,
        })
    }
}

/// The name of a tensor.
fn name_of(role: Role) -> String {
    let (layer, role) = match role {
        Role::Embedding => return "model.embed_tokens.weight".to_owned(),
        // There is no such tensor.
        Role::RotationFactors => return "model.rotary_emb.inv_freq".to_owned(),
        Role::HeadNorm => return "model.norm.weight".to_owned(),
        Role::Head => return "lm_head.weight".to_owned(),
        Role::Layer(layer, role) => (layer, role),
    };
    let name = match role {
        LayerRole::AttentionNorm => "input_layernorm.weight",
        LayerRole::Query => "self_attn.q_proj.weight",
        LayerRole::Key => "self_attn.k_proj.weight",
        LayerRole::Value => "self_attn.v_proj.weight",
        LayerRole::QueryBias => "self_attn.q_proj.bias",
        LayerRole::KeyBias => "self_attn.k_proj.bias",
        LayerRole::ValueBias => "self_attn.v_proj.bias",
        LayerRole::QueryNorm => "self_attn.q_norm.weight",
        LayerRole::KeyNorm => "self_attn.k_norm.weight",
        LayerRole::Out => "self_attn.o_proj.weight",
        LayerRole::FeedForwardNorm => "post_attention_layernorm.weight",
        LayerRole::Gate => "mlp.gate_proj.weight",
        LayerRole::Up => "mlp.up_proj.weight",
        LayerRole::Down => "mlp.down_proj.weight",
    };
    format!("model.layers.{layer}.{name}")
}

fn read_net(config: &Keys, folder: &mut Folder<'_>) -> Result<Net, Error> {
    let architecture = config.required("model_type", config.text("model_type")?)?;
    let architecture = Architecture::of_name(architecture)?;
    if config.text("hidden_act")?.is_some_and(|name| name != "silu") {
        return config.refuse("hidden_act", "silu is");
    }
    if config.get("quantization_config").is_some() {
        return config.refuse("quantization_config", "F32, F16 and BF16 are");
    }
    if config
        .float("partial_rotary_factor")?
        .is_some_and(|factor| factor != 1.0)
    {
        return config.refuse("partial_rotary_factor", "1 is");
    }
    let slides = |kind: &Value| kind.as_str() != Some("full_attention");
    if config.array("layer_types")?.iter().any(slides) {
        return config.refuse("layer_types", "full_attention is");
    }
    if config.flag("use_sliding_window")? == Some(true) {
        return config.refuse("use_sliding_window", "false is");
    }
    let layers = config.required_size("num_hidden_layers")?;
    let tied = config.flag("tie_word_embeddings")?.unwrap_or(false);
    let store = read_store(folder, layers, tied)?;
    let (heads, d_model) = (
        config.required_size("num_attention_heads")?,
        config.required_size("hidden_size")?,
    );
    let head_dim = match config.size("head_dim")? {
        Some(len) => len,
        None => d_model / heads.max(1),
    };
    let (rope_base, scaling) = read_rotation(config)?;
    let net = NetConfig {
        architecture,
        vocab_size: config.required_size("vocab_size")?,
        layers,
        d_model,
        heads,
        kv_heads: config.size("num_key_value_heads")?.unwrap_or(heads),
        head_dim,
        rotary_dim: head_dim,
        d_ff: config.required_size("intermediate_size")?,
        epsilon: config.required("rms_norm_eps", config.float("rms_norm_eps")?)?,
        rope_base,
        context_len: config.required_size("max_position_embeddings")?,
        qkv_bias: store.has_any(&[LayerRole::QueryBias, LayerRole::KeyBias, LayerRole::ValueBias]),
        head_norms: store.has_any(&[LayerRole::QueryNorm, LayerRole::KeyNorm]),
        tied,
    };
    Net::new(net, scaling, false, store, name_of)
}

/// The base of the frequencies of rotations, and how they are scaled.
fn read_rotation(config: &Keys) -> Result<(f64, Scaling), Error> {
    let parameters = config.object("rope_parameters")?;
    let base = match &parameters {
        Some(parameters) => parameters.float("rope_theta")?,
        None => None,
    };
    let base = match base {
        Some(base) => base,
        None => config.float("rope_theta")?.unwrap_or(10_000.0),
    };
    let scaling = match parameters {
        Some(parameters) => Some(parameters),
        None => config.object("rope_scaling")?,
    };
    let Some(scaling) = scaling else {
        return Ok((base, Scaling::None));
    };
    let key = if scaling.get("rope_type").is_some() {
        "rope_type"
    } else {
        "type"
    };
    match scaling.text(key)? {
        None | Some("default") => Ok((base, Scaling::None)),
        Some("llama3") => {
            let number = |key| scaling.required(key, scaling.float(key)?);
            let scaling = Llama3Scaling {
                factor: number("factor")?,
                low_freq_factor: number("low_freq_factor")?,
                high_freq_factor: number("high_freq_factor")?,
                original_context: number("original_max_position_embeddings")?,
            };
            Ok((base, Scaling::Llama3(scaling)))
        }
        Some(_) => scaling.refuse(key, "default and llama3 are"),
    }
}

/// Finds all tensors.
fn read_store(folder: &mut Folder<'_>, layers: usize, tied: bool) -> Result<Store, Error> {
    let roles = [Role::Embedding, Role::HeadNorm, Role::Head];
    // A limit of the format, so the table stays small.
    let of_layers =
        (0..layers.min(128)).flat_map(|layer| LayerRole::ALL.map(|role| Role::Layer(layer, role)));
    let names: HashMap<String, Role> = roles
        .into_iter()
        .chain(of_layers)
        .map(|role| (name_of(role), role))
        .collect();
    let mut store = Store::default();
    for name in weight_files(folder)? {
        let file = folder.open(&name)?;
        let places = read_header(&name, &file).map_err(|problem| match problem {
            Problem::Io(error) => folder.failed(&name, error),
            Problem::Malformed(reason) => Error::Malformed {
                place: name.clone(),
                reason,
            },
            Problem::Model(error) => error,
        })?;
        let number = store.add_file(&folder.path.join(&name), file);
        for place in places {
            match names.get(&place.name) {
                // It is the embedding again.
                Some(Role::Head) if tied => {}
                Some(&role) => store.add(
                    role,
                    Place {
                        file: number,
                        ..place
                    },
                )?,
                // Older programs stored the frequencies, which the configuration gives.
                None if place.name.ends_with("rotary_emb.inv_freq") => {}
                None => return Err(place.unknown()),
            }
        }
    }
    Ok(store)
}

/// The names of the files with tensors.
fn weight_files(folder: &mut Folder<'_>) -> Result<Vec<String>, Error> {
    const INDEX: &str = "model.safetensors.index.json";
    if !folder.has(INDEX) {
        return Ok(vec!["model.safetensors".to_owned()]);
    }
    let index = Keys::read(folder, INDEX)?;
    let map = index.required("weight_map", index.object("weight_map")?)?;
    let mut names = BTreeSet::new();
    for name in map.object.values() {
        // Of this folder, whatever the index says.
        match name.as_str() {
            Some(name) if Path::new(name).file_name().is_some_and(|it| it == name) => {
                names.insert(name.to_owned())
            }
            _ => return index.wrong("weight_map", "of names of files in the folder"),
        };
    }
    Ok(names.into_iter().collect())
}

enum Problem {
    Io(io::Error),
    Malformed(String),
    Model(Error),
}

impl From<io::Error> for Problem {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// The tensors of a safetensors file.
fn read_header(name: &str, file: &File) -> Result<Vec<Place>, Problem> {
    let len = file.metadata()?.len();
    let mut reader = BufReader::new(file);
    let mut start = [0; 8];
    reader.read_exact(&mut start)?;
    let header_len = u64::from_le_bytes(start);
    if header_len > len - 8 {
        let reason = format!("a header of {header_len} bytes in a file of {len}");
        return Err(Problem::Malformed(reason));
    }
    let mut json = Vec::new();
    reader.take(header_len).read_to_end(&mut json)?;
    let header: Header =
        serde_json::from_slice(&json).map_err(|error| Problem::Malformed(cut(&error.to_string())))?;
    let data = 8 + header_len;
    let mut places = Vec::new();
    for tensor in header.offset_keys() {
        let Some(info) = header.info(&tensor) else {
            continue;
        };
        let bad = |reason: String| {
            Problem::Model(Error::BadTensor {
                name: cut(&tensor),
                reason: format!("in {name}: {reason}"),
            })
        };
        let Some(element_type) = ElementType::of_name(&info.dtype.to_string()) else {
            return Err(Problem::Model(elements::unsupported(
                &cut(&tensor),
                &info.dtype.to_string(),
            )));
        };
        let (from, to) = (info.data_offsets.0 as u64, info.data_offsets.1 as u64);
        let stored = to.checked_sub(from).filter(|_| to <= len - data);
        // A single number has no dimensions.
        let wanted = element_type.byte_len(&info.shape);
        if stored.is_none() || stored != wanted {
            return Err(bad(format!(
                "bytes {from} to {to} of {} for the shape {:?}",
                len - data,
                info.shape
            )));
        }
        places.push(Place {
            name: tensor.clone(),
            file: 0,
            offset: data + from,
            element_type,
            shape: info.shape.clone(),
        });
    }
    Ok(places)
}

fn read_tokenizer(tokenizer: &Keys) -> Result<Vocabulary, Error> {
    let model = tokenizer.required("model", tokenizer.object("model")?)?;
    // Old files do not name the type; only BPE has merges.
    if model.text("type")?.is_some_and(|name| name != "BPE") {
        return model.refuse("type", "byte-level BPE is");
    }
    if model.flag("byte_fallback")? == Some(true) {
        return model.refuse("byte_fallback", "byte-level BPE is");
    }
    for key in ["continuing_subword_prefix", "end_of_word_suffix"] {
        if model.text(key)?.is_some_and(|text| !text.is_empty()) {
            return model.refuse(key, "byte-level BPE is");
        }
    }
    if let Some(normalizer) = tokenizer.object("normalizer")?
        && normalizer.text("type")? != Some("NFC")
    {
        // Texts are coded as they are, so what this one does is left out.
        return normalizer.refuse("type", "no normalizer or NFC is");
    }
    if model
        .get("dropout")
        .is_some_and(|value| value.as_f64() != Some(0.0))
    {
        return model.refuse("dropout", "none is");
    }
    let pattern = read_split(tokenizer)?;

    let vocabulary = model.required("vocab", model.object("vocab")?)?;
    let mut tokens: Vec<Option<Token>> = Vec::new();
    let mut add = |id: usize, token: Token, keys: &Keys, key: &str| {
        if id >= 1 << 18 {
            return keys.wrong(key, "of ids below 262144");
        }
        if tokens.len() <= id {
            tokens.resize(id + 1, None);
        }
        tokens[id] = Some(token);
        Ok(())
    };
    for (spelling, id) in &vocabulary.object {
        let Some(id) = id.as_u64().and_then(|id| usize::try_from(id).ok()) else {
            return model.wrong("vocab", "of ids");
        };
        // Some are special, and so not in the spelling of bytes: they come again below.
        let token = mergeable(id, spelling).unwrap_or_else(|_| Token::Special(spelling.clone()));
        add(id, token, &model, "vocab")?;
    }
    for added in tokenizer.array("added_tokens")? {
        let id = added["id"].as_u64().and_then(|id| usize::try_from(id).ok());
        match (id, added["content"].as_str()) {
            (Some(id), Some(text)) => add(id, Token::Special(text.to_owned()), tokenizer, "added_tokens")?,
            _ => return tokenizer.wrong("added_tokens", "an array of objects with id and content"),
        }
    }
    let tokens = tokens.into_iter().enumerate();
    // As programs that write GGUF files fill gaps.
    let tokens = tokens.map(|(id, token)| token.unwrap_or_else(|| Token::Special(format!("[PAD{id}]"))));
    let merges = model.array("merges")?.iter().map(|merge| match merge {
        Value::String(merge) => merge.split_once(' '),
        Value::Array(pair) => match pair.as_slice() {
            [Value::String(left), Value::String(right)] => Some((left.as_str(), right.as_str())),
            _ => None,
        },
        _ => None,
    });
    let merges: Option<Vec<(&str, &str)>> = merges.collect();
    let Some(merges) = merges else {
        return model.wrong("merges", "an array of pairs");
    };
    let ignore_merges = model.flag("ignore_merges")?.unwrap_or(false);
    Vocabulary::new(pattern, tokens.collect(), merges, ignore_merges)
}

/// The pattern that cuts text into pieces.
fn read_split(tokenizer: &Keys) -> Result<&'static str, Error> {
    const SUPPORTED: &str = "those of GPT-2, SmolLM, Llama 3 and Qwen2 are";
    let Some(outer) = tokenizer.object("pre_tokenizer")? else {
        return tokenizer.refuse("pre_tokenizer", SUPPORTED);
    };
    let steps = match outer.text("type")? {
        Some("Sequence") => outer.array("pretokenizers")?.to_vec(),
        _ => vec![Value::Object(outer.object)],
    };
    let kind = |step: &Value| step["type"].as_str().unwrap_or_default().to_owned();
    let is_byte_level = |step: &Value, with_pattern: bool| {
        kind(step) == "ByteLevel"
            && step["add_prefix_space"] == Value::Bool(false)
            && step["use_regex"].as_bool().unwrap_or(true) == with_pattern
    };
    let found = match steps.as_slice() {
        [bytes] if is_byte_level(bytes, true) => Some(Pattern::GPT2),
        [digits, bytes]
            if kind(digits) == "Digits"
                && digits["individual_digits"] == Value::Bool(true)
                && is_byte_level(bytes, true) =>
        {
            Some(Pattern::SMOLLM)
        }
        [split, bytes]
            if kind(split) == "Split"
                && split["behavior"] == "Isolated"
                && split["invert"] == Value::Bool(false)
                && is_byte_level(bytes, false) =>
        {
            let pattern = split["pattern"]["Regex"].as_str();
            [Pattern::LLAMA3, Pattern::QWEN2]
                .into_iter()
                .find(|&known| pattern == Some(known))
        }
        _ => None,
    };
    match found {
        Some(pattern) => Ok(pattern),
        None => tokenizer.refuse("pre_tokenizer", SUPPORTED),
    }
}

/// The token that a text begins with: the one that the tokenizer puts there, or the one that ends a text.
fn start_token(config: &Keys, tokenizer_config: &Keys, vocabulary: &Vocabulary) -> Option<u32> {
    ["bos", "eos"].into_iter().find_map(|name| {
        let literal = match tokenizer_config.get(&format!("{name}_token")) {
            Some(Value::Object(token)) => token.get("content"),
            other => other,
        };
        let of_literal = literal
            .and_then(Value::as_str)
            .and_then(|literal| vocabulary.special_id(literal));
        let of_config = || {
            let id = match config.get(&format!("{name}_token_id")) {
                // The first of several.
                Some(Value::Array(ids)) => ids.first(),
                other => other,
            };
            u32::try_from(id?.as_u64()?).ok()
        };
        of_literal.or_else(of_config)
    })
}
