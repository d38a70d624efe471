//! Normalises 16-bit activations to 8 bits by their root mean square, without floating point.
//!
//! ```sh
//! cargo run -p czip-fixed --example rms_norm
//! ```
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use czip_fixed::RmsScale;

/// The result has a root mean square of 32, for vectors of 8 numbers.
const SCALE: RmsScale = RmsScale::new(8, 32);

fn main() {
    let activations: [i16; 8] = [300, -120, 45, 0, 910, -77, 210, -640];
    let sum_of_squares = activations
        .iter()
        .map(|&x| u64::from(x.unsigned_abs()).pow(2))
        .sum();

    // The root mean square is 417.5, so each number is multiplied by 32 / 417.5, as factor / 2^shift.
    let factor = SCALE.factor(sum_of_squares);
    let normalized = activations.map(|x| factor.apply(x));

    println!("{activations:?}");
    println!("* {} / 2^{}", factor.factor, factor.shift);
    println!("= {normalized:?}");
    assert_eq!(normalized, [23, -9, 3, 0, 70, -6, 16, -49]);
}
