//! Prints the ids of the tokens of standard input, one on each line, by the tokenizer of a JSON file.
//!
//! ```sh
//! cargo run -p czip-tokenizer --example ids -- tokenizer.json < text.txt
//! ```
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use std::error::Error;
use std::io::{Read, Write, stdin, stdout};

use czip_tokenizer::Tokenizer;

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args().nth(1).ok_or("usage: ids TOKENIZER.json")?;
    let tokenizer = Tokenizer::from_json(&std::fs::read(path)?)?;
    let mut text = Vec::new();
    stdin().read_to_end(&mut text)?;
    let mut ids = Vec::new();
    tokenizer.encode_bytes(&text, &mut ids)?;
    let lines: String = ids.iter().map(|id| format!("{id}\n")).collect();
    stdout().write_all(lines.as_bytes())?;
    Ok(())
}
