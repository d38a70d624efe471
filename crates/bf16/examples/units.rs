//! Multiplies two matrices with each unit of this machine that has bfloat16, and prints the largest rounding error.
//!
//! ```sh
//! cargo run -p czip-bf16 --example units
//! ```
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use czip_bf16::{Matrix, Products, Workspace};

const ROWS: usize = 40;
const TERMS: usize = 300;
const COLS: usize = 70;

fn main() {
    // Factors below 1 in magnitude.
    let a: Vec<f32> = (0..ROWS * TERMS).map(|i| (i as f32 * 0.37).sin()).collect();
    let b: Vec<f32> = (0..TERMS * COLS).map(|i| (i as f32 * 0.11).cos()).collect();
    let exact = |row: usize, col: usize| -> f64 {
        let terms = (0..TERMS).map(|i| f64::from(a[row * TERMS + i]) * f64::from(b[i * COLS + col]));
        terms.sum()
    };

    for products in Products::available() {
        let mut out = vec![0.0; ROWS * COLS];
        let factors = (Matrix::new(&a, ROWS), Matrix::new(&b, TERMS));
        products.product(&mut out, factors.0, factors.1, false, &mut Workspace::default());
        let errors = out
            .iter()
            .enumerate()
            .map(|(i, &x)| (f64::from(x) - exact(i / COLS, i % COLS)).abs());
        let worst = errors.fold(0.0, f64::max);
        println!("{products:?}: sums of {TERMS} products are off by at most {worst:.3}");
    }
}
