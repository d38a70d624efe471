//! What compressed files say about themselves.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io::{BufReader, Read};

use czip::v1::{self, container::Flags};
use czip::v2;
use czip::{Limits, Mode, ModeCounts, ModelId, Options};
use serde::Serialize;

use crate::error::Error;
use crate::models::ModelSet;
use crate::printable::printable;
use crate::report;

/// A line of a description.
macro_rules! line {
    ($f:expr, $name:literal, $($value:tt)+) => {
        write!($f, "\n  {:<14}{}", $name, format_args!($($value)+))
    };
}

pub(super) use line;

/// What a compressed file says about itself. Lengths are in bytes.
#[derive(Debug, Serialize)]
pub(super) struct CompressedFile {
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
    pub(super) fn read(bytes: &[u8], limits: &Limits) -> Result<Self, Error> {
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
pub(super) struct SegmentedFile {
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
    /// Their names, where they are at hand.
    model_names: Vec<Option<String>>,
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
    /// Reads a file to its end, with one segment in memory. `given` are models to compare with, `known` those to name.
    pub(super) fn read(
        file: impl Read,
        given: &[ModelId],
        known: &ModelSet<'_>,
        limits: &Limits,
    ) -> Result<Self, Error> {
        let mut file = Counted {
            reader: BufReader::new(file),
            count: 0,
        };
        let mut counts = ModeCounts::default();
        let (mut levels, mut models) = (BTreeSet::new(), BTreeSet::new());
        let (mut members, mut segments, mut text_len, mut longest_segment) = (0, 0, 0, 0);
        let mut needs_model = false;
        // Whatever is neither header nor segment is index.
        let mut known_len = 0;
        for segment in v2::container::Reader::new(&mut file) {
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
        let file_len = file.count;
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
            model_names: models.iter().map(|&id| known.name_of(ModelId(id))).collect(),
            models: models.iter().map(|&id| ModelId(id).to_string()).collect(),
            index_len: file_len - known_len,
            ratio: report::ratio(text_len, file_len),
            bits_per_byte: report::bits_per(file_len, text_len),
        })
    }
}

/// What a table shows of a file.
#[derive(Debug)]
pub(super) struct Row {
    /// Segments, or chunks of CZIPv1.
    pub(super) parts: u64,
    pub(super) file_len: u64,
    pub(super) text_len: u64,
    /// The kind of checksum.
    pub(super) check: &'static str,
    pub(super) level: String,
    pub(super) model: String,
}

impl CompressedFile {
    pub(super) fn row(&self) -> Row {
        Row {
            parts: self.chunks.into(),
            file_len: self.file_len,
            text_len: self.text_len,
            check: "none",
            level: String::from("v1"),
            model: String::from("-"),
        }
    }
}

impl SegmentedFile {
    pub(super) fn row(&self) -> Row {
        Row {
            parts: self.segments,
            file_len: self.file_len,
            text_len: self.text_len,
            check: "XXH3",
            level: list(&self.levels),
            model: if self.models.is_empty() {
                String::from("none")
            } else {
                self.named_models().join(", ")
            },
        }
    }

    /// `19f2067c standard`, or `19f2067c, not at hand`.
    fn named_models(&self) -> Vec<String> {
        let named = self.models.iter().zip(&self.model_names);
        named
            .map(|(id, name)| match name {
                Some(name) => format!("{id} {}", printable(name)),
                None => format!("{id}, not at hand"),
            })
            .collect()
    }
}

fn list(numbers: &[u8]) -> String {
    numbers.iter().map(u8::to_string).collect::<Vec<_>>().join(", ")
}

/// Counts the bytes that are read.
struct Counted<R> {
    reader: R,
    count: u64,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.reader.read(buffer)?;
        self.count += count as u64;
        Ok(count)
    }
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
                (Some(true), _) => ", as -m names it",
                (Some(false), _) => ", not as -m names it",
                (None, true) => "",
                (None, false) => ", which no segment needs",
            };
            line!(f, "model", "{}{needed}", self.named_models().join(", "))?;
        }
        match self.index_len {
            0 => line!(f, "index", "none"),
            len => line!(f, "index", "{len} bytes"),
        }
    }
}
