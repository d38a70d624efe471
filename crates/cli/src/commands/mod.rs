//! The commands, each ready to run.

mod adapt;
mod bench;
mod compare;
mod compress;
mod decompress;
mod fitting;
mod group;
#[cfg(feature = "import")]
mod import;
mod info;
mod texts;
mod train;
mod verify;

pub(crate) use adapt::Adapt;
pub(crate) use bench::Bench;
pub(crate) use compress::Compress;
pub(crate) use decompress::Decompress;
#[cfg(feature = "import")]
pub(crate) use import::Import;
pub(crate) use info::Info;
pub(crate) use train::{Train, checkpoint_of};
pub(crate) use verify::Verify;
