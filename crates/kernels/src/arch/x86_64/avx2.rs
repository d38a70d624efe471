//! AVX2: 16-bit products of pairs, exact for all of int8.
//!
//! The shorter way of multiplying bytes, `vpmaddubsw`, saturates at 16 bits and is not used.

use std::arch::x86_64::*;

use crate::arch::{blocked_entry_points, portable_entry_points};
use crate::attention::Portable;
use crate::blocked::{DotProduct, Staged};
use crate::matrix::Workspace;
use crate::{Softmax, generic};

portable_entry_points!(#[target_feature(enable = "avx2")]);
blocked_entry_points!(Madd, 1, Portable, #[target_feature(enable = "avx2")]);

#[target_feature(enable = "avx2")]
pub(crate) fn frequencies(softmax: &Softmax, logits: &[i32], out: &mut [u32]) {
    generic::frequencies(softmax, logits, out);
}

/// Eight rows a vector; weights and activations are widened to 16 bits, and each row's sum is in two lanes.
struct Madd;

// SAFETY: the methods read and write what the trait says, and need AVX2 alone.
unsafe impl DotProduct for Madd {
    const ROWS: usize = 8;
    const BIAS: i8 = 0;
    type Element = i16;
    /// Rows 0 to 3, then 4 to 7.
    type Sums = [__m256i; 2];
    type Weights = [__m256i; 2];

    #[inline(always)]
    fn stage<'a>(x: &'a [i8], _stride: usize, workspace: &'a mut Workspace) -> Staged<'a, i16> {
        let widened = &mut workspace.widened;
        widened.clear();
        widened.extend(x.iter().map(|&x| i16::from(x)));
        Staged {
            elements: widened,
            starts: &[],
        }
    }

    #[inline(always)]
    unsafe fn start(_start: i32) -> Self::Sums {
        // SAFETY: the caller has AVX2.
        [unsafe { _mm256_setzero_si256() }; 2]
    }

    #[inline(always)]
    unsafe fn load(weights: *const i8) -> Self::Weights {
        // SAFETY: the caller has AVX2, and 32 bytes at `weights`, aligned to 32.
        unsafe {
            let low = _mm_load_si128(weights.cast());
            let high = _mm_load_si128(weights.add(16).cast());
            [_mm256_cvtepi8_epi16(low), _mm256_cvtepi8_epi16(high)]
        }
    }

    #[inline(always)]
    unsafe fn dot(sums: Self::Sums, weights: Self::Weights, input: *const i16) -> Self::Sums {
        // SAFETY: the caller has AVX2, and four elements at `input`.
        unsafe {
            let input = _mm256_set1_epi64x(input.cast::<i64>().read_unaligned());
            [
                _mm256_add_epi32(sums[0], _mm256_madd_epi16(weights[0], input)),
                _mm256_add_epi32(sums[1], _mm256_madd_epi16(weights[1], input)),
            ]
        }
    }

    #[inline(always)]
    unsafe fn store(sums: Self::Sums, out: *mut i32) {
        // SAFETY: the caller has AVX2, and room for eight numbers at `out`.
        unsafe {
            // Rows 0 1 4 5 in the lower half, 2 3 6 7 in the upper.
            let rows = _mm256_hadd_epi32(sums[0], sums[1]);
            _mm256_storeu_si256(out.cast(), _mm256_permute4x64_epi64::<0b11_01_10_00>(rows));
        }
    }
}
