//! Recognises files that czip writes: they may lie among the texts, but are not text to train on.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use crate::curve;

/// The number of bytes that are looked at.
const START_LEN: u64 = 1 << 16;

/// Whether czip wrote a file, by its name or its first bytes: a compressed file, a model, the curve of a training run as a
/// table or a picture, or a checkpoint, even a truncated one.
///
/// # Errors
///
/// A file that cannot be read.
pub fn is_made_by_czip(path: &Path) -> io::Result<bool> {
    let mut start = Vec::new();
    File::open(path)?.take(START_LEN).read_to_end(&mut start)?;
    Ok(is_own(path, &start))
}

/// The same for a file whose bytes, or the first of them, have been read.
pub(super) fn is_own(path: &Path, bytes: &[u8]) -> bool {
    path.extension() == Some(OsStr::new("czip"))
        || bytes.starts_with(curve::CSV_START.as_bytes())
        || bytes.starts_with(curve::SVG_START.as_bytes())
        || is_safetensors_of_czip(bytes)
}

/// Whether this is the start of a model or a checkpoint. Their first 8 bytes are a length.
fn is_safetensors_of_czip(bytes: &[u8]) -> bool {
    let header = &bytes[..bytes.len().min(START_LEN as usize)];
    let header = header.get(8..).unwrap_or_default();
    let has = |format: &[u8]| header.windows(format.len()).any(|window| window == format);
    header.starts_with(b"{\"__metadata__\":{") && (has(b"\"czip-model-v") || has(b"\"czip-checkpoint-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_files_are_known() {
        let is_own = |name: &str, bytes: &[u8]| is_own(Path::new(name), bytes);
        let header = b"\x90\0\0\0\0\0\0\0{\"__metadata__\":{\"a\":\"b\",\"format\":\"czip-model-v2\"";
        assert!(is_own("a", header));
        assert!(!is_own("a", &header[1..]));
        assert!(!is_own("a", &header[..30]));
        assert!(is_own("a.txt.czip", b""));
        assert!(is_own("a.txt", curve::csv(&[]).as_bytes()));
        assert!(is_own("a.txt", curve::svg(&[]).as_bytes()));
        for text in ["", "{\"__metadata__\":{}}", "tokens,seconds\n1,2\n", "<svg/>"] {
            assert!(!is_own("a.csv", text.as_bytes()), "{text}");
        }
    }
}
