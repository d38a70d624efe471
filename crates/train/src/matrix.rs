//! Products of float matrices, given as slices.

use std::cell::RefCell;

use czip_bf16::{Products, Workspace, product_f32};

pub(crate) use czip_bf16::Matrix as View;

thread_local! {
    static WORKSPACE: RefCell<Workspace> = RefCell::default();
}

/// `out += a * b`.
pub(crate) fn add_product(out: &mut [f32], a: View<'_>, b: View<'_>) {
    product(out, a, b, true);
}

/// `out = a * b`.
pub(crate) fn set_product(out: &mut [f32], a: View<'_>, b: View<'_>) {
    product(out, a, b, false);
}

fn product(out: &mut [f32], a: View<'_>, b: View<'_>, add: bool) {
    if let Some(products) = Products::detect() {
        WORKSPACE.with_borrow_mut(|workspace| products.product(out, a, b, add, workspace));
    } else {
        product_f32(out, a, b, add);
    }
}

/// The sum of products, in a fixed order that vector units can follow.
pub(crate) fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [0.0f32; 16];
    let (a, a_rest) = a.as_chunks::<16>();
    let (b, b_rest) = b.as_chunks::<16>();
    for (a, b) in a.iter().zip(b) {
        for ((lane, &a), &b) in lanes.iter_mut().zip(a).zip(b) {
            *lane += a * b;
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    lanes.iter().sum::<f32>() + rest
}

/// The sum, in the same order.
pub(crate) fn sum(x: &[f32]) -> f32 {
    let mut lanes = [0.0f32; 16];
    let (x, rest) = x.as_chunks::<16>();
    for x in x {
        lanes.iter_mut().zip(x).for_each(|(lane, x)| *lane += x);
    }
    lanes.iter().sum::<f32>() + rest.iter().sum::<f32>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parameters::Random;

    #[test]
    fn products_are_those_of_32_bits_but_for_rounding() {
        let mut random = Random(1);
        for (m, k, n) in [
            (1, 1, 1),
            (6, 2, 64),
            (7, 3, 65),
            (100, 513, 70),
            (97, 1025, 530),
            (5, 40, 200),
        ] {
            let a: Vec<f32> = (0..m * k).map(|_| random.below(255) as f32 - 127.0).collect();
            let b: Vec<f32> = (0..k * n).map(|_| random.below(9) as f32 - 4.0).collect();
            let (at, bt) = (transpose(&a, m), transpose(&b, k));
            let mut expected = vec![3.0; m * n];
            product_f32(&mut expected, View::new(&a, m), View::new(&b, k), true);
            for a in [View::new(&a, m), View::new(&at, k).transposed()] {
                for b in [View::new(&b, k), View::new(&bt, n).transposed()] {
                    let mut out = vec![3.0; m * n];
                    add_product(&mut out, a, b);
                    // Integers that bfloat16 holds, and sums that 24 bits hold.
                    assert_eq!(out, expected);
                    let mut out = vec![f32::NAN; m * n];
                    set_product(&mut out, a, b);
                    assert!(out.iter().zip(&expected).all(|(x, y)| x + 3.0 == *y));
                }
            }
        }
    }

    #[test]
    fn sums_of_any_length() {
        for len in 0..50u16 {
            let a: Vec<f32> = (0..len).map(|i| f32::from(i) + 1.0).collect();
            let b: Vec<f32> = (0..len).map(|i| f32::from(i % 7) - 3.0).collect();
            let products: i32 = (0..i32::from(len)).map(|i| (i + 1) * (i % 7 - 3)).sum();
            assert_eq!(dot(&a, &b), products as f32, "{len} products");
            assert_eq!(sum(&a), f32::from(len * (len + 1) / 2), "{len} terms");
        }
    }

    fn transpose(x: &[f32], rows: usize) -> Vec<f32> {
        let cols = x.len() / rows;
        (0..x.len()).map(|i| x[i % rows * cols + i / rows]).collect()
    }
}
