//! Small models of random numbers.

use std::collections::BTreeMap;

use czip_model::v2::{Config, Contents, HEAD_DIM, Layer, Matrix, Weights};

/// A small generator, so every run tests the same numbers.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        // Steele, Lea and Flood, "Fast splittable pseudorandom number generators" (2014).
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn within(&mut self, low: i64, high: i64) -> i64 {
        low + (self.next() % (high - low + 1) as u64) as i64
    }

    /// Rows of which some have a shift that no trained model has.
    fn matrix(&mut self, rows: usize, cols: usize, shift: u8) -> Matrix {
        let shifts = (0..rows).map(|_| match self.next() % 16 {
            0 => self.within(10, 24) as u8,
            _ => shift + self.within(0, 1) as u8,
        });
        let shifts = shifts.collect();
        Matrix {
            weights: (0..rows * cols).map(|_| self.next() as i8).collect(),
            shifts,
        }
    }

    fn table(&mut self, rows: usize, cols: usize) -> Matrix {
        Matrix {
            weights: (0..rows * cols).map(|_| self.within(-8, 7) as i8).collect(),
            shifts: (0..rows).map(|_| self.within(5, 8) as u8).collect(),
        }
    }

    pub(crate) fn weights(&mut self, config: &Config) -> Weights {
        let Config {
            d_model, heads, d_ff, ..
        } = *config;
        let mut frequencies = [0; HEAD_DIM / 2];
        for (i, frequency) in frequencies.iter_mut().enumerate() {
            *frequency = match i % 3 {
                0 => self.next() as u16,
                1 => self.within(0, 400) as u16,
                _ => 0,
            };
        }
        frequencies[7] = u16::MAX;
        let layer = |random: &mut Self| Layer {
            qkv: random.matrix(config.qkv_rows(), d_model, 4),
            gains: (0..heads)
                .map(|head| [4000, u16::MAX, 1000, 0][(head + random.next() as usize % 2) % 4])
                .collect(),
            sinks: (0..heads)
                .map(|head| match (head + random.next() as usize % 3) % 5 {
                    3 => 1 << 20,
                    4 => -(1 << 20),
                    _ => random.within(-3000, 3000) as i32,
                })
                .collect(),
            out: random.matrix(d_model, heads * HEAD_DIM, 5),
            up: random.matrix(d_ff, d_model, 4),
            down: random.matrix(d_model, d_ff, 4),
        };
        Weights {
            frequencies,
            embedding: self.table(config.vocab_size, d_model),
            bigram: self.table(config.bigram_buckets, config.bigram_width),
            layers: (0..config.layers).map(|_| layer(self)).collect(),
            head: self.matrix(config.vocab_size, d_model, 3),
            config: config.clone(),
        }
    }

    pub(crate) fn tokens(&mut self, config: &Config, count: usize) -> Vec<u32> {
        (0..count)
            .map(|_| self.within(0, config.vocab_size as i64 - 1) as u32)
            .collect()
    }
}

/// Odd sizes: `[vocabulary, layers, d, heads, d_ff, window, buckets, width]`.
pub(crate) fn config(sizes: [usize; 8]) -> Config {
    let config = Config::from_array(sizes);
    assert_eq!(config.to_array(), sizes);
    config
}

/// A file around some weights, with a tokenizer that is none.
pub(crate) fn contents(weights: &Weights) -> Contents<'_> {
    Contents {
        weights,
        tokenizer_json: br#"{"a tokenizer": "of no use"}"#,
        mixing_priors: vec![b"first".to_vec(), b"second".to_vec()],
        mixing_weights: Some(
            (0..weights.config.vocab_size)
                .map(|symbol| symbol as u16)
                .collect(),
        ),
        facts: BTreeMap::from([
            ("name".to_owned(), "noise".to_owned()),
            // Keys of the format are not facts.
            ("window".to_owned(), "7".to_owned()),
        ]),
    }
}
