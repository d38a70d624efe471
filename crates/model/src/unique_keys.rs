//! JSON in, and whether a key occurs twice in an object of it: what is read into a map does not show that.

use std::collections::HashSet;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// Refuses JSON in which an object has a key twice or a number is beyond 64-bit floats, and what is no JSON.
pub(crate) fn check(json: &[u8]) -> Result<(), serde_json::Error> {
    serde_json::from_slice(json).map(|UniqueKeys| ())
}

/// A value of any kind, of which nothing is kept.
struct UniqueKeys;

impl<'de> Deserialize<'de> for UniqueKeys {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(UniqueKeys)
    }
}

impl<'de> Visitor<'de> for UniqueKeys {
    type Value = Self;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_unit<E>(self) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<Self, A::Error> {
        while let Some(Self) = array.next_element()? {}
        Ok(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Self, A::Error> {
        let mut keys = HashSet::new();
        while let Some((key, Self)) = object.next_entry::<String, Self>()? {
            if let Some(key) = keys.replace(key) {
                return Err(A::Error::custom(format_args!("the key `{key}` occurs twice")));
            }
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn every_object_is_looked_at() {
        for json in [
            r#"{"a": 1, "b": {"a": [-1, 0.5, "a", true, null]}, "c": {"a": {}}}"#,
            r#"[{"a": 1}, {"a": 1}]"#,
            "\"a\"",
            "[1e308, 1e-999, 99999999999999999999]",
        ] {
            assert!(check(json.as_bytes()).is_ok(), "{json}");
        }
        for json in [
            r#"{"a": 1, "b": 2, "a": 1}"#,
            r#"{"a": 1, "\u0061": 2}"#,
            r#"{"b": {"a": [], "a": {}}}"#,
            r#"{"b": [0, {"a": null, "a": null}]}"#,
        ] {
            let error = check(json.as_bytes()).unwrap_err().to_string();
            assert!(error.starts_with("the key `a` occurs twice"), "{json}: {error}");
        }
        assert!(check(b"{").is_err());
        for number in ["1e309", "-1e309", &"9".repeat(400)] {
            let error = check(number.as_bytes()).unwrap_err().to_string();
            assert!(error.starts_with("number out of range"), "{number}: {error}");
        }
    }
}
