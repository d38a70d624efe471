//! Orthogonal matrices that spread the few large elements of a vector over all, as fast transforms.
//!
//! For n = 2^k * m with an odd m, the matrix is diag(signs) * (H kron P): H is the Hadamard matrix of 2^k rows over
//! sqrt(2^k), and P = I - 2/m J the reflection that keeps vectors whose elements sum to 0 (J is all ones); for m = 1 it is
//! I. Both are symmetric. Hadamard matrices of other sizes would spread better, but there is no rule that makes them.

/// A matrix Q, which is applied to a vector x as x Q.
#[derive(Clone, Debug)]
pub(crate) struct Turn {
    /// Empty if there are none.
    signs: Vec<f64>,
    len: usize,
    /// 2^k.
    power: usize,
    /// 1 / sqrt(2^k).
    scale: f64,
}

impl Turn {
    /// Without signs.
    pub(crate) fn new(len: usize) -> Self {
        let power = 1 << len.trailing_zeros();
        Self {
            signs: Vec::new(),
            len,
            power,
            scale: 1.0 / (power as f64).sqrt(),
        }
    }

    /// With signs that are the highest bits of SplitMix64 (Steele, Lea and Flood, 2014), from the seed 0.
    pub(crate) fn with_signs(len: usize) -> Self {
        let mut state = 0_u64;
        let mut sign = || {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = state;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^= z >> 31;
            if z >> 63 == 0 { 1.0 } else { -1.0 }
        };
        Self {
            signs: (0..len).map(|_| sign()).collect(),
            ..Self::new(len)
        }
    }

    /// The number of elements.
    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    /// Replaces x by x Q.
    pub(crate) fn apply(&self, x: &mut [f64]) {
        assert_eq!(x.len(), self.len, "elements to turn");
        for (x, sign) in x.iter_mut().zip(&self.signs) {
            *x *= sign;
        }
        let m = self.len / self.power;
        if m > 1 {
            for part in x.chunks_exact_mut(m) {
                let sum = part.iter().fold(0.0, |sum, x| sum + x);
                let share = 2.0 * sum / m as f64;
                part.iter_mut().for_each(|x| *x -= share);
            }
        }
        let mut half = m;
        while half < self.len {
            for pair in x.chunks_exact_mut(2 * half) {
                let (left, right) = pair.split_at_mut(half);
                for (a, b) in left.iter_mut().zip(right) {
                    (*a, *b) = (*a + *b, *a - *b);
                }
            }
            half *= 2;
        }
        x.iter_mut().for_each(|x| *x *= self.scale);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The matrix from its definition.
    fn dense(turn: &Turn) -> Vec<Vec<f64>> {
        let n = turn.len;
        let m = n >> n.trailing_zeros();
        let power = n / m;
        let element = |row: usize, col: usize| {
            let hadamard = if ((row / m) & (col / m)).count_ones().is_multiple_of(2) {
                1.0
            } else {
                -1.0
            };
            let identity = if row % m == col % m { 1.0 } else { 0.0 };
            let reflection = if m == 1 { 1.0 } else { identity - 2.0 / m as f64 };
            turn.signs.get(row).unwrap_or(&1.0) * hadamard / (power as f64).sqrt() * reflection
        };
        (0..n)
            .map(|row| (0..n).map(|col| element(row, col)).collect())
            .collect()
    }

    #[test]
    fn fast_form_is_the_matrix() {
        for n in [1, 2, 3, 4, 6, 7, 8, 12, 36, 40, 48, 64, 96] {
            for turn in [Turn::new(n), Turn::with_signs(n)] {
                let matrix = dense(&turn);
                for (row, wanted) in matrix.iter().enumerate() {
                    let mut x = vec![0.0; n];
                    x[row] = 1.0;
                    turn.apply(&mut x);
                    for (x, wanted) in x.iter().zip(wanted) {
                        assert!((x - wanted).abs() < 1e-14, "{n} {row}");
                    }
                    // Rows are orthogonal, and of length 1.
                    for (other, them) in matrix.iter().enumerate() {
                        let dot: f64 = wanted.iter().zip(them).map(|(a, b)| a * b).sum();
                        let identity = if other == row { 1.0 } else { 0.0 };
                        assert!((dot - identity).abs() < 1e-14, "{n} {row} {other}");
                    }
                }
            }
        }
    }

    #[test]
    fn signs_are_those_of_splitmix() {
        // The first outputs from the seed 0 begin with e2, 6e, 06, f8, 1b, 53.
        assert_eq!(Turn::with_signs(6).signs, [-1.0, 1.0, 1.0, -1.0, 1.0, 1.0]);
    }

    #[test]
    fn large_elements_are_spread() {
        let mut x = vec![0.0; 576];
        x[100] = 1000.0;
        Turn::with_signs(576).apply(&mut x);
        let largest = x.iter().fold(0.0_f64, |largest, x| largest.max(x.abs()));
        // 7/9 of 1/8.
        assert!((largest - 97.2).abs() < 0.1, "{largest}");
    }
}
