#![doc = include_str!("../README.md")]
#![allow(
    unsafe_code,
    reason = "vector and tile instructions are unsafe, and so is matrixmultiply"
)]

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod amx;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod float;
mod matrix;
#[cfg(target_arch = "x86_64")]
mod pack;
mod products;

pub use float::product_f32;
pub use matrix::{Matrix, Workspace};
pub use products::Products;
