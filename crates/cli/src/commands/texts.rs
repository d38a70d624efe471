//! Texts to learn from: what the user names goes in; a corpus comes out, and the set of files that are read for it.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use czip_train::corpus::{self, Corpus, CorpusOptions, Files, HeldoutBy};

use crate::error::{Error, Failure};
use crate::identity::Identities;
use crate::input::Source;
use crate::ui::Ui;

/// Texts that have been found but not read yet.
#[derive(Debug)]
pub(super) struct Texts<'o> {
    files: Files<'o>,
    /// The files that are read. No output may be one of them.
    pub(super) inputs: Identities,
}

impl<'o> Texts<'o> {
    /// Finds texts. Files that czip wrote under the names of `outputs`, and that are only found in a folder or by a pattern,
    /// are no inputs: they are not read, and may be written again.
    ///
    /// Files that are named beside texts, but are none, are passed over: a shell names all that a pattern fits.
    pub(super) fn find(
        inputs: &[PathBuf],
        options: &'o CorpusOptions,
        outputs: &[PathBuf],
        ui: &Ui,
    ) -> Result<Self, Failure> {
        let reasons: Vec<Option<&str>> = inputs.iter().map(|input| reason_to_pass(input)).collect();
        let mut texts = inputs.to_vec();
        if reasons.contains(&None) {
            for (input, reason) in inputs.iter().zip(&reasons) {
                if let Some(reason) = reason {
                    ui.warning(format_args!("{}: passed over: {reason}", input.display()));
                }
            }
            let mut kept = reasons.iter().map(Option::is_none);
            texts.retain(|_| kept.next().unwrap_or(true));
        }
        let files = corpus::find(&texts, options).map_err(failure)?;
        let outputs: Identities = outputs.iter().collect();
        let read = files.iter().filter(|file| {
            let is_made = || corpus::is_made_by_czip(&file.path).unwrap_or(false);
            file.is_named || !outputs.contains(&file.path) || !is_made()
        });
        let mut identities: Identities = read.map(|file| &file.path).collect();
        for (input, _) in inputs.iter().zip(&reasons).filter(|(_, reason)| reason.is_some()) {
            identities.add(input);
        }
        if inputs
            .iter()
            .any(|input| Source::from(input.clone()) == Source::Stdin)
        {
            Source::Stdin.open()?;
            identities.add_stdin();
        }
        Ok(Self {
            files,
            inputs: identities,
        })
    }

    /// Reads them.
    pub(super) fn read(self) -> Result<Corpus, Failure> {
        self.files.read(&mut io::stdin().lock()).map_err(failure)
    }
}

/// Why a file that is named is no text; `None` if it may be one.
fn reason_to_pass(input: &Path) -> Option<&'static str> {
    // As many bytes as other programs look at to tell text from the rest.
    const START: u64 = 8_000;
    if !input.is_file() {
        return None;
    }
    if corpus::is_made_by_czip(input).unwrap_or(false) {
        return Some("czip wrote it");
    }
    let mut start = Vec::new();
    let read = File::open(input).and_then(|file| file.take(START).read_to_end(&mut start));
    (read.is_ok() && start.contains(&0)).then_some("it is not text")
}

fn failure(error: corpus::Error) -> Failure {
    Error::Corpus(Box::new(error)).into()
}

/// Says what a corpus contains, and what was left out of it.
pub(super) fn describe(corpus: &Corpus, ui: &Ui) {
    let by = match corpus.heldout_by {
        HeldoutBy::Document => "held out by document",
        HeldoutBy::Position => "held out from the ends of documents, since there are few",
        HeldoutBy::Path => "held out as named",
        _ => "held out",
    };
    let heldout = match corpus.heldout_by {
        HeldoutBy::None => String::from("nothing is held out"),
        _ => format!(
            "{}, {} bytes {by}",
            count(corpus.heldout.len(), "document"),
            corpus.heldout_len()
        ),
    };
    let calibration = match corpus.calibration_len() {
        0 => String::new(),
        len => format!(", {len} more to fit the mixing priors to"),
    };
    ui.note(format_args!(
        "{}, {} bytes to learn from{calibration}; {heldout}",
        count(corpus.train.len(), "document"),
        corpus.train_len(),
    ));
    let left_out = &corpus.left_out;
    for (what, faults) in [("files", &left_out.files), ("records", &left_out.records)] {
        if faults.count > 0 {
            ui.warning(format_args!(
                "skipped {what} that cannot be read or are not text, {faults}"
            ));
        }
    }
    if left_out.without_field > 0 {
        ui.warning(format_args!(
            "skipped {} without the field",
            count(left_out.without_field, "record")
        ));
    }
    if left_out.made_by_czip > 0 {
        ui.note(format_args!(
            "skipped {} that czip wrote",
            count(left_out.made_by_czip, "file")
        ));
    }
    if corpus.removed_documents > 0 {
        ui.warning(format_args!(
            "skipped {} found among the held-out texts as well",
            count(corpus.removed_documents, "document")
        ));
    }
}

/// `1 document`, `2 documents`
fn count(count: usize, noun: &str) -> String {
    match count {
        1 => format!("1 {noun}"),
        count => format!("{count} {noun}s"),
    }
}

/// The most bytes of held-out text that are measured.
const MEASURED: usize = 1 << 20;

/// The beginning of the held-out text.
pub(super) fn heldout_text(corpus: &Corpus) -> Vec<u8> {
    let mut text = Vec::new();
    for document in &corpus.heldout {
        text.extend(document.text.as_bytes());
        if text.len() >= MEASURED {
            text.truncate(MEASURED);
            break;
        }
    }
    text
}
