//! AVX-VNNI: products of bytes in 256-bit vectors.
//!
//! Built with `--cfg czip_evex_vnni`, this module uses the AVX-512 encoding of the same instruction, so its code can be
//! tested on machines that have only that.

#[cfg(not(czip_evex_vnni))]
use std::arch::x86_64::_mm256_dpbusd_avx_epi32 as dpbusd;
#[cfg(czip_evex_vnni)]
use std::arch::x86_64::_mm256_dpbusd_epi32 as dpbusd;
use std::arch::x86_64::*;

use crate::arch::{blocked_entry_points, portable_entry_points, portable_lookups};
use crate::attention::{Run, RunSums};
use crate::blocked::{Blocked, DotProduct, Staged};
use crate::frequencies;
use crate::layout::{Block, GROUP_BLOCKS, HEAD_DIM, ValueLayout};
use crate::product::RowVector;
use crate::requantization::Narrow;
use crate::sliding::WeightedSums;
use crate::workspace::{Staging, WeightSpace};

use super::vnni;

portable_entry_points!(
    #[cfg_attr(not(czip_evex_vnni), target_feature(enable = "avx2,avxvnni"))]
    #[cfg_attr(czip_evex_vnni, target_feature(enable = "avx2,avx512vl,avx512vnni"))]
);
portable_lookups!(
    #[cfg_attr(not(czip_evex_vnni), target_feature(enable = "avx2,avxvnni"))]
    #[cfg_attr(czip_evex_vnni, target_feature(enable = "avx2,avx512vl,avx512vnni"))]
);
blocked_entry_points!(Blocked<BytesBy8, 2>, BytesBy8,
    #[cfg_attr(not(czip_evex_vnni), target_feature(enable = "avx2,avxvnni"))]
    #[cfg_attr(czip_evex_vnni, target_feature(enable = "avx2,avx512vl,avx512vnni"))]
);

/// Eight rows a vector.
struct BytesBy8;

// SAFETY: the method reads and writes what the trait says, and needs only AVX2 and AVX-VNNI.
unsafe impl RowVector for BytesBy8 {
    const ROWS: usize = 8;
    type Rows = [i32; 8];

    #[inline(always)]
    unsafe fn requantize(sums: &[i32; 8], narrow: Narrow, out: &mut [i8]) {
        // SAFETY: the caller has AVX2.
        unsafe { super::requantize(sums, narrow, out) };
    }
}

// SAFETY: the methods read and write what the trait says, and need only AVX2 and AVX-VNNI.
unsafe impl DotProduct for BytesBy8 {
    const BIAS: i8 = vnni::BIAS;
    type Element = i8;
    type Sums = __m256i;
    type Weights = __m256i;

    #[inline(always)]
    fn stage<'a>(x: &'a [i8], stride: usize, staging: &'a mut Staging) -> Staged<'a, i8> {
        vnni::stage(x, stride, staging)
    }

    #[inline(always)]
    unsafe fn start(start: i32) -> __m256i {
        // SAFETY: the caller has the instructions.
        unsafe { _mm256_set1_epi32(start) }
    }

    #[inline(always)]
    unsafe fn load(weights: *const i8) -> __m256i {
        // SAFETY: the caller has the instructions, and 32 bytes at `weights`, aligned to 32.
        unsafe { _mm256_load_si256(weights.cast()) }
    }

    #[inline(always)]
    unsafe fn dot(sums: __m256i, weights: __m256i, input: *const i8) -> __m256i {
        // SAFETY: the caller has the instructions, and four elements at `input`.
        unsafe {
            dpbusd(
                sums,
                weights,
                _mm256_set1_epi32(input.cast::<i32>().read_unaligned()),
            )
        }
    }

    #[inline(always)]
    unsafe fn rows(sums: __m256i) -> [i32; 8] {
        let mut rows = [0; 8];
        // SAFETY: the caller has the instructions, and `rows` has room for eight numbers.
        unsafe { _mm256_storeu_si256(rows.as_mut_ptr().cast(), sums) };
        rows
    }
}

// SAFETY: the method reads and writes what the trait says, and needs only AVX2 and AVX-VNNI.
unsafe impl RunSums for BytesBy8 {
    const VALUES: ValueLayout = ValueLayout::Quads;

    #[inline(always)]
    unsafe fn add_run(
        exp2: &[u16; 256],
        run: Run<'_>,
        values: &[Block],
        space: &mut WeightSpace,
        acc: &mut [i32; HEAD_DIM],
    ) -> u64 {
        let weights = run.weights(exp2, &mut space.weights);
        let [low, high] = vnni::split_weights(weights, run.first, &mut space.bytes);
        for (weight_bytes, shift) in [(low, 0), (high, 8)] {
            // SAFETY: the caller has the instructions.
            let sums = unsafe { weighted_sums(weight_bytes, values) };
            acc.iter_mut()
                .zip(sums)
                .for_each(|(acc, sum)| *acc = acc.wrapping_add(sum << shift));
        }
        u64::from(frequencies::sum(weights))
    }
}

// SAFETY: the method reads and writes what the trait says, and needs only AVX2 and AVX-VNNI.
unsafe impl WeightedSums for BytesBy8 {
    #[inline(always)]
    unsafe fn weighted_sums(weights: &[u8], values: &[Block], acc: &mut [i32; HEAD_DIM]) {
        // SAFETY: the caller has the instructions.
        *acc = unsafe { weighted_sums(weights.as_chunks().0, values) };
    }
}

/// Sums of values in groups, each weighted by a byte.
///
/// # Safety
///
/// Needs AVX2 and AVX-VNNI.
#[inline(always)]
unsafe fn weighted_sums(weights: &[[u8; 4]], values: &[Block]) -> [i32; HEAD_DIM] {
    const VECTORS: usize = HEAD_DIM / 8;
    let mut sums = [0; HEAD_DIM];
    // SAFETY: the caller has the instructions. A group of values is four blocks of 64 bytes, aligned
    // to 64, so eight vectors; and `sums` is as long as eight vectors.
    unsafe {
        let mut acc = [_mm256_setzero_si256(); VECTORS];
        for (&weights, values) in weights.iter().zip(values.as_chunks::<GROUP_BLOCKS>().0) {
            let weights = _mm256_set1_epi32(i32::from_ne_bytes(weights));
            let values = values.as_ptr().cast::<__m256i>();
            for (index, acc) in acc.iter_mut().enumerate() {
                *acc = dpbusd(*acc, weights, _mm256_load_si256(values.add(index)));
            }
        }
        for (index, acc) in acc.into_iter().enumerate() {
            _mm256_storeu_si256(sums.as_mut_ptr().cast::<__m256i>().add(index), acc);
        }
    }
    sums
}
