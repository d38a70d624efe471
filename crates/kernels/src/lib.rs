#![doc = include_str!("../README.md")]
#![deny(clippy::float_arithmetic)]
#![allow(unsafe_code, reason = "this is the crate for it: every other one forbids it")]

mod arch;
mod attention;
mod blocked;
mod frequencies;
mod generic;
mod instruction_set;
mod matrix;
mod mixing;
pub mod oracle;
mod prefetch;
mod rows;
mod sliding;
mod words;

pub use attention::{Attention, KeyValueCache};
pub use frequencies::{Interval, Softmax};
pub use instruction_set::{InstructionSet, UnknownInstructionSet};
pub use matrix::{PackedMatrix, Requantization, Workspace};
pub use mixing::WeightRow;
pub use prefetch::prefetch;
pub use sliding::{SlidingAttention, WeightsObserver};

/// The length of a query, key or value vector of one head.
pub const HEAD_DIM: usize = 64;

/// The inner loops, at one instruction-set level.
///
/// A value of this type is the proof that the machine has the instructions of its [`InstructionSet`]: it can only be made by
/// [`Kernels::detect`] and [`Kernels::at`], which look. All levels compute the same bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kernels(InstructionSet);
