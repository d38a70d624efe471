#![doc = include_str!("../README.md")]
#![deny(clippy::float_arithmetic)]
#![allow(unsafe_code, reason = "vector instructions are unsafe")]
#![cfg_attr(
    not(any(
        target_arch = "x86_64",
        target_arch = "aarch64",
        all(target_arch = "wasm32", target_feature = "simd128")
    )),
    allow(
        dead_code,
        unused_imports,
        unused_macros,
        reason = "without vector instructions nothing lies in blocks"
    )
)]

// A module uses those of its own group and of the groups above it, without circles.

// The foundation: instruction sets, and how numbers lie in memory.
mod instruction_set;
mod layout;
mod requantization;
mod rounding;
mod tile_registers;
mod workspace;

// The loops in portable Rust, with traits for what instruction sets do in their own ways.
mod attention;
mod blocked;
mod cache;
mod exp;
mod factored;
mod frequencies;
mod int16;
mod matrix;
mod mixing;
mod product;
mod rows;
mod sliding;

// A module for each instruction set.
mod arch;

// The choice between them, and the checks of shapes.
mod kernels;

// Independent of all this.
pub mod oracle;
mod prefetch;

pub use attention::{Attention, AttentionInput};
pub use cache::KeyValueCache;
pub use frequencies::{Interval, Softmax};
pub use instruction_set::{InstructionSet, UnknownInstructionSet};
pub use kernels::Kernels;
pub use layout::HEAD_DIM;
pub use matrix::PackedMatrix;
pub use mixing::WeightRow;
pub use prefetch::prefetch;
pub use requantization::Requantization;
pub use sliding::{SlidingAttention, WeightsObserver, WindowInput};
pub use tile_registers::{TileElement, has_tiles};
pub use workspace::Workspace;
