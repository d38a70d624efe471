//! `czip info`

use std::collections::BTreeMap;
use std::fmt;

use czip::container::{self, Flags, Limits};
use czip::{Kernels, Model, Weights};
use serde::{Deserialize, Serialize};

use crate::Exit;
use crate::error::{Error, Failure};
use crate::input::Source;
use crate::report;
use crate::ui::Ui;

/// Files to describe.
#[derive(Debug)]
pub(crate) struct Info {
    pub(crate) files: Vec<Source>,
    pub(crate) json: bool,
}

impl Info {
    pub(crate) fn run(&self, ui: &Ui) -> Result<Exit, Failure> {
        ui.each(&self.files, |source| {
            let bytes = source.read_all()?;
            let description = describe(&bytes).map_err(|error| error.of(source))?;
            report::print(
                &Report {
                    path: source.to_string(),
                    description,
                },
                self.json,
            )
            .map_err(Failure::from)
        })
    }
}

/// Files are known by their contents: a compressed one by its first bytes, a model by the length and opening brace of
/// its header.
fn describe(bytes: &[u8]) -> Result<Description, Error> {
    if bytes.starts_with(&container::MAGIC) {
        CompressedFile::read(bytes).map(Description::CompressedFile)
    } else if bytes.get(8) == Some(&b'{') {
        ModelFile::read(bytes).map(Description::Model)
    } else {
        Err(Error::UnknownKind)
    }
}

#[derive(Debug, Serialize)]
struct Report {
    path: String,
    #[serde(flatten)]
    description: Description,
}

#[derive(Debug, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Description {
    CompressedFile(CompressedFile),
    Model(ModelFile),
}

/// What a compressed file says about itself. Lengths are in bytes.
#[derive(Debug, Serialize)]
struct CompressedFile {
    format: &'static str,
    file_len: u64,
    codec: String,
    flags: Vec<&'static str>,
    text_len: u64,
    tokens: u64,
    chunks: u32,
    chunk_tokens: u32,
    payload_len: u64,
    /// Hexadecimal.
    model_id: String,
    tokenizer_id: u8,
    ratio: Option<f64>,
    bits_per_byte: Option<f64>,
}

impl CompressedFile {
    fn read(bytes: &[u8]) -> Result<Self, Error> {
        let file = container::read(bytes, &Limits::default()).map_err(czip::Error::from)?;
        let params = file.params();
        let flags = [(Flags::MULTI_FILE, "multi-file"), (Flags::TRAINING, "training")];
        let (file_len, text_len) = (bytes.len() as u64, u64::from(file.original_len()));
        Ok(Self {
            format: "CZIPv1",
            file_len,
            codec: params.codec.to_string(),
            flags: flags
                .iter()
                .filter(|(flag, _)| params.flags.contains(*flag))
                .map(|(_, name)| *name)
                .collect(),
            text_len,
            tokens: file.token_count(),
            chunks: file.chunk_count(),
            chunk_tokens: params.context.chunk_tokens(),
            payload_len: file.payload().len() as u64,
            model_id: format!("{:08x}", params.model_id_hash),
            tokenizer_id: params.tokenizer_id,
            ratio: report::ratio(text_len, file_len),
            bits_per_byte: report::bits_per(file_len, text_len),
        })
    }
}

/// What a model file says about itself.
#[derive(Debug, Serialize)]
struct ModelFile {
    format: &'static str,
    /// Bytes.
    file_len: u64,
    layers: usize,
    heads: usize,
    d_model: usize,
    d_ff: usize,
    vocab_size: usize,
    context_length: usize,
    /// Elements of all weight matrices and gains.
    parameters: usize,
    /// Int8 multiply-adds for one token, attention aside.
    multiply_adds_per_token: usize,
    /// Layers whose attention has a sink key.
    sink_keys: usize,
    rope_theta: f64,
    tokenizer: TokenizerInfo,
    /// The instruction-set level that this machine would run it at.
    kernels: String,
}

/// The parts of a tokenizer's JSON that can be shown.
#[derive(Debug, Serialize, Deserialize)]
struct TokenizerInfo {
    name: String,
    #[serde(default, skip_deserializing)]
    tokens: usize,
    special_tokens: BTreeMap<String, u64>,
    #[serde(rename(deserialize = "pat_str"))]
    pattern: String,
}

impl ModelFile {
    fn read(bytes: &[u8]) -> Result<Self, Error> {
        // The model itself is not needed, but a file that makes none is not to be described as one.
        let model = Model::from_bytes(bytes)?;
        let weights = Weights::from_bytes(bytes).map_err(czip::Error::from)?;
        let json = weights.tokenizer_json().map_err(czip::Error::from)?;
        // What the model was made from cannot be unreadable now.
        let tokenizer: TokenizerInfo = serde_json::from_slice(&json).map_err(|_| Error::UnknownKind)?;
        let config = model.config();
        Ok(Self {
            format: "czip-model-v1",
            file_len: bytes.len() as u64,
            layers: config.layers,
            heads: config.heads,
            d_model: config.d_model,
            d_ff: config.d_ff,
            vocab_size: config.vocab_size,
            context_length: config.context_length,
            parameters: config.parameters(),
            multiply_adds_per_token: config.multiply_adds(),
            sink_keys: weights
                .layers
                .iter()
                .filter(|layer| layer.attention.has_sink_key())
                .count(),
            rope_theta: report::from_q16(config.rope_theta_q16),
            tokenizer: TokenizerInfo {
                tokens: model.tokenizer().vocab_size(),
                ..tokenizer
            },
            kernels: Kernels::detect().level().to_string(),
        })
    }
}

/// One fact to a line, below the file's name.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.path)?;
        match &self.description {
            Description::CompressedFile(file) => file.fmt(f),
            Description::Model(model) => model.fmt(f),
        }
    }
}

/// A line of a description.
macro_rules! line {
    ($f:expr, $name:literal, $($value:tt)+) => {
        write!($f, "\n  {:<14}{}", $name, format_args!($($value)+))
    };
}

impl fmt::Display for CompressedFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let flags = if self.flags.is_empty() {
            String::from("none")
        } else {
            self.flags.join(", ")
        };
        write!(f, "compressed text, {}", self.format)?;
        line!(f, "text", "{} bytes, {} tokens", self.text_len, self.tokens)?;
        line!(
            f,
            "file",
            "{} bytes, {}",
            self.file_len,
            report::figures(self.text_len, self.file_len)
        )?;
        line!(
            f,
            "chunks",
            "{} of up to {} tokens",
            self.chunks,
            self.chunk_tokens
        )?;
        line!(f, "payload", "{} bytes, in {}", self.payload_len, self.codec)?;
        line!(f, "flags", "{flags}")?;
        line!(f, "model id", "{}, of the path that the model had", self.model_id)?;
        line!(f, "tokenizer id", "{}", self.tokenizer_id)
    }
}

impl fmt::Display for ModelFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tokenizer = &self.tokenizer;
        let special: Vec<String> = tokenizer
            .special_tokens
            .iter()
            .map(|(literal, id)| format!("{literal} {id}"))
            .collect();
        write!(f, "model, {}", self.format)?;
        line!(f, "file", "{} bytes", self.file_len)?;
        line!(f, "layers", "{}", self.layers)?;
        line!(f, "width", "{} elements", self.d_model)?;
        line!(f, "heads", "{} a layer, for one key and value", self.heads)?;
        line!(f, "sink keys", "in {} of {} layers", self.sink_keys, self.layers)?;
        line!(f, "feed-forward", "{} units", self.d_ff)?;
        line!(f, "context", "{} tokens", self.context_length)?;
        line!(f, "rope base", "{}", self.rope_theta)?;
        line!(f, "parameters", "{}", self.parameters)?;
        line!(
            f,
            "multiply-adds",
            "{} a token, attention aside",
            self.multiply_adds_per_token
        )?;
        line!(f, "vocabulary", "{} tokens", self.vocab_size)?;
        line!(f, "tokenizer", "{}, {} tokens", tokenizer.name, tokenizer.tokens)?;
        line!(f, "special", "{}", special.join(", "))?;
        line!(f, "pattern", "{}", tokenizer.pattern)?;
        line!(f, "kernels here", "{}", self.kernels)
    }
}
