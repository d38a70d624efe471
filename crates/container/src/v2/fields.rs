//! The header of a member: level and model to bytes and back.

use super::error::{FormatError, SegmentError};
use super::level::Level;
use super::mode::{Mode, ModelId};

/// The first three bytes of every member. 0xFA is in no UTF-8 text.
pub const MAGIC: [u8; 3] = [0xfa, b'c', b'z'];

/// The version of the format, in the upper three bits of the byte after [`MAGIC`].
pub const VERSION: u8 = 2;

/// Whether `bytes` begin as files of this format do, and those of later versions.
///
/// Three bytes are enough to tell. Shorter input is not a czip file.
///
/// ```
/// use czip_container::v2;
///
/// assert!(v2::is_v2(b"\xfacz\x45"));
/// assert!(!v2::is_v2(b"CZIPv1"));
/// assert!(!v2::is_v2(b"\xfac"));
/// ```
#[must_use]
pub fn is_v2(bytes: &[u8]) -> bool {
    bytes.starts_with(&MAGIC)
}

/// What a member says about all of its segments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Header {
    /// The level.
    pub level: Level,
    /// The model that decoding takes. Without it, segments of some [modes](Mode::needs_model) are not allowed.
    pub model: Option<ModelId>,
}

const MODEL_FLAG: u8 = 1 << 4;

impl Header {
    /// The most bytes of a header.
    const MAX_LEN: usize = 8;

    /// Length of the header in bytes: 8 with a model, 4 without.
    #[must_use]
    pub const fn byte_len(&self) -> usize {
        Self::len_of(self.model.is_some())
    }

    /// Length in bytes of a header with or without a model.
    pub(super) const fn len_of(has_model: bool) -> usize {
        if has_model { Self::MAX_LEN } else { 4 }
    }

    /// The fourth byte, which tells version, level, and whether there is a model.
    pub(super) fn tag(&self) -> u8 {
        VERSION << 5 | if self.model.is_some() { MODEL_FLAG } else { 0 } | self.level.get()
    }

    /// The header's bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(Self::MAX_LEN);
        bytes.extend_from_slice(&MAGIC);
        bytes.push(self.tag());
        if let Some(ModelId(id)) = self.model {
            bytes.extend_from_slice(&id);
        }
        bytes
    }

    /// Checks a fourth byte found at `offset`. Returns the level, and whether a model follows.
    pub(super) fn parse_tag(tag: u8, offset: u64) -> Result<(Level, bool), FormatError> {
        let version = tag >> 5;
        if version != VERSION {
            return Err(FormatError::Version { version, offset });
        }
        let level = tag & 0x0f;
        let level = Level::new(level).ok_or(FormatError::Level { level, offset })?;
        Ok((level, tag & MODEL_FLAG != 0))
    }

    /// Checks that segments of `mode` may follow this header.
    pub(super) fn check_mode(&self, mode: Mode) -> Result<(), SegmentError> {
        if mode.needs_model() && self.model.is_none() {
            return Err(SegmentError::NoModel { mode });
        }
        Ok(())
    }
}
