//! Products in bfloat16, where the machine has them, are exact for integers that it holds.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
#![allow(clippy::float_arithmetic, reason = "floats are what is tested")]

use std::panic::{AssertUnwindSafe, catch_unwind};

use czip_bf16::{Matrix, Products, Workspace, product_f32};

/// Small integers, from a fixed seed: bfloat16 holds those up to 256, and a float sums up to 2^24.
fn integers(len: usize, seed: &mut u64) -> Vec<f32> {
    let mut next = || {
        *seed = seed.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
        (*seed >> 33) as i32 % 129
    };
    (0..len).map(|_| next() as f32).collect()
}

fn transposed(x: &[f32], rows: usize) -> Vec<f32> {
    let cols = x.len() / rows;
    (0..cols)
        .flat_map(|col| (0..rows).map(move |row| x[row * cols + col]))
        .collect()
}

type Product<'p> = dyn FnMut(&mut [f32], Matrix<'_>, Matrix<'_>, bool) + 'p;

/// Calls with each way to multiply on this machine: the units, and 32 bits.
fn on_each(mut test: impl FnMut(&mut Product<'_>)) {
    let mut workspace = Workspace::default();
    for products in Products::available() {
        test(&mut |out, a, b, add| products.product(out, a, b, add, &mut workspace));
    }
    test(&mut product_f32);
}

#[test]
fn products_of_integers_are_exact() {
    on_each(are_exact);
}

fn are_exact(product: &mut Product<'_>) {
    let mut seed = 1;
    for (rows, inner, cols) in [
        (1, 1, 1),
        (1, 2, 3),
        (5, 3, 16),
        (6, 4, 64),
        (7, 33, 65),
        (13, 513, 17),
        (97, 100, 130),
        (100, 600, 70),
        (2, 1030, 515),
        (33, 32, 31),
        (32, 64, 32),
    ] {
        let (a, b) = (
            integers(rows * inner, &mut seed),
            integers(inner * cols, &mut seed),
        );
        let mut expected = vec![0.0; rows * cols];
        for row in 0..rows {
            for col in 0..cols {
                let terms = (0..inner).map(|i| a[row * inner + i] as i64 * b[i * cols + col] as i64);
                let sum: i64 = terms.sum();
                assert!(sum.abs() < 1 << 24);
                expected[row * cols + col] = sum as f32;
            }
        }
        let (a_transposed, b_transposed) = (transposed(&a, rows), transposed(&b, inner));
        let plain = |x| Matrix::new(x, rows);
        for a in [plain(&a), Matrix::new(&a_transposed, inner).transposed()] {
            for b in [
                Matrix::new(&b, inner),
                Matrix::new(&b_transposed, cols).transposed(),
            ] {
                assert_eq!(
                    [a.rows(), a.cols(), b.rows(), b.cols()],
                    [rows, inner, inner, cols]
                );
                let mut out = vec![f32::NAN; rows * cols];
                product(&mut out, a, b, false);
                assert_eq!(out, expected, "{rows} x {inner} x {cols}");
                product(&mut out, a, b, true);
                let twice: Vec<f32> = expected.iter().map(|x| 2.0 * x).collect();
                assert_eq!(out, twice, "{rows} x {inner} x {cols}");
            }
        }
    }
}

/// Factors are rounded to 8 bits, to the nearest and of two as near to the even one.
#[test]
fn factors_are_rounded() {
    let a = [257.0, 259.0, -257.0, 258.0, 1.0 + 1.0 / 256.0, 1.0 + 3.0 / 512.0];
    let rounded = [256.0, 260.0, -256.0, 258.0, 1.0, 1.0 + 1.0 / 128.0];
    let one = Matrix::new(&[1.0], 1);
    for products in Products::available() {
        for a in [Matrix::new(&a, 6), Matrix::new(&a, 1).transposed()] {
            let mut out = [0.0; 6];
            products.product(&mut out, a, one, false, &mut Workspace::default());
            assert_eq!(out, rounded);
            let mut out = [0.0; 6];
            products.product(&mut out, one, a.transposed(), false, &mut Workspace::default());
            assert_eq!(out, rounded);
        }
    }
}

#[test]
fn shapes_must_fit() {
    let elements = [0.0; 6];
    let (three, two) = (Matrix::new(&elements, 2), Matrix::new(&elements[..2], 2));
    // As many rows and columns that 64 bits do not hold how many elements their product has.
    let endless = Matrix::new(&[], 1 << (usize::BITS / 2));
    on_each(|product| {
        for (len, a, b) in [
            (2, three, two),
            (1, two.transposed(), three),
            (5, two, two.transposed()),
            (3, two, two.transposed()),
            (0, endless, endless.transposed()),
        ] {
            let mut out = vec![0.0; len];
            let refused = catch_unwind(AssertUnwindSafe(|| product(&mut out, a, b, false)));
            assert!(refused.is_err(), "{len}");
        }
    });
}

#[test]
fn a_product_without_terms_is_zero() {
    on_each(|product| {
        let (a, b) = (Matrix::new(&[], 2), Matrix::new(&[], 3).transposed());
        let mut out = [7.0; 6];
        product(&mut out, a, b, true);
        assert_eq!(out, [7.0; 6]);
        product(&mut out, a, b, false);
        assert_eq!(out, [0.0; 6]);
    });
}
