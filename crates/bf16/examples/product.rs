//! Multiplies two matrices with each unit of this machine, and shows how far the results are from those of 64-bit floats.
//!
//! ```sh
//! cargo run -p czip-bf16 --example product
//! ```
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use czip_bf16::{Matrix, Products, Workspace};

const ROWS: usize = 32;
const INNER: usize = 128;
const COLS: usize = 48;

fn main() {
    let numbers = |count: usize| -> Vec<f32> { (0..count).map(|i| (i as f32 * 0.37).sin()).collect() };
    let (a, b) = (numbers(ROWS * INNER), numbers(INNER * COLS));

    let mut exact = vec![0.0; ROWS * COLS];
    for (i, out) in exact.iter_mut().enumerate() {
        let (row, col) = (i / COLS, i % COLS);
        let terms = (0..INNER).map(|k| f64::from(a[row * INNER + k]) * f64::from(b[k * COLS + col]));
        *out = terms.sum();
    }

    for products in Products::available() {
        let mut out = vec![0.0; ROWS * COLS];
        let (a, b) = (Matrix::new(&a, ROWS), Matrix::new(&b, INNER));
        products.product(&mut out, a, b, false, &mut Workspace::default());
        let errors = out.iter().zip(&exact).map(|(&x, &y)| (f64::from(x) - y).abs());
        let largest = errors.fold(0.0, f64::max);
        println!("{products:?}: off by {largest:.3} at most");
        // 128 terms of at most 1, each factor off by at most 2^-9 of itself.
        assert!(largest < 0.5);
    }
}
