//! Instruction-set levels and the choice between them.

use std::fmt;
use std::str::FromStr;

use crate::attention::ValueLayout;
use crate::{Kernels, arch};

/// An instruction-set level. Later ones are faster; all of them compute the same bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum InstructionSet {
    /// Portable Rust that the compiler vectorises for the target's baseline.
    Scalar,
    /// x86-64 with AVX2: 16-bit products.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// x86-64 with AVX2 and AVX-VNNI: byte products.
    #[cfg(target_arch = "x86_64")]
    AvxVnni,
    /// x86-64 with AVX-512 F, BW, DQ, VL and VNNI: byte products in longer vectors.
    #[cfg(target_arch = "x86_64")]
    Avx512Vnni,
    /// 64-bit ARM with NEON: 16-bit products of bytes.
    #[cfg(target_arch = "aarch64")]
    Neon,
    /// 64-bit ARM with NEON and FEAT_DotProd: byte products.
    #[cfg(target_arch = "aarch64")]
    NeonDot,
    /// WebAssembly with 128-bit vectors: 16-bit products. There if the program is compiled for them.
    #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
    Simd128,
}

/// Calls an entry point of the kernels' level.
macro_rules! dispatch {
    ($kernels:expr, $name:ident($($argument:expr),*)) => {
        match $kernels.instruction_set() {
            $crate::InstructionSet::Scalar => $crate::arch::scalar::$name($($argument),*),
            // SAFETY: kernels of a level are only made where `is_available` has found its instructions.
            #[cfg(target_arch = "x86_64")]
            $crate::InstructionSet::Avx2 => unsafe { $crate::arch::x86_64::avx2::$name($($argument),*) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            $crate::InstructionSet::AvxVnni => unsafe { $crate::arch::x86_64::avxvnni::$name($($argument),*) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            $crate::InstructionSet::Avx512Vnni => unsafe { $crate::arch::x86_64::avx512vnni::$name($($argument),*) },
            // SAFETY: as above.
            #[cfg(target_arch = "aarch64")]
            $crate::InstructionSet::Neon => unsafe { $crate::arch::aarch64::neon::$name($($argument),*) },
            // SAFETY: as above.
            #[cfg(target_arch = "aarch64")]
            $crate::InstructionSet::NeonDot => unsafe { $crate::arch::aarch64::dotprod::$name($($argument),*) },
            #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
            $crate::InstructionSet::Simd128 => $crate::arch::wasm32::simd128::$name($($argument),*),
        }
    };
}

pub(crate) use dispatch;

impl InstructionSet {
    /// Every level that this build knows, slowest first.
    pub const ALL: &[Self] = &[
        Self::Scalar,
        #[cfg(target_arch = "x86_64")]
        Self::Avx2,
        #[cfg(target_arch = "x86_64")]
        Self::AvxVnni,
        #[cfg(target_arch = "x86_64")]
        Self::Avx512Vnni,
        #[cfg(target_arch = "aarch64")]
        Self::Neon,
        #[cfg(target_arch = "aarch64")]
        Self::NeonDot,
        #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
        Self::Simd128,
    ];

    /// The name of the level, as [`Kernels::LEVEL_VARIABLE`] takes it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Scalar => "scalar",
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => "avx2",
            #[cfg(target_arch = "x86_64")]
            Self::AvxVnni => "avxvnni",
            #[cfg(target_arch = "x86_64")]
            Self::Avx512Vnni => "avx512vnni",
            #[cfg(target_arch = "aarch64")]
            Self::Neon => "neon",
            #[cfg(target_arch = "aarch64")]
            Self::NeonDot => "neondot",
            #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
            Self::Simd128 => "simd128",
        }
    }

    /// Whether this machine has the instructions.
    fn is_available(self) -> bool {
        match self {
            Self::Scalar => true,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => is_x86_feature_detected!("avx2"),
            #[cfg(target_arch = "x86_64")]
            Self::AvxVnni if cfg!(czip_evex_vnni) => {
                is_x86_feature_detected!("avx2")
                    && is_x86_feature_detected!("avx512vl")
                    && is_x86_feature_detected!("avx512vnni")
            }
            #[cfg(target_arch = "x86_64")]
            Self::AvxVnni => is_x86_feature_detected!("avx2") && is_x86_feature_detected!("avxvnni"),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512Vnni => {
                is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512dq")
                    && is_x86_feature_detected!("avx512vl")
                    && is_x86_feature_detected!("avx512vnni")
            }
            // Lanes of a register are not in the order of memory on big-endian machines, where nobody has tried this.
            #[cfg(target_arch = "aarch64")]
            Self::Neon => cfg!(target_endian = "little") && std::arch::is_aarch64_feature_detected!("neon"),
            #[cfg(target_arch = "aarch64")]
            Self::NeonDot => Self::Neon.is_available() && std::arch::is_aarch64_feature_detected!("dotprod"),
            #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
            Self::Simd128 => true,
        }
    }

    /// What is added to weights and keys that the level packs in blocks; `None` if it has them row by row.
    pub(crate) const fn block_bias(self) -> Option<i8> {
        match self {
            Self::Scalar => None,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => Some(arch::x86_64::avx2::BIAS),
            #[cfg(target_arch = "x86_64")]
            Self::AvxVnni => Some(arch::x86_64::avxvnni::BIAS),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512Vnni => Some(arch::x86_64::avx512vnni::BIAS),
            #[cfg(target_arch = "aarch64")]
            Self::Neon => Some(arch::aarch64::neon::BIAS),
            #[cfg(target_arch = "aarch64")]
            Self::NeonDot => Some(arch::aarch64::dotprod::BIAS),
            #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
            Self::Simd128 => Some(arch::wasm32::simd128::BIAS),
        }
    }

    /// How the level has values.
    pub(crate) const fn value_layout(self) -> ValueLayout {
        match self {
            Self::Scalar => arch::scalar::VALUES,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => arch::x86_64::avx2::VALUES,
            #[cfg(target_arch = "x86_64")]
            Self::AvxVnni => arch::x86_64::avxvnni::VALUES,
            #[cfg(target_arch = "x86_64")]
            Self::Avx512Vnni => arch::x86_64::avx512vnni::VALUES,
            #[cfg(target_arch = "aarch64")]
            Self::Neon => arch::aarch64::neon::VALUES,
            #[cfg(target_arch = "aarch64")]
            Self::NeonDot => arch::aarch64::dotprod::VALUES,
            #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
            Self::Simd128 => arch::wasm32::simd128::VALUES,
        }
    }
}

impl fmt::Display for InstructionSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for InstructionSet {
    type Err = UnknownInstructionSet;

    fn from_str(name: &str) -> Result<Self, UnknownInstructionSet> {
        Self::ALL
            .iter()
            .copied()
            .find(|level| level.name() == name)
            .ok_or(UnknownInstructionSet)
    }
}

/// The name is not that of a level of this build.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownInstructionSet;

impl fmt::Display for UnknownInstructionSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("unknown instruction set; known are:")?;
        InstructionSet::ALL
            .iter()
            .try_for_each(|level| write!(f, " {level}"))
    }
}

impl std::error::Error for UnknownInstructionSet {}

impl Kernels {
    /// The environment variable that can lower the level which [`Kernels::detect`] chooses.
    pub const LEVEL_VARIABLE: &str = "CZIP_CPU";

    /// The fastest level of this machine that is not above the one named by [`Kernels::LEVEL_VARIABLE`]. A name that
    /// is not known counts as none.
    #[must_use]
    pub fn detect() -> Self {
        let ceiling = std::env::var(Self::LEVEL_VARIABLE)
            .ok()
            .and_then(|name| name.parse::<InstructionSet>().ok());
        let mut levels = Self::available().rev();
        levels
            .find(|kernels| ceiling.is_none_or(|ceiling| kernels.0 <= ceiling))
            .unwrap_or(Self(InstructionSet::Scalar))
    }

    /// The kernels at `level`, if this machine has its instructions.
    #[must_use]
    pub fn at(instruction_set: InstructionSet) -> Option<Self> {
        instruction_set.is_available().then_some(Self(instruction_set))
    }

    /// The kernels at every level that this machine has, slowest first.
    pub fn available() -> impl DoubleEndedIterator<Item = Self> {
        InstructionSet::ALL
            .iter()
            .filter_map(|&instruction_set| Self::at(instruction_set))
    }

    /// The level of these kernels.
    #[must_use]
    pub const fn instruction_set(self) -> InstructionSet {
        self.0
    }
}
