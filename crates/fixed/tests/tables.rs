//! The committed tables against their definitions and the conformance models, and the worked examples of
//! `docs/spec/fixed-point.md`.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use czip_fixed::{
    clamp127, exp_weight, inverse_rms, isqrt, requantize, rne_div, rne_shr,
    tables::{
        ATTENTION_COEFFICIENT, EXP2, LOG2E_OVER_64_Q24, LOG2E_OVER_640_Q24, LOGIT_COEFFICIENT, ROPE_PAIRS,
        ROPE_ROWS, ROPE_THETA_Q16, rope_row,
    },
};
use czip_vectors::shared_file;

/// The header of a safetensors file and the bytes that its offsets count from.
struct Model {
    header: serde_json::Value,
    data: Vec<u8>,
}

impl Model {
    fn new(mut data: Vec<u8>) -> Self {
        let length = u64::from_le_bytes(data[..8].try_into().unwrap()) as usize;
        let header = serde_json::from_slice(&data[8..8 + length]).unwrap();
        data.drain(..8 + length);
        Self { header, data }
    }

    fn bytes(&self, tensor: &str) -> &[u8] {
        let offsets = &self.header[tensor]["data_offsets"];
        &self.data[offsets[0].as_u64().unwrap() as usize..offsets[1].as_u64().unwrap() as usize]
    }

    fn rows(&self, tensor: &str) -> usize {
        assert_eq!(self.header[tensor]["shape"][1], 32);
        self.header[tensor]["shape"][0].as_u64().unwrap() as usize
    }

    fn u32(&self, tensor: &str) -> u32 {
        u32::from_le_bytes(self.bytes(tensor).try_into().unwrap())
    }
}

#[test]
fn tables_are_those_of_the_conformance_models() {
    let models = [
        ("synth_2x4", 128),
        ("synth_3x8_sink", 256),
        ("synth_peaked", 1024),
        ("v000_eng", 64),
        ("v001_eng", 1024),
    ];
    for (name, context) in models {
        let Some(file) = shared_file(&format!("conformance/models/{name}.czm")) else {
            return;
        };
        let model = Model::new(file);
        let exp2: Vec<u8> = EXP2.iter().flat_map(|entry| entry.to_le_bytes()).collect();
        assert_eq!(model.bytes("lut.exp2"), exp2, "{name}");

        assert_eq!(
            model.header["__metadata__"]["rope_theta_q16"],
            ROPE_THETA_Q16.to_string(),
            "{name}"
        );
        assert_eq!(
            [model.rows("lut.rope_cos"), model.rows("lut.rope_sin")],
            [context; 2],
            "{name}"
        );
        let (mut cos, mut sin) = (Vec::new(), Vec::new());
        for pos in 0..context {
            let row = rope_row(pos).unwrap();
            cos.extend(row.0.iter().flat_map(|entry| entry.to_le_bytes()));
            sin.extend(row.1.iter().flat_map(|entry| entry.to_le_bytes()));
        }
        assert_eq!(model.bytes("lut.rope_cos"), cos, "{name}");
        assert_eq!(model.bytes("lut.rope_sin"), sin, "{name}");

        assert_eq!(model.u32("softmax.coef_q24"), LOGIT_COEFFICIENT, "{name}");
    }
}

#[test]
fn known_constants() {
    assert_eq!(LOG2E_OVER_64_Q24, 378_194);
    assert_eq!(LOG2E_OVER_640_Q24, 37_819);
    assert_eq!(ATTENTION_COEFFICIENT, 378_194);
    assert_eq!(LOGIT_COEFFICIENT, 37_819);
    assert_eq!(ROPE_THETA_Q16, 655_360_000);
    assert_eq!([ROPE_ROWS, ROPE_PAIRS], [1024, 32]);
}

#[test]
fn known_powers_of_two() {
    assert_eq!(
        [EXP2[0], EXP2[1], EXP2[64], EXP2[128], EXP2[192], EXP2[255]],
        [65535, 65359, 55109, 46341, 38968, 32857]
    );
}

#[test]
fn powers_of_two_at_mirrored_places_multiply_to_a_half() {
    for i in 1..256 {
        let (a, b) = (u32::from(EXP2[i]), u32::from(EXP2[256 - i]));
        // Each factor is off by at most 1/2, so twice their product by at most a + b + 1/2.
        assert!(
            (2 * u64::from(a * b)).abs_diff(1 << 32) <= u64::from(a + b),
            "{i}"
        );
        assert!(EXP2[i] < EXP2[i - 1], "{i}");
    }
}

#[test]
fn known_rotations() {
    assert_eq!(rope_row(0), Some(([32767; 32], [0; 32])));
    let (cos, sin) = rope_row(1).unwrap();
    assert_eq!(
        [cos[0], cos[8], cos[16], cos[24], cos[31]],
        [17705, 32604, 32766, 32767, 32767]
    );
    assert_eq!(
        [sin[0], sin[8], sin[16], sin[24], sin[31]],
        [27573, 3271, 328, 33, 4]
    );
    let (cos, sin) = rope_row(1023).unwrap();
    assert_eq!(
        [cos[0], cos[8], cos[16], cos[24], cos[31]],
        [13109, -6453, -22707, 17066, 32464]
    );
    assert_eq!(
        [sin[0], sin[8], sin[16], sin[24], sin[31]],
        [-30031, 32126, -23625, 27973, 4456]
    );
    assert_eq!(rope_row(1024), None);
    assert_eq!(rope_row(usize::MAX), None);
}

#[test]
fn ten_positions_are_eight_frequencies() {
    // 10 * 10000^(-8/32) = 1: the two angles are the same number.
    for pos in 0..=ROPE_ROWS / 10 {
        let ((near_cos, near_sin), (far_cos, far_sin)) =
            (rope_row(pos).unwrap(), rope_row(10 * pos).unwrap());
        assert_eq!(near_cos[..24], far_cos[8..], "{pos}");
        assert_eq!(near_sin[..24], far_sin[8..], "{pos}");
    }
}

#[test]
fn rotations_keep_lengths() {
    for pos in (0..ROPE_ROWS).step_by(if cfg!(miri) { 101 } else { 1 }) {
        let (cos, sin) = rope_row(pos).unwrap();
        for (c, s) in cos.into_iter().zip(sin) {
            let deviation = (i32::from(c).pow(2) + i32::from(s).pow(2)).abs_diff(1 << 30);
            // Entries off by at most 1/2 change the sum by at most |c| + |s| + 1/2 <= sqrt(2) * 2^15 + 1/2.
            // Where the clamp made 32767 of 32768, the one is off by at most 1 and the other is below 182.
            let bound = if c == i16::MAX || s == i16::MAX {
                (1 << 16) + 182
            } else {
                46_341
            };
            assert!(deviation <= bound, "{pos}: {c} {s}");
        }
    }
}

// What follows are the worked examples of docs/spec/fixed-point.md, in its order.

#[test]
fn examples_of_rounding() {
    assert_eq!([5, 7, -5, -7].map(|x| rne_div(x, 2)), [2, 4, -2, -4]);
    assert_eq!([5, 7, -5, -7].map(|x| rne_shr(x, 1)), [2, 4, -2, -4]);
    assert_eq!([11, 13, -13].map(|x| rne_div(x, 4)), [3, 3, -3]);
    assert_eq!([200, 127, -128].map(clamp127), [127, 127, -127]);
}

#[test]
fn examples_of_rotations() {
    // Position 100, frequency 16: the angle is 1 radian.
    let (cos, sin) = rope_row(100).unwrap();
    assert_eq!((cos[16], sin[16]), (17705, 27573));
}

#[test]
fn examples_of_square_roots() {
    assert_eq!([0, 15, 16, 17].map(isqrt), [0, 3, 4, 4]);
    assert_eq!(isqrt(101 << 16), 2572);
    assert_eq!(inverse_rms(6_400, 64), 3262);
    assert_eq!(inverse_rms(0, 64), 32768);
}

#[test]
fn examples_of_requantisation() {
    assert_eq!(requantize(80_000, 819, 20), 62);
    assert_eq!(requantize(-80_000, 819, 20), -62);
    assert_eq!(requantize(200_000, 819, 20), 127);
    assert_eq!(requantize(5, 1 << 19, 20), 2);
    assert_eq!(requantize(7, 1 << 19, 20), 4);
    assert_eq!(requantize(-9, 3, 0), -27);
}

#[test]
fn examples_of_weights() {
    let attention = |diff| exp_weight(diff, ATTENTION_COEFFICIENT, &EXP2);
    assert_eq!(
        [7, 0, -22, -23, -1000, -16_384].map(attention),
        [65535, 65535, 65535, 65359, 61579, 24131]
    );
    assert_eq!([-11_334, -11_335, -11_379].map(attention), [32857, 32768, 32680]);
    assert_eq!(
        [-181_704, -193_000, -352_020, -352_041, i64::from(i32::MIN)].map(attention),
        [1, 1, 1, 1, 1]
    );
    let logit = |diff| exp_weight(diff, LOGIT_COEFFICIENT, &EXP2);
    assert_eq!(
        [0, -221, -222, -10_000, -163_840].map(logit),
        [65535, 65535, 65359, 61579, 24131]
    );
}
