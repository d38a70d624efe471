//! Model files taken apart, changed and put together again, without any of the checks that a reader makes.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::{from_hex, stored_brotli, stored_zstd, text};

/// The parts of a safetensors file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ModelFile {
    /// Keys and values of `__metadata__`.
    pub metadata: BTreeMap<String, String>,
    /// The tensors by name.
    pub tensors: BTreeMap<String, Tensor>,
}

/// A tensor of a safetensors file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tensor {
    /// The element type, such as `I8`.
    pub dtype: String,
    /// The shape; empty for a scalar.
    pub shape: Vec<usize>,
    /// The elements, little-endian.
    pub data: Vec<u8>,
}

impl Tensor {
    fn element_len(&self) -> usize {
        match self.dtype.as_str() {
            "I8" | "U8" => 1,
            "I16" | "U16" => 2,
            "I32" | "U32" | "F32" => 4,
            other => panic!("element type {other}"),
        }
    }
}

impl ModelFile {
    /// Takes a file apart.
    ///
    /// # Panics
    ///
    /// If it is not a safetensors file.
    #[must_use]
    pub fn parse(file: &[u8]) -> Self {
        Self::try_parse(file).expect("a safetensors file")
    }

    /// Takes a file apart, if it is a safetensors file.
    #[must_use]
    pub fn try_parse(file: &[u8]) -> Option<Self> {
        let (header_len, rest) = file.split_first_chunk()?;
        let (header, data) = rest.split_at_checked(u64::from_le_bytes(*header_len) as usize)?;
        let header: Map<String, Value> = serde_json::from_slice(header).ok()?;
        let mut parsed = Self::default();
        for (name, value) in header {
            if name == "__metadata__" {
                parsed.metadata = serde_json::from_value(value).ok()?;
                continue;
            }
            let [start, end]: [usize; 2] = serde_json::from_value(value["data_offsets"].clone()).ok()?;
            let tensor = Tensor {
                dtype: value["dtype"].as_str()?.to_owned(),
                shape: serde_json::from_value(value["shape"].clone()).ok()?,
                data: data.get(start..end)?.to_vec(),
            };
            parsed.tensors.insert(name, tensor);
        }
        Some(parsed)
    }

    /// Puts the file together: larger elements first, then by name, as the format's own library has it.
    ///
    /// # Panics
    ///
    /// If a tensor has an element type that no model has.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut tensors: Vec<_> = self.tensors.iter().collect();
        tensors.sort_by_key(|(_, tensor)| std::cmp::Reverse(tensor.element_len()));
        let mut entries = Vec::new();
        if !self.metadata.is_empty() {
            entries.push(format!("\"__metadata__\":{}", json!(self.metadata)));
        }
        let mut data = Vec::new();
        for (name, tensor) in tensors {
            let start = data.len();
            data.extend_from_slice(&tensor.data);
            entries.push(format!(
                "{}:{{\"dtype\":{},\"shape\":{},\"data_offsets\":[{start},{}]}}",
                json!(name),
                json!(tensor.dtype),
                json!(tensor.shape),
                data.len()
            ));
        }
        let mut header = format!("{{{}}}", entries.join(","));
        // Data start at a multiple of 8 bytes.
        header.extend(std::iter::repeat_n(
            ' ',
            header.len().next_multiple_of(8) - header.len(),
        ));
        let mut file = (header.len() as u64).to_le_bytes().to_vec();
        file.extend_from_slice(header.as_bytes());
        file.extend_from_slice(&data);
        file
    }

    fn patch_metadata(&mut self, patch: &Value) {
        let Some(patch) = patch.as_object() else {
            return self.metadata.clear();
        };
        for (key, value) in patch {
            match value {
                Value::Null => self.metadata.remove(key),
                value => self.metadata.insert(key.clone(), text(value).to_owned()),
            };
        }
    }

    fn patch_tensor(&mut self, name: &str, patch: &Value) {
        if patch.is_null() {
            assert!(self.tensors.remove(name).is_some(), "no tensor {name} to remove");
            return;
        }
        let tensor = self.tensors.entry(name.to_owned()).or_insert_with(|| Tensor {
            dtype: String::new(),
            shape: Vec::new(),
            data: Vec::new(),
        });
        if let Some(dtype) = patch.get("dtype") {
            text(dtype).clone_into(&mut tensor.dtype);
        }
        if let Some(shape) = patch.get("shape") {
            tensor.shape = crate::numbers(shape);
        }
        if let Some(data) = patch.get("data") {
            tensor.data = from_hex(data);
        }
        let len = tensor.shape.iter().product::<usize>() * tensor.element_len();
        tensor.data.resize(len, 0);
    }

    fn patch_tokenizer(&mut self, json: &[u8], patch: &Value) {
        let mut tokenizer: Map<String, Value> = serde_json::from_slice(json).expect("a tokenizer");
        for (key, value) in patch["edit"].as_object().into_iter().flatten() {
            tokenizer.insert(key.clone(), value.clone());
        }
        let json = Value::from(tokenizer).to_string();
        let data = match text(&patch["codec"]) {
            "zstd" => stored_zstd(json.as_bytes()),
            "brotli" => stored_brotli(json.as_bytes()),
            other => panic!("codec {other}"),
        };
        let tensor = Tensor {
            dtype: "U8".to_owned(),
            shape: vec![data.len()],
            data,
        };
        self.tensors.insert("tokenizer.data".to_owned(), tensor);
    }
}

/// A model file after a patch; `tokenizer` is the JSON that its tokenizer is made from.
///
/// # Panics
///
/// If the file is not a safetensors file or the patch is not one.
#[must_use]
pub fn patch_model(file: &[u8], tokenizer: &[u8], patch: &Value) -> Vec<u8> {
    let patch = patch.as_object().expect("a patch");
    let mut model = ModelFile::parse(file);
    let mut end = usize::MAX;
    for (key, patch) in patch {
        match key.as_str() {
            "metadata" => model.patch_metadata(patch),
            "tensors" => {
                let tensors = patch.as_object().expect("tensors");
                tensors
                    .iter()
                    .for_each(|(name, patch)| model.patch_tensor(name, patch));
            }
            "tokenizer" => model.patch_tokenizer(tokenizer, patch),
            "truncate" => end = patch.as_u64().expect("a length") as usize,
            other => panic!("{other} in a patch"),
        }
    }
    let mut file = model.to_bytes();
    file.truncate(end);
    file
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_survives_and_a_patch_does_not_change_the_rest() {
        let tensor = |dtype: &str, shape: &[usize], data: &[u8]| Tensor {
            dtype: dtype.to_owned(),
            shape: shape.to_vec(),
            data: data.to_vec(),
        };
        let mut model = ModelFile::default();
        model.metadata.insert("a".to_owned(), "1".to_owned());
        model.tensors.insert("x".to_owned(), tensor("I8", &[2], &[1, 2]));
        model.tensors.insert("y".to_owned(), tensor("I16", &[], &[3, 4]));
        let file = model.to_bytes();
        assert_eq!(file.len() % 8, 4);
        assert!(file.ends_with(&[3, 4, 1, 2]));
        assert_eq!(ModelFile::parse(&file), model);
        assert_eq!(patch_model(&file, b"", &json!({})), file);

        let patch = json!({
            "metadata": {"a": null, "b": "2"},
            "tensors": {"x": {"shape": [1, 3]}, "y": {"dtype": "U16", "data": "0506"}, "z": {"dtype": "I8", "shape": []}},
        });
        let patched = ModelFile::parse(&patch_model(&file, b"", &patch));
        assert_eq!(
            patched.metadata,
            BTreeMap::from([("b".to_owned(), "2".to_owned())])
        );
        assert_eq!(patched.tensors["x"], tensor("I8", &[1, 3], &[1, 2, 0]));
        assert_eq!(patched.tensors["y"], tensor("U16", &[], &[5, 6]));
        assert_eq!(patched.tensors["z"], tensor("I8", &[], &[0]));
    }
}
