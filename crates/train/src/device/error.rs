//! Why there is no GPU to train on.

/// Why there is no GPU to train on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
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
        /// The driver's name for it.
        name: String,
        /// What the driver says.
        reason: String,
    },
}
