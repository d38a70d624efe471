//! Windows that move predict what the network predicts for the tokens that are left, and guesses change nothing.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use czip_model::v1::reference::Reference;
use czip_model::v1::{self, Weights};
use czip_model::{AnyTransformer, Kernels, Row, Window};

const START: u32 = 3;

/// The logits after the start token and these tokens.
fn expected(weights: &Weights<'_>, tokens: &[u32]) -> Vec<i32> {
    let mut reference = Reference::new(weights);
    reference.step(START);
    for &token in tokens {
        reference.step(token);
    }
    reference.logits().to_vec()
}

#[test]
fn a_moved_window_is_a_short_sequence() {
    let file = czip_vectors::read("model.czm");
    let weights = Weights::from_bytes(&file).unwrap();
    let vocab_size = weights.config.vocab_size;
    let tokens: Vec<u32> = (0..60)
        .map(|i| (i * 37 + i * i % 11) as u32 % vocab_size as u32)
        .collect();
    for kernels in Kernels::available() {
        let transformer = AnyTransformer::from(v1::Transformer::new(kernels, &weights));
        for (length, kept) in [(2, 0), (8, 3), (8, 6), (16, 8), (16, 0)] {
            // Fewer rows than a window has to lay out again, and more.
            for rows in [1, 4, 32] {
                let mut scratch = transformer.scratch(rows);
                let mut caches = [transformer.cache(length), transformer.cache(length)];
                let mut window = Window::new(START, length, kept);
                assert_eq!(window.free(), length - 1);
                let mut row = window.first(1);
                // The tokens that the window should hold.
                let mut held = Vec::new();
                for (count, &token) in tokens.iter().enumerate() {
                    transformer.forward(&[row], &mut caches, &mut scratch);
                    assert_eq!(
                        scratch.logits(0),
                        expected(&weights, &held),
                        "{length} keeping {kept}, token {count}"
                    );
                    row = window.next(1, token, &transformer, &mut caches, &mut scratch);
                    if held.len() + 1 == length {
                        held.drain(..held.len() - kept);
                    }
                    held.push(token);
                    assert_eq!((row.sequence, row.position, row.token), (1, held.len(), token));
                    assert_eq!(window.free(), length - 1 - held.len());
                }
                window.restart();
                assert_eq!(window.free(), length - 1);
            }
        }
    }
}

/// Guesses that turn out wrong leave nothing behind.
#[test]
fn guesses() {
    let file = czip_vectors::read("model.czm");
    let weights = Weights::from_bytes(&file).unwrap();
    let vocab_size = weights.config.vocab_size as u32;
    let length = weights.config.context_length;
    let tokens: Vec<u32> = (0..length)
        .map(|i| (i * 37 + i * i % 11) as u32 % vocab_size)
        .collect();
    let mut reference = Reference::new(&weights);
    let expected: Vec<Vec<i32>> = tokens
        .iter()
        .map(|&token| reference.step(token).to_vec())
        .collect();
    for kernels in Kernels::available() {
        let transformer = AnyTransformer::from(v1::Transformer::new(kernels, &weights));
        let (mut caches, mut scratch) = ([transformer.cache(length)], transformer.scratch(length));
        let mut known = 0;
        for step in 0.. {
            // The first token is known, some that follow are right, all others wrong.
            let count = [1, 2, 5, 40][step % 4].min(length - known);
            let right = [1, 1, 3, 2, 1][step % 5].min(count);
            let rows: Vec<Row> = (0..count)
                .map(|index| Row {
                    sequence: 0,
                    position: known + index,
                    token: match tokens[known + index] {
                        token if index < right => token,
                        token => (token + 1) % vocab_size,
                    },
                })
                .collect();
            transformer.forward(&rows, &mut caches, &mut scratch);
            for index in 0..right {
                let place = format!("{}, {:?}", kernels.instruction_set(), rows[index]);
                assert_eq!(scratch.logits(index), expected[known + index], "{place}");
            }
            known += right;
            if known == length {
                break;
            }
        }
    }
}

#[test]
#[should_panic(expected = "window of 8 keeping 7")]
fn a_window_has_room_for_a_token() {
    let _ = Window::new(START, 8, 7);
}
