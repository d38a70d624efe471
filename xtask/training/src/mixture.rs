//! The texts that the shipped models are trained on: fixed mixtures of `../shared/train`.
//!
//! The same training text gives the same mixtures on every machine.

use std::path::Path;

use czip_train::parameters::Random;
use xtask::Result;

use crate::source::{documents, folder, read, whole_lines, write_documents};

/// True extracts of Wikipedia come first in their file; what follows lacks some foreign names and has openings re-cased.
const EXTRACTS: usize = 59_000_000;

/// Mostly pages with headings up to here, in bytes; without them after that.
const WITH_HEADINGS: usize = 300_000_000;

/// How much a mixture takes of each kind of text, in bytes.
struct Amounts {
    /// How many times it has the extracts.
    extracts: usize,
    /// Of the other pages up to [`WITH_HEADINGS`], after `skipped` bytes of them.
    older: usize,
    skipped: usize,
    /// Of the pages from there on.
    newer: usize,
    books: usize,
    others: [(&'static str, usize); 4],
}

/// Other kinds of text in the mixtures after the first.
const MORE_OTHERS: [(&str, usize); 4] = [
    ("code_rust.rs.xz", 4_000_000),
    ("chat_sgd.txt.xz", 2_500_000),
    ("json_movies.ndjson.xz", 2_500_000),
    ("json_pokeapi.ndjson.xz", 2_500_000),
];

/// The second has the kinds of text of the first, and all of the extracts again. The third has the extracts twice, and other pages
/// that the second has not.
const MIXTURES: [Amounts; 3] = [
    Amounts {
        extracts: 1,
        older: 48_000_000,
        skipped: 0,
        newer: 0,
        books: 36_000_000,
        others: [
            ("code_rust.rs.xz", 2_500_000),
            ("chat_sgd.txt.xz", 1_500_000),
            ("json_movies.ndjson.xz", 1_500_000),
            ("json_pokeapi.ndjson.xz", 1_500_000),
        ],
    },
    Amounts {
        extracts: 1,
        older: 96_000_000,
        skipped: 0,
        newer: 0,
        books: 60_000_000,
        others: MORE_OTHERS,
    },
    Amounts {
        extracts: 2,
        older: 40_000_000,
        skipped: 96_000_000,
        newer: 40_000_000,
        books: 60_000_000,
        others: MORE_OTHERS,
    },
];

/// Books are taken in sections of about this many bytes, that end with a paragraph.
const SECTION: usize = 60_000;
/// Records are taken in documents of about this many bytes.
const RECORDS: usize = 30_000;

/// Writes a mixture, counted from 1: documents in a random order.
pub(crate) fn write(number: &str, out: &Path) -> Result<()> {
    let number: usize = number.parse()?;
    let amounts = number
        .checked_sub(1)
        .and_then(|index| MIXTURES.get(index))
        .ok_or_else(|| format!("mixtures are 1 to {}", MIXTURES.len()))?;
    let folder = folder();
    let mut random = Random(7);
    let mut mixture: Vec<String> = Vec::new();

    let wikipedia = read(&folder.join("wikipedia.txt.xz"), usize::MAX)?;
    let first = &wikipedia.as_bytes()[..WITH_HEADINGS.min(wikipedia.len())];
    let (with_headings, without) = wikipedia.split_at(whole_lines(first));
    let mut seen = 0;
    let mut older = Vec::new();
    for document in documents(with_headings) {
        seen += document.len();
        if seen < EXTRACTS {
            mixture.extend(std::iter::repeat_n(document.to_owned(), amounts.extracts));
        } else {
            older.push(document);
        }
    }
    random.shuffle(&mut older);
    let unread = &older[count(&older, amounts.skipped)..];
    take(unread, amounts.older, &mut mixture);
    if amounts.newer > 0 {
        let mut newer = documents(without);
        random.shuffle(&mut newer);
        take(&newer, amounts.newer, &mut mixture);
    }

    let books = read(&folder.join("books.txt.xz"), usize::MAX)?;
    let mut sections: Vec<&str> = documents(&books).into_iter().flat_map(sections).collect();
    random.shuffle(&mut sections);
    let mut taken = Vec::new();
    take(&sections, amounts.books, &mut taken);
    // Most books that people have as plain text have lines of about 70 characters.
    for section in taken {
        let width = 58 + random.below(19);
        mixture.push(match random.below(100) {
            0..40 => wrap(&section, width, "\n"),
            40..55 => wrap(&section, width, "\r\n"),
            _ => section,
        });
    }

    for (name, bytes) in amounts.others {
        let text = read(&folder.join("domains").join(name), usize::MAX)?;
        let mut texts: Vec<String> = if name.ends_with(".ndjson.xz") {
            records(&text)
        } else {
            documents(&text).into_iter().map(str::to_owned).collect()
        };
        random.shuffle(&mut texts);
        take(&texts, bytes, &mut mixture);
    }
    random.shuffle(&mut mixture);

    let bytes = write_documents(out, &mixture)?;
    println!(
        "wrote {}: {} documents, {bytes} bytes",
        out.display(),
        mixture.len()
    );
    Ok(())
}

/// Cuts a book after empty lines.
fn sections(book: &str) -> Vec<&str> {
    let mut sections = Vec::new();
    let (mut start, mut at) = (0, 0);
    for line in book.split_inclusive('\n') {
        at += line.len();
        if at - start > SECTION && line.trim().is_empty() {
            sections.push(&book[start..at]);
            start = at;
        }
    }
    if book.len() - start > 2_000 {
        sections.push(&book[start..]);
    }
    sections
}

/// Puts records together to documents.
fn records(text: &str) -> Vec<String> {
    let mut documents = Vec::new();
    let mut document = String::new();
    for line in text.split_inclusive('\n') {
        document.push_str(line);
        if document.len() > RECORDS {
            documents.push(std::mem::take(&mut document));
        }
    }
    documents
}

/// How many texts it takes until they have this many bytes.
fn count(texts: &[impl AsRef<str>], bytes: usize) -> usize {
    let mut taken = 0;
    let lacks = |text: &&_| {
        let lacks = taken < bytes;
        taken += AsRef::<str>::as_ref(*text).len();
        lacks
    };
    texts.iter().take_while(lacks).count()
}

/// Adds texts until they have this many bytes.
fn take(texts: &[impl AsRef<str>], bytes: usize, to: &mut Vec<String>) {
    let texts = &texts[..count(texts, bytes)];
    to.extend(texts.iter().map(|text| text.as_ref().to_owned()));
}

/// Breaks the lines of a text at spaces, so they have at most `width` characters where possible.
fn wrap(text: &str, width: usize, line_end: &str) -> String {
    let mut wrapped = String::with_capacity(text.len() + text.len() / 50);
    for (index, paragraph) in text.split('\n').enumerate() {
        if index > 0 {
            wrapped.push_str(line_end);
        }
        let mut len = 0;
        for word in paragraph.split(' ') {
            let word_len = word.chars().count();
            if len > 0 && len + 1 + word_len > width {
                wrapped.push_str(line_end);
                len = 0;
            } else if len > 0 {
                wrapped.push(' ');
                len += 1;
            }
            wrapped.push_str(word);
            len += word_len;
        }
    }
    wrapped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_broken_at_spaces() {
        assert_eq!(wrap("aa bb cc dd\nee", 5, "\n"), "aa bb\ncc dd\nee");
        assert_eq!(wrap("abcdefgh i jk\n\nl", 4, "\r\n"), "abcdefgh\r\ni jk\r\n\r\nl");
    }

    #[test]
    fn texts_are_cut_where_they_should_be() {
        let book = format!("{}\n\n{}\n", "x".repeat(SECTION), "y".repeat(3_000));
        assert_eq!(sections(&book).len(), 2);
        assert_eq!(records(&"r\n".repeat(RECORDS)).len(), 1);
    }

    #[test]
    fn the_last_text_taken_may_exceed_what_is_wanted() {
        let texts = ["abc", "de", "f"];
        let counts: Vec<usize> = (0..8).map(|bytes| count(&texts, bytes)).collect();
        assert_eq!(counts, [0, 1, 1, 1, 2, 2, 3, 3]);
    }
}
