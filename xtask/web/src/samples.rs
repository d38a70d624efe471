//! The texts that the page offers, and how small brotli makes them: a page has no brotli of its own.

use std::{fs, io::Write, path::Path};

use serde_json::json;

use crate::{Result, write};

/// Name on the page, file on the page, and source from the root.
const SAMPLES: [(&str, &str, &str); 3] = [
    ("A letter", "letter.txt", "docs/demo/letter.txt"),
    (
        "A page of documentation",
        "architecture.md",
        "docs/architecture.md",
    ),
    ("A source file", "tree.rs", "crates/mix/src/tree.rs"),
];

/// Writes them to the folder `samples` of the page, and `samples.json`.
pub(crate) fn write_all(root: &Path, page: &Path) -> Result<()> {
    let mut list = Vec::new();
    for (name, file, source) in SAMPLES {
        let text = fs::read(root.join(source)).map_err(|error| format!("{source}: {error}"))?;
        list.push(json!({
            "name": name,
            "file": file,
            "length": text.len(),
            "brotli": brotli_len(&text)?,
        }));
        write(page.join("samples").join(file), &text)?;
    }
    let list = serde_json::to_vec_pretty(&list)?;
    write(page.join("samples/samples.json"), &list)
}

/// Bytes that `brotli -q 11` takes.
fn brotli_len(text: &[u8]) -> Result<usize> {
    const BUFFER_LEN: usize = 4096;
    const QUALITY: u32 = 11;
    const WINDOW_LOG: u32 = 24;

    let mut writer = brotli::CompressorWriter::new(Vec::new(), BUFFER_LEN, QUALITY, WINDOW_LOG);
    writer.write_all(text)?;
    Ok(writer.into_inner().len())
}
