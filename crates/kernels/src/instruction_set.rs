//! The instruction sets that the kernels are compiled for: their names, their order, and whether this machine has them.

use std::fmt;
use std::str::FromStr;

#[cfg(target_arch = "x86_64")]
use crate::tile_registers::{TileElement, has_tiles};

/// An instruction set that the kernels are compiled for. Later ones are faster; all of them compute the same bits.
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
    /// x86-64 with AMX-INT8 and what `Avx512Vnni` needs, on Linux: products of tiles of bytes.
    #[cfg(target_arch = "x86_64")]
    Amx,
    /// 64-bit ARM with NEON: 16-bit products of bytes.
    #[cfg(target_arch = "aarch64")]
    Neon,
    /// 64-bit ARM with NEON and FEAT_DotProd: byte products.
    #[cfg(target_arch = "aarch64")]
    NeonDot,
    /// 64-bit ARM with NEON, FEAT_DotProd and FEAT_I8MM: products of small matrices of bytes.
    #[cfg(target_arch = "aarch64")]
    NeonI8mm,
    /// WebAssembly with 128-bit vectors: 16-bit products. Available if the program is compiled for them.
    #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
    Simd128,
}

impl InstructionSet {
    /// Every instruction set that this build knows, slowest first.
    pub const ALL: &[Self] = &[
        Self::Scalar,
        #[cfg(target_arch = "x86_64")]
        Self::Avx2,
        #[cfg(target_arch = "x86_64")]
        Self::AvxVnni,
        #[cfg(target_arch = "x86_64")]
        Self::Avx512Vnni,
        #[cfg(target_arch = "x86_64")]
        Self::Amx,
        #[cfg(target_arch = "aarch64")]
        Self::Neon,
        #[cfg(target_arch = "aarch64")]
        Self::NeonDot,
        #[cfg(target_arch = "aarch64")]
        Self::NeonI8mm,
        #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
        Self::Simd128,
    ];

    /// The name, which [`FromStr`] takes: the lower-case letters and digits of the variant's name.
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
            #[cfg(target_arch = "x86_64")]
            Self::Amx => "amx",
            #[cfg(target_arch = "aarch64")]
            Self::Neon => "neon",
            #[cfg(target_arch = "aarch64")]
            Self::NeonDot => "neondot",
            #[cfg(target_arch = "aarch64")]
            Self::NeonI8mm => "neoni8mm",
            #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
            Self::Simd128 => "simd128",
        }
    }

    /// Whether it multiplies bytes without widening them first.
    #[must_use]
    pub const fn has_byte_products(self) -> bool {
        match self {
            Self::Scalar => false,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => false,
            #[cfg(target_arch = "x86_64")]
            Self::AvxVnni | Self::Avx512Vnni | Self::Amx => true,
            #[cfg(target_arch = "aarch64")]
            Self::Neon => false,
            #[cfg(target_arch = "aarch64")]
            Self::NeonDot | Self::NeonI8mm => true,
            #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
            Self::Simd128 => false,
        }
    }

    /// Whether this machine has the instructions.
    pub(crate) fn is_available(self) -> bool {
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
            #[cfg(target_arch = "x86_64")]
            Self::Amx => {
                Self::Avx512Vnni.is_available() && (cfg!(czip_emulated_tiles) || has_tiles(TileElement::Int8))
            }
            // On big-endian machines, where this is untested, the lanes of a register are not in the order of memory.
            #[cfg(target_arch = "aarch64")]
            Self::Neon => cfg!(target_endian = "little") && std::arch::is_aarch64_feature_detected!("neon"),
            #[cfg(target_arch = "aarch64")]
            Self::NeonDot => Self::Neon.is_available() && std::arch::is_aarch64_feature_detected!("dotprod"),
            #[cfg(target_arch = "aarch64")]
            Self::NeonI8mm => Self::NeonDot.is_available() && std::arch::is_aarch64_feature_detected!("i8mm"),
            #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
            Self::Simd128 => true,
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
            .find(|instruction_set| instruction_set.name() == name)
            .ok_or_else(|| UnknownInstructionSet(name.to_owned()))
    }
}

/// A name that no instruction set of this build has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownInstructionSet(String);

impl fmt::Display for UnknownInstructionSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known: Vec<&str> = InstructionSet::ALL.iter().map(|known| known.name()).collect();
        write!(
            f,
            "unknown instruction set `{}`; this build knows {}",
            self.0,
            known.join(", ")
        )
    }
}

impl std::error::Error for UnknownInstructionSet {}
