//! How to compress: the format, and the options of the library that the arguments stand for.

use czip::v1::{ChunkLevel, Codec};
use czip::{Level, Options};

use crate::args::{Encoding, Format};
use crate::error::{Error, Failure};
use crate::ui::Ui;

/// How to compress.
#[derive(Debug)]
pub(crate) struct Choice {
    pub(crate) format: Format,
    /// The format was chosen by `-c`.
    pub(crate) implied: bool,
    pub(crate) options: Options,
}

impl Choice {
    /// From the arguments, on top of `options`.
    pub(crate) fn new(encoding: &Encoding, mut options: Options) -> Result<Self, Failure> {
        let implied = encoding.format.is_none() && encoding.codec.is_some();
        let format = encoding
            .format
            .unwrap_or(if implied { Format::V1 } else { Format::V2 });
        match format {
            Format::V1 => {
                if encoding.segment.is_some() || encoding.no_index {
                    return Err(Error::OnlyInV2.into());
                }
                if let Some(level) = encoding.level {
                    options = options.v1_level(ChunkLevel::try_from(level).map_err(|_| Error::ChunkLevel)?);
                }
                options = options.v1_codec(encoding.codec.unwrap_or(Codec::Brotli));
            }
            Format::V2 => {
                if encoding.codec.is_some() {
                    return Err(Error::OnlyInV1.into());
                }
                if let Some(level) = encoding.level.and_then(Level::new) {
                    options = options.level(level);
                }
                if let Some(bytes) = encoding.segment {
                    options = options.segment_len(bytes);
                }
                options = options.index(!encoding.no_index);
            }
        }
        Ok(Self {
            format,
            implied,
            options,
        })
    }

    /// Notes choices that the arguments only imply.
    pub(crate) fn explain(&self, ui: &Ui) {
        if self.implied {
            ui.note("note: -c selects --format v1; czip's own format has no outer codec");
        }
    }
}
