//! Files that other programs have compressed: by the ends of their names, and by their first bytes.

use std::ffi::OsStr;
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Ends of names, in small letters.
const EXTENSIONS: [&str; 62] = [
    "7z", "aac", "ace", "apk", "arj", "avi", "avif", "br", "bz2", "cab", "czip", "deb", "docx", "epub",
    "flac", "flv", "gif", "gz", "heic", "jar", "jp2", "jpeg", "jpg", "jxl", "lha", "lz", "lz4", "lzh",
    "lzma", "lzo", "m4a", "m4v", "mkv", "mov", "mp3", "mp4", "mpeg", "mpg", "odp", "ods", "odt", "ogg",
    "opus", "png", "pptx", "rar", "rpm", "tbz2", "tgz", "tlz4", "txz", "tzst", "webm", "webp", "whl", "wma",
    "wmv", "woff2", "xlsx", "xz", "zip", "zst",
];

/// First bytes.
const STARTS: [&[u8]; 19] = [
    b"\x1f\x8b\x08",       // gzip
    b"\x28\xb5\x2f\xfd",   // zstd
    b"\xfd7zXZ\0",         // xz
    b"\x5d\0\0\x80\0",     // lzma, as programs write it
    b"LZIP\x01",           // lzip
    b"\x04\x22\x4d\x18",   // lz4
    b"PK\x03\x04",         // zip, and all that is made of it
    b"7z\xbc\xaf\x27\x1c", // 7-Zip
    b"Rar!\x1a\x07",       // RAR
    b"MSCF\0\0\0\0",       // cabinet
    b"\x89PNG\r\n\x1a\n",  // PNG
    b"\xff\xd8\xff",       // JPEG
    b"GIF87a",             // GIF
    b"GIF89a",             // GIF
    b"OggS\0",             // Ogg
    b"fLaC",               // FLAC
    b"ID3\x03\0",          // MP3
    b"wOF2",               // WOFF 2
    b"\x1a\x45\xdf\xa3",   // Matroska, WebM
];

/// The most bytes that are looked at.
const MOST: u64 = 12;

/// Whether a file is compressed already. One that cannot be read is not.
pub(crate) fn is_compressed(path: &Path) -> bool {
    let extension = path
        .extension()
        .and_then(OsStr::to_str)
        .map(str::to_ascii_lowercase);
    if extension.is_some_and(|extension| EXTENSIONS.contains(&extension.as_str())) {
        return true;
    }
    let mut start = Vec::new();
    // Opening a pipe might wait for its writer.
    let read =
        path.is_file() && File::open(path).is_ok_and(|file| file.take(MOST).read_to_end(&mut start).is_ok());
    read && is_start(&start)
}

fn is_start(start: &[u8]) -> bool {
    let is_bzip2 = start.starts_with(b"BZh") && start.get(4..10) == Some(b"1AY&SY");
    let is_webp = start.starts_with(b"RIFF") && start.get(8..12) == Some(b"WEBP");
    let is_mp4 = start.get(4..8) == Some(b"ftyp");
    let is_ours = start.len() >= czip::Format::DETECTION_LEN && czip::Format::detect(start).is_some();
    is_ours || is_bzip2 || is_webp || is_mp4 || STARTS.iter().any(|magic| start.starts_with(magic))
}

#[cfg(test)]
mod tests {
    use super::*;
    use czip_peers::Compressor;

    #[test]
    fn names_and_first_bytes_tell() {
        assert!(EXTENSIONS.is_sorted());
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let write = |name: &str, bytes: &[u8]| {
            std::fs::write(path(name), bytes).unwrap();
            is_compressed(&path(name))
        };
        for name in ["a.gz", "a.TGZ", "a.Jpg", "a.czip"] {
            assert!(write(name, b"text"), "{name}");
        }
        for name in ["a", "gz", "a.txt", "a.gz.txt", ".gz"] {
            assert!(!write(name, b"text"), "{name}");
        }
        for compressor in [Compressor::Xz, Compressor::Zstd, Compressor::Gzip] {
            assert!(
                write("b", &compressor.compress(b"text").unwrap()),
                "{}",
                compressor.name()
            );
        }
        assert!(write(
            "b",
            &czip::compress(None, b"text", &czip::Options::new()).unwrap()
        ));
        assert!(write("b", b"BZh91AY&SY\0\0"));
        assert!(write("b", b"RIFF\0\0\0\0WEBPVP8 "));
        assert!(write("b", b"\0\0\0\x20ftypisom"));
        for text in [
            &b"BZh is the start of a text"[..],
            b"RIFF....WAVE",
            b"C",
            b"CZECH",
            b"",
            b"PK",
            b"ID3 is a tag",
        ] {
            assert!(!write("b", text), "{text:?}");
        }
        assert!(!is_compressed(&path("none")));
        assert!(!is_compressed(folder.path()));
    }
}
