//! Threads, their progress, and whether they are to stop.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;

use crate::error::Error;
use crate::options::{Options, Progress, Stop, Unit, Watch};

/// The work was stopped, and its result must not be used.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stopped;

impl From<Stopped> for Error {
    fn from(Stopped: Stopped) -> Self {
        Self::Stopped
    }
}

/// Counts what is done, tells the caller, and asks whether to go on.
pub(crate) struct Counter {
    done: AtomicU64,
    total: Option<u64>,
    unit: Unit,
    watch: Option<Arc<Watch>>,
    stop: Option<Arc<Stop>>,
    stopped: AtomicBool,
}

impl Counter {
    /// The most bytes of text, or symbols of at least one byte each, between two calls of the caller's function.
    pub(crate) const PACE: usize = 8192;

    pub(crate) fn new(unit: Unit, total: Option<u64>, options: &Options) -> Self {
        Self {
            done: AtomicU64::new(0),
            total,
            unit,
            watch: options.progress.clone(),
            stop: options.stop.clone(),
            stopped: AtomicBool::new(false),
        }
    }

    pub(crate) fn add(&self, count: usize) {
        let done = self.done.fetch_add(count as u64, Ordering::Relaxed) + count as u64;
        if let Some(watch) = &self.watch {
            watch(Progress::new(done, self.total, self.unit));
        }
    }

    /// Whether to stop at once: asks the caller until the answer is yes. Only [`check`](Self::check) is to be
    /// called then.
    pub(crate) fn stops(&self) -> bool {
        if self.stopped.load(Ordering::Relaxed) {
            return true;
        }
        let stops = self.stop.as_ref().is_some_and(|stop| stop());
        if stops {
            self.stopped.store(true, Ordering::Relaxed);
        }
        stops
    }

    /// Whether the work was done to its end.
    pub(crate) fn check(&self) -> Result<(), Stopped> {
        if self.stopped.load(Ordering::Relaxed) {
            return Err(Stopped);
        }
        Ok(())
    }
}

/// The number of threads that the options ask for, 1 to [`Options::MAX_THREADS`].
pub(crate) fn thread_count(options: &Options) -> usize {
    let threads = options.threads.or_else(|| thread::available_parallelism().ok());
    threads.map_or(1, |threads| threads.min(Options::MAX_THREADS).get())
}

/// Runs all workers at the same time, the first of them on this thread. They take their work from a queue, so one
/// that gets no thread is not missed. If one panics, so does this.
pub(crate) fn share<W: Send>(workers: &mut [W], work: impl Fn(&mut W) + Sync) {
    let Some((first, others)) = workers.split_first_mut() else {
        return;
    };
    if others.is_empty() {
        return work(first);
    }
    thread::scope(|scope| {
        for worker in others {
            // A thread that cannot be started leaves its share to the others.
            let _ = thread::Builder::new().spawn_scoped(scope, || work(worker));
        }
        work(first);
    });
}

/// Lets workers, at least one, do each of some pieces of work, in this order. The results are in the order
/// of the pieces' numbers, which are all those less than `order.len()`.
pub(crate) fn map<W: Send, T: Send + Sync>(
    workers: &mut [W],
    order: &[usize],
    counter: &Counter,
    work: impl Fn(&mut W, usize) -> T + Sync,
) -> Result<Vec<T>, Stopped> {
    let results: Vec<OnceLock<T>> = order.iter().map(|_| OnceLock::new()).collect();
    let next = AtomicUsize::new(0);
    share(workers, |worker| {
        while let Some(&number) = order.get(next.fetch_add(1, Ordering::Relaxed)) {
            if counter.stops() {
                break;
            }
            // No other worker has this number.
            let _ = results[number].set(work(worker, number));
        }
    });
    counter.check()?;
    Ok(results.into_iter().map(done).collect())
}

/// The result of work that was not stopped.
pub(crate) fn done<T>(result: OnceLock<T>) -> T {
    result
        .into_inner()
        .unwrap_or_else(|| unreachable!("workers go on until nothing is left"))
}

/// The numbers of pieces of these sizes, the largest first, so no thread is left with a large one when the others have
/// ended.
pub(crate) fn largest_first(sizes: impl Iterator<Item = usize>) -> Vec<usize> {
    let sizes: Vec<usize> = sizes.collect();
    let mut order: Vec<usize> = (0..sizes.len()).collect();
    order.sort_by_key(|&piece| std::cmp::Reverse(sizes[piece]));
    order
}
