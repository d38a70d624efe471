//! What kind of file was given instead of a model: the first bytes in, a kind and its description out.

use std::fmt;

/// What a file that is not a model looks like, by its first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FileKind {
    /// It has no bytes.
    Empty,
    /// UTF-8 without control characters.
    Text,
    /// A line of text that is the path of a model: git writes it instead of a symbolic link where it can make none.
    Link,
    /// A file compressed by czip, of either format.
    Compressed,
    /// A model for llama.cpp.
    Gguf,
    /// A zip archive, as PyTorch's models are.
    Zip,
    /// A gzip, xz, zstd or bzip2 file.
    Archive,
    /// A safetensors file without the metadata of a model.
    Safetensors,
    /// Anything else.
    Unknown,
}

/// How many bytes are looked at to recognize text.
const SAMPLE_LEN: usize = 1024;

impl FileKind {
    /// The kind of a file that does not begin as a safetensors file does.
    pub(crate) fn of(bytes: &[u8]) -> Self {
        let begins = |magic: &[u8]| bytes.starts_with(magic);
        let text = || {
            let mut chunks = bytes[..bytes.len().min(SAMPLE_LEN)].utf8_chunks();
            let first = chunks.next().map_or("", |chunk| chunk.valid());
            // A character may be cut off at the end of the sample, and no chunk follows it.
            let control = |c: char| c.is_control() && !matches!(c, '\t' | '\n' | '\r' | '\x0c');
            !first.is_empty() && !first.contains(control) && chunks.next().is_none()
        };
        if bytes.is_empty() {
            Self::Empty
        } else if begins(b"\xfacz") || begins(b"CZIPv1") {
            Self::Compressed
        } else if begins(b"GGUF") {
            Self::Gguf
        } else if begins(b"PK\x03\x04") {
            Self::Zip
        } else if begins(b"\x1f\x8b") || begins(b"\xfd7zXZ") || begins(b"\x28\xb5\x2f\xfd") || begins(b"BZh")
        {
            Self::Archive
        } else if text() {
            if bytes.len() <= SAMPLE_LEN && bytes.ends_with(b".czm") && !bytes.contains(&b'\n') {
                Self::Link
            } else {
                Self::Text
            }
        } else {
            Self::Unknown
        }
    }
}

impl fmt::Display for FileKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "an empty file",
            Self::Text => "a text",
            Self::Link => "a symbolic link that git wrote as a text file",
            Self::Compressed => "a file that czip has compressed",
            Self::Gguf => "a GGUF file",
            Self::Zip => "a zip archive",
            Self::Archive => "an archive",
            Self::Safetensors => "a safetensors file of another program",
            Self::Unknown => "a file of another kind",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds() {
        for (bytes, kind) in [
            (&b""[..], FileKind::Empty),
            (b"a", FileKind::Text),
            (b"Moby\tDick\r\n\x0c", FileKind::Text),
            (b"\xef\xbb\xbfx", FileKind::Text),
            (b"../crates/models/standard.czm", FileKind::Link),
            (b"../crates/models/standard.czm\n", FileKind::Text),
            (b"ab\x00", FileKind::Unknown),
            (b"ab\xffcd", FileKind::Unknown),
            (b"\xff", FileKind::Unknown),
            (b"\xfacz\x02", FileKind::Compressed),
            (b"CZIPv1", FileKind::Compressed),
            (b"GGUF\x03\x00\x00\x00", FileKind::Gguf),
            (b"PK\x03\x04\x00", FileKind::Zip),
            (b"\x1f\x8b\x08", FileKind::Archive),
            (b"\xfd7zXZ\x00", FileKind::Archive),
            (b"\x28\xb5\x2f\xfd", FileKind::Archive),
            (b"BZh9", FileKind::Archive),
        ] {
            assert_eq!(FileKind::of(bytes), kind, "{bytes:02x?}");
        }
        // A character that the sample cuts in two makes no difference.
        let text = "x".to_owned() + &"\u{e9}".repeat(SAMPLE_LEN);
        assert_eq!(FileKind::of(text.as_bytes()), FileKind::Text);
        let text = "x".repeat(SAMPLE_LEN - 1) + "\0";
        assert_eq!(FileKind::of(text.as_bytes()), FileKind::Unknown);
    }
}
