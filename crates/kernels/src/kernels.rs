//! The choice of an instruction set, and the dispatch of calls to its code.
//!
//! This module and those below it are the top of the crate: their methods check shapes, then call the entry point in the
//! module of [`arch`] that belongs to the instruction set.

mod attention;
mod factored;
mod frequencies;
mod int16;
mod matrix;
mod mixing;
mod rows;

use crate::arch;
use crate::instruction_set::InstructionSet;
use crate::layout::{ValueLayout, WeightLayout};

/// The inner loops, for one instruction set.
///
/// A value of this type proves that the machine has the instructions of its [`InstructionSet`]: whatever makes one looks
/// first. The instruction set decides how fast the loops are, never what they compute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kernels(InstructionSet);

/// Calls the entry point of the kernels' instruction set.
macro_rules! dispatch {
    ($kernels:expr, $name:ident($($argument:expr),*)) => {
        match $kernels.instruction_set() {
            $crate::instruction_set::InstructionSet::Scalar => $crate::arch::scalar::$name($($argument),*),
            // SAFETY: `Kernels` are only made where `is_available` has found its instructions.
            #[cfg(target_arch = "x86_64")]
            $crate::instruction_set::InstructionSet::Avx2 => unsafe { $crate::arch::x86_64::avx2::$name($($argument),*) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            $crate::instruction_set::InstructionSet::AvxVnni => unsafe { $crate::arch::x86_64::avxvnni::$name($($argument),*) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            $crate::instruction_set::InstructionSet::Avx512Vnni => unsafe { $crate::arch::x86_64::avx512vnni::$name($($argument),*) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            $crate::instruction_set::InstructionSet::Amx => unsafe { $crate::arch::x86_64::amx::$name($($argument),*) },
            // SAFETY: as above.
            #[cfg(target_arch = "aarch64")]
            $crate::instruction_set::InstructionSet::Neon => unsafe { $crate::arch::aarch64::neon::$name($($argument),*) },
            // SAFETY: as above.
            #[cfg(target_arch = "aarch64")]
            $crate::instruction_set::InstructionSet::NeonDot => unsafe { $crate::arch::aarch64::dotprod::$name($($argument),*) },
            // SAFETY: as above.
            #[cfg(target_arch = "aarch64")]
            $crate::instruction_set::InstructionSet::NeonI8mm => unsafe { $crate::arch::aarch64::i8mm::$name($($argument),*) },
            #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
            $crate::instruction_set::InstructionSet::Simd128 => $crate::arch::wasm32::simd128::$name($($argument),*),
        }
    };
}

/// A constant of the module that belongs to an instruction set.
macro_rules! constant {
    ($kernels:expr, $name:ident) => {
        match $kernels.instruction_set() {
            InstructionSet::Scalar => arch::scalar::$name,
            #[cfg(target_arch = "x86_64")]
            InstructionSet::Avx2 => arch::x86_64::avx2::$name,
            #[cfg(target_arch = "x86_64")]
            InstructionSet::AvxVnni => arch::x86_64::avxvnni::$name,
            #[cfg(target_arch = "x86_64")]
            InstructionSet::Avx512Vnni => arch::x86_64::avx512vnni::$name,
            #[cfg(target_arch = "x86_64")]
            InstructionSet::Amx => arch::x86_64::amx::$name,
            #[cfg(target_arch = "aarch64")]
            InstructionSet::Neon => arch::aarch64::neon::$name,
            #[cfg(target_arch = "aarch64")]
            InstructionSet::NeonDot => arch::aarch64::dotprod::$name,
            #[cfg(target_arch = "aarch64")]
            InstructionSet::NeonI8mm => arch::aarch64::i8mm::$name,
            #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
            InstructionSet::Simd128 => arch::wasm32::simd128::$name,
        }
    };
}

use dispatch;

impl Kernels {
    /// The kernels for the fastest instruction set of this machine.
    ///
    /// With the feature `ceiling-variable`, which is off by default, the environment variable
    /// [`CEILING_VARIABLE`](Self::CEILING_VARIABLE) can lower the choice, as [`Kernels::at_most`] does. A name that is not
    /// known counts as none.
    #[must_use]
    pub fn detect() -> Self {
        #[cfg(feature = "ceiling-variable")]
        if let Ok(Some(ceiling)) = Self::ceiling() {
            return Self::at_most(ceiling);
        }
        Self::available()
            .next_back()
            .unwrap_or(Self(InstructionSet::Scalar))
    }

    /// The kernels for the fastest instruction set of this machine that is not above `ceiling`.
    #[must_use]
    pub fn at_most(ceiling: InstructionSet) -> Self {
        // Nothing above the ceiling is looked for: for some instructions the system has to be asked.
        InstructionSet::ALL
            .iter()
            .filter(|&&instruction_set| instruction_set <= ceiling)
            .rev()
            .find_map(|&instruction_set| Self::at(instruction_set))
            .unwrap_or(Self(InstructionSet::Scalar))
    }

    /// The kernels for this instruction set, if the machine has it.
    #[must_use]
    pub fn at(instruction_set: InstructionSet) -> Option<Self> {
        instruction_set.is_available().then_some(Self(instruction_set))
    }

    /// The kernels for every instruction set that this machine has, slowest first.
    pub fn available() -> impl DoubleEndedIterator<Item = Self> {
        InstructionSet::ALL
            .iter()
            .filter_map(|&instruction_set| Self::at(instruction_set))
    }

    /// The instruction set of these kernels.
    #[must_use]
    pub const fn instruction_set(self) -> InstructionSet {
        self.0
    }

    /// How the instruction set has weights and keys.
    const fn weight_layout(self) -> WeightLayout {
        constant!(self, WEIGHTS)
    }

    /// How the instruction set has values.
    const fn value_layout(self) -> ValueLayout {
        constant!(self, VALUES)
    }
}

/// For programs, and for tests without the newest instructions. A library leaves the feature off.
#[cfg(feature = "ceiling-variable")]
impl Kernels {
    /// The environment variable that names the highest instruction set which [`Kernels::detect`] may choose.
    pub const CEILING_VARIABLE: &str = "CZIP_CPU";

    /// The instruction set named by [`Kernels::CEILING_VARIABLE`]; `None` if it is empty or not set.
    ///
    /// # Errors
    ///
    /// A name that this build does not know.
    pub fn ceiling() -> Result<Option<InstructionSet>, crate::instruction_set::UnknownInstructionSet> {
        match std::env::var_os(Self::CEILING_VARIABLE) {
            Some(name) if !name.is_empty() => name.to_string_lossy().parse().map(Some),
            _ => Ok(None),
        }
    }
}
