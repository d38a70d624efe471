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
