#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod model;
mod stored;

use std::path::{Path, PathBuf};

use serde_json::Value;

pub use model::{ModelFile, Tensor, patch_model};
pub use stored::{stored_brotli, stored_zstd};

/// The path of a file of `data/`.
#[must_use]
pub fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("data").join(name)
}

/// The bytes of a file of `data/`.
///
/// # Panics
///
/// If it cannot be read.
#[must_use]
pub fn read(name: &str) -> Vec<u8> {
    must_read(&path(name))
}

/// A JSON file of `data/`.
///
/// # Panics
///
/// If it cannot be read or is not JSON.
#[must_use]
pub fn json(name: &str) -> Value {
    serde_json::from_slice(&read(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The bytes of `data/model.czm` after a patch; `data/README.md` says what a patch is.
///
/// # Panics
///
/// If the patch is not one.
#[must_use]
pub fn patched_model(patch: &Value) -> Vec<u8> {
    patch_model(&read("model.czm"), &read("tokenizer.json"), patch)
}

/// The numbers of an array.
///
/// # Panics
///
/// If the value is not an array, or holds what is no integer or does not fit the type.
#[must_use]
pub fn numbers<T: TryFrom<i64>>(value: &Value) -> Vec<T> {
    let number = |value: &Value| value.as_i64().and_then(|number| T::try_from(number).ok());
    let numbers = value
        .as_array()
        .and_then(|array| array.iter().map(number).collect());
    numbers.unwrap_or_else(|| panic!("numbers wanted, not {value}"))
}

/// The elements of an array.
///
/// # Panics
///
/// If the value is not an array.
#[must_use]
pub fn array(value: &Value) -> &[Value] {
    value
        .as_array()
        .unwrap_or_else(|| panic!("array wanted, not {value}"))
}

/// A string.
///
/// # Panics
///
/// If the value is not a string.
#[must_use]
pub fn text(value: &Value) -> &str {
    value
        .as_str()
        .unwrap_or_else(|| panic!("string wanted, not {value}"))
}

/// Bytes in hexadecimal, two lower-case digits each.
#[must_use]
pub fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The bytes that a string has in hexadecimal.
///
/// # Panics
///
/// If the value is not such a string.
#[must_use]
pub fn from_hex(value: &Value) -> Vec<u8> {
    let (pairs, rest) = text(value).as_bytes().as_chunks::<2>();
    let byte = |pair: &[u8; 2]| {
        let digits = std::str::from_utf8(pair).ok()?;
        u8::from_str_radix(digits, 16).ok()
    };
    let bytes: Option<Vec<u8>> = pairs.iter().map(byte).collect();
    bytes
        .filter(|_| rest.is_empty())
        .unwrap_or_else(|| panic!("hexadecimal wanted, not {value}"))
}

/// The 64-bit FNV-1a hash: from 0xcbf29ce484222325 on, xor with each byte, then times 0x100000001b3 modulo 2^64.
///
/// Source: Fowler, Noll, Vo, Eastlake, "The FNV Non-Cryptographic Hash Algorithm".
#[must_use]
pub fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// [`fnv1a`] of numbers of 32 bits in little-endian order, in 16 hexadecimal digits.
#[must_use]
pub fn hash_words(words: impl IntoIterator<Item = u32>) -> String {
    let bytes: Vec<u8> = words.into_iter().flat_map(u32::to_le_bytes).collect();
    format!("{:016x}", fnv1a(&bytes))
}

/// The path of `name` among the shared data: below the folder that `CZIP_SHARED` names, else below `../shared`, relative
/// to the top of the repository. `None` if there are no such data.
///
/// # Panics
///
/// If there are none although `CZIP_REQUIRE_SHARED` is set.
#[must_use]
pub fn shared(name: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("CZIP_SHARED").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"),
        PathBuf::from,
    );
    let path = folder.join(name);
    if path.exists() {
        return Some(path);
    }
    assert!(
        std::env::var_os("CZIP_REQUIRE_SHARED").is_none(),
        "no shared data at {}",
        path.display()
    );
    None
}

/// A file of the shared data, if it is there. See [`shared`].
///
/// # Panics
///
/// If the file is there and cannot be read.
#[must_use]
pub fn shared_file(name: &str) -> Option<Vec<u8>> {
    Some(must_read(&shared(name)?))
}

fn must_read(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fnv1a_of_known_strings() {
        assert_eq!(fnv1a(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a(b"a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(fnv1a(b"foobar"), 0x8594_4171_f739_67e8);
    }

    #[test]
    fn hexadecimal_goes_both_ways() {
        assert_eq!(to_hex(&[0, 0x7f, 0xff]), "007fff");
        assert_eq!(from_hex(&"007fff".into()), [0, 0x7f, 0xff]);
    }

    #[test]
    #[should_panic(expected = "hexadecimal wanted, not \"007\"")]
    fn half_a_byte_is_refused() {
        let _ = from_hex(&"007".into());
    }
}
