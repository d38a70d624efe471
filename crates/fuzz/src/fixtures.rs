//! Models and options that the targets share. All are made once.

use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::LazyLock;

use czip::{Level, Limits, Model, Options};
use tempfile::TempDir;

static MODELS: LazyLock<[Model; 3]> = LazyLock::new(|| {
    ["model.czm", "model2.czm", "model3.czm"]
        .map(|name| Model::from_bytes(&czip_vectors::read(name)).expect("the golden models are valid"))
});

/// None, or the golden model of version 1, 2 or 3.
pub(crate) fn model(choice: u8) -> Option<&'static Model> {
    match choice % 4 {
        0 => None,
        version => Some(&MODELS[usize::from(version) - 1]),
    }
}

/// The most bytes of text that a target codes with that model in a reasonable time, with this and other choices.
pub(crate) fn max_text_len(model: Option<&Model>) -> usize {
    match model {
        // More than the shortest segments.
        None => 1_100,
        Some(model) if model.config().context_length <= 128 => 60,
        Some(_) => 160,
    }
}

/// One of the levels.
pub(crate) fn level(choice: u8) -> Level {
    Level::new(1 + choice % 9).expect("levels are 1 to 9")
}

/// For czip v2: without threads, which cost more than what they would do.
pub(crate) fn options() -> Options {
    Options::new().threads(NonZeroUsize::MIN)
}

/// For decoding a text of at most this many bytes.
pub(crate) fn options_for(max_len: usize) -> Options {
    options().limits(Limits::new().with_text_len(max_len as u64))
}

/// A folder for files that are written and read again, in memory where there is one.
pub(crate) fn folder() -> TempDir {
    let memory = Path::new("/dev/shm");
    let folder = if memory.is_dir() {
        tempfile::tempdir_in(memory)
    } else {
        tempfile::tempdir()
    };
    folder.expect("a folder for temporary files")
}
