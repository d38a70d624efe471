//! What the instruction sets with byte products (`vpdpbusd`) share.
//!
//! The instruction multiplies unsigned by signed bytes. Weights and keys are packed with 128 added, which makes them
//! unsigned, and sums start at -128 times the sum of the activations, which takes it back; that is exact for all of
//! int8, -128 included. Attention weights are unsigned by nature, and go through as two bytes each.

use crate::blocked::Staged;
use crate::layout::ValueLayout;
use crate::workspace::Staging;

/// What makes int8 unsigned: 128, modulo 256.
pub(super) const BIAS: i8 = i8::MIN;

/// Activations as they are, and the starts of their sums.
#[inline(always)]
pub(super) fn stage<'a>(x: &'a [i8], stride: usize, staging: &'a mut Staging) -> Staged<'a, i8> {
    stage_starts(x, stride, staging);
    Staged {
        elements: x,
        starts: &staging.starts,
    }
}

/// The starts of sums, which take the bias back.
#[inline(always)]
pub(super) fn stage_starts(x: &[i8], stride: usize, staging: &mut Staging) {
    let starts = &mut staging.starts;
    starts.clear();
    starts.extend(
        x.chunks_exact(stride)
            .map(|x| -128 * x.iter().map(|&x| i32::from(x)).sum::<i32>()),
    );
}

/// The weights of a run that starts at position `first`, as low and high bytes.
///
/// Values lie in groups of four positions. Before the first weight, back to the start of its group, and after the last
/// one, up to the end of its group, there are zeros, so the neighbours' values do not count.
#[inline(always)]
pub(super) fn split_weights<'a>(
    weights: &[u32],
    first: usize,
    bytes: &'a mut [Vec<u8>; 2],
) -> [&'a [[u8; 4]]; 2] {
    let group = ValueLayout::Quads.group();
    let lead = first % group;
    let len = (lead + weights.len()).next_multiple_of(group);
    // A loop, since `array::map` calls its closure in a function that lacks the features.
    for (bytes, shift) in bytes.iter_mut().zip([0, 8]) {
        bytes.clear();
        bytes.resize(lead, 0);
        bytes.extend(weights.iter().map(|&weight| (weight >> shift) as u8));
        bytes.resize(len, 0);
    }
    let [low, high] = bytes;
    [low.as_chunks().0, high.as_chunks().0]
}
