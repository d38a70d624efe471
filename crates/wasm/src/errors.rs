//! Errors of the library as errors of JavaScript.

use std::fmt::Display;

use czip::{Error, ErrorKind};
use js_sys::Reflect;
use wasm_bindgen::JsValue;

/// An `Error` with a property `kind`.
pub(crate) fn exception(error: &Error) -> JsValue {
    let kind = match error.kind() {
        ErrorKind::Truncated => "truncated",
        ErrorKind::Malformed => "malformed",
        ErrorKind::Mismatch => "mismatch",
        ErrorKind::MissingModel => "missing-model",
        ErrorKind::Limit => "limit",
        ErrorKind::Unsupported => "unsupported",
        ErrorKind::Stopped => "stopped",
        _ => "other",
    };
    of_kind(kind, error)
}

/// A wrong call.
pub(crate) fn wrong_call(message: &str) -> JsValue {
    of_kind("usage", &message)
}

fn of_kind(kind: &str, message: &impl Display) -> JsValue {
    let error = js_sys::Error::new(&message.to_string());
    // It cannot fail: the object is new and takes any property.
    let _ = Reflect::set(&error, &"kind".into(), &kind.into());
    error.into()
}
