//! Long work without the interpreter's lock, which Ctrl-C ends all the same.

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
