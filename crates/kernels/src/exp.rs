//! The exponential weights of version 1, in portable Rust shaped for the compiler's vectoriser: uint32 distances below a
//! maximum become uint32 weights in place, 1 to 65535.

/// Distances that [`weights`] handles at a time.
const EXP: usize = 16;

/// Replaces each distance below the maximum by its weight: [`czip_fixed::exp_weight`].
///
/// Three short loops rather than one, so the first and the last are vectorised and the look-ups between them stay
/// plain loads.
#[inline(always)]
pub(crate) fn weights(distances: &mut [u32], coefficient: u32, exp2: &[u16; 256]) {
    let (blocks, rest) = distances.as_chunks_mut::<EXP>();
    for distances in blocks {
        weights_of_block(distances, coefficient, exp2);
    }
    if !rest.is_empty() {
        let mut block = [0; EXP];
        block[..rest.len()].copy_from_slice(rest);
        weights_of_block(&mut block, coefficient, exp2);
        rest.copy_from_slice(&block[..rest.len()]);
    }
}

#[inline(always)]
fn weights_of_block(distances: &mut [u32; EXP], coefficient: u32, exp2: &[u16; 256]) {
    let (mut fractions, mut powers, mut least) = ([0u8; EXP], [0u16; EXP], [0u32; EXP]);
    for ((distance, fraction), least) in distances.iter_mut().zip(&mut fractions).zip(&mut least) {
        // That of the maximum does not depend on the table.
        *least = if *distance == 0 { 65535 } else { 1 };
        // (2^32 - 1)^2 + 2^23 fits 64 bits.
        let z = (u64::from(*distance) * u64::from(coefficient)).wrapping_add(1 << 23) >> 24;
        // From 17 octaves on the weight is 1 in any case, and the clamp keeps the shift in range.
        let octaves = (z >> 8).min(17) as u32;
        *fraction = z as u8;
        *distance = octaves;
    }
    for (power, &fraction) in powers.iter_mut().zip(&fractions) {
        *power = exp2[usize::from(fraction)];
    }
    for ((octaves, &power), &least) in distances.iter_mut().zip(&powers).zip(&least) {
        // ((65536 >> octaves) * exp2 + 32768) >> 16, with the powers of two cancelled. At 17 octaves it is 0,
        // whatever the fraction.
        let half = 1u32.wrapping_shl(*octaves) >> 1;
        let weight = u32::from(power).wrapping_add(half).wrapping_shr(*octaves);
        *octaves = weight.max(least);
    }
}
