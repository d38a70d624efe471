//! A model with twice the rows in its bigram embedding, to train on.

use std::fs;
use std::path::Path;

use czip_model::v2::{Contents, File};
use xtask::Result;

/// Writes a model that computes the same as another of czip-model-v2, but keeps the pairs of each bucket in two buckets, which
/// training can then tell apart.
pub(crate) fn double(model: &Path, out: &Path) -> Result<()> {
    let bytes = fs::read(model).map_err(|error| format!("{}: {error}", model.display()))?;
    let File {
        mut weights,
        extras,
        facts,
        ..
    } = File::from_bytes(&bytes)?;
    // A bucket is the upper bits of a hash: one more bit cuts each in two.
    let width = weights.config.bigram_width;
    weights.config.bigram_buckets *= 2;
    weights.bigram.weights = twice(&weights.bigram.weights, width);
    weights.bigram.shifts = twice(&weights.bigram.shifts, 1);
    let tokenizer_json = extras.tokenizer_json()?;
    let contents = Contents {
        facts,
        ..Contents::new(&weights, &tokenizer_json)
    };
    fs::write(out, contents.to_bytes()?).map_err(|error| format!("{}: {error}", out.display()))?;
    println!(
        "wrote {}: {} rows of bigrams",
        out.display(),
        weights.config.bigram_buckets
    );
    Ok(())
}

/// Each row twice.
fn twice<T: Copy>(rows: &[T], width: usize) -> Vec<T> {
    // A model may have no such rows, of no width.
    rows.chunks_exact(width.max(1))
        .flat_map(|row| row.iter().chain(row))
        .copied()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use czip_model::v2::bigram_bucket;

    /// The rows of a pair's bucket are the same before and after.
    #[test]
    fn pairs_keep_their_rows() {
        let rows: Vec<usize> = (0..16).collect();
        let doubled = twice(&rows, 2);
        assert_eq!(doubled[..8], [0, 1, 0, 1, 2, 3, 2, 3]);
        for (previous, token) in [(1, 2), (2, 1), (65_535, 65_535), (2_047, 300)] {
            let before = bigram_bucket(previous, token, 8);
            let after = bigram_bucket(previous, token, 16);
            assert_eq!(doubled[2 * after..][..2], rows[2 * before..][..2]);
        }
        assert!(twice::<u8>(&[], 0).is_empty());
    }
}
