//! `czip info`

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use czip::v1::container;
use czip::{Format, Kernels, Limits, Model, ModelFile, ModelId};
use serde::{Deserialize, Serialize};

use crate::commands::contents::{CompressedFile, SegmentedFile, line};
use crate::error::{Error, Failure};
use crate::exit::Exit;
use crate::input::Source;
use crate::models::{BuiltIn, ModelFiles, ModelSet};
use crate::printable::printable;
use crate::report;
use crate::ui::Ui;

/// Files to describe.
#[derive(Debug)]
pub(crate) struct Info {
    pub(crate) files: Vec<Source>,
    /// Models to check files against.
    pub(crate) models: ModelFiles,
    /// Models to name.
    pub(crate) known: ModelFiles,
    pub(crate) limits: Limits,
    pub(crate) json: bool,
}

impl Info {
    pub(crate) fn run(&self, ui: &Ui) -> Result<Exit, Failure> {
        let given = self.models.set(ui)?;
        let (ids, known) = (given.ids(), self.known.set(ui)?);
        let known = given.and(known);
        ui.each(&self.files, |source| {
            let bytes = match source {
                Source::File(path) if !path.exists() && BuiltIn::named(path).is_some() => {
                    Cow::Borrowed(BuiltIn::named(path).map_or(&[][..], BuiltIn::bytes))
                }
                source => Cow::Owned(source.read_within(self.files.len(), self.limits.max_memory, ui)?),
            };
            let description =
                describe(&bytes, &ids, &known, &self.limits).map_err(|error| error.of(source))?;
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
fn describe(
    bytes: &[u8],
    given: &[ModelId],
    known: &ModelSet<'_>,
    limits: &Limits,
) -> Result<Description, Error> {
    let format = Format::detect(bytes);
    if format == Some(Format::V2) {
        SegmentedFile::read(bytes, given, known, limits).map(Description::SegmentedFile)
    } else if bytes.starts_with(&container::MAGIC) {
        CompressedFile::read(bytes, limits).map(Description::CompressedFile)
    } else if bytes.get(8) == Some(&b'{') {
        ModelReport::read(bytes).map(Description::Model)
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
    #[serde(rename = "compressed_file")]
    SegmentedFile(SegmentedFile),
    Model(ModelReport),
}

/// What a model file says about itself.
#[derive(Debug, Serialize)]
struct ModelReport {
    format: &'static str,
    /// Bytes.
    file_len: u64,
    /// The id that compressed files know it by, in hexadecimal.
    model_id: String,
    layers: usize,
    heads: usize,
    kv_heads: usize,
    d_model: usize,
    d_ff: usize,
    vocab_size: usize,
    /// Positions that a chunk of CZIPv1 may have.
    context_length: usize,
    /// Positions that attention reaches, for a model with a window.
    #[serde(skip_serializing_if = "Option::is_none")]
    window: Option<usize>,
    /// First positions that attention reaches besides, if there are any.
    #[serde(skip_serializing_if = "Option::is_none")]
    sinks: Option<usize>,
    /// Rows of the bigram embedding table.
    #[serde(skip_serializing_if = "Option::is_none")]
    bigram_buckets: Option<usize>,
    /// Elements of all weight matrices and gains.
    parameters: usize,
    /// Int8 multiply-adds for one token, not counting attention.
    multiply_adds_per_token: usize,
    /// Layers whose attention has a sink key.
    #[serde(skip_serializing_if = "Option::is_none")]
    sink_keys: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rope_theta: Option<f64>,
    /// What the file says of itself.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    facts: BTreeMap<String, String>,
    tokenizer: TokenizerInfo,
    /// The instruction set that it would run with on this machine.
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

impl ModelReport {
    fn read(bytes: &[u8]) -> Result<Self, Error> {
        // The model itself is not needed, but a file that makes none is not to be described as one.
        let model = Model::from_bytes(bytes)?;
        let weights = ModelFile::from_bytes(bytes).map_err(czip::Error::from)?;
        let json = weights.extras().tokenizer_json().map_err(czip::Error::from)?;
        // The model was made from it, so it can be read.
        let tokenizer: TokenizerInfo = serde_json::from_slice(&json).map_err(|_| Error::UnknownKind)?;
        let config = model.config();
        let v1 = match &weights {
            ModelFile::V1(weights) => Some(weights),
            ModelFile::V2(_) | ModelFile::V3(_) => None,
        };
        let facts = match &weights {
            ModelFile::V1(_) => BTreeMap::new(),
            ModelFile::V2(file) => file.facts.clone(),
            ModelFile::V3(file) => file.facts.clone(),
        };
        let sink_keys = v1.map(|weights| {
            let layers = weights.layers.iter();
            layers.filter(|layer| layer.attention.has_sink_key()).count()
        });
        Ok(Self {
            format: config.format,
            file_len: bytes.len() as u64,
            model_id: model.id().to_string(),
            layers: config.layers,
            heads: config.heads,
            kv_heads: config.kv_heads,
            d_model: config.d_model,
            d_ff: config.d_ff,
            vocab_size: config.vocab_size,
            context_length: config.context_length,
            window: config.window,
            sinks: Some(config.sinks).filter(|&sinks| sinks > 0),
            bigram_buckets: Some(config.bigram_buckets).filter(|&buckets| buckets > 0),
            parameters: config.parameters,
            multiply_adds_per_token: config.multiply_adds,
            sink_keys,
            rope_theta: v1.map(|weights| report::from_q16(weights.config.rope_theta_q16)),
            facts,
            tokenizer: TokenizerInfo {
                tokens: model.tokenizer().vocab_size(),
                ..tokenizer
            },
            kernels: Kernels::detect().instruction_set().to_string(),
        })
    }
}

/// One fact to a line, below the file's name.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.path)?;
        match &self.description {
            Description::CompressedFile(file) => file.fmt(f),
            Description::SegmentedFile(file) => file.fmt(f),
            Description::Model(model) => model.fmt(f),
        }
    }
}

impl fmt::Display for ModelReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tokenizer = &self.tokenizer;
        let special: Vec<String> = tokenizer
            .special_tokens
            .iter()
            .map(|(literal, id)| format!("{} {id}", printable(literal)))
            .collect();
        write!(f, "model, {}", self.format)?;
        line!(f, "file", "{} bytes", self.file_len)?;
        line!(f, "model id", "{}", self.model_id)?;
        line!(f, "layers", "{}", self.layers)?;
        line!(f, "width", "{} elements", self.d_model)?;
        match self.kv_heads {
            1 => line!(f, "heads", "{} a layer, for one key and value", self.heads)?,
            count => line!(f, "heads", "{} a layer, for {count} keys and values", self.heads)?,
        }
        if let Some(sink_keys) = self.sink_keys {
            line!(f, "sink keys", "in {sink_keys} of {} layers", self.layers)?;
        }
        line!(f, "feed-forward", "{} units", self.d_ff)?;
        match self.window {
            Some(window) => match self.sinks {
                Some(sinks) => line!(f, "window", "{window} tokens, and the first {sinks}")?,
                None => line!(f, "window", "{window} tokens")?,
            },
            None => line!(f, "context", "{} tokens", self.context_length)?,
        }
        if let Some(buckets) = self.bigram_buckets {
            line!(f, "bigrams", "{buckets} rows")?;
        }
        if let Some(rope_theta) = self.rope_theta {
            line!(f, "rope base", "{rope_theta}")?;
        }
        line!(f, "parameters", "{}", self.parameters)?;
        line!(
            f,
            "multiply-adds",
            "{} a token, attention aside",
            self.multiply_adds_per_token
        )?;
        line!(f, "vocabulary", "{} tokens", self.vocab_size)?;
        line!(
            f,
            "tokenizer",
            "{}, {} tokens",
            printable(&tokenizer.name),
            tokenizer.tokens
        )?;
        line!(f, "special", "{}", special.join(", "))?;
        line!(f, "pattern", "{}", printable(&tokenizer.pattern))?;
        line!(f, "kernels here", "{}", self.kernels)?;
        let longest = self.facts.keys().map(String::len).max().unwrap_or(0);
        let width = (longest + 1).max(14);
        for (key, value) in &self.facts {
            let (key, value) = (printable(key), printable(value));
            write!(f, "\n  {key:<width$}{value}")?;
        }
        Ok(())
    }
}
