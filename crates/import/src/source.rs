//! A model that can be imported.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::net::NetConfig;
use crate::parts::Parts;
use crate::{from_folder, from_gguf};

/// A model of another program, opened: everything but its weights has been read and checked.
#[derive(Debug)]
pub struct Source(pub(crate) Parts);

impl Source {
    /// Opens a GGUF file, or a folder of Hugging Face's with `config.json`, safetensors files and `tokenizer.json`.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if a file cannot be read; other errors if it is not a model that can be imported, by the name of the
    /// key, tensor or feature that is in the way.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        if path.join(from_folder::CONFIG).is_file() {
            return from_folder::open(path).map(Self);
        }
        if path.is_dir() {
            return Err(Error::NotAModel);
        }
        let file = File::open(path).map_err(|source| Error::Io {
            path: path.to_owned(),
            source,
        })?;
        from_gguf::open(path, file).map(Self)
    }

    /// The files that it consists of.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        self.0.files.iter().map(PathBuf::as_path)
    }

    /// Sizes and constants of the net.
    #[must_use]
    pub const fn config(&self) -> &NetConfig {
        &self.0.net.config
    }

    /// The token that a text begins with.
    #[must_use]
    pub const fn start_token(&self) -> u32 {
        self.0.start_token
    }

    /// What an imported model says of itself.0.
    pub(crate) fn facts(&self) -> BTreeMap<String, String> {
        let names = self.0.net.store.paths().filter_map(|path| path.file_name());
        let names: Vec<String> = names.map(|name| name.to_string_lossy().into_owned()).collect();
        let program = concat!("czip ", env!("CARGO_PKG_VERSION"));
        let facts = [
            ("name", self.0.facts.name.clone()),
            ("licence", self.0.facts.licence.clone()),
            ("import.program", Some(program.to_owned())),
            (
                "source.architecture",
                Some(self.0.net.config.architecture.name().to_owned()),
            ),
            ("source.files", Some(names.join(", "))),
            ("source.format", Some(self.0.facts.format.clone())),
            ("source.types", Some(self.0.net.store.element_types().join(", "))),
        ];
        let facts = facts.into_iter();
        facts
            .filter_map(|(key, value)| Some((key.to_owned(), value?)))
            .collect()
    }

    /// What the model is called, if it says so.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.0.facts.name.as_deref()
    }

    /// The model's licence, if it says so.
    #[must_use]
    pub fn licence(&self) -> Option<&str> {
        self.0.facts.licence.as_deref()
    }
}
