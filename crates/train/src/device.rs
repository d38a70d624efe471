//! What computes the gradients.

use thiserror::Error as ThisError;

#[cfg(feature = "gpu")]
use crate::gpu::Gpu;

/// Why there is no GPU to train on.
#[derive(Clone, Debug, PartialEq, Eq, ThisError)]
#[non_exhaustive]
pub enum Error {
    /// The feature `gpu` is off.
    #[error("this build cannot train on a GPU: it was made without `--features gpu`")]
    NotBuilt,
    /// The system offers none.
    #[error("no GPU was found: its driver for Vulkan, or Metal on a Mac, has to be installed")]
    NotFound,
    /// There is one, but it cannot be used.
    #[error("the GPU {name} cannot be used: {reason}")]
    Refused {
        /// What the driver calls it.
        name: String,
        /// What the driver says.
        reason: String,
    },
}

/// What computes the cost and the gradients of a step. All else runs on the CPU: the optimizer, the evaluation by the
/// integers that texts are coded with, and the proof that the exported model computes the same.
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
    /// [`Error::NotBuilt`] without the feature `gpu`; else one that says why no GPU can be used.
    pub fn gpu() -> Result<Self, Error> {
        #[cfg(feature = "gpu")]
        return Gpu::open().map(|gpu| Self { gpu: Some(gpu) });
        #[cfg(not(feature = "gpu"))]
        Err(Error::NotBuilt)
    }

    /// What the driver calls the GPU, if it is one.
    #[must_use]
    pub fn gpu_name(&self) -> Option<&str> {
        #[cfg(feature = "gpu")]
        return self.gpu.as_ref().map(Gpu::name);
        #[cfg(not(feature = "gpu"))]
        None
    }
}
