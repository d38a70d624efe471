//! What the levels with byte products (`vpdpbusd`) share.
//!
//! The instruction multiplies unsigned by signed bytes. Weights and keys are packed with 128 added, which makes them
//! unsigned, and sums start at -128 times the sum of the activations, which takes it back; that is exact for all of
//! int8, -128 included. Attention weights are unsigned by nature, and go through as two bytes each.

use czip_fixed::tables::ATTENTION_COEFFICIENT;

use crate::Attention;
use crate::attention::VALUE_GROUP;
use crate::blocked::Staged;
use crate::matrix::Workspace;

/// What makes int8 unsigned: 128, modulo 256.
pub(super) const BIAS: i8 = i8::MIN;

/// The starts of sums that take the bias back.
#[inline(always)]
pub(super) fn stage<'a>(x: &'a [i8], stride: usize, workspace: &'a mut Workspace) -> Staged<'a, i8> {
    let starts = &mut workspace.starts;
    starts.clear();
    starts.extend(
        x.chunks_exact(stride)
            .map(|x| -128 * x.iter().map(|&x| i32::from(x)).sum::<i32>()),
    );
    Staged { elements: x, starts }
}

/// The weights of a stretch that starts at position `first`, as low and high bytes.
///
/// Values lie in groups of four positions. Before the first weight, back to the start of its group, and after the last
/// one, up to the end of its group, there are zeros, so that the neighbours' values count for nothing.
#[inline(always)]
pub(super) fn split_weights<'a>(
    weights: &[u32],
    first: usize,
    bytes: &'a mut [Vec<u8>; 2],
) -> [&'a [[u8; VALUE_GROUP]]; 2] {
    let lead = first % VALUE_GROUP;
    let len = (lead + weights.len()).next_multiple_of(VALUE_GROUP);
    let mut shift = 0;
    bytes.each_mut().map(|bytes| {
        bytes.clear();
        bytes.extend_from_slice(&[0; VALUE_GROUP][..lead]);
        bytes.extend(weights.iter().map(|&weight| (weight >> shift) as u8));
        bytes.resize(len, 0);
        shift += 8;
        bytes.as_chunks().0
    })
}

/// The weights of a stretch of scores below its maximum, by the level's own way from distances to weights.
#[inline(always)]
pub(super) fn stretch_weights<'a>(
    attention: &Attention,
    scores: &[i32],
    maximum: i32,
    weights: &'a mut Vec<u32>,
    exp_weights: impl FnOnce(&mut [u32], u32, &[u16; 256]),
) -> &'a [u32] {
    weights.clear();
    weights.extend(scores.iter().map(|&score| maximum.wrapping_sub(score) as u32));
    exp_weights(weights, ATTENTION_COEFFICIENT, &attention.exp2);
    weights
}
