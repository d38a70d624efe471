//! How small other compressors make a file: `cargo run -p czip-peers --example sizes -- FILE`.

#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use std::error::Error;
use std::{env, fs};

use czip_peers::Compressor;

fn main() -> Result<(), Box<dyn Error>> {
    let path = env::args_os().nth(1).ok_or("usage: sizes FILE")?;
    let text = fs::read(path)?;
    for compressor in Compressor::ALL {
        println!("{:>10} {}", compressor.compress(&text)?.len(), compressor.name());
    }
    Ok(())
}
