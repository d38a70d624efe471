//! `czip info`

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use czip::v1::{
    self,
    container::{self, Flags},
};
use czip::v2;
use czip::{Format, Kernels, Limits, Mode, ModeCounts, Model, ModelFile, ModelId, Options};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Failure};
use crate::exit::Exit;
use crate::input::Source;
use crate::models::ModelFiles;
use crate::printable::printable;
use crate::report;
use crate::ui::Ui;

/// Files to describe.
#[derive(Debug)]
pub(crate) struct Info {
    pub(crate) files: Vec<Source>,
    /// Models to check files against.
    pub(crate) models: ModelFiles,
    pub(crate) limits: Limits,
    pub(crate) json: bool,
}

impl Info {
    pub(crate) fn run(&self, ui: &Ui) -> Result<Exit, Failure> {
        let models = self.models.set(ui)?.ids();
        ui.each(&self.files, |source| {
            let bytes = source.read_within(self.files.len(), self.limits.max_memory, ui)?;
            let description = describe(&bytes, &models, &self.limits).map_err(|error| error.of(source))?;
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
fn describe(bytes: &[u8], models: &[ModelId], limits: &Limits) -> Result<Description, Error> {
    let format = Format::detect(bytes);
    if format == Some(Format::V2) {
        SegmentedFile::read(bytes, models, limits).map(Description::SegmentedFile)
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
    fn read(bytes: &[u8], limits: &Limits) -> Result<Self, Error> {
        let file = v1::inspect(bytes, &Options::new().limits(*limits))?;
        let params = &file.params;
        let flags = [(Flags::MULTI_FILE, "multi-file"), (Flags::TRAINING, "training")];
        let (file_len, text_len) = (bytes.len() as u64, u64::from(file.header.original_len()));
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
            tokens: file.token_count,
            chunks: file.header.chunk_count(),
            chunk_tokens: params.context.chunk_tokens(),
            payload_len: file.payload_len,
            model_id: format!("{:08x}", params.model_id_hash),
            tokenizer_id: params.tokenizer_id,
            ratio: report::ratio(text_len, file_len),
            bits_per_byte: report::bits_per(file_len, text_len),
        })
    }
}

/// What a file of the format czip v2 says about itself. Lengths are in bytes.
#[derive(Debug, Serialize)]
struct SegmentedFile {
    format: &'static str,
    file_len: u64,
    text_len: u64,
    members: u64,
    /// The levels of all members, each once.
    levels: Vec<u8>,
    segments: u64,
    longest_segment: u32,
    modes: BTreeMap<String, u64>,
    /// The models that the members name, each once, in hexadecimal.
    models: Vec<String>,
    /// Whether a segment needs a model.
    needs_model: bool,
    /// Whether those given are all that are named; `None` without a model on either side.
    model_matches: Option<bool>,
    /// Bytes of all indexes.
    index_len: u64,
    ratio: Option<f64>,
    bits_per_byte: Option<f64>,
}

impl SegmentedFile {
    fn read(bytes: &[u8], given: &[ModelId], limits: &Limits) -> Result<Self, Error> {
        let mut counts = ModeCounts::default();
        let (mut levels, mut models) = (BTreeSet::new(), BTreeSet::new());
        let (mut members, mut segments, mut text_len, mut longest_segment) = (0, 0, 0, 0);
        let mut needs_model = false;
        // Whatever is neither header nor segment is index.
        let mut known_len = 0;
        for segment in v2::container::Reader::new(bytes) {
            let info = segment.map_err(czip::Error::from)?.info;
            if info.number == 0 {
                members += 1;
                known_len += info.member.byte_len() as u64;
                levels.insert(info.member.level.get());
                models.extend(info.member.model.map(|ModelId(id)| id));
            }
            segments += 1;
            known_len += u64::from(info.header.segment_len());
            text_len += u64::from(info.header.text_len());
            if text_len > limits.max_text_len {
                let (declared, limit) = (text_len, limits.max_text_len);
                return Err(czip::Error::TextLimit { declared, limit }.into());
            }
            longest_segment = longest_segment.max(info.header.text_len());
            counts.add(info.header.mode());
            needs_model |= info.header.mode().needs_model();
        }
        let file_len = bytes.len() as u64;
        let compared = !given.is_empty() && !models.is_empty();
        Ok(Self {
            format: "czip v2",
            file_len,
            text_len,
            members,
            levels: levels.into_iter().collect(),
            segments,
            longest_segment,
            modes: counts
                .each()
                .map(|(mode, count)| (mode.to_string(), count))
                .into(),
            needs_model,
            model_matches: compared.then(|| models.iter().all(|&id| given.contains(&ModelId(id)))),
            models: models.iter().map(|&id| ModelId(id).to_string()).collect(),
            index_len: file_len - known_len,
            ratio: report::ratio(text_len, file_len),
            bits_per_byte: report::bits_per(file_len, text_len),
        })
    }
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

impl fmt::Display for SegmentedFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |numbers: &[u8]| numbers.iter().map(u8::to_string).collect::<Vec<_>>().join(", ");
        write!(f, "compressed, {}", self.format)?;
        line!(f, "text", "{} bytes", self.text_len)?;
        line!(
            f,
            "file",
            "{} bytes, {}",
            self.file_len,
            report::figures(self.text_len, self.file_len)
        )?;
        line!(f, "level", "{}", list(&self.levels))?;
        if self.members > 1 {
            line!(f, "members", "{}", self.members)?;
        }
        line!(
            f,
            "segments",
            "{} of up to {} bytes",
            self.segments,
            self.longest_segment
        )?;
        // In the order of their numbers, not of the alphabet.
        let modes = [Mode::Stored, Mode::Bytes, Mode::Tokens, Mode::Net].map(|mode| mode.to_string());
        let modes = modes
            .iter()
            .filter_map(|mode| Some((mode, self.modes.get(mode)?)));
        let modes: Vec<String> = modes
            .filter(|(_, count)| **count > 0)
            .map(|(mode, count)| format!("{count} {mode}"))
            .collect();
        line!(f, "modes", "{}", modes.join(", "))?;
        if self.models.is_empty() {
            line!(f, "model", "none")?;
        } else {
            let needed = match (self.model_matches, self.needs_model) {
                (Some(true), _) => ", the one given",
                (Some(false), _) => ", not the one given",
                (None, true) => "",
                (None, false) => ", which no segment needs",
            };
            line!(f, "model", "{}{needed}", self.models.join(", "))?;
        }
        match self.index_len {
            0 => line!(f, "index", "none"),
            len => line!(f, "index", "{len} bytes"),
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
