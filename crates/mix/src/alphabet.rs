//! What streams of one vocabulary share.

use std::sync::OnceLock;

use czip_kernels::Kernels;

use crate::builtin;
use crate::engine::{Shape, Start};
use crate::priors::{Priors, untrained};
use crate::tree::Tree;

/// The symbols, their spelling and their tree.
#[derive(Debug)]
pub(crate) struct Symbols {
    pub(crate) tree: Tree,
    bytes: Vec<u8>,
    /// Where each symbol's bytes end.
    ends: Vec<u32>,
}

impl Symbols {
    fn new(tree: Tree, tokens: &[&[u8]]) -> Self {
        let mut bytes = Vec::new();
        let ends = tokens
            .iter()
            .map(|token| {
                bytes.extend_from_slice(token);
                bytes.len() as u32
            })
            .collect();
        Self { tree, bytes, ends }
    }

    #[inline(always)]
    pub(crate) fn spelling(&self, symbol: u16) -> &[u8] {
        let symbol = usize::from(symbol);
        let start = if symbol == 0 { 0 } else { self.ends[symbol - 1] };
        &self.bytes[start as usize..self.ends[symbol] as usize]
    }
}

/// What the streams of one vocabulary share: symbols, their tree, and what is known before the text begins.
///
/// Threads can share it.
#[derive(Debug)]
pub struct Alphabet {
    pub(crate) symbols: Symbols,
    pub(crate) kernels: Kernels,
    pub(crate) tree_hash: u64,
    priors: Vec<Priors>,
    starts: Starts,
}

/// The start of each variant without and with a net, made when it is first needed.
#[derive(Debug, Default)]
pub(crate) struct Starts {
    pub(crate) light: [OnceLock<Start<16>>; 2],
    pub(crate) standard: [OnceLock<Start<32>>; 2],
    pub(crate) max: [OnceLock<Start<48>>; 2],
    pub(crate) bytes: [OnceLock<Start<48>>; 2],
}

impl Alphabet {
    /// For a vocabulary of tokens, with the priors and the weights of symbols that this library holds, if they are of
    /// this vocabulary.
    #[must_use]
    pub fn for_tokens(kernels: Kernels, tokens: &[&[u8]]) -> Self {
        Self::untrained(kernels, tokens, builtin::weights(tokens).as_deref())
            .with_priors(builtin::token_priors())
    }

    /// For a vocabulary of tokens that weigh so much in the tree, see [`Tree::of_tokens`], with the priors that this
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

    /// For a vocabulary of tokens, without priors; the weights are those of [`Tree::of_tokens`].
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
            starts: Starts::default(),
        }
    }

    /// The same with other priors. Of several for the same variant the last counts.
    #[must_use]
    pub fn with_priors(mut self, priors: impl IntoIterator<Item = Priors>) -> Self {
        self.priors.extend(priors);
        self.starts = Starts::default();
        self
    }

    /// The tree.
    #[must_use]
    pub fn tree(&self) -> &Tree {
        &self.symbols.tree
    }

    /// Where streams of this shape start.
    pub(crate) fn start<const N: usize>(
        &self,
        starts: impl FnOnce(&Starts) -> &[OnceLock<Start<N>>; 2],
        shape: Shape,
    ) -> &Start<N> {
        starts(&self.starts)[usize::from(shape.with_net)].get_or_init(|| {
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
                Some(priors) => priors.start(shape.symbol_rows, priors.tree_hash == self.tree_hash),
                None => untrained(shape),
            }
        })
    }
}
