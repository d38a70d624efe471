//! AVX-512 with VNNI: products of bytes in 512-bit vectors, and look-ups in the exponential table by permutation.

use std::arch::x86_64::*;

use czip_fixed::Factor;
use czip_fixed::tables::{ATTENTION_COEFFICIENT, EXP2};

use crate::arch::{blocked_entry_points, portable_entry_points};
use crate::attention::{Run, RunSums};
use crate::blocked::{Blocked, DotProduct, Staged};
use crate::exp;
use crate::factored::{self, LIMIT};
use crate::frequencies::{MAX_OCTAVES, Softmax, distances, frequencies_of_distances, share_total};
use crate::layout::{Block, GROUP_BLOCKS, HEAD_DIM, ValueLayout};
use crate::product::RowVector;
use crate::requantization::Narrow;
use crate::sliding::WeightedSums;
use crate::workspace::{Staging, WeightSpace};

use super::vnni;

portable_entry_points!(#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]);
blocked_entry_points!(Blocked<BytesBy16, 4>, BytesBy16,
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
);

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
pub(crate) fn frequencies(softmax: &Softmax, logits: &[i32], out: &mut [u32]) {
    let maximum = distances(logits, out);
    // SAFETY: this function has the features that the instructions need.
    unsafe { exp_weights(out, softmax.coefficient, &softmax.exp2) };
    share_total(softmax, logits, maximum, out);
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
pub(crate) fn unscaled_frequencies(logits: &[i32], bits: u32, exp2: &[u16; 256], out: &mut [u32]) {
    distances(logits, out);
    let (whole, rest) = out.as_chunks_mut::<WINDOW>();
    // SAFETY: this function has the features that the instructions need. 32 distances are two vectors.
    unsafe {
        let powers = Powers::new(exp2);
        let scale = _mm_cvtsi32_si128(30 - bits as i32);
        for distances in whole {
            let pointer = distances.as_mut_ptr().cast::<__m512i>();
            let distances = [
                _mm512_loadu_si512(pointer.cast_const().cast()),
                _mm512_loadu_si512(pointer.add(1).cast_const().cast()),
            ];
            let powers = powers.at(_mm512_permutex2var_epi16(
                distances[0],
                _mm512_loadu_si512(EVEN_LANES.as_ptr().cast()),
                distances[1],
            ));
            let halves = [
                _mm512_castsi512_si256(powers),
                _mm512_extracti64x4_epi64::<1>(powers),
            ];
            for (i, (half, distances)) in halves.into_iter().zip(distances).enumerate() {
                let octaves = _mm512_srli_epi32::<8>(distances);
                let octaves = _mm512_min_epu32(octaves, _mm512_set1_epi32(MAX_OCTAVES as i32));
                // A power has 16 bits; at most 30 are wanted, and 14 more fit above it.
                let power = _mm512_slli_epi32::<14>(_mm512_cvtepu16_epi32(half));
                let weight = _mm512_srlv_epi32(_mm512_srl_epi32(power, scale), octaves);
                _mm512_storeu_si512(
                    pointer.add(i).cast(),
                    _mm512_max_epu32(weight, _mm512_set1_epi32(1)),
                );
            }
        }
    }
    frequencies_of_distances(rest, bits, exp2);
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
pub(crate) fn weigh_scores(scores: &[i32], maximum: i32, out: &mut [u32]) -> u32 {
    let (whole, rest) = scores.as_chunks::<WINDOW>();
    let (whole_out, rest_out) = out[..scores.len()].as_chunks_mut::<WINDOW>();
    // SAFETY: this function has the features that the instructions need. 32 scores are two vectors.
    let sum = unsafe {
        let powers = Powers::new(&EXP2);
        let maximum = _mm512_set1_epi32(maximum);
        let in_order = _mm512_loadu_si512(EVEN_LANES.as_ptr().cast());
        let mut sum = _mm512_setzero_si512();
        for (scores, out) in whole.iter().zip(whole_out) {
            let (scores, out) = (
                scores.as_ptr().cast::<__m512i>(),
                out.as_mut_ptr().cast::<__m512i>(),
            );
            let distances = [
                _mm512_sub_epi32(maximum, _mm512_loadu_si512(scores.cast())),
                _mm512_sub_epi32(maximum, _mm512_loadu_si512(scores.add(1).cast())),
            ];
            let powers = powers.at(_mm512_permutex2var_epi16(distances[0], in_order, distances[1]));
            let halves = [
                _mm512_castsi512_si256(powers),
                _mm512_extracti64x4_epi64::<1>(powers),
            ];
            for (i, (half, distances)) in halves.into_iter().zip(distances).enumerate() {
                // Half a unit is added after a shift that leaves one more bit. A shift by 32 or more gives zero.
                let octaves = _mm512_srli_epi32::<8>(distances);
                let twice = _mm512_srlv_epi32(_mm512_slli_epi32::<1>(_mm512_cvtepu16_epi32(half)), octaves);
                let weights = _mm512_srli_epi32::<1>(_mm512_add_epi32(twice, _mm512_set1_epi32(1)));
                _mm512_storeu_si512(out.add(i).cast(), weights);
                sum = _mm512_add_epi32(sum, weights);
            }
        }
        _mm512_reduce_add_epi32(sum) as u32
    };
    sum.wrapping_add(factored::weigh_scores(rest, maximum, rest_out))
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
pub(crate) fn scale(sums: &mut [i32], mantissas: &[u16], exponents: &[u8], unit: Factor) {
    let (whole, rest) = sums.as_chunks_mut::<ROWS>();
    let (whole_mantissas, rest_mantissas) = mantissas.as_chunks::<ROWS>();
    let (whole_exponents, rest_exponents) = exponents.as_chunks::<ROWS>();
    let rows = whole.iter_mut().zip(whole_mantissas).zip(whole_exponents);
    for ((sums, mantissas), exponents) in rows {
        // SAFETY: this function has the features that the instructions need. 16 sums are a vector.
        unsafe {
            let scaled = scaled(sums, mantissas, exponents, unit);
            _mm512_storeu_si512(sums.as_mut_ptr().cast(), scaled);
        }
    }
    factored::scale(rest, rest_mantissas, rest_exponents, unit);
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
pub(crate) fn add_scaled(
    sums: &[i32],
    mantissas: &[u16],
    exponents: &[u8],
    unit: Factor,
    residual: &mut [i32],
) {
    let (whole, rest) = sums.as_chunks::<ROWS>();
    let (whole_mantissas, rest_mantissas) = mantissas.as_chunks::<ROWS>();
    let (whole_exponents, rest_exponents) = exponents.as_chunks::<ROWS>();
    let (whole_residual, rest_residual) = residual.as_chunks_mut::<ROWS>();
    let rows = whole.iter().zip(whole_mantissas).zip(whole_exponents);
    for (((sums, mantissas), exponents), residual) in rows.zip(whole_residual) {
        // SAFETY: this function has the features that the instructions need. 16 sums are a vector.
        unsafe {
            let before = _mm512_loadu_si512(residual.as_ptr().cast());
            let sum = _mm512_add_epi32(before, scaled(sums, mantissas, exponents, unit));
            let sum = _mm512_max_epi32(sum, _mm512_set1_epi32(-LIMIT));
            let sum = _mm512_min_epi32(sum, _mm512_set1_epi32(LIMIT));
            _mm512_storeu_si512(residual.as_mut_ptr().cast(), sum);
        }
    }
    factored::add_scaled(rest, rest_mantissas, rest_exponents, unit, rest_residual);
}

/// Rows that [`scaled`] takes.
const ROWS: usize = 16;

/// Sums times the factors of their rows and of a vector's unit, saturated: the vector form of what [`factored::scale`] does.
///
/// # Safety
///
/// Needs AVX-512F.
#[inline(always)]
unsafe fn scaled(
    sums: &[i32; ROWS],
    mantissas: &[u16; ROWS],
    exponents: &[u8; ROWS],
    unit: Factor,
) -> __m512i {
    // SAFETY: the caller has the instructions; the arrays are as long as the vectors.
    unsafe {
        let sums = _mm512_loadu_si512(sums.as_ptr().cast());
        let mantissas = _mm512_cvtepu16_epi32(_mm256_loadu_si256(mantissas.as_ptr().cast()));
        let exponents = _mm512_cvtepu8_epi32(_mm_loadu_si128(exponents.as_ptr().cast()));
        let factors = _mm512_mullo_epi32(mantissas, _mm512_set1_epi32(unit.mantissa.into()));
        // Of the shift, 1 to 62, all but the last bit, which follows when half a unit is added.
        let shifts = _mm512_add_epi32(exponents, _mm512_set1_epi32(i32::from(unit.exponent) - 1));
        let shifts = _mm512_max_epi32(shifts, _mm512_setzero_si512());
        let shifts = _mm512_min_epi32(shifts, _mm512_set1_epi32(61));
        // In 64 bits: the even lanes where they are, the odd ones after a move.
        let even = rounded(sums, factors, _mm512_maskz_mov_epi32(0x5555, shifts));
        let odd = rounded(
            _mm512_srli_epi64::<32>(sums),
            _mm512_srli_epi64::<32>(factors),
            _mm512_srli_epi64::<32>(shifts),
        );
        _mm512_mask_shuffle_epi32::<0b10_10_00_00>(even, 0xaaaa, odd)
    }
}

/// Products of even 32-bit lanes over `2^(shift + 1)`, rounded half up and saturated, in 64-bit lanes.
///
/// # Safety
///
/// Needs AVX-512F.
#[inline(always)]
unsafe fn rounded(sums: __m512i, factors: __m512i, shifts: __m512i) -> __m512i {
    // SAFETY: the caller has the instructions.
    unsafe {
        let twice = _mm512_srav_epi64(_mm512_mul_epi32(sums, factors), shifts);
        let rounded = _mm512_srai_epi64::<1>(_mm512_add_epi64(twice, _mm512_set1_epi64(1)));
        let saturated = _mm512_max_epi64(rounded, _mm512_set1_epi64(i64::from(-LIMIT)));
        _mm512_min_epi64(saturated, _mm512_set1_epi64(i64::from(LIMIT)))
    }
}

/// Sixteen rows a vector.
pub(super) struct BytesBy16;

// SAFETY: the method reads and writes what the trait says, and needs only AVX-512F and VNNI.
unsafe impl RowVector for BytesBy16 {
    const ROWS: usize = 16;
    type Rows = [i32; 16];

    #[inline(always)]
    unsafe fn requantize(sums: &[i32; 16], narrow: Narrow, out: &mut [i8]) {
        assert_eq!(out.len(), Self::ROWS, "activations");
        // SAFETY: the caller has the instructions, and `sums` and `out` have 16 elements.
        unsafe {
            let limit = _mm512_set1_epi32(narrow.limit);
            let shift = _mm_cvtsi32_si128(narrow.shift as i32);
            let sums = _mm512_loadu_si512(sums.as_ptr().cast());
            let sums = _mm512_max_epi32(_mm512_min_epi32(sums, limit), _mm512_set1_epi32(-narrow.limit));
            let products = _mm512_mullo_epi32(sums, _mm512_set1_epi32(narrow.mult));
            let odd = _mm512_and_si512(_mm512_sra_epi32(products, shift), _mm512_set1_epi32(1));
            let but_one = _mm512_set1_epi32((1 << (narrow.shift - 1)) - 1);
            let rounded = _mm512_add_epi32(_mm512_add_epi32(products, but_one), odd);
            let rounded = _mm512_cvtsepi32_epi8(_mm512_sra_epi32(rounded, shift));
            let clamped = _mm_max_epi8(rounded, _mm_set1_epi8(-127));
            _mm_storeu_si128(out.as_mut_ptr().cast(), clamped);
        }
    }
}

// SAFETY: the methods read and write what the trait says, and need only AVX-512F and VNNI.
unsafe impl DotProduct for BytesBy16 {
    const BIAS: i8 = vnni::BIAS;
    type Element = i8;
    type Sums = __m512i;
    type Weights = __m512i;

    #[inline(always)]
    fn stage<'a>(x: &'a [i8], stride: usize, staging: &'a mut Staging) -> Staged<'a, i8> {
        vnni::stage(x, stride, staging)
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

// SAFETY: the method reads and writes what the trait says, and needs only AVX-512 F, BW and VNNI.
unsafe impl RunSums for BytesBy16 {
    const VALUES: ValueLayout = ValueLayout::Quads;

    #[inline(always)]
    unsafe fn add_run(
        exp2: &[u16; 256],
        run: Run<'_>,
        values: &[Block],
        space: &mut WeightSpace,
        acc: &mut [i32; HEAD_DIM],
    ) -> u64 {
        let group = Self::VALUES.group();
        let (lead, bytes) = (run.first % group, &mut space.bytes);
        let windows = (lead + run.scores.len()).div_ceil(WINDOW);
        let needed = windows * WINDOW;
        for bytes in &mut *bytes {
            if bytes.len() < needed {
                bytes.resize(needed, 0);
            }
        }
        let [low, high] = bytes;
        // SAFETY: the caller has the instructions.
        let sum = unsafe { run_weights(exp2, run, lead, low, high) };
        let groups = (lead + run.scores.len()).div_ceil(group);
        let (low, high) = (&low.as_chunks().0[..groups], &high.as_chunks().0[..groups]);
        // SAFETY: as above.
        unsafe { add_weighted(low, high, values, acc) };
        sum
    }
}

/// Positions whose weights are computed together: the 16-bit lanes of a vector.
const WINDOW: usize = 32;

/// The weights of a run, as low and high bytes, and their sum.
///
/// The bytes begin `lead` places before the first score and end with a whole window; what is not of the run is zero, so
/// the neighbours' values do not count.
///
/// # Safety
///
/// Needs AVX-512 F, BW and VNNI.
///
/// # Panics
///
/// If the bytes do not have room for as many windows.
#[inline(always)]
unsafe fn run_weights(exp2: &[u16; 256], run: Run<'_>, lead: usize, low: &mut [u8], high: &mut [u8]) -> u64 {
    let Run { scores, maximum, .. } = run;
    let end = lead + scores.len();
    let windows = low
        .as_chunks_mut::<WINDOW>()
        .0
        .iter_mut()
        .zip(high.as_chunks_mut::<WINDOW>().0);
    assert!(windows.len() * WINDOW >= end, "weights of {end} positions");
    // SAFETY: the caller has the instructions. Scores are loaded under a mask of the lanes that lie
    // within the slice, and a window of bytes is as long as a vector of 256 bits.
    unsafe {
        let exp = Exp::new(exp2, ATTENTION_COEFFICIENT);
        let maximum = _mm512_set1_epi32(maximum);
        let mut sums = [_mm512_setzero_si512(); 2];
        for (index, (low, high)) in windows.take(end.div_ceil(WINDOW)).enumerate() {
            let position = index * WINDOW;
            let before = (lead.saturating_sub(position)) as u32;
            let within = (end - position).min(WINDOW) as u32;
            let mask = (u64::MAX >> (64 - within)) as u32 & (u32::MAX << before);
            let pointer = scores.as_ptr().wrapping_add(position).wrapping_sub(lead);
            let scores = [
                _mm512_maskz_loadu_epi32(mask as u16, pointer),
                _mm512_maskz_loadu_epi32((mask >> 16) as u16, pointer.wrapping_add(16)),
            ];
            let weights = exp.weights([
                _mm512_sub_epi32(maximum, scores[0]),
                _mm512_sub_epi32(maximum, scores[1]),
            ]);
            let weights = _mm512_maskz_mov_epi16(mask, weights);
            _mm256_storeu_si256(low.as_mut_ptr().cast(), _mm512_cvtepi16_epi8(weights));
            let upper = _mm512_srli_epi16::<8>(weights);
            _mm256_storeu_si256(high.as_mut_ptr().cast(), _mm512_cvtepi16_epi8(upper));
            sums[0] = _mm512_dpbusd_epi32(sums[0], weights, _mm512_set1_epi16(1));
            sums[1] = _mm512_dpbusd_epi32(sums[1], weights, _mm512_set1_epi16(1 << 8));
        }
        let sum = _mm512_add_epi32(sums[0], _mm512_slli_epi32::<8>(sums[1]));
        // A context has at most 2^15 positions, so the sum fits 32 bits.
        u64::from(_mm512_reduce_add_epi32(sum) as u32)
    }
}

/// Adds values in groups, weighted by 16-bit numbers given as low and high bytes, to the accumulators.
///
/// # Safety
///
/// Needs AVX-512 F and VNNI.
#[inline(always)]
unsafe fn add_weighted(low: &[[u8; 4]], high: &[[u8; 4]], values: &[Block], acc: &mut [i32; HEAD_DIM]) {
    const VECTORS: usize = HEAD_DIM / 16;
    // SAFETY: the caller has the instructions. A group of values is four blocks of 64 bytes, aligned to 64, so four
    // vectors; and the accumulators are as long as four vectors.
    unsafe {
        let mut sums = [[_mm512_setzero_si512(); VECTORS]; 2];
        for ((&low, &high), values) in low.iter().zip(high).zip(values.as_chunks::<GROUP_BLOCKS>().0) {
            let weights = [
                _mm512_set1_epi32(i32::from_ne_bytes(low)),
                _mm512_set1_epi32(i32::from_ne_bytes(high)),
            ];
            for (index, values) in values.iter().enumerate() {
                let values = _mm512_load_si512(values.0.as_ptr().cast());
                for (sums, weights) in sums.iter_mut().zip(weights) {
                    sums[index] = _mm512_dpbusd_epi32(sums[index], weights, values);
                }
            }
        }
        let [low, high] = sums;
        let pointer = acc.as_mut_ptr().cast::<__m512i>();
        for (index, (&low, &high)) in low.iter().zip(&high).enumerate() {
            let sum = _mm512_add_epi32(low, _mm512_slli_epi32::<8>(high));
            let pointer = pointer.add(index).cast();
            _mm512_storeu_si512(
                pointer,
                _mm512_add_epi32(_mm512_loadu_si512(pointer.cast_const()), sum),
            );
        }
    }
}

// SAFETY: the methods read and write what the trait says, and need only AVX-512 F, BW, VL and VNNI.
unsafe impl WeightedSums for BytesBy16 {
    #[inline(always)]
    unsafe fn weigh(scores: &[i32], maximum: i32, exp2: &[u16; 256], weights: &mut [u8]) {
        assert_eq!(scores.len(), weights.len(), "weights");
        // Two blocks of 16 a time, of which the second may be missing.
        let blocks = scores.chunks(WINDOW).zip(weights.chunks_mut(WINDOW));
        // SAFETY: the caller has the instructions. Scores are loaded and weights stored under masks of the lanes that lie
        // within the slices.
        unsafe {
            let powers = Powers::new(exp2);
            let in_order = _mm512_loadu_si512(EVEN_LANES.as_ptr().cast());
            let maximum = _mm512_set1_epi32(maximum);
            // From 16 octaves on a weight is 0, whatever the fraction.
            let most = _mm512_set1_epi32((16 << 8) + 255);
            for (scores, weights) in blocks {
                let mask = (u64::MAX >> (64 - scores.len())) as u32;
                let pointer = scores.as_ptr();
                let distances = [
                    _mm512_sub_epi32(maximum, _mm512_maskz_loadu_epi32(mask as u16, pointer)),
                    _mm512_sub_epi32(
                        maximum,
                        _mm512_maskz_loadu_epi32((mask >> 16) as u16, pointer.wrapping_add(16)),
                    ),
                ];
                let z = _mm512_permutex2var_epi16(
                    _mm512_min_epu32(distances[0], most),
                    in_order,
                    _mm512_min_epu32(distances[1], most),
                );
                // A shift by 8 and the octaves, rounded: its last bit is left to an average with zero, which rounds up. A
                // shift by 16 or more gives zero.
                let but_one = _mm512_add_epi16(_mm512_srli_epi16::<8>(z), _mm512_set1_epi16(7));
                let shifted = _mm512_srlv_epi16(powers.at(z), but_one);
                let rounded = _mm512_avg_epu16(shifted, _mm512_setzero_si512());
                let bytes = _mm512_cvtusepi16_epi8(rounded);
                _mm256_mask_storeu_epi8(weights.as_mut_ptr().cast(), mask, bytes);
            }
        }
    }

    #[inline(always)]
    unsafe fn weighted_sums(weights: &[u8], values: &[Block], acc: &mut [i32; HEAD_DIM]) {
        const VECTORS: usize = HEAD_DIM / 16;
        let groups = weights
            .as_chunks::<4>()
            .0
            .iter()
            .zip(values.as_chunks::<GROUP_BLOCKS>().0);
        // SAFETY: the caller has the instructions. A group of values is four blocks of 64 bytes, aligned to 64, so four
        // vectors; and the accumulators are as long as four vectors.
        unsafe {
            let mut sums = [_mm512_setzero_si512(); VECTORS];
            for (&weights, values) in groups {
                let weights = _mm512_set1_epi32(i32::from_ne_bytes(weights));
                for (sum, values) in sums.iter_mut().zip(values) {
                    *sum = _mm512_dpbusd_epi32(*sum, weights, _mm512_load_si512(values.0.as_ptr().cast()));
                }
            }
            let pointer = acc.as_mut_ptr().cast::<__m512i>();
            for (index, &sum) in sums.iter().enumerate() {
                _mm512_storeu_si512(pointer.add(index).cast(), sum);
            }
        }
    }
}

/// [`exp::weights`], for any number of distances.
///
/// # Safety
///
/// Needs AVX-512 F and BW.
#[inline(always)]
unsafe fn exp_weights(distances: &mut [u32], coefficient: u32, exp2: &[u16; 256]) {
    if coefficient >= MAX_COEFFICIENT {
        return exp::weights(distances, coefficient, exp2);
    }
    let (whole, rest) = distances.as_chunks_mut::<WINDOW>();
    // SAFETY: the caller has the instructions. 32 distances are two vectors.
    unsafe {
        let exp = Exp::new(exp2, coefficient);
        for distances in whole {
            let pointer = distances.as_mut_ptr().cast::<__m512i>();
            let weights = exp.weights([
                _mm512_loadu_si512(pointer.cast_const().cast()),
                _mm512_loadu_si512(pointer.add(1).cast_const().cast()),
            ]);
            let halves = [
                _mm512_castsi512_si256(weights),
                _mm512_extracti64x4_epi64::<1>(weights),
            ];
            for (i, half) in halves.into_iter().enumerate() {
                _mm512_storeu_si512(pointer.add(i).cast(), _mm512_cvtepu16_epi32(half));
            }
        }
    }
    exp::weights(rest, coefficient, exp2);
}

/// A table of powers in registers.
struct Powers([__m512i; 8]);

impl Powers {
    /// Loads the table: `round(2^(-i/256) * 65536)`, 32 entries in each vector.
    ///
    /// # Safety
    ///
    /// Needs AVX-512F.
    #[inline(always)]
    unsafe fn new(exp2: &[u16; 256]) -> Self {
        // SAFETY: the caller has the instructions. The table is eight vectors of 16-bit numbers.
        unsafe {
            let mut table = [_mm512_setzero_si512(); 8];
            for (i, table) in table.iter_mut().enumerate() {
                *table = _mm512_loadu_si512(exp2[32 * i..].as_ptr().cast());
            }
            Self(table)
        }
    }

    /// The entries at the low bytes of 16-bit indices.
    ///
    /// # Safety
    ///
    /// Needs AVX-512F and BW.
    #[inline(always)]
    unsafe fn at(&self, indices: __m512i) -> __m512i {
        // SAFETY: the caller has the instructions.
        unsafe {
            // A permutation of two vectors looks at the six low bits of an index; the two above choose among four.
            let [t0, t1, t2, t3, t4, t5, t6, t7] = self.0;
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
}

/// The exponential function.
struct Exp {
    powers: Powers,
    /// The scale of a distance, Q32 per 1/256 octave, in the even 32-bit lanes.
    coefficient: __m512i,
}

/// Coefficients with [`Exp`] are below this: 2^24. A larger one would weigh neighbours among logits by an octave or more.
const MAX_COEFFICIENT: u32 = 1 << 24;

impl Exp {
    /// Loads the table. The coefficient is below [`MAX_COEFFICIENT`].
    ///
    /// # Safety
    ///
    /// Needs AVX-512F.
    #[inline(always)]
    unsafe fn new(exp2: &[u16; 256], coefficient: u32) -> Self {
        // SAFETY: the caller has the instructions.
        unsafe {
            Self {
                powers: Powers::new(exp2),
                coefficient: _mm512_set1_epi64(i64::from(coefficient) << 8),
            }
        }
    }

    /// The weights of 32 distances below the maximum, given in two vectors of 32-bit lanes, in 16-bit lanes in order:
    /// [`czip_fixed::exp_weight`].
    ///
    /// # Safety
    ///
    /// Needs AVX-512F and BW.
    #[inline(always)]
    unsafe fn weights(&self, distances: [__m512i; 2]) -> __m512i {
        // SAFETY: the caller has the instructions.
        unsafe {
            let in_order = _mm512_loadu_si512(EVEN_LANES.as_ptr().cast());
            let z =
                _mm512_permutex2var_epi16(self.octaves(distances[0]), in_order, self.octaves(distances[1]));
            let power = self.powers.at(z);
            // ((65536 >> octaves) * exp2 + 32768) >> 16 is (exp2 + half of 2^octaves) >> octaves; and that, with the
            // last bit of the shift left to an average with zero, which rounds up. A shift by 16 or more gives zero.
            let octaves = _mm512_srli_epi16::<8>(z);
            let but_one = _mm512_sub_epi16(octaves, _mm512_set1_epi16(1));
            let shifted = _mm512_srlv_epi16(power, but_one);
            let rounded = _mm512_avg_epu16(shifted, _mm512_setzero_si512());
            let none = _mm512_testn_epi16_mask(octaves, octaves);
            let weights = _mm512_mask_mov_epi16(rounded, none, power);
            // That of the maximum does not depend on the table.
            // No closures here: they are functions that lack the features.
            let maxima = [
                u32::from(_mm512_testn_epi32_mask(distances[0], distances[0])),
                u32::from(_mm512_testn_epi32_mask(distances[1], distances[1])),
            ];
            let least = _mm512_mask_mov_epi16(
                _mm512_set1_epi16(1),
                maxima[1] << 16 | maxima[0],
                _mm512_set1_epi16(-1),
            );
            _mm512_max_epu16(weights, least)
        }
    }

    /// `min((distance * coefficient + 2^23) >> 24, 17 << 8)` in 32-bit lanes: 1/256 octaves. From 17 octaves on, the
    /// weight is 1 in any case.
    ///
    /// # Safety
    ///
    /// Needs AVX-512F.
    #[inline(always)]
    unsafe fn octaves(&self, distances: __m512i) -> __m512i {
        // SAFETY: the caller has the instructions.
        unsafe {
            // The coefficient has another 8 fraction bits here, so the result is the upper half of 64 bits.
            let half = _mm512_set1_epi64(1 << 31);
            let even = _mm512_add_epi64(_mm512_mul_epu32(distances, self.coefficient), half);
            let odd = _mm512_srli_epi64::<32>(distances);
            let odd = _mm512_add_epi64(_mm512_mul_epu32(odd, self.coefficient), half);
            let z = _mm512_mask_shuffle_epi32::<0b11_11_01_01>(odd, 0x5555, even);
            _mm512_min_epu32(z, _mm512_set1_epi32(17 << 8))
        }
    }
}

/// The indices of the even 16-bit lanes of two vectors.
const EVEN_LANES: [u16; WINDOW] = {
    let mut lanes = [0; WINDOW];
    let mut i = 0;
    while i < WINDOW {
        lanes[i] = 2 * i as u16;
        i += 1;
    }
    lanes
};
