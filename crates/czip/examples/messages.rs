//! Compresses short messages with the built-in model, all at once, and restores them.
//!
//! ```sh
//! cargo run -p czip --example messages
//! ```
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use std::error::Error;

use czip::{Model, Options};

const MESSAGES: [&str; 3] = [
    "Hello! The meeting has been moved to Thursday, at ten o'clock in the morning.",
    "Could you please send me the report before the end of the week?",
    "Thank you very much for your help. I am looking forward to hearing from you.",
];

fn main() -> Result<(), Box<dyn Error>> {
    // With the feature `builtin-model`: `Model::builtin()`. A model from a file: `Model::open(path)`.
    let model = Model::from_bytes(czip_models::STANDARD)?;
    let options = Options::new().index(false);

    // Many texts in one call are coded side by side, which is faster than one after the other.
    let files = czip::compress_many(&model, &MESSAGES, &options);
    let files: Vec<Vec<u8>> = files.into_iter().collect::<Result<_, _>>()?;
    for (message, file) in MESSAGES.iter().zip(&files) {
        println!("{:>3} bytes became {:>2}: {message}", message.len(), file.len());
        assert!(2 * file.len() < message.len());
    }

    for (restored, message) in czip::decompress_many(&model, &files, &options)
        .into_iter()
        .zip(MESSAGES)
    {
        assert_eq!(restored?, message.as_bytes());
    }
    Ok(())
}
