//! Long work without the interpreter's lock, which Ctrl-C ends all the same.

use std::ops::ControlFlow;
use std::panic;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use czip::{Error, Options};
use pyo3::prelude::*;

use crate::errors::exception;

/// How often signals are looked at. It takes the interpreter's lock, which other threads may hold for some milliseconds.
const INTERVAL: Duration = Duration::from_millis(50);

/// What a signal's handler has raised while the library worked.
///
/// Python runs handlers on its main thread only, when that asks for them; so the thread that has called does, and no other.
#[derive(Clone, Default)]
pub(crate) struct Interrupts(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    /// The thread that has called, and when signals were last looked at.
    caller: Option<(ThreadId, Instant)>,
    raised: Option<PyErr>,
}

impl Interrupts {
    /// Options with which work ends as soon as a handler raises.
    pub(crate) fn watched_by(&self, options: Options) -> Options {
        let interrupts = self.clone();
        options.stop_when(move || interrupts.stop())
    }

    /// Does long work without the interpreter's lock.
    pub(crate) fn run<T: Send>(
        &self,
        py: Python<'_>,
        work: impl FnOnce() -> Result<T, Error> + Send,
    ) -> PyResult<T> {
        py.detach(|| {
            self.start();
            work()
        })
        .map_err(|error| self.exception(error))
    }

    /// The same for work with several results, which a signal ends all together.
    pub(crate) fn run_many<T: Send>(
        &self,
        py: Python<'_>,
        work: impl FnOnce() -> Vec<Result<T, Error>> + Send,
    ) -> PyResult<Vec<Result<T, Error>>> {
        let results = py.detach(|| {
            self.start();
            work()
        });
        match self.lock().raised.take() {
            Some(raised) => Err(raised),
            None => Ok(results),
        }
    }

    fn start(&self) {
        *self.lock() = State {
            caller: Some((thread::current().id(), Instant::now())),
            raised: None,
        };
    }

    fn exception(&self, error: Error) -> PyErr {
        let raised = self.lock().raised.take();
        raised.unwrap_or_else(|| exception(error))
    }

    fn stop(&self) -> bool {
        match &mut self.lock().caller {
            Some((caller, last)) if *caller == thread::current().id() && last.elapsed() >= INTERVAL => {
                *last = Instant::now();
            }
            _ => return false,
        }
        // Not while the state is locked: a handler may do anything.
        match Python::attach(|py| py.check_signals()) {
            Ok(()) => false,
            Err(raised) => {
                self.lock().raised = Some(raised);
                true
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Does work on a thread of its own, for work that looks at a flag now and then and ends when it is set. Meanwhile this thread,
/// which does not hold the interpreter's lock, looks at signals, and calls `look`. What a handler or `look` raises sets the
/// flag, and is the result.
pub(crate) fn beside<T: Send>(
    work: impl FnOnce(&AtomicBool) -> T + Send,
    mut look: impl FnMut(Python<'_>) -> PyResult<()>,
) -> PyResult<T> {
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let (working, ended) = mpsc::channel::<()>();
        let worker = thread::Builder::new().spawn_scoped(scope, || {
            // Dropped at the end, and also if the work panics.
            let _working = working;
            work(&stop)
        })?;
        let mut raised = None;
        while ended.recv_timeout(INTERVAL) == Err(RecvTimeoutError::Timeout) {
            if raised.is_some() {
                continue;
            }
            let looked = Python::attach(|py| {
                py.check_signals()?;
                look(py)
            });
            if let Err(error) = looked {
                stop.store(true, Ordering::Relaxed);
                raised = Some(error);
            }
        }
        let result = worker.join().unwrap_or_else(|panic| panic::resume_unwind(panic));
        match raised {
            Some(raised) => Err(raised),
            None => Ok(result),
        }
    })
}

/// What work that reports its progress is told.
pub(crate) fn flow(stop: &AtomicBool) -> ControlFlow<()> {
    if stop.load(Ordering::Relaxed) {
        ControlFlow::Break(())
    } else {
        ControlFlow::Continue(())
    }
}
