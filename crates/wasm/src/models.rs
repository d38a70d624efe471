//! The models that files may need.

use wasm_bindgen::prelude::*;

use crate::errors::{exception, wrong_call};

/// Models that were loaded.
#[wasm_bindgen]
#[derive(Debug, Default)]
pub struct Models(Vec<czip::Model>);

#[wasm_bindgen]
impl Models {
    /// None.
    #[wasm_bindgen(constructor)]
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the model in the bytes of a file, and returns what it is, in JSON.
    ///
    /// # Errors
    ///
    /// Bytes that are not a valid model.
    pub fn add(&mut self, bytes: &[u8]) -> Result<String, JsValue> {
        let id = czip::Model::id_of(bytes);
        let known = self.0.iter().position(|model| model.id() == id);
        let model = match known {
            Some(at) => &self.0[at],
            None => {
                let model = czip::Model::from_bytes(bytes).map_err(|error| exception(&error))?;
                self.0.push(model);
                &self.0[self.0.len() - 1]
            }
        };
        let info = model.config();
        Ok(format!(
            r#"{{"id":"{}","format":"{}","parameters":{},"vocabularySize":{}}}"#,
            model.id(),
            info.format,
            info.parameters,
            info.vocab_size
        ))
    }
}

impl Models {
    pub(crate) fn all(&self) -> Vec<czip::Model> {
        self.0.clone()
    }

    /// The model with this id, or none if that is empty.
    pub(crate) fn by_id(&self, id: &str) -> Result<Option<czip::Model>, JsValue> {
        if id.is_empty() {
            return Ok(None);
        }
        let found = self.0.iter().find(|model| model.id().to_string() == id);
        let found = found.ok_or_else(|| wrong_call(&format!("no model {id} has been loaded")))?;
        Ok(Some(found.clone()))
    }
}
