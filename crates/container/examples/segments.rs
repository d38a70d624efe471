//! Writes a file of two segments, lists them by its index, and reads one.
//!
//! ```sh
//! cargo run -p czip-container --example segments
//! ```
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use std::error::Error;
use std::io::Cursor;

use czip_container::v2::{Header, Index, Level, Writer};

fn main() -> Result<(), Box<dyn Error>> {
    let header = Header {
        level: Level::new(5).expect("levels are 1 to 9"),
        model: None,
    };
    let mut writer = Writer::new(Vec::new(), header);
    writer.write_stored(false, b"What does not get smaller ")?;
    writer.write_stored(true, b"is stored.")?;
    let file = Cursor::new(writer.finish()?);

    let index = Index::open(file.clone())?;
    assert_eq!(index.text_len(), 36);
    for segment in index.segments() {
        println!("{segment:?}");
    }

    // The segment with byte 30 of the text.
    let number = index.find(30).expect("the text is longer");
    let segment = index.read_segment(file, number)?;
    // The payload of a stored segment is its text.
    segment.verify(&segment.payload)?;
    assert_eq!(segment.payload, b"is stored.");
    println!(
        "segment {number}: {:?}",
        String::from_utf8_lossy(&segment.payload)
    );
    Ok(())
}
