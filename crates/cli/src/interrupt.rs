//! Removal of an unfinished output when the user interrupts the program.

use std::fs;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::Exit;

/// The temporary file that is being written.
static UNFINISHED: Mutex<Option<PathBuf>> = Mutex::new(None);

/// Takes care of interrupts from here on.
pub(crate) fn remove_unfinished_output() {
    // An error means that somebody handles the signals already, or that the program was started with them ignored, as
    // nohup does. Both are to stay so.
    let _ = ctrlc::try_set_handler(end);
}

#[allow(
    clippy::exit,
    reason = "an interrupt ends the process, from a thread of its own"
)]
fn end() {
    // The lock is kept until the end: no output can be started or finished from now on.
    let unfinished = lock();
    if let Some(path) = &*unfinished {
        // It may be gone already, and nothing can be done if it cannot be removed.
        let _ = fs::remove_file(path);
    }
    process::exit(Exit::INTERRUPTED);
}

/// Runs what creates a temporary file, and has the file removed if an interrupt comes after.
pub(crate) fn start<T, E>(
    create: impl FnOnce() -> Result<T, E>,
    path: impl FnOnce(&T) -> &Path,
) -> Result<T, E> {
    let mut unfinished = lock();
    let file = create()?;
    *unfinished = Some(path(&file).to_owned());
    Ok(file)
}

/// Runs what gives the file its name, and forgets it.
pub(crate) fn finish<T>(persist: impl FnOnce() -> T) -> T {
    let mut unfinished = lock();
    let result = persist();
    *unfinished = None;
    result
}

fn lock() -> MutexGuard<'static, Option<PathBuf>> {
    UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner)
}
