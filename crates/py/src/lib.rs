#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![deny(clippy::float_arithmetic)]

mod compressor;
mod data;
mod decompressor;
mod errors;
mod functions;
mod importing;
mod interrupts;
mod models;
mod python_file;
mod reader;
mod settings;
mod stream;
mod training;

/// The module `czip._czip`. What of it is public is in the package `czip`, in `python/`.
#[pyo3::pymodule(gil_used = false)]
mod _czip {
    use pyo3::prelude::*;

    #[pymodule_export]
    use crate::compressor::Compressor;
    #[pymodule_export]
    use crate::decompressor::Decompressor;
    #[pymodule_export]
    use crate::functions::{compress, compress_many, decompress, decompress_many, run};
    #[pymodule_export]
    use crate::importing::{ImportProgress, import_model};
    #[pymodule_export]
    use crate::models::{Model, NoModel};
    #[pymodule_export]
    use crate::reader::Reader;
    #[pymodule_export]
    use crate::training::{TrainingProgress, train};

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("NO_MODEL", NoModel)?;
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
