//! Handling of signals that ask the process to end: unfinished outputs are removed, or long work is asked to finish.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The temporary files that are being written.
static UNFINISHED: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// Whether the first interrupt is only recorded.
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

/// Takes care of signals from here on.
pub(crate) fn remove_unfinished_outputs() {
    // Without handlers a signal leaves a temporary file, which the next run removes. That is no reason not to work.
    let _ = handle();
}

/// Whether the work goes on, having been asked to finish.
fn goes_on() -> bool {
    ASK.load(Ordering::Relaxed) && !ASKED.swap(true, Ordering::Relaxed)
}

/// Removes the unfinished outputs. While what it returns is held, no output can be started or finished.
fn remove_all() -> MutexGuard<'static, Vec<PathBuf>> {
    let mut unfinished = lock();
    for path in unfinished.drain(..) {
        // It may be gone already, and nothing can be done if it cannot be removed.
        let _ = fs::remove_file(path);
    }
    unfinished
}

#[cfg(unix)]
fn handle() -> std::io::Result<()> {
    use std::sync::{Arc, mpsc};
    use std::thread;

    use signal_hook::consts::signal as number;
    use signal_hook::iterator::Signals;
    use signal_hook::{flag, low_level};

    /// Those that ask, and those of limits and timers.
    const ENDING: [i32; 10] = [
        number::SIGINT,
        number::SIGTERM,
        number::SIGHUP,
        number::SIGQUIT,
        number::SIGUSR1,
        number::SIGUSR2,
        number::SIGALRM,
        number::SIGVTALRM,
        number::SIGPROF,
        number::SIGXCPU,
    ];

    // With a handler that does nothing, exceeding the limit on file size is an error and does not end the process.
    flag::register(number::SIGXFSZ, Arc::new(AtomicBool::new(false)))?;
    // The thread has to be there before there are signals for it, or nothing would end the process.
    let (send, receive) = mpsc::channel::<Signals>();
    thread::Builder::new().name("signals".into()).spawn(move || {
        let Ok(mut signals) = receive.recv() else { return };
        for signal in signals.forever() {
            let asks = matches!(signal, number::SIGINT | number::SIGTERM | number::SIGHUP);
            if asks && goes_on() {
                continue;
            }
            let _held = remove_all();
            // The process ends as if there had been no handler, so whoever waits for it sees which signal it was.
            let _ = low_level::emulate_default_handler(signal);
        }
    })?;
    // A signal that was ignored when the program started stays so, as nohup wants it and a shell for its background jobs.
    let ignored = ignored();
    let handled = ENDING.iter().filter(|&&signal| ignored >> (signal - 1) & 1 == 0);
    // It lives as long as the process.
    let _ = send.send(Signals::new(handled)?);
    Ok(())
}

/// The signals that the process was told to ignore, as bits, the lowest for signal 1. Only Linux tells without unsafe code.
#[cfg(unix)]
fn ignored() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or(0)
}

#[cfg(not(unix))]
fn handle() -> Result<(), ctrlc::Error> {
    #[allow(
        clippy::exit,
        reason = "an interrupt ends the process, from a thread of its own"
    )]
    ctrlc::try_set_handler(|| {
        if !goes_on() {
            let _held = remove_all();
            std::process::exit(crate::exit::Exit::INTERRUPTED);
        }
    })
}

/// Something represented by a file until it is finished. A signal that ends the process removes the file.
///
/// Creating the file and registering its path are one step, and so are forgetting the path and finishing or dropping the
/// value: no signal comes between.
#[derive(Debug)]
pub(crate) struct Unfinished<T> {
    path: PathBuf,
    /// `None` once it is finished.
    value: Option<T>,
}

impl<T> Unfinished<T> {
    /// Runs `create`, which makes a file at the `path` of what it returns.
    pub(crate) fn create<E>(
        create: impl FnOnce() -> Result<T, E>,
        path: impl FnOnce(&T) -> PathBuf,
    ) -> Result<Self, E> {
        let mut unfinished = lock();
        let value = create()?;
        let path = path(&value);
        unfinished.push(path.clone());
        Ok(Self {
            path,
            value: Some(value),
        })
    }

    pub(crate) fn get(&self) -> &T {
        let Some(value) = &self.value else {
            unreachable!("only `finish` and `drop` take it")
        };
        value
    }

    /// Runs `end`, after which the file is no longer removed.
    pub(crate) fn finish<R>(mut self, end: impl FnOnce(T) -> R) -> R {
        let mut unfinished = lock();
        let Some(value) = self.value.take() else {
            unreachable!("only `finish` and `drop` take it")
        };
        let result = end(value);
        unfinished.retain(|path| *path != self.path);
        result
    }
}

impl Unfinished<()> {
    /// A file at this path that may come and go.
    pub(crate) fn at(path: PathBuf) -> Self {
        lock().push(path.clone());
        Self {
            path,
            value: Some(()),
        }
    }
}

impl<T> Drop for Unfinished<T> {
    fn drop(&mut self) {
        if let Some(value) = self.value.take() {
            let mut unfinished = lock();
            drop(value);
            unfinished.retain(|path| *path != self.path);
        }
    }
}

fn lock() -> MutexGuard<'static, Vec<PathBuf>> {
    UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner)
}
