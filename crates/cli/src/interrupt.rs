//! What an interrupt does: it removes an unfinished output, or asks long work to come to its end.

use std::fs;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::Exit;

/// The temporary file that is being written.
static UNFINISHED: Mutex<Option<PathBuf>> = Mutex::new(None);

/// Whether the first interrupt is only to be told of.
static ASK: AtomicBool = AtomicBool::new(false);

/// Whether there was one.
static ASKED: AtomicBool = AtomicBool::new(false);

/// From here on the first interrupt does not end the process, but makes [`asked`] true. The second ends it.
pub(crate) fn ask_to_stop() {
    ASK.store(true, Ordering::Relaxed);
}

/// From here on the next interrupt ends the process.
pub(crate) fn end_at_once() {
    ASK.store(false, Ordering::Relaxed);
}

/// Whether the user wants to stop.
pub(crate) fn asked() -> bool {
    ASKED.load(Ordering::Relaxed)
}

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
    if ASK.load(Ordering::Relaxed) && !ASKED.swap(true, Ordering::Relaxed) {
        return;
    }
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
