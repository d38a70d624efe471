//! x86-64.

use std::arch::x86_64::*;

use crate::requantization::Narrow;

pub(crate) mod amx;
pub(crate) mod avx2;
pub(crate) mod avx512vnni;
pub(crate) mod avxvnni;
mod vnni;

/// Requantises eight sums, in 32 bits.
///
/// # Safety
///
/// Needs AVX2.
#[inline(always)]
unsafe fn requantize(sums: &[i32; 8], narrow: Narrow, out: &mut [i8]) {
    assert_eq!(out.len(), sums.len(), "activations");
    // SAFETY: the caller has AVX2, and `sums` and `out` have eight elements.
    unsafe {
        let limit = _mm256_set1_epi32(narrow.limit);
        let shift = _mm_cvtsi32_si128(narrow.shift as i32);
        let sums = _mm256_loadu_si256(sums.as_ptr().cast());
        let sums = _mm256_max_epi32(_mm256_min_epi32(sums, limit), _mm256_set1_epi32(-narrow.limit));
        let products = _mm256_mullo_epi32(sums, _mm256_set1_epi32(narrow.mult));
        let odd = _mm256_and_si256(_mm256_sra_epi32(products, shift), _mm256_set1_epi32(1));
        let but_one = _mm256_set1_epi32((1 << (narrow.shift - 1)) - 1);
        let rounded = _mm256_add_epi32(_mm256_add_epi32(products, but_one), odd);
        let rounded = _mm256_sra_epi32(rounded, shift);
        let halves = _mm_packs_epi32(
            _mm256_castsi256_si128(rounded),
            _mm256_extracti128_si256::<1>(rounded),
        );
        let clamped = _mm_max_epi8(_mm_packs_epi16(halves, halves), _mm_set1_epi8(-127));
        _mm_storel_epi64(out.as_mut_ptr().cast(), clamped);
    }
}
