//! What the streams of one vocabulary share: spellings, weights and priors in, symbols and initial states out.

use std::sync::OnceLock;

use czip_kernels::Kernels;

use crate::builtin;
use crate::initial_state::InitialState;
use crate::priors::Priors;
use crate::shape::Shape;
use crate::symbols::Symbols;
use crate::tree::Tree;

/// The symbols of a vocabulary, their tree, and what is known before a text begins.
///
/// Making one takes milliseconds and sorts the vocabulary. All streams and threads can share it.
#[derive(Debug)]
pub struct Alphabet {
    pub(crate) symbols: Symbols,
    pub(crate) kernels: Kernels,
    pub(crate) tree_hash: u64,
    priors: Vec<Priors>,
    initial_states: InitialStates,
}

/// The initial state of each variant without and with a net, made when it is first needed. Those of `Light` and
/// `LightBytes` have the same shape, and an alphabet serves only one of them.
#[derive(Debug, Default)]
pub(crate) struct InitialStates {
    pub(crate) light: [OnceLock<InitialState<16>>; 2],
    pub(crate) standard: [OnceLock<InitialState<32>>; 2],
    pub(crate) max: [OnceLock<InitialState<48>>; 2],
    pub(crate) bytes: [OnceLock<InitialState<48>>; 2],
}

impl Alphabet {
    /// For a vocabulary of tokens, with the priors that this library holds and, if it is the vocabulary that they were
    /// made for, its weights.
    #[must_use]
    pub fn for_tokens(kernels: Kernels, tokens: &[&[u8]]) -> Self {
        Self::untrained(kernels, tokens, builtin::weights(tokens).as_deref())
            .with_priors(builtin::token_priors())
    }

    /// For a vocabulary of tokens with these weights in the tree (see [`Tree::of_tokens`]), with the priors that this
    /// library holds.
    #[must_use]
    pub fn for_weighted_tokens(kernels: Kernels, tokens: &[&[u8]], weights: &[u32]) -> Self {
        Self::untrained(kernels, tokens, Some(weights)).with_priors(builtin::token_priors())
    }

    /// For single bytes, without a vocabulary.
    #[must_use]
    pub fn for_bytes(kernels: Kernels) -> Self {
        Self::untrained_for_bytes(kernels).with_priors(builtin::byte_priors())
    }

    /// For a vocabulary of tokens with these weights in the tree (see [`Tree::of_tokens`]), without priors.
    #[must_use]
    pub fn untrained(kernels: Kernels, tokens: &[&[u8]], weights: Option<&[u32]>) -> Self {
        Self::new(kernels, Tree::of_tokens(tokens, weights), tokens)
    }

    /// For single bytes, without priors.
    #[must_use]
    pub fn untrained_for_bytes(kernels: Kernels) -> Self {
        let bytes: Vec<u8> = (0..=255).collect();
        let tokens: Vec<&[u8]> = bytes.chunks(1).collect();
        Self::new(kernels, Tree::of_bytes(), &tokens)
    }

    fn new(kernels: Kernels, tree: Tree, tokens: &[&[u8]]) -> Self {
        Self {
            tree_hash: tree.hash(tokens),
            symbols: Symbols::new(tree, tokens),
            kernels,
            priors: Vec::new(),
            initial_states: InitialStates::default(),
        }
    }

    /// Adds priors. Of those that fit a variant, the last added is used.
    #[must_use]
    pub fn with_priors(mut self, priors: impl IntoIterator<Item = Priors>) -> Self {
        self.priors.extend(priors);
        self.initial_states = InitialStates::default();
        self
    }

    /// The tree.
    #[must_use]
    pub fn tree(&self) -> &Tree {
        &self.symbols.tree
    }

    /// What streams of this shape start from; `of_variant` picks the variant's pair.
    pub(crate) fn initial_state<const N: usize>(
        &self,
        of_variant: impl FnOnce(&InitialStates) -> &[OnceLock<InitialState<N>>; 2],
        shape: Shape,
    ) -> &InitialState<N> {
        let [without_net, with_net] = of_variant(&self.initial_states);
        let state = if shape.with_net { with_net } else { without_net };
        state.get_or_init(|| {
            let fits = |priors: &&Priors| {
                let same_tree = priors.tree_hash == self.tree_hash;
                let symbol_rows = if same_tree {
                    shape.symbol_rows
                } else {
                    priors.shape.symbol_rows
                };
                priors.shape == Shape { symbol_rows, ..shape }
            };
            match self.priors.iter().rev().find(fits) {
                Some(priors) => priors.initial_state(shape.symbol_rows, priors.tree_hash == self.tree_hash),
                None => InitialState::untrained(shape),
            }
        })
    }
}
