//! Text that comes in pieces to a file.

use std::io::Write;

use czip::{Encoder, Error, Level, Mode, Options};
use js_sys::Function;
use self_cell::self_cell;
use wasm_bindgen::prelude::*;

use crate::errors::wrong_call;
use crate::models::Models;
use crate::watch;

/// `None` once it is finished.
type MemoryEncoder<'a> = Option<Encoder<'a, Vec<u8>>>;

self_cell!(
    /// An encoder into memory, and its model.
    struct OwnedEncoder {
        owner: Option<czip::Model>,
        #[not_covariant]
        dependent: MemoryEncoder,
    }
);

/// Compresses a text that comes in pieces.
#[wasm_bindgen]
#[allow(
    missing_debug_implementations,
    reason = "JavaScript sees no more than an object"
)]
pub struct Compressor(OwnedEncoder);

#[wasm_bindgen]
impl Compressor {
    /// With the model of an id, or with none if that is empty. `segment_len` 0 stands for the level's, and an empty `mode`
    /// for the one that promises to be the smallest.
    ///
    /// # Errors
    ///
    /// A level, a length, a mode or an id that there is not.
    #[wasm_bindgen(constructor)]
    pub fn new(
        models: &Models,
        model: &str,
        level: u32,
        segment_len: u32,
        mode: &str,
        index: bool,
    ) -> Result<Self, JsValue> {
        let level = u8::try_from(level).ok().and_then(Level::new);
        let level = level.ok_or_else(|| wrong_call("level must be from 1 to 9"))?;
        let mut options = Options::new().level(level).index(index);
        if segment_len != 0 {
            let lens = Options::SEGMENT_LENS;
            if !lens.contains(&(segment_len as usize)) {
                let message = format!("segmentLength must be from {} to {}", lens.start(), lens.end());
                return Err(wrong_call(&message));
            }
            options = options.segment_len(segment_len as usize);
        }
        if !mode.is_empty() {
            let modes = [Mode::Stored, Mode::Bytes, Mode::Tokens, Mode::Net];
            let mode = modes.into_iter().find(|known| known.to_string() == mode);
            options =
                options.only(mode.ok_or_else(|| wrong_call("mode must be stored, bytes, tokens or net"))?);
        }
        let options = watch::watched(options);
        let model = models.by_id(model)?;
        Ok(Self(OwnedEncoder::new(model, |model| {
            Some(Encoder::new(model.as_ref(), Vec::new(), &options))
        })))
    }

    /// Takes a piece of the text, and returns what there is of the file that was not returned before.
    ///
    /// # Errors
    ///
    /// After the end, and when `watch` ends the work.
    pub fn push(&mut self, text: &[u8], watch: Option<Function>) -> Result<Vec<u8>, JsValue> {
        self.0.with_dependent_mut(|_, encoder| {
            let encoder = encoder.as_mut().ok_or_else(ended)?;
            watch::run(watch, || {
                encoder.write_all(text)?;
                Ok::<_, Error>(std::mem::take(encoder.get_mut()))
            })
        })
    }

    /// Ends the file and returns the rest of it.
    ///
    /// # Errors
    ///
    /// As [`push`](Self::push).
    pub fn finish(&mut self, watch: Option<Function>) -> Result<Vec<u8>, JsValue> {
        self.0.with_dependent_mut(|_, encoder| {
            let encoder = encoder.take().ok_or_else(ended)?;
            watch::run(watch, || encoder.finish().map(|(file, _)| file))
        })
    }
}

fn ended() -> JsValue {
    wrong_call("the file has ended")
}
