//! Streams of the library together with the models that they borrow: what an object of Python can hold.

use czip::{Decoder, Encoder, Options, PushDecoder};
use self_cell::self_cell;

use crate::models::Shelf;
use crate::python_file::PythonFile;

/// `None` once it is finished.
type MemoryEncoder<'a> = Option<Encoder<'a, Vec<u8>>>;
type FileDecoder<'a> = Decoder<'a, PythonFile>;

self_cell!(
    /// An encoder into memory, and its model.
    pub(crate) struct OwnedEncoder {
        owner: Option<czip::Model>,
        #[not_covariant]
        dependent: MemoryEncoder,
    }
);

self_cell!(
    /// A decoder of what arrives, and its models.
    pub(crate) struct OwnedPushDecoder {
        owner: Shelf,
        #[not_covariant]
        dependent: PushDecoder,
    }
);

self_cell!(
    /// A decoder of a Python file, and its models.
    pub(crate) struct OwnedFileDecoder {
        owner: Shelf,
        #[not_covariant]
        dependent: FileDecoder,
    }
);

pub(crate) fn encoder(model: Option<czip::Model>, options: &Options) -> OwnedEncoder {
    OwnedEncoder::new(model, |model| {
        Some(Encoder::new(model.as_ref(), Vec::new(), options))
    })
}

pub(crate) fn push_decoder(shelf: Shelf, options: &Options) -> OwnedPushDecoder {
    OwnedPushDecoder::new(shelf, |shelf| PushDecoder::new(shelf, options))
}

pub(crate) fn file_decoder(shelf: Shelf, file: PythonFile, options: &Options) -> OwnedFileDecoder {
    OwnedFileDecoder::new(shelf, |shelf| Decoder::new(shelf, file, options))
}
