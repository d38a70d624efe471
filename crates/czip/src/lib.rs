//! Lossless text compression with a small integer language model
