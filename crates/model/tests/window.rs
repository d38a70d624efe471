//! Windows that move predict what the network predicts for the tokens that are left.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use czip_model::v1::reference::Reference;
use czip_model::v1::{self, Weights};
use czip_model::{AnyTransformer, Kernels, Window};

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

#[test]
#[should_panic(expected = "window of 8 keeping 7")]
fn a_window_has_room_for_a_token() {
    let _ = Window::new(START, 8, 7);
}
