//! The commands, each ready to run.

mod adapt;
mod bench;
mod compare;
mod compress;
mod decompress;
mod group;
mod info;
mod texts;
mod train;
mod verify;

pub(crate) use adapt::Adapt;
pub(crate) use bench::Bench;
pub(crate) use compress::Compress;
pub(crate) use decompress::Decompress;
pub(crate) use info::Info;
pub(crate) use train::{Train, checkpoint_of};
pub(crate) use verify::Verify;
