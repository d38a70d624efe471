//! The outer codecs by number and name.

use std::{fmt, io, str::FromStr};

/// The compression of everything after the header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Codec {
    /// One Zstandard frame (RFC 8878); number 0.
    Zstd,
    /// One Brotli stream (RFC 7932); number 1.
    Brotli,
}

impl Codec {
    /// The codec's number in the header.
    #[must_use]
    pub const fn to_byte(self) -> u8 {
        match self {
            Self::Zstd => 0,
            Self::Brotli => 1,
        }
    }

    /// The codec with this number in the header; `None` if there is no such codec.
    #[must_use]
    pub const fn from_byte(codec: u8) -> Option<Self> {
        match codec {
            0 => Some(Self::Zstd),
            1 => Some(Self::Brotli),
            _ => None,
        }
    }

    /// Whether the crate is built with the feature for this codec, and can read and write its files.
    #[must_use]
    pub const fn is_built(self) -> bool {
        match self {
            Self::Zstd => cfg!(feature = "zstd"),
            Self::Brotli => cfg!(feature = "brotli"),
        }
    }

    /// [`Codec::is_built`], as a result.
    ///
    /// # Errors
    ///
    /// If it is not.
    pub const fn check_built(self) -> Result<(), CodecNotBuilt> {
        if self.is_built() {
            Ok(())
        } else {
            Err(CodecNotBuilt { codec: self })
        }
    }
}

/// The codec's name: `zstd` or `brotli`.
impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Zstd => "zstd",
            Self::Brotli => "brotli",
        })
    }
}

impl FromStr for Codec {
    type Err = UnknownCodecName;

    fn from_str(name: &str) -> Result<Self, UnknownCodecName> {
        match name {
            "zstd" => Ok(Self::Zstd),
            "brotli" => Ok(Self::Brotli),
            _ => Err(UnknownCodecName {
                name: name.to_owned(),
            }),
        }
    }
}

/// No [`Codec`] has this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown codec \"{name}\": the codecs are \"zstd\" and \"brotli\"")]
#[non_exhaustive]
pub struct UnknownCodecName {
    /// The name given.
    pub name: String,
}

/// The crate is built without the feature for an outer codec.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the outer codec {codec} is needed, and this program is built without it")]
#[non_exhaustive]
pub struct CodecNotBuilt {
    /// The codec.
    pub codec: Codec,
}

impl From<CodecNotBuilt> for io::Error {
    fn from(error: CodecNotBuilt) -> Self {
        Self::new(io::ErrorKind::Unsupported, error)
    }
}
