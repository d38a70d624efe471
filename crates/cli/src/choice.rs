//! How to compress: the format, and the options of the library that the arguments stand for.

use std::env;

use czip::v1::{ChunkLevel, Codec};
use czip::{Level, Options};

use crate::args::{Encoding, Format};
use crate::error::{Error, Failure};
use crate::ui::Ui;

/// The level that is used if the command line names none.
const LEVEL_VARIABLE: &str = "CZIP_LEVEL";

fn level_of_environment() -> Result<Option<Level>, Failure> {
    let Some(value) = env::var_os(LEVEL_VARIABLE).filter(|value| !value.is_empty()) else {
        return Ok(None);
    };
    let level = value
        .to_str()
        .and_then(|value| value.parse().ok())
        .and_then(Level::new);
    match level {
        Some(level) => Ok(Some(level)),
        None => Err(Error::LevelVariable(value).of(LEVEL_VARIABLE)),
    }
}

/// How to compress.
#[derive(Debug)]
pub(crate) struct Choice {
    pub(crate) format: Format,
    /// The format was chosen by the codec.
    pub(crate) implied: bool,
    /// That of v2.
    pub(crate) level: Level,
    pub(crate) options: Options,
}

impl Choice {
    /// From the arguments, on top of `options`.
    pub(crate) fn new(encoding: &Encoding, mut options: Options) -> Result<Self, Failure> {
        let implied = encoding.format.is_none() && encoding.codec.is_some();
        let format = encoding
            .format
            .unwrap_or(if implied { Format::V1 } else { Format::V2 });
        let mut level = Level::DEFAULT;
        match format {
            Format::V1 => {
                if encoding.segment.is_some() || encoding.no_index {
                    return Err(Error::OnlyInV2 { implied }.into());
                }
                if let Some(level) = encoding.named_level() {
                    let level = ChunkLevel::try_from(level).map_err(|_| Error::ChunkLevel { implied })?;
                    options = options.v1_level(level);
                }
                options = options.v1_codec(encoding.codec.unwrap_or(Codec::Brotli));
            }
            Format::V2 => {
                if encoding.codec.is_some() {
                    return Err(Error::OnlyInV1.into());
                }
                level = match encoding.named_level().and_then(Level::new) {
                    Some(named) => named,
                    None => level_of_environment()?.unwrap_or(level),
                };
                options = options.level(level);
                if let Some(bytes) = encoding.segment {
                    options = options.segment_len(bytes);
                }
                options = options.index(!encoding.no_index);
            }
        }
        Ok(Self {
            format,
            implied,
            level,
            options,
        })
    }

    /// Notes choices that the arguments only imply.
    pub(crate) fn explain(&self, ui: &Ui) {
        if self.implied {
            ui.note("note: --codec selects --format v1; czip's own format has no outer codec");
        }
    }
}
