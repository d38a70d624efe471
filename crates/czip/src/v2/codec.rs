//! What all segments are coded with.

use std::sync::LazyLock;

use czip_container::v2::{Header, Mode, ModelId};
use czip_kernels::Kernels;
use czip_mix::Coding;

use crate::{Error, Model};

static BYTES: LazyLock<Coding> = LazyLock::new(|| Coding::for_bytes(Kernels::detect()));

/// The model, if there is one, and the coding of bytes, which needs none.
#[derive(Clone, Copy)]
pub(crate) struct Codec<'a> {
    pub(crate) model: Option<&'a Model>,
    pub(crate) bytes: &'a Coding,
}

impl<'a> Codec<'a> {
    pub(crate) fn new(model: Option<&'a Model>) -> Self {
        Self {
            model,
            bytes: model.map_or_else(|| &*BYTES, Model::byte_coding),
        }
    }

    pub(crate) fn model_id(&self) -> Option<ModelId> {
        self.model.map(Model::id)
    }

    /// Whether a segment of this mode in a member with this header can be decoded.
    pub(crate) fn check(&self, header: &Header, mode: Mode) -> Result<(), Error> {
        match (header.model, self.model_id()) {
            (Some(file), None) if mode.needs_model() => Err(Error::MissingModel { file }),
            (Some(file), Some(given)) if mode.needs_model() && file != given => {
                Err(Error::WrongModel { file, given })
            }
            _ => Ok(()),
        }
    }
}
