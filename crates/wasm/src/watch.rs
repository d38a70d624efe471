//! A function of JavaScript that is told of progress and may end the work.
//!
//! The library calls from any thread, so what it is given can be sent between threads, and functions of JavaScript cannot.
//! WebAssembly has one thread here: the function that a call was given is kept aside while the call lasts.

use std::cell::{Cell, RefCell};

use czip::{Error, Options};
use js_sys::Function;
use wasm_bindgen::JsValue;

use crate::errors::exception;

thread_local! {
    static WATCH: RefCell<Option<Function>> = const { RefCell::new(None) };
    static THROWN: RefCell<Option<JsValue>> = const { RefCell::new(None) };
    static STOPPED: Cell<bool> = const { Cell::new(false) };
}

/// Options with which work tells the function of [`run`] how much text was coded, and ends when that says so.
pub(crate) fn watched(options: Options) -> Options {
    options
        .on_progress(|progress| tell(progress.done))
        .stop_when(|| STOPPED.get())
}

fn tell(done: u64) {
    // A copy, so the function may call what calls `run`.
    let Some(watch) = WATCH.with_borrow(Clone::clone) else {
        return;
    };
    match watch.call1(&JsValue::UNDEFINED, &JsValue::from(done as f64)) {
        Ok(goes_on) => STOPPED.set(goes_on.is_falsy()),
        Err(thrown) => {
            THROWN.set(Some(thrown));
            STOPPED.set(true);
        }
    }
}

/// Does work while `watch` is told of it. What it throws is the error.
pub(crate) fn run<T>(watch: Option<Function>, work: impl FnOnce() -> Result<T, Error>) -> Result<T, JsValue> {
    let before = (WATCH.replace(watch), STOPPED.replace(false));
    let result = work();
    WATCH.set(before.0);
    STOPPED.set(before.1);
    match (result, THROWN.take()) {
        (_, Some(thrown)) => Err(thrown),
        (result, None) => result.map_err(|error| exception(&error)),
    }
}
