//! Holds documents out: a list of documents goes in; two disjoint lists come out.

use std::collections::{HashMap, HashSet};

use xxhash_rust::xxh3::xxh3_128_with_seed;

use super::document::{Document, total_len};
use super::options::HeldoutBy;

/// Among fewer different documents, those chosen would say little about the others.
const MIN_DOCUMENTS: usize = 20;

/// Splits documents into those to train on and those held out, which have about `fraction` of the bytes.
pub(super) fn split(
    documents: Vec<Document>,
    fraction: f64,
    seed: u64,
) -> (Vec<Document>, Vec<Document>, HeldoutBy) {
    if fraction == 0.0 {
        return (documents, Vec::new(), HeldoutBy::None);
    }
    match choose(&documents, fraction, seed) {
        Some(chosen) => {
            let is_chosen = |document: &Document| chosen.contains(&hash(document, seed));
            let (heldout, train) = documents.into_iter().partition(is_chosen);
            (train, heldout, HeldoutBy::Document)
        }
        None => {
            let (train, heldout) = split_ends(documents, fraction);
            (train, heldout, HeldoutBy::Position)
        }
    }
}

/// Removes the documents that are also in `others`, and returns how many there were.
pub(super) fn remove(documents: &mut Vec<Document>, others: &[Document]) -> usize {
    let hashes: HashSet<u128> = others.iter().map(|document| hash(document, 0)).collect();
    let before = documents.len();
    documents.retain(|document| !hashes.contains(&hash(document, 0)));
    before - documents.len()
}

/// Equal texts have equal hashes. A collision only keeps two different texts together.
fn hash(document: &Document, seed: u64) -> u128 {
    xxh3_128_with_seed(document.text.as_bytes(), seed)
}

/// The hashes of the documents to hold out, if whole documents can make up about `fraction` of the bytes.
fn choose(documents: &[Document], fraction: f64, seed: u64) -> Option<HashSet<u128>> {
    let mut sizes: HashMap<u128, usize> = HashMap::new();
    for document in documents {
        *sizes.entry(hash(document, seed)).or_default() += document.text.len();
    }
    if sizes.len() < MIN_DOCUMENTS {
        return None;
    }
    // The order of hashes is as good as random, and does not depend on the order of the documents.
    let mut sizes: Vec<(u128, usize)> = sizes.into_iter().collect();
    sizes.sort_unstable();

    let target = share(total_len(documents), fraction);
    let mut chosen = HashSet::new();
    let mut len = 0;
    for (hash, size) in sizes {
        // Going on until nothing fits would choose the smallest documents.
        if len >= target / 10 * 9 {
            break;
        }
        if len + size <= target {
            len += size;
            chosen.insert(hash);
        }
    }
    (len > 0 && len >= target / 2).then_some(chosen)
}

/// Holds out the end of each document.
fn split_ends(mut documents: Vec<Document>, fraction: f64) -> (Vec<Document>, Vec<Document>) {
    let mut heldout = Vec::new();
    for document in &mut documents {
        let Some(cut) = cut(&document.text, fraction) else {
            continue;
        };
        let text = document.text.split_off(cut);
        if text.trim().is_empty() || document.text.trim().is_empty() {
            document.text.push_str(&text);
            continue;
        }
        let source = document.source.clone();
        heldout.push(Document { text, source });
    }
    // The end of one document may be the whole of another.
    remove(&mut heldout, &documents);
    (documents, heldout)
}

fn share(len: usize, fraction: f64) -> usize {
    (len as f64 * fraction) as usize
}

/// Where the end of a text starts: at the nearest line if that is near, else at a character.
fn cut(text: &str, fraction: f64) -> Option<usize> {
    let len = share(text.len(), fraction);
    let mut at = text.len() - len;
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    let after = text[at..].find('\n').map(|newline| at + newline + 1);
    let before = text[..at].rfind('\n').map(|newline| newline + 1);
    let is_inside = |cut: &usize| (1..text.len()).contains(cut);
    [after, before]
        .into_iter()
        .flatten()
        .filter(|line| is_inside(line) && line.abs_diff(at) <= len / 2)
        .min_by_key(|line| line.abs_diff(at))
        .or(Some(at).filter(is_inside))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::corpus::document::Source;

    /// Different texts of these lengths.
    fn documents(lens: &[usize]) -> Vec<Document> {
        let source = Source {
            path: Path::new("-").into(),
            line: None,
        };
        let text = |(index, &len): (usize, &usize)| {
            let letter = char::from(b'!' + index as u8);
            letter.to_string().repeat(len)
        };
        let texts = lens.iter().enumerate().map(text);
        let document = |text| Document {
            text,
            source: source.clone(),
        };
        texts.map(document).collect()
    }

    fn chosen_len(documents: &[Document], fraction: f64, seed: u64) -> Option<usize> {
        let chosen = choose(documents, fraction, seed)?;
        let is_chosen = |document: &&Document| chosen.contains(&hash(document, seed));
        Some(
            documents
                .iter()
                .filter(is_chosen)
                .map(|document| document.text.len())
                .sum(),
        )
    }

    #[test]
    fn there_must_be_twenty_different_documents() {
        let mut twenty = documents(&[100; 20]);
        // The most that fits, not less.
        assert_eq!(chosen_len(&twenty, 0.2, 0), Some(400));
        assert_eq!(chosen_len(&twenty, 0.21, 0), Some(400));
        let first = twenty[0].clone();
        twenty[19] = first;
        assert_eq!(chosen_len(&twenty, 0.2, 0), None);
    }

    #[test]
    fn at_least_half_of_the_share_must_fit() {
        let mut lens = [1_000; 20];
        lens[7] = 100;
        let documents = documents(&lens);
        // Shares of 99, 100, 201 and 202 bytes of 19,100.
        let shares = [0.0052, 0.00524, 0.01055, 0.0106];
        let chosen = shares.map(|share| chosen_len(&documents, share, 0));
        assert_eq!(chosen, [None, Some(100), Some(100), None]);
    }

    #[test]
    fn nine_tenths_of_the_share_are_enough() {
        let mut lens = [100; 20];
        lens[0] = 90;
        lens[1..11].fill(1);
        let documents = documents(&lens);
        // Of a share of 100 bytes: 90 if the document of as many comes first, and up to 9 more for those before it.
        let lens: HashSet<usize> = (0..400)
            .filter_map(|seed| chosen_len(&documents, 0.1, seed))
            .collect();
        assert!(
            lens.contains(&90) && lens.contains(&91) && lens.contains(&100),
            "{lens:?}"
        );
        assert!(lens.iter().all(|len| (90..=100).contains(len)), "{lens:?}");
    }

    #[test]
    fn ends_start_at_a_near_line() {
        let lines = "aaaa\nbbbb\ncccc\ndddd\n";
        // Ends of 6, 7, 8, 9 and 10 bytes.
        let cuts = [0.3, 0.35, 0.4, 0.45, 0.5].map(|fraction| cut(lines, fraction));
        assert_eq!(cuts, [15, 15, 10, 10, 10].map(Some));
        // A line that is farther than half the end is too far.
        assert_eq!(cut("a\nbbbbbbbbbbbbbbbbbb", 0.4), Some(12));
        assert_eq!(cut("aaaaaaaaaaaaaaa\nbbbb", 0.4), Some(16));
        // At a character, and not at the end or the start.
        assert_eq!(cut("aaaaaéaaaa", 0.5), Some(5));
        assert_eq!(cut("aaaa", 0.1), None);
        assert_eq!(cut("é", 0.5), None);
    }
}
