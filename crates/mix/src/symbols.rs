//! The symbols of an alphabet: how each is spelt, and the tree of decisions that choose one.

use crate::tree::Tree;

/// The symbols, their spelling and their tree.
#[derive(Debug)]
pub(crate) struct Symbols {
    pub(crate) tree: Tree,
    /// All spellings, one after the other.
    bytes: Vec<u8>,
    /// Where each symbol's bytes end.
    ends: Vec<u32>,
}

impl Symbols {
    pub(crate) fn new(tree: Tree, spellings: &[&[u8]]) -> Self {
        let mut bytes = Vec::new();
        let ends = spellings
            .iter()
            .map(|spelling| {
                bytes.extend_from_slice(spelling);
                bytes.len() as u32
            })
            .collect();
        Self { tree, bytes, ends }
    }

    /// The bytes that a symbol stands for, perhaps none.
    #[inline(always)]
    pub(crate) fn spelling(&self, symbol: u32) -> &[u8] {
        let symbol = symbol as usize;
        let start = if symbol == 0 { 0 } else { self.ends[symbol - 1] };
        &self.bytes[start as usize..self.ends[symbol] as usize]
    }
}
