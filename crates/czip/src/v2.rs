//! czip v2: any bytes to file and back, in independent segments with checksums.
//!
//! [`Encoder`] and [`Decoder`] are streams; the functions of the crate's root are made of them.

mod compress;
mod copies;
mod decode;
mod decompress;
mod encode;
mod frames;
mod guess;
mod levels;
mod models;
mod push;
mod recover;

pub use compress::Encoder;
pub use czip_container::v2 as container;
pub use decompress::Decoder;
pub use push::PushDecoder;
pub use recover::{Missing, Recovery};

pub(crate) use compress::{compress, compress_many, compress_to};
pub(crate) use decompress::decompress_many;
pub(crate) use recover::recover_to;
