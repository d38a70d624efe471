//! The device that computes gradients: the CPU, or a GPU if the feature `gpu` is on.

pub(crate) mod error;

pub use self::error::Error;
#[cfg(feature = "gpu")]
use crate::gpu::Gpu;

/// The device that computes the cost and the gradients of a step. Everything else runs on the CPU: the optimizer, the
/// evaluation in the integers that texts are coded with, and the check that the exported model computes the same.
#[derive(Clone, Debug, Default)]
pub struct Device {
    #[cfg(feature = "gpu")]
    pub(crate) gpu: Option<Gpu>,
}

impl Device {
    /// The CPU.
    #[must_use]
    pub fn cpu() -> Self {
        Self::default()
    }

    /// The fastest GPU.
    ///
    /// # Errors
    ///
    /// [`Error::NotBuilt`] without the feature `gpu`; with it, an error that says why no GPU can be used.
    pub fn gpu() -> Result<Self, Error> {
        #[cfg(feature = "gpu")]
        return Gpu::open().map(|gpu| Self { gpu: Some(gpu) });
        #[cfg(not(feature = "gpu"))]
        Err(Error::NotBuilt)
    }

    /// The driver's name for the GPU; `None` for the CPU.
    #[must_use]
    pub fn gpu_name(&self) -> Option<&str> {
        #[cfg(feature = "gpu")]
        return self.gpu.as_ref().map(Gpu::name);
        #[cfg(not(feature = "gpu"))]
        None
    }
}
