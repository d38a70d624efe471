//! AVX-VNNI: products of bytes in 256-bit vectors.
//!
//! Built with `--cfg czip_evex_vnni`, this level takes the same instruction in the encoding of AVX-512, so that its code
//! can be tested on machines that have only that.

#[cfg(not(czip_evex_vnni))]
use std::arch::x86_64::_mm256_dpbusd_avx_epi32 as dpbusd;
#[cfg(czip_evex_vnni)]
use std::arch::x86_64::_mm256_dpbusd_epi32 as dpbusd;
use std::arch::x86_64::*;

use crate::arch::{blocked_entry_points, portable_entry_points};
use crate::attention::{GROUP_BLOCKS, Steps, ValueLayout, stretch_weights};

use crate::blocked::{Block, DotProduct, Narrow, Staged};
use crate::matrix::Workspace;
use crate::sliding::WeightedSums;
use crate::{Attention, HEAD_DIM, Softmax, generic};

use super::vnni;

portable_entry_points!(
    #[cfg_attr(not(czip_evex_vnni), target_feature(enable = "avx2,avxvnni"))]
    #[cfg_attr(czip_evex_vnni, target_feature(enable = "avx2,avx512vl,avx512vnni"))]
);
blocked_entry_points!(
    BytesBy8,
    2,
    BytesBy8,
    BytesBy8,
    #[cfg_attr(not(czip_evex_vnni), target_feature(enable = "avx2,avxvnni"))]
    #[cfg_attr(czip_evex_vnni, target_feature(enable = "avx2,avx512vl,avx512vnni"))]
);

#[cfg_attr(not(czip_evex_vnni), target_feature(enable = "avx2,avxvnni"))]
#[cfg_attr(czip_evex_vnni, target_feature(enable = "avx2,avx512vl,avx512vnni"))]
pub(crate) fn frequencies(softmax: &Softmax, logits: &[i32], out: &mut [u32]) {
    generic::frequencies(softmax, logits, out);
}

/// Eight rows a vector.
#[derive(Clone, Copy)]
struct BytesBy8;

// SAFETY: the methods read and write what the trait says, and need AVX2 and AVX-VNNI alone.
unsafe impl DotProduct for BytesBy8 {
    const ROWS: usize = 8;
    const BIAS: i8 = vnni::BIAS;
    type Element = i8;
    type Sums = __m256i;
    type Weights = __m256i;
    type Rows = [i32; 8];

    #[inline(always)]
    fn stage<'a>(x: &'a [i8], stride: usize, workspace: &'a mut Workspace) -> Staged<'a, i8> {
        vnni::stage(x, stride, workspace)
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

    #[inline(always)]
    unsafe fn requantize(sums: &[i32; 8], factor: Narrow, out: &mut [i8]) {
        // SAFETY: the caller has AVX2.
        unsafe { super::requantize(sums, factor, out) };
    }
}

impl Steps for BytesBy8 {
    const VALUES: ValueLayout = ValueLayout::Quads;

    #[inline(always)]
    fn stretch(
        self,
        attention: &Attention,
        values: &[Block],
        first: usize,
        scores: &[i32],
        maximum: i32,
        workspace: &mut Workspace,
        acc: &mut [i32; HEAD_DIM],
    ) -> u64 {
        let weights = stretch_weights(attention, scores, maximum, &mut workspace.weights);
        let [low, high] = vnni::split_weights(weights, first, &mut workspace.weight_bytes);
        let values = &values[first / Self::VALUES.group() * GROUP_BLOCKS..];
        for (weight_bytes, shift) in [(low, 0), (high, 8)] {
            let sums = weighted_sums(weight_bytes, values);
            acc.iter_mut()
                .zip(sums)
                .for_each(|(acc, sum)| *acc = acc.wrapping_add(sum << shift));
        }
        u64::from(generic::sum(weights))
    }
}

impl WeightedSums for BytesBy8 {
    #[inline(always)]
    fn layout(self) -> ValueLayout {
        Self::VALUES
    }

    #[inline(always)]
    fn weighted_sums(self, weights: &[u8], values: &[Block], acc: &mut [i32; HEAD_DIM]) {
        *acc = weighted_sums(weights.as_chunks().0, values);
    }
}

/// Sums of values in groups, each weighted by a byte.
#[inline(always)]
fn weighted_sums(weights: &[[u8; 4]], values: &[Block]) -> [i32; HEAD_DIM] {
    const VECTORS: usize = HEAD_DIM / 8;
    let mut sums = [0; HEAD_DIM];
    // SAFETY: this is inlined into functions with the features. A group of values is four blocks of 64 bytes, aligned
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
