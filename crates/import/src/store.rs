//! The tensors of a model's files, by role: rows of numbers, f32 `[rows, cols]`, read when they are asked for.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;

use crate::elements::ElementType;
use crate::error::Error;
use crate::rows::Rows;
use czip_model::quote::cut;

/// What a tensor is in the net.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Role {
    Embedding,
    RotationFactors,
    HeadNorm,
    Head,
    Layer(usize, LayerRole),
}

/// What a tensor is in a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum LayerRole {
    AttentionNorm,
    Query,
    Key,
    Value,
    QueryBias,
    KeyBias,
    ValueBias,
    QueryNorm,
    KeyNorm,
    Out,
    FeedForwardNorm,
    Gate,
    Up,
    Down,
}

impl LayerRole {
    pub(crate) const ALL: [Self; 14] = [
        Self::AttentionNorm,
        Self::Query,
        Self::Key,
        Self::Value,
        Self::QueryBias,
        Self::KeyBias,
        Self::ValueBias,
        Self::QueryNorm,
        Self::KeyNorm,
        Self::Out,
        Self::FeedForwardNorm,
        Self::Gate,
        Self::Up,
        Self::Down,
    ];
}

/// Where a tensor is.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) name: String,
    pub(crate) file: usize,
    /// Of the first byte, in the file.
    pub(crate) offset: u64,
    pub(crate) element_type: ElementType,
    /// The last dimension is that of rows.
    pub(crate) shape: Vec<usize>,
}

impl Place {
    /// The error for a tensor that models of czip have no place for.
    pub(crate) fn unknown(&self) -> Error {
        self.problem("is not one of those that such nets have in models of czip".to_owned())
    }

    fn problem(&self, reason: String) -> Error {
        Error::BadTensor {
            name: cut(&self.name),
            reason,
        }
    }
}

/// A file that tensors are read from.
#[derive(Debug)]
struct Opened {
    path: PathBuf,
    /// Reading moves the place that is read from, so only one thread may.
    file: Mutex<File>,
}

/// All tensors.
#[derive(Debug, Default)]
pub(crate) struct Store {
    files: Vec<Opened>,
    tensors: BTreeMap<Role, Place>,
}

impl Store {
    /// The files, in the order in which they were added.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &Path> {
        self.files.iter().map(|opened| opened.path.as_path())
    }

    /// Adds a file and gives its number.
    pub(crate) fn add_file(&mut self, path: &Path, file: File) -> usize {
        self.files.push(Opened {
            path: path.to_owned(),
            file: Mutex::new(file),
        });
        self.files.len() - 1
    }

    /// Adds a tensor, of which there must be only one.
    pub(crate) fn add(&mut self, role: Role, place: Place) -> Result<(), Error> {
        match self.tensors.insert(role, place) {
            None => Ok(()),
            Some(place) => Err(place.problem("is there twice".to_owned())),
        }
    }

    /// Whether the first layer has a tensor of one of these roles.
    pub(crate) fn has_any(&self, roles: &[LayerRole]) -> bool {
        roles
            .iter()
            .any(|&role| self.place(Role::Layer(0, role)).is_some())
    }

    pub(crate) fn place(&self, role: Role) -> Option<&Place> {
        self.tensors.get(&role)
    }

    /// The name of a tensor that is there.
    pub(crate) fn name(&self, role: Role) -> &str {
        &self.tensors[&role].name
    }

    /// The names of the types of all tensors with two dimensions.
    pub(crate) fn element_types(&self) -> Vec<&'static str> {
        let matrices = self.tensors.values().filter(|place| place.shape.len() > 1);
        let mut types: Vec<ElementType> = matrices.map(|place| place.element_type).collect();
        types.sort();
        types.dedup();
        types.into_iter().map(ElementType::name).collect()
    }

    /// Reads a tensor that is there, whole.
    pub(crate) fn read(&self, role: Role) -> Result<Rows, Error> {
        let rows = match self.tensors[&role].shape[..] {
            [rows, _] => rows,
            _ => 1,
        };
        self.read_rows(role, 0..rows)
    }

    /// Reads some rows of a tensor that is there.
    pub(crate) fn read_rows(&self, role: Role, rows: Range<usize>) -> Result<Rows, Error> {
        let place = &self.tensors[&role];
        let cols = *place.shape.last().expect("a shape that was checked");
        let row_len = place
            .element_type
            .row_len(cols)
            .expect("a shape that was checked");
        let len = row_len as usize * rows.len();
        let bytes = self
            .read_bytes(place, row_len * rows.start as u64, len)
            .map_err(|source| Error::Io {
                path: self.files[place.file].path.clone(),
                source,
            })?;
        let mut numbers = vec![0.0; rows.len() * cols];
        bytes
            .par_chunks(row_len as usize)
            .zip(numbers.par_chunks_mut(cols))
            .with_min_len(16)
            .for_each(|(bytes, numbers)| place.element_type.decode(bytes, numbers));
        if let Some(at) = numbers.par_iter().position_first(|x| !x.is_finite()) {
            let at = rows.start * cols + at;
            return Err(place.problem(format!("element {at} is not a finite number")));
        }
        Ok(Rows { numbers, cols })
    }

    fn read_bytes(&self, place: &Place, from: u64, len: usize) -> io::Result<Vec<u8>> {
        let opened = &self.files[place.file];
        let mut file = opened.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.seek(SeekFrom::Start(place.offset + from))?;
        // The length was compared with that of the file; it may have shrunk since.
        let mut bytes = vec![0; len];
        file.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    /// Refuses a tensor that is not there, or has another shape.
    pub(crate) fn check(&self, role: Role, name: &str, shape: &[usize]) -> Result<(), Error> {
        let Some(place) = self.place(role) else {
            return Err(Error::MissingTensor {
                name: name.to_owned(),
            });
        };
        if place.shape != shape {
            return Err(place.problem(format!("shape {:?} instead of {shape:?}", place.shape)));
        }
        Ok(())
    }
}
