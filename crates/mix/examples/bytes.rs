//! Compresses a file by context mixing of its bytes, without a model, as the higher levels of czip do.
//!
//! ```sh
//! cargo run --release -p czip-mix --example bytes -- README.md
//! ```
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use std::error::Error;

use czip_coder::binary::{Decoder, Encoder};
use czip_kernels::Kernels;
use czip_mix::{Alphabet, Mixer, Variant};

fn main() -> Result<(), Box<dyn Error>> {
    let text = match std::env::args_os().nth(1) {
        Some(path) => std::fs::read(path)?,
        None => b"She sells sea shells by the sea shore. ".repeat(25),
    };
    let alphabet = Alphabet::for_bytes(Kernels::detect());
    // Both sides begin alike, and learn the same from each byte.
    let mixer = || Mixer::new(&alphabet, Variant::Bytes, false, text.len());

    let mut encoding = mixer();
    let mut encoder = Encoder::new();
    for &byte in &text {
        encoding.encode(byte.into(), None, &mut encoder);
    }
    let message = encoder.finish();
    println!("{} bytes became {}", text.len(), message.len());

    let mut decoding = mixer();
    let mut decoder = Decoder::new(&message);
    let restored: Vec<u8> = text
        .iter()
        .map(|_| decoding.decode(None, &mut decoder) as u8)
        .collect();
    assert_eq!(restored, text);
    decoder.finish()?;
    Ok(())
}
