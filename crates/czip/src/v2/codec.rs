//! What segments are coded with.

use std::sync::LazyLock;

use czip_container::v2::{Header, Mode, ModelId};
use czip_kernels::Kernels;
use czip_mix::Alphabet;

use crate::models::Models;
use crate::{Error, Model};

static BYTES: LazyLock<Alphabet> = LazyLock::new(|| Alphabet::for_bytes(Kernels::detect()));

/// The alphabet of bytes, which needs no model, at the model's instruction-set level if there is one.
fn byte_alphabet(model: Option<&Model>) -> &Alphabet {
    model.map_or_else(|| &*BYTES, Model::byte_alphabet)
}

/// What an encoder has: the model, if there is one, and the alphabet of bytes.
#[derive(Clone, Copy)]
pub(crate) struct Codec<'a> {
    pub(crate) model: Option<&'a Model>,
    pub(crate) bytes: &'a Alphabet,
}

impl<'a> Codec<'a> {
    pub(crate) fn new(model: Option<&'a Model>) -> Self {
        Self {
            model,
            bytes: byte_alphabet(model),
        }
    }

    pub(crate) fn model_id(&self) -> Option<ModelId> {
        self.model.map(Model::id)
    }
}

/// What a decoder has: models to find, those that have been found, and the alphabet of bytes.
pub(crate) struct Codecs<'a> {
    models: Models<'a>,
    found: Vec<(ModelId, &'a Model)>,
    pub(crate) bytes: &'a Alphabet,
}

impl<'a> Codecs<'a> {
    pub(crate) fn new(models: Models<'a>) -> Self {
        Self {
            models,
            found: Vec::new(),
            bytes: byte_alphabet(models.first()),
        }
    }

    /// The model that a segment of this mode needs, in a member with this header; `None` if it needs none.
    pub(crate) fn model(&mut self, header: &Header, mode: Mode) -> Result<Option<&'a Model>, Error> {
        // The container has checked that a header names the model that a mode needs.
        let Some(id) = header.model.filter(|_| mode.needs_model()) else {
            return Ok(None);
        };
        if let Some((_, model)) = self.found.iter().find(|(found, _)| *found == id) {
            return Ok(Some(model));
        }
        let model = self.models.find(id)?;
        self.found.push((id, model));
        Ok(Some(model))
    }
}
