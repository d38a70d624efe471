//! AVX-512 with VNNI: products of bytes in 512-bit vectors, and look-ups in the exponential table by permutation.

use std::arch::x86_64::*;

use crate::arch::{blocked_entry_points, portable_entry_points};
use crate::attention::{GROUP_BLOCKS, Steps, ValueLayout, stretch_weights};

use crate::blocked::{Block, DotProduct, Staged};
use crate::matrix::Workspace;
use crate::{Attention, HEAD_DIM, Softmax, generic};

use super::vnni;

portable_entry_points!(#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]);
blocked_entry_points!(
    BytesBy16,
    4,
    BytesBy16,
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
);

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
pub(crate) fn frequencies(softmax: &Softmax, logits: &[i32], out: &mut [u32]) {
    generic::frequencies_with(softmax, logits, out, |distances| {
        exp_weights(distances, softmax.coefficient, &softmax.exp2);
    });
}

/// Sixteen rows a vector.
#[derive(Clone, Copy)]
struct BytesBy16;

// SAFETY: the methods read and write what the trait says, and need AVX-512F and VNNI alone.
unsafe impl DotProduct for BytesBy16 {
    const ROWS: usize = 16;
    const BIAS: i8 = vnni::BIAS;
    type Element = i8;
    type Sums = __m512i;
    type Weights = __m512i;
    type Rows = [i32; 16];

    #[inline(always)]
    fn stage<'a>(x: &'a [i8], stride: usize, workspace: &'a mut Workspace) -> Staged<'a, i8> {
        vnni::stage(x, stride, workspace)
    }

    #[inline(always)]
    unsafe fn start(start: i32) -> __m512i {
        // SAFETY: the caller has the instructions.
        unsafe { _mm512_set1_epi32(start) }
    }

    #[inline(always)]
    unsafe fn load(weights: *const i8) -> __m512i {
        // SAFETY: the caller has the instructions, and 64 bytes at `weights`, aligned to 64.
        unsafe { _mm512_load_si512(weights.cast()) }
    }

    #[inline(always)]
    unsafe fn dot(sums: __m512i, weights: __m512i, input: *const i8) -> __m512i {
        // SAFETY: the caller has the instructions, and four elements at `input`.
        unsafe {
            _mm512_dpbusd_epi32(
                sums,
                weights,
                _mm512_set1_epi32(input.cast::<i32>().read_unaligned()),
            )
        }
    }

    #[inline(always)]
    unsafe fn rows(sums: __m512i) -> [i32; 16] {
        let mut rows = [0; 16];
        // SAFETY: the caller has the instructions, and `rows` has room for 16 numbers.
        unsafe { _mm512_storeu_si512(rows.as_mut_ptr().cast(), sums) };
        rows
    }
}

impl Steps for BytesBy16 {
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
        let weights = stretch_weights(attention, scores, maximum, &mut workspace.weights, exp_weights);
        let [low, high] = vnni::split_weights(weights, first, &mut workspace.weight_bytes);
        let values = &values[first / Self::VALUES.group() * GROUP_BLOCKS..];
        let sums = weighted_sums(low, high, values);
        acc.iter_mut()
            .zip(sums)
            .for_each(|(acc, sum)| *acc = acc.wrapping_add(sum));
        u64::from(generic::sum(weights))
    }
}

/// Sums of values in groups, weighted by 16-bit numbers given as low and high bytes.
#[inline(always)]
fn weighted_sums(low: &[[u8; 4]], high: &[[u8; 4]], values: &[Block]) -> [i32; HEAD_DIM] {
    const VECTORS: usize = HEAD_DIM / 16;
    let mut sums = [0; HEAD_DIM];
    // SAFETY: this is inlined into functions with the features. A group of values is four blocks of 64 bytes, aligned
    // to 64, so four vectors; and `sums` is as long as four vectors.
    unsafe {
        let mut acc = [[_mm512_setzero_si512(); VECTORS]; 2];
        for ((&low, &high), values) in low.iter().zip(high).zip(values.as_chunks::<GROUP_BLOCKS>().0) {
            let weights = [
                _mm512_set1_epi32(i32::from_ne_bytes(low)),
                _mm512_set1_epi32(i32::from_ne_bytes(high)),
            ];
            for (index, values) in values.iter().enumerate() {
                let values = _mm512_load_si512(values.0.as_ptr().cast());
                for (acc, weights) in acc.iter_mut().zip(weights) {
                    acc[index] = _mm512_dpbusd_epi32(acc[index], weights, values);
                }
            }
        }
        let [low, high] = acc;
        for (index, (low, high)) in low.into_iter().zip(high).enumerate() {
            let sum = _mm512_add_epi32(low, _mm512_slli_epi32::<8>(high));
            _mm512_storeu_si512(sums.as_mut_ptr().cast::<__m512i>().add(index).cast(), sum);
        }
    }
    sums
}

/// [`generic::exp_weights`], 32 numbers at a time.
#[inline(always)]
fn exp_weights(distances: &mut [u32], coefficient: u32, exp2: &[u16; 256]) {
    let (whole, rest) = distances.as_chunks_mut::<32>();
    // SAFETY: this is inlined into functions with the features. The table is eight vectors of 16-bit numbers, and 32
    // distances are two vectors.
    unsafe {
        let mut table = [_mm512_setzero_si512(); 8];
        for (i, table) in table.iter_mut().enumerate() {
            *table = _mm512_loadu_si512(exp2[32 * i..].as_ptr().cast());
        }
        let coefficient = _mm512_set1_epi64(coefficient.into());
        for distances in whole {
            let pointer = distances.as_mut_ptr().cast::<__m512i>();
            let z = [
                octave_parts(_mm512_loadu_si512(pointer.cast()), coefficient),
                octave_parts(_mm512_loadu_si512(pointer.add(1).cast()), coefficient),
            ];
            // The fractions of both, in the even and the odd 16-bit lanes.
            let byte = _mm512_set1_epi32(255);
            let fractions = _mm512_or_si512(
                _mm512_and_si512(z[0], byte),
                _mm512_slli_epi32::<16>(_mm512_and_si512(z[1], byte)),
            );
            let powers = look_up(&table, fractions);
            let powers = [
                _mm512_and_si512(powers, _mm512_set1_epi32(0xffff)),
                _mm512_srli_epi32::<16>(powers),
            ];
            for (i, (z, power)) in z.into_iter().zip(powers).enumerate() {
                let octaves = _mm512_srli_epi32::<8>(z);
                let half = _mm512_srli_epi32::<1>(_mm512_sllv_epi32(_mm512_set1_epi32(1), octaves));
                let weight = _mm512_srlv_epi32(_mm512_add_epi32(power, half), octaves);
                let weight = _mm512_max_epu32(weight, _mm512_set1_epi32(1));
                _mm512_storeu_si512(pointer.add(i).cast(), weight);
            }
        }
    }
    generic::exp_weights(rest, coefficient, exp2);
}

/// `min((distance * coefficient + 2^23) >> 24, 17 << 8)`, for 32-bit distances.
///
/// # Safety
///
/// Needs AVX-512F.
#[inline(always)]
unsafe fn octave_parts(distances: __m512i, coefficient: __m512i) -> __m512i {
    // SAFETY: the caller has the instructions.
    unsafe {
        let half = _mm512_set1_epi64(1 << 23);
        let most = _mm512_set1_epi64(17 << 8);
        let even = _mm512_add_epi64(_mm512_mul_epu32(distances, coefficient), half);
        let odd = _mm512_srli_epi64::<32>(distances);
        let odd = _mm512_add_epi64(_mm512_mul_epu32(odd, coefficient), half);
        let even = _mm512_min_epu64(_mm512_srli_epi64::<24>(even), most);
        let odd = _mm512_min_epu64(_mm512_srli_epi64::<24>(odd), most);
        _mm512_or_si512(even, _mm512_slli_epi64::<32>(odd))
    }
}

/// The entries of a table of 256 16-bit numbers at 32 16-bit indices.
///
/// # Safety
///
/// Needs AVX-512F and BW.
#[inline(always)]
unsafe fn look_up(table: &[__m512i; 8], indices: __m512i) -> __m512i {
    // SAFETY: the caller has the instructions.
    unsafe {
        // A permutation of two vectors looks at the six low bits of an index; the two above choose among four.
        let [t0, t1, t2, t3, t4, t5, t6, t7] = *table;
        let bit_6 = _mm512_test_epi16_mask(indices, _mm512_set1_epi16(1 << 6));
        let bit_7 = _mm512_test_epi16_mask(indices, _mm512_set1_epi16(1 << 7));
        let lower = _mm512_mask_blend_epi16(
            bit_6,
            _mm512_permutex2var_epi16(t0, indices, t1),
            _mm512_permutex2var_epi16(t2, indices, t3),
        );
        let upper = _mm512_mask_blend_epi16(
            bit_6,
            _mm512_permutex2var_epi16(t4, indices, t5),
            _mm512_permutex2var_epi16(t6, indices, t7),
        );
        _mm512_mask_blend_epi16(bit_7, lower, upper)
    }
}
