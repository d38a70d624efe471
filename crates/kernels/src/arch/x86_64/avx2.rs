//! AVX2: 16-bit products of pairs, exact for all of int8.
//!
//! The shorter way of multiplying bytes, `vpmaddubsw`, saturates at 16 bits and is not used.

use std::arch::x86_64::*;

use crate::arch::{blocked_entry_points, portable_entry_points, portable_lookups};
use crate::attention::{Run, RunSums};
use crate::blocked::{Blocked, DotProduct, Staged};
use crate::frequencies;
use crate::layout::{Block, GROUP_BLOCKS, HEAD_DIM, ValueLayout};
use crate::product::RowVector;
use crate::requantization::Narrow;
use crate::sliding::{MAX_POSITIONS, WeightedSums};
use crate::workspace::{Staging, WeightSpace};

portable_entry_points!(#[target_feature(enable = "avx2")]);
portable_lookups!(#[target_feature(enable = "avx2")]);
blocked_entry_points!(Blocked<Madd, 1>, Madd, #[target_feature(enable = "avx2")]);

/// Eight rows a vector; weights and activations are widened to 16 bits, and each row's sum is in two lanes.
struct Madd;

// SAFETY: the method reads and writes what the trait says, and needs only AVX2.
unsafe impl RowVector for Madd {
    const ROWS: usize = 8;
    type Rows = [i32; 8];

    #[inline(always)]
    unsafe fn requantize(sums: &[i32; 8], narrow: Narrow, out: &mut [i8]) {
        // SAFETY: the caller has AVX2.
        unsafe { super::requantize(sums, narrow, out) };
    }
}

// SAFETY: the methods read and write what the trait says, and need only AVX2.
unsafe impl DotProduct for Madd {
    const BIAS: i8 = 0;
    type Element = i16;
    /// Rows 0 to 3, then 4 to 7.
    type Sums = [__m256i; 2];
    type Weights = [__m256i; 2];

    #[inline(always)]
    fn stage<'a>(x: &'a [i8], _stride: usize, staging: &'a mut Staging) -> Staged<'a, i16> {
        Staged::widened(x, staging)
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
    unsafe fn rows(sums: Self::Sums) -> [i32; 8] {
        let mut rows = [0; 8];
        // SAFETY: the caller has AVX2, and `rows` has room for eight numbers.
        unsafe {
            // Rows 0 1 4 5 in the lower half, 2 3 6 7 in the upper.
            let sums = _mm256_hadd_epi32(sums[0], sums[1]);
            let sums = _mm256_permute4x64_epi64::<0b11_01_10_00>(sums);
            _mm256_storeu_si256(rows.as_mut_ptr().cast(), sums);
        }
        rows
    }
}

// SAFETY: the method reads and writes what the trait says, and needs only AVX2.
unsafe impl RunSums for Madd {
    const VALUES: ValueLayout = ValueLayout::WidePairs;

    #[inline(always)]
    unsafe fn add_run(
        exp2: &[u16; 256],
        run: Run<'_>,
        values: &[Block],
        space: &mut WeightSpace,
        acc: &mut [i32; HEAD_DIM],
    ) -> u64 {
        let weights = run.weights(exp2, &mut space.weights);
        let pairs = pair_weights(weights, run.first, &mut space.pairs, &mut space.halves);
        // SAFETY: the caller has AVX2.
        unsafe { add_weighted(pairs, &space.halves, values, acc) };
        u64::from(frequencies::sum(weights))
    }
}

// SAFETY: the method reads and writes what the trait says, and needs only AVX2.
unsafe impl WeightedSums for Madd {
    #[inline(always)]
    unsafe fn weighted_sums(weights: &[u8], values: &[Block], acc: &mut [i32; HEAD_DIM]) {
        let mut pairs = [[0; 2]; MAX_POSITIONS / 2];
        let pairs = &mut pairs[..weights.len() / 2];
        for (wide, &weight) in pairs.as_flattened_mut().iter_mut().zip(weights) {
            *wide = i16::from(weight);
        }
        // SAFETY: the caller has AVX2.
        unsafe { add_weighted(pairs, &[], values, acc) };
    }
}

/// Weights as 16-bit numbers in pairs of positions, and the pairs of which one is 32768 or more.
///
/// Read as signed, such a weight is 65536 too small; `halves` say where to add that: the index of a pair, and 1 for
/// each of its positions that needs it. Those are the keys within an octave of the best. Before the first weight and
/// after the last there are zeros, up to whole pairs, so the neighbours' values do not count.
#[inline(always)]
fn pair_weights<'a>(
    weights: &[u32],
    first: usize,
    pairs: &'a mut Vec<i16>,
    halves: &mut Vec<(usize, [i16; 2])>,
) -> &'a [[i16; 2]] {
    pairs.clear();
    pairs.resize(first % 2, 0);
    pairs.extend(weights.iter().map(|&weight| weight as i16));
    pairs.resize(pairs.len().next_multiple_of(2), 0);
    let pairs = pairs.as_chunks::<2>().0;
    halves.clear();
    for (block, pairs) in pairs.chunks(SCAN).enumerate() {
        if pairs
            .as_flattened()
            .iter()
            .fold(0, |signs, &weight| signs | weight)
            < 0
        {
            let negative = pairs
                .iter()
                .enumerate()
                .filter(|(_, pair)| pair[0] < 0 || pair[1] < 0);
            let ones = |weight: i16| (weight as u16 >> 15) as i16;
            halves
                .extend(negative.map(|(index, pair)| (block * SCAN + index, [ones(pair[0]), ones(pair[1])])));
        }
    }
    pairs
}

/// Pairs looked at together for a sign.
const SCAN: usize = 8;

/// Adds weighted values to the accumulators: pairs of positions, then again those that `halves` name.
///
/// # Safety
///
/// Needs AVX2.
#[inline(always)]
unsafe fn add_weighted(
    pairs: &[[i16; 2]],
    halves: &[(usize, [i16; 2])],
    values: &[Block],
    acc: &mut [i32; HEAD_DIM],
) {
    const VECTORS: usize = HEAD_DIM / 8;
    let groups = values.as_chunks::<GROUP_BLOCKS>().0;
    // SAFETY: the caller has AVX2. A group of values is four blocks of 64 bytes, aligned to 64,
    // so eight vectors; and the accumulators are eight vectors.
    unsafe {
        let pointer = acc.as_mut_ptr().cast::<__m256i>();
        let mut acc = [_mm256_setzero_si256(); VECTORS];
        for (index, acc) in acc.iter_mut().enumerate() {
            *acc = _mm256_loadu_si256(pointer.add(index));
        }
        for (&pair, group) in pairs.iter().zip(groups) {
            let weights = broadcast(pair);
            let group = group.as_ptr().cast::<__m256i>();
            for (index, acc) in acc.iter_mut().enumerate() {
                let products = _mm256_madd_epi16(_mm256_load_si256(group.add(index)), weights);
                *acc = _mm256_add_epi32(*acc, products);
            }
        }
        for &(pair, ones) in halves {
            let ones = broadcast(ones);
            let group = groups[pair].as_ptr().cast::<__m256i>();
            for (index, acc) in acc.iter_mut().enumerate() {
                let sums = _mm256_madd_epi16(_mm256_load_si256(group.add(index)), ones);
                *acc = _mm256_add_epi32(*acc, _mm256_slli_epi32::<16>(sums));
            }
        }
        for (index, acc) in acc.into_iter().enumerate() {
            _mm256_storeu_si256(pointer.add(index), acc);
        }
    }
}

/// A pair of 16-bit numbers in every lane.
///
/// # Safety
///
/// Needs AVX2.
#[inline(always)]
unsafe fn broadcast(pair: [i16; 2]) -> __m256i {
    let lane = u32::from(pair[0] as u16) | u32::from(pair[1] as u16) << 16;
    // SAFETY: the caller has AVX2.
    unsafe { _mm256_set1_epi32(lane as i32) }
}
