#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![deny(clippy::float_arithmetic)]

mod compressor;
mod decompressor;
mod errors;
mod inspect;
mod models;
mod watch;

pub use inspect::inspect;
use wasm_bindgen::prelude::wasm_bindgen;

/// Runs once, when the module is instantiated.
#[wasm_bindgen(start)]
pub fn start() {
    // A panic is a fault of this program. It becomes an exception that says where, instead of a trap that does not.
    std::panic::set_hook(Box::new(|panic| wasm_bindgen::throw_str(&panic.to_string())));
}
