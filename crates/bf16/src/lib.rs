#![doc = include_str!("../README.md")]
#![allow(unsafe_code, reason = "vector and tile instructions are unsafe")]

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod amx;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod matrix;
mod products;

pub use matrix::{Matrix, Workspace};
pub use products::Products;
