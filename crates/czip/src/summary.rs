//! What is reported after the work.

use czip_container::v2::Mode;

/// A format of compressed files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Format {
    /// CZIPv1, the format of the compress.zip service.
    V1,
    /// czip v2, our own.
    V2,
}

impl Format {
    /// The most bytes of a file's start that are needed to tell its format.
    pub const DETECTION_LEN: usize = 6;

    /// The format of a file that begins with these bytes. A file that is cut short within these bytes still has a
    /// format, unless nothing is left of it.
    ///
    /// ```
    /// use czip::Format;
    ///
    /// assert_eq!(Format::detect(b"\xfacz\x45\x04"), Some(Format::V2));
    /// assert_eq!(Format::detect(b"CZIPv1\0\0"), Some(Format::V1));
    /// assert_eq!(Format::detect(b"CZ"), Some(Format::V1));
    /// assert_eq!(Format::detect(b"CZECH"), None);
    /// assert_eq!(Format::detect(b""), None);
    /// ```
    #[must_use]
    pub fn detect(file: &[u8]) -> Option<Self> {
        let begins = |magic: &[u8]| {
            let len = file.len().min(magic.len());
            len > 0 && file[..len] == magic[..len]
        };
        if begins(&czip_container::v2::MAGIC) {
            Some(Self::V2)
        } else if begins(b"CZIPv1") {
            Some(Self::V1)
        } else {
            None
        }
    }
}

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Summary {
    /// The file's format.
    pub format: Format,
    /// Bytes of text.
    pub text_len: u64,
    /// Bytes of the compressed file.
    pub file_len: u64,
    /// Segments of a czip v2 file, or chunks of a CZIPv1 file.
    pub segments: u64,
    /// Segments of a czip v2 file by their mode. All are 0 for CZIPv1.
    pub modes: ModeCounts,
    /// Further facts about a CZIPv1 file.
    #[cfg(feature = "v1")]
    pub v1: Option<crate::v1::Summary>,
}

impl Summary {
    pub(crate) const fn new(format: Format) -> Self {
        Self {
            format,
            text_len: 0,
            file_len: 0,
            segments: 0,
            modes: ModeCounts {
                stored: 0,
                bytes: 0,
                tokens: 0,
                net: 0,
            },
            #[cfg(feature = "v1")]
            v1: None,
        }
    }

    pub(crate) fn add_segment(&mut self, mode: Mode, text_len: usize) {
        self.text_len += text_len as u64;
        self.segments += 1;
        self.modes.add(mode);
    }
}

/// Numbers of segments by their mode.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ModeCounts {
    /// The text as it is.
    pub stored: u64,
    /// Bytes by mixing.
    pub bytes: u64,
    /// Tokens by mixing.
    pub tokens: u64,
    /// Tokens by the net and mixing.
    pub net: u64,
}

impl ModeCounts {
    /// Counts a segment.
    pub fn add(&mut self, mode: Mode) {
        *match mode {
            Mode::Stored => &mut self.stored,
            Mode::Bytes => &mut self.bytes,
            Mode::Tokens => &mut self.tokens,
            Mode::Net => &mut self.net,
        } += 1;
    }

    /// The number of segments of each mode.
    #[must_use]
    pub const fn each(&self) -> [(Mode, u64); 4] {
        [
            (Mode::Stored, self.stored),
            (Mode::Bytes, self.bytes),
            (Mode::Tokens, self.tokens),
            (Mode::Net, self.net),
        ]
    }
}
