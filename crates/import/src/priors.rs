//! Priors of the mixer for any vocabulary, made by `cargo xtask general-priors MODEL` with SmolLM2-135M-Instruct.

/// The priors of the variant that codes tokens with a net, in their stored form.
pub(crate) const GENERAL: &[u8] = include_bytes!("../priors/max.bin");
