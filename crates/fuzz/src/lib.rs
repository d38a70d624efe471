#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod checkpoint;
mod container;
mod corpus;
mod decode;
mod fixtures;
mod input;
mod mixer;
mod model;
mod round_trip;
mod seek;
mod stream;
mod tokenizer;

// The plain form of the mixer, which belongs to the tests of its crate.
#[path = "../../mix/tests/it/range.rs"]
#[allow(dead_code, reason = "some of it serves only tests")]
mod range;
#[path = "../../mix/tests/it/reference.rs"]
#[allow(dead_code, reason = "some of it serves only tests")]
mod reference;
#[path = "../../mix/tests/it/tables.rs"]
#[allow(dead_code, reason = "some of it serves only tests")]
mod tables;

pub use checkpoint::checkpoint;
pub use container::container;
pub use corpus::corpus;
pub use decode::decode;
pub use mixer::mixer;
pub use model::model;
pub use round_trip::round_trip;
pub use seek::seek;
pub use stream::stream;
pub use tokenizer::tokenizer;

/// A target: it panics if what it does with the bytes breaks a law.
pub type Target = fn(&[u8]);

/// All targets by their names.
pub const TARGETS: [(&str, Target); 10] = [
    ("checkpoint", checkpoint),
    ("container", container),
    ("corpus", corpus),
    ("decode", decode),
    ("mixer", mixer),
    ("model", model),
    ("round_trip", round_trip),
    ("seek", seek),
    ("stream", stream),
    ("tokenizer", tokenizer),
];
