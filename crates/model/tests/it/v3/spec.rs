//! The examples of `docs/spec/czm-v3.md`, in its order.

use czip_fixed::{Factor, SIGMOID};
use czip_kernels::Kernels;

fn factor(mantissa: u16, exponent: u8) -> Factor {
    Factor { mantissa, exponent }
}

#[test]
fn rounding_a_vector() {
    let kernels = Kernels::detect();
    let x = [1000, -250, 3];
    let mut levelled = [0; 3];
    let level = kernels.level(&x, &mut levelled);
    assert_eq!(
        (level.bits, level.largest, levelled),
        (10, 32_000, [32_000, -8_000, 96])
    );
    let mut out = [0; 3];
    kernels.to_i8(&levelled, level, &mut out);
    assert_eq!((out, level.unit(12)), ([127, -32, 0], factor(16_125, 23)));
    let (mut high, mut low) = ([0; 3], [0; 3]);
    kernels.to_i8_pair(&levelled, level, &mut high, &mut low);
    assert_eq!((high, low), ([127, -32, 0], [0, 64, 98]));
}

#[test]
fn norm() {
    let kernels = Kernels::detect();
    let mut levelled = [0; 3];
    let level = kernels.level(&[1000, -250, 3], &mut levelled);
    let squares = kernels.sum_of_squares(&levelled);
    assert_eq!(squares, 1_088_009_216);
    assert_eq!(level.normed_unit(squares, 0, 3), factor(27_747, 21));
}

/// The definition of section 7.3 at its ends.
#[test]
fn sigmoid() {
    assert_eq!(
        [SIGMOID[0], SIGMOID[1], SIGMOID[64], SIGMOID[1024], SIGMOID[1025]],
        [32_768, 33_034, 47_899, 65_536, 65_536]
    );
}
