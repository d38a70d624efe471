//! A file that comes in pieces to its text.

use czip::{Limits, Options, PushDecoder};
use js_sys::Function;
use self_cell::self_cell;
use wasm_bindgen::prelude::*;

use crate::errors::wrong_call;
use crate::models::Models;
use crate::watch;

/// `None` once it is finished.
type MaybeDecoder<'a> = Option<PushDecoder<'a>>;

self_cell!(
    /// A decoder and its models.
    struct OwnedDecoder {
        owner: Vec<czip::Model>,
        #[not_covariant]
        dependent: MaybeDecoder,
    }
);

/// Restores the text of a file that comes in pieces.
#[wasm_bindgen]
#[allow(
    missing_debug_implementations,
    reason = "JavaScript sees no more than an object"
)]
pub struct Decompressor(OwnedDecoder);

#[wasm_bindgen]
impl Decompressor {
    /// With the models there are. Without a limit it is the library's default.
    #[wasm_bindgen(constructor)]
    #[must_use]
    pub fn new(models: &Models, max_text_len: Option<u64>, max_memory: Option<u64>) -> Self {
        let mut limits = Limits::new();
        if let Some(bytes) = max_text_len {
            limits = limits.with_text_len(bytes);
        }
        if let Some(bytes) = max_memory {
            limits = limits.with_memory(bytes);
        }
        let options = watch::watched(Options::new().limits(limits));
        Self(OwnedDecoder::new(models.all(), |models| {
            Some(PushDecoder::new(models, &options))
        }))
    }

    /// Takes a piece of the file, and returns what there is of the text that was not returned before.
    ///
    /// # Errors
    ///
    /// What is wrong with the file; after the end; and when `watch` ends the work.
    pub fn push(&mut self, file: &[u8], watch: Option<Function>) -> Result<Vec<u8>, JsValue> {
        self.0.with_dependent_mut(|_, decoder| {
            let decoder = decoder.as_mut().ok_or_else(ended)?;
            watch::run(watch, || decoder.push(file, usize::MAX))
        })
    }

    /// The rest of the text, once all of the file was taken.
    ///
    /// # Errors
    ///
    /// As [`push`](Self::push), and a file that ends early.
    pub fn finish(&mut self, watch: Option<Function>) -> Result<Vec<u8>, JsValue> {
        self.0.with_dependent_mut(|_, decoder| {
            let decoder = decoder.take().ok_or_else(ended)?;
            watch::run(watch, || decoder.finish())
        })
    }
}

fn ended() -> JsValue {
    wrong_call("the file has ended")
}
