//! Models and alphabets that segments are coded with: a mode and a member's header in, what to code with out.

use std::sync::LazyLock;

use czip_container::v2::{Header, Mode, ModelId};
use czip_kernels::Kernels;
use czip_mix::Alphabet;

use crate::error::Error;
use crate::model::Model;
use crate::models::Models;

static BYTES: LazyLock<Alphabet> = LazyLock::new(|| Alphabet::for_bytes(Kernels::detect()));

/// The alphabet of bytes, which needs no model, with the model's instruction set if there is one.
fn byte_alphabet(model: Option<&Model>) -> &Alphabet {
    model.map_or_else(|| &*BYTES, Model::byte_alphabet)
}

/// What an encoder has: the model, if there is one, and the alphabet of bytes.
#[derive(Clone, Copy)]
pub(crate) struct EncodingModel<'a> {
    pub(crate) model: Option<&'a Model>,
    pub(crate) bytes: &'a Alphabet,
}

impl<'a> EncodingModel<'a> {
    pub(crate) fn new(model: Option<&'a Model>) -> Self {
        Self {
            model,
            bytes: byte_alphabet(model),
        }
    }

    pub(crate) fn id(&self) -> Option<ModelId> {
        self.model.map(Model::id)
    }
}

/// How a segment is decoded: its mode, with the model that this takes.
#[derive(Clone, Copy)]
pub(crate) enum Coding<'a> {
    WithoutNet(WithoutNet<'a>),
    Net(&'a Model),
}

/// The modes that take no net.
#[derive(Clone, Copy)]
pub(crate) enum WithoutNet<'a> {
    Stored,
    Bytes,
    Tokens(&'a Model),
}

/// What a decoder has: models to find, those that have been found, and the alphabet of bytes.
pub(crate) struct DecodingModels<'a> {
    models: Models<'a>,
    found: Vec<(ModelId, &'a Model)>,
    pub(crate) bytes: &'a Alphabet,
}

impl<'a> DecodingModels<'a> {
    pub(crate) fn new(models: Models<'a>) -> Self {
        Self {
            models,
            found: Vec::new(),
            bytes: byte_alphabet(models.first()),
        }
    }

    /// How to decode a segment of this mode, in a member with this header.
    pub(crate) fn coding(&mut self, header: &Header, mode: Mode) -> Result<Coding<'a>, Error> {
        Ok(match mode {
            Mode::Stored => Coding::WithoutNet(WithoutNet::Stored),
            Mode::Bytes => Coding::WithoutNet(WithoutNet::Bytes),
            Mode::Tokens => Coding::WithoutNet(WithoutNet::Tokens(self.model(header)?)),
            Mode::Net => Coding::Net(self.model(header)?),
        })
    }

    /// The model that a header names. Equal ids give the same place in memory.
    fn model(&mut self, header: &Header) -> Result<&'a Model, Error> {
        // The container refuses segments that need a model where the header names none.
        let id = header.model.ok_or(Error::MissingModel {
            file: None,
            offered: Vec::new(),
        })?;
        if let Some((_, model)) = self.found.iter().find(|(found, _)| *found == id) {
            return Ok(model);
        }
        let model = self.models.find(id)?;
        self.found.push((id, model));
        Ok(model)
    }
}
