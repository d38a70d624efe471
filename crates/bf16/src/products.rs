//! The choice of a unit, and the checks around it: f32 `[rows, terms]` times f32 `[terms, cols]` is f32 `[rows, cols]`.
//!
//! bfloat16 holds int8 exactly, so of the two factors of a gradient only the gradient itself is rounded. Both units block
//! their loops as in Goto and van de Geijn, "Anatomy of high-performance matrix multiplication" (2008).

use czip_kernels::{TileElement, has_tiles};

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
use crate::amx;
#[cfg(target_arch = "x86_64")]
use crate::avx512;
use crate::matrix::{Matrix, Workspace, check};

/// Products in bfloat16 by one unit of the processor.
///
/// A value of this type proves that the machine has the unit's instructions: only [`Products::detect`] and
/// [`Products::available`] make one, and they look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Products(Unit);

/// A unit that multiplies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    /// AVX-512 BF16.
    Vectors,
    /// AMX, which packs with the instructions of AVX-512.
    Tiles,
}

impl Products {
    /// The fastest unit of this machine: AMX on Linux, or else AVX-512 BF16. `None` if it has neither.
    #[must_use]
    pub fn detect() -> Option<Self> {
        Self::available().last()
    }

    /// Every unit that this machine has, slowest first.
    pub fn available() -> impl DoubleEndedIterator<Item = Self> {
        [
            (Unit::Vectors, has_vectors()),
            (Unit::Tiles, has_vectors() && has_tiles(TileElement::Bfloat16)),
        ]
        .into_iter()
        .filter(|&(_, there)| there)
        .map(|(unit, _)| Self(unit))
    }

    /// `out = a * b`, or with `add` `out += a * b`: f32 `[a.rows(), b.cols()]`, row by row.
    ///
    /// The factors are rounded to bfloat16, and the sums have 32 bits.
    ///
    /// # Panics
    ///
    /// If the shapes don't fit together.
    pub fn product(
        self,
        out: &mut [f32],
        a: Matrix<'_>,
        b: Matrix<'_>,
        add: bool,
        workspace: &mut Workspace,
    ) {
        check(out, a, b);
        if a.cols == 0 && !add {
            // The units write sums of blocks of terms, and here there are no blocks.
            out.fill(0.0);
        }
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: this unit is only named where `has_vectors` has found its instructions.
            Unit::Vectors => unsafe { avx512::product(out, a, b, add, workspace) },
            #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
            // SAFETY: this unit is only named where `has_vectors` and `has_tiles` have found its instructions.
            Unit::Tiles => unsafe { amx::product(out, a, b, add, workspace) },
            #[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
            _ => {
                // Other machines name no unit.
                let _ = (out, add, workspace);
            }
        }
    }
}

fn has_vectors() -> bool {
    #[cfg(target_arch = "x86_64")]
    let there = is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512vl")
        && is_x86_feature_detected!("avx512bf16");
    #[cfg(not(target_arch = "x86_64"))]
    let there = false;
    there
}
