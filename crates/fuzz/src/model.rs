//! Model files.

use std::sync::LazyLock;

use czip::{Mode, Model, v1};
use czip_vectors::{ModelFile, Tensor, stored_zstd};
use xxhash_rust::xxh3::{Xxh3, xxh3_128};

use crate::fixtures;
use crate::input::Input;

static BASES: LazyLock<[ModelFile; 3]> = LazyLock::new(|| {
    ["model3.czm", "model2.czm", "model.czm"].map(|name| ModelFile::parse(&czip_vectors::read(name)))
});

static TOKENIZER: LazyLock<Vec<u8>> = LazyLock::new(|| czip_vectors::read("tokenizer.json"));

/// A model has more bytes than this only in its base.
const MAX_TENSOR_LEN: usize = 1 << 16;

/// Any bytes as a model file, and the golden models with changed metadata, tensors and tokenizers; the hash is made to
/// fit. What can be opened codes a text with its net, and restores it.
pub fn model(data: &[u8]) {
    let mut input = Input::new(data);
    let file = match input.byte() % 4 {
        0 => with_hash(input.rest(16 << 10).to_vec()),
        choice => edited(&BASES[usize::from(choice) - 1], &mut input),
    };
    let Ok(model) = Model::from_bytes(&file) else {
        return;
    };
    let text = "The same, \u{f6}n\n<|bos|> every m".as_bytes();
    let options = fixtures::options_for(text.len())
        .level(fixtures::level(4))
        .only(Mode::Net);
    // A pattern that takes too many steps is an error; the text is then coded in another way, or not at all.
    if let Ok(file) = czip::compress(&model, text, &options) {
        let back = czip::decompress(&model, &file, &options);
        assert!(back.is_ok_and(|back| back == text), "another text");
    }
    let options = czip::Options::new();
    if let Ok(file) = v1::compress(&model, text, &options) {
        let back = v1::decompress(&model, &file, &options);
        assert!(back.is_ok_and(|back| back == text), "another text with CZIPv1");
    }
}

fn edited(base: &ModelFile, input: &mut Input<'_>) -> Vec<u8> {
    let mut model = base.clone();
    for _ in 0..input.below(9) {
        match input.byte() % 4 {
            0 => edit_metadata(&mut model, input),
            1 => edit_tokenizer(&mut model, input),
            _ => edit_tensor(&mut model, input),
        }
    }
    for (key, hash) in HASHES {
        if model.metadata.contains_key(key) && input.byte() != 255 {
            model.metadata.insert(key.to_owned(), hash(&model));
        }
    }
    model.to_bytes()
}

fn edit_metadata(model: &mut ModelFile, input: &mut Input<'_>) {
    let keys: Vec<String> = model.metadata.keys().cloned().collect();
    if keys.is_empty() {
        return;
    }
    let key = keys[input.below(keys.len())].clone();
    match input.byte() % 4 {
        0 => drop(model.metadata.remove(&key)),
        1 => drop(model.metadata.insert(key, input.number().to_string())),
        2 => {
            let value = String::from_utf8_lossy(input.bytes()).into_owned();
            model.metadata.insert(key, value);
        }
        // More layers, with copies of existing tensors.
        _ => {
            let layers = 1 + input.below(4);
            model.metadata.insert("n_layers".to_owned(), layers.to_string());
            for layer in 2..layers {
                let copies: Vec<_> = model
                    .tensors
                    .iter()
                    .filter_map(|(name, tensor)| {
                        let rest = name.strip_prefix("layers.1.")?;
                        Some((format!("layers.{layer}.{rest}"), tensor.clone()))
                    })
                    .collect();
                model.tensors.extend(copies);
            }
        }
    }
}

fn edit_tokenizer(model: &mut ModelFile, input: &mut Input<'_>) {
    let mut json = TOKENIZER.clone();
    for _ in 0..input.below(5) {
        let (place, value) = (input.number() % json.len(), input.byte());
        match input.byte() % 3 {
            0 => json[place] = value,
            1 => json.insert(place, value),
            _ => drop(json.remove(place)),
        }
    }
    model
        .metadata
        .insert("tokenizer_codec".to_owned(), "zstd".to_owned());
    let data = stored_zstd(&json);
    model.tensors.insert("tokenizer.data".to_owned(), bytes_of(data));
}

fn bytes_of(data: Vec<u8>) -> Tensor {
    Tensor {
        dtype: "U8".to_owned(),
        shape: vec![data.len()],
        data,
    }
}

fn edit_tensor(model: &mut ModelFile, input: &mut Input<'_>) {
    let names: Vec<String> = model.tensors.keys().cloned().collect();
    if names.is_empty() {
        return;
    }
    let name = &names[input.below(names.len())];
    let Some(tensor) = model.tensors.get_mut(name) else {
        return;
    };
    match input.byte() % 8 {
        0 => drop(model.tensors.remove(name)),
        1 => tensor.data.fill(input.byte()),
        // Another shape.
        2 => {
            tensor.shape = (0..input.below(4)).map(|_| input.below(300)).collect();
            resize(tensor);
        }
        // A part of the shape.
        3 => {
            if let Some(len) = tensor.shape.first_mut() {
                *len = input.below(600);
                resize(tensor);
            }
        }
        4 => {
            let dtypes = ["I8", "U8", "I16", "U16", "I32", "U32"];
            dtypes[input.below(6)].clone_into(&mut tensor.dtype);
            resize(tensor);
        }
        5 => {
            let name = ["mixing.priors.0", "mixing.priors.1", "mixing.weights", "other"][input.below(4)];
            let data = input.bytes();
            let data = if input.flag() {
                stored_zstd(data)
            } else {
                data.to_vec()
            };
            model.tensors.insert(name.to_owned(), bytes_of(data));
        }
        6 => {
            let pattern = input.bytes();
            for (byte, &new) in tensor.data.iter_mut().zip(pattern.iter().cycle()) {
                *byte = new;
            }
        }
        _ => {
            let (place, value) = (input.number(), input.byte());
            let len = tensor.data.len();
            if len > 0 {
                tensor.data[place % len] = value;
            }
        }
    }
}

/// Gives a tensor the data that its type and shape want, if that is not too much.
fn resize(tensor: &mut Tensor) {
    let size = match tensor.dtype.as_str() {
        "I8" | "U8" => 1,
        "I16" | "U16" => 2,
        _ => 4,
    };
    let len = tensor.shape.iter().product::<usize>() * size;
    if len <= MAX_TENSOR_LEN {
        tensor.data.resize(len, 1);
    }
}

/// How a hash is computed.
type Hash = fn(&ModelFile) -> String;

/// The keys of hashes, and how they are computed.
const HASHES: [(&str, Hash); 2] = [("content_hash", content_hash), ("data_hash", data_hash)];

/// Section 4.1 of `docs/spec/czm-v3.md`.
fn data_hash(model: &ModelFile) -> String {
    let file = model.to_bytes();
    let data_len: usize = model.tensors.values().map(|tensor| tensor.data.len()).sum();
    format!("{:032x}", xxh3_128(&file[file.len() - data_len..]))
}

/// Section 4.3 of `docs/spec/czm-v2.md`.
fn content_hash(model: &ModelFile) -> String {
    let mut hash = Xxh3::new();
    for (name, tensor) in &model.tensors {
        hash.update(name.as_bytes());
        hash.update(&[0]);
        hash.update(tensor.dtype.as_bytes());
        hash.update(&[0]);
        let dimensions = tensor.shape.iter().map(|&dimension| dimension as u64);
        for number in [tensor.shape.len() as u64].into_iter().chain(dimensions) {
            hash.update(&number.to_le_bytes());
        }
        hash.update(&tensor.data);
    }
    format!("{:032x}", hash.digest128())
}

/// The same file, with the right hash instead of the one that it states.
fn with_hash(mut file: Vec<u8>) -> Vec<u8> {
    let Some(model) = ModelFile::try_parse(&file) else {
        return file;
    };
    for (key, hash) in HASHES {
        let key = format!("\"{key}\":\"");
        let place = file.windows(key.len()).position(|bytes| bytes == key.as_bytes());
        let stated = place.and_then(|place| file.get_mut(place + key.len()..)?.get_mut(..32));
        if let Some(stated) = stated {
            stated.copy_from_slice(hash(&model).as_bytes());
        }
    }
    file
}
