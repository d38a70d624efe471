//! Threads, and how far they are.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::Error;
use crate::options::{Options, Progress, Stop, Watch};

/// Counts what is done, tells the caller, and asks whether to go on.
pub(crate) struct Counter {
    done: AtomicU64,
    total: Option<u64>,
    watch: Option<Arc<Watch>>,
    stop: Option<Arc<Stop>>,
    stopped: AtomicBool,
}

impl Counter {
    /// The most bytes of text, or symbols that stand for at least one each, between two questions.
    pub(crate) const PACE: usize = 8192;

    pub(crate) fn new(total: Option<u64>, options: &Options) -> Self {
        Self {
            done: AtomicU64::new(0),
            total,
            watch: options.progress.clone(),
            stop: options.stop.clone(),
            stopped: AtomicBool::new(false),
        }
    }

    pub(crate) fn add(&self, count: usize) {
        let done = self.done.fetch_add(count as u64, Ordering::Relaxed) + count as u64;
        if let Some(watch) = &self.watch {
            watch(Progress::new(done, self.total));
        }
    }

    /// Whether to leave everything as it is: asks the caller until the answer is yes. What has come of the work is not to
    /// be looked at then, but for [`check`](Self::check).
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

    /// The error of work that was stopped.
    pub(crate) fn check(&self) -> Result<(), Error> {
        if self.stopped.load(Ordering::Relaxed) {
            return Err(Error::Stopped);
        }
        Ok(())
    }
}

/// The threads that share the work: rayon's own, or a pool of the size that the options ask for.
pub(crate) struct Threads(Option<ThreadPool>);

impl Threads {
    pub(crate) fn new(options: &Options) -> Result<Self, Error> {
        Self::at_most(usize::MAX, options)
    }

    /// As [`new`](Self::new), but no more than so many, of which there is one at least.
    pub(crate) fn at_most(most: usize, options: &Options) -> Result<Self, Error> {
        let threads = match options.threads.map(usize::from) {
            None if rayon::current_num_threads() <= most => return Ok(Self(None)),
            threads => threads.unwrap_or(most).min(most).max(1),
        };
        let pool = ThreadPoolBuilder::new().num_threads(threads).build();
        pool.map(Some).map(Self).map_err(|error| Error::Threads {
            threads,
            reason: error.to_string(),
        })
    }

    pub(crate) fn count(&self) -> usize {
        self.0
            .as_ref()
            .map_or_else(rayon::current_num_threads, ThreadPool::current_num_threads)
    }

    pub(crate) fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        match &self.0 {
            Some(pool) => pool.install(work),
            None => work(),
        }
    }
}

/// The number of threads that the options ask for, 1 to [`Options::MAX_THREADS`].
pub(crate) fn thread_count(options: &Options) -> usize {
    let threads = options.threads.or_else(|| thread::available_parallelism().ok());
    threads.map_or(1, |threads| threads.min(Options::MAX_THREADS).get())
}

/// Has all workers work at the same time, the first of them on this thread. They take what they do from a queue, so
/// that one without a thread of its own is not missed.
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
