//! The commands, each ready to run.

mod adapt;
mod bench;
mod cat;
mod compare;
mod compress;
mod contents;
mod decompress;
mod fitting;
mod grep;
mod group;
#[cfg(feature = "import")]
mod import;
mod info;
mod list;
mod texts;
mod train;
mod verify;

pub(crate) use adapt::Adapt;
pub(crate) use bench::Bench;
pub(crate) use cat::CatRange;
pub(crate) use compress::Compress;
pub(crate) use decompress::Decompress;
pub(crate) use grep::Grep;
#[cfg(feature = "import")]
pub(crate) use import::Import;
pub(crate) use info::Info;
pub(crate) use list::List;
pub(crate) use train::{Train, checkpoint_of};
pub(crate) use verify::Verify;
