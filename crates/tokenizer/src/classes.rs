//! The class of a character as split patterns see it: letter, number, white space or neither.
//!
//! The tables are made from those of `regex-syntax`, so a hand-written scanner and a regex always agree.

use std::sync::LazyLock;

use regex_syntax::hir::{Class as HirClass, HirKind};

/// `\p{L}`, `\p{N}`, `\s` and the rest. No character is in two of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    Letter,
    Number,
    Space,
    Other,
}

const BLOCK_LEN: usize = 256;
const BLOCKS: usize = 0x11_0000 / BLOCK_LEN;

type Block = [Class; BLOCK_LEN];

/// A table from characters to classes: an index of blocks of 256 characters. Equal blocks in a row are kept once,
/// which shrinks the large scripts and the unused planes to a block each.
pub(crate) struct Classes {
    ascii: [Class; 128],
    index: Vec<u16>,
    blocks: Vec<Block>,
}

impl Classes {
    /// The table, made at the first call. None if `regex-syntax` was built without its Unicode tables.
    pub(crate) fn get() -> Option<&'static Classes> {
        static CLASSES: LazyLock<Option<Classes>> = LazyLock::new(Classes::build);
        CLASSES.as_ref()
    }

    fn build() -> Option<Classes> {
        let mut flat = vec![Class::Other; BLOCKS * BLOCK_LEN];
        for (pattern, class) in [
            (r"\p{L}", Class::Letter),
            (r"\p{N}", Class::Number),
            (r"\s", Class::Space),
        ] {
            let hir = regex_syntax::parse(pattern).ok()?;
            let HirKind::Class(HirClass::Unicode(ranges)) = hir.kind() else {
                return None;
            };
            for range in ranges.iter() {
                flat[range.start() as usize..=range.end() as usize].fill(class);
            }
        }

        let mut index = Vec::with_capacity(BLOCKS);
        let mut blocks: Vec<Block> = Vec::new();
        let (chunks, _) = flat.as_chunks::<BLOCK_LEN>();
        for block in chunks {
            if blocks.last() != Some(block) {
                blocks.push(*block);
            }
            index.push(u16::try_from(blocks.len() - 1).ok()?);
        }
        let (ascii, _) = flat.split_first_chunk()?;
        Some(Classes {
            ascii: *ascii,
            index,
            blocks,
        })
    }

    /// The class of the character that starts at `pos`, and the position after it; None at the end.
    #[inline]
    pub(crate) fn at(&self, text: &str, pos: usize) -> Option<(Class, usize)> {
        let &first = text.as_bytes().get(pos)?;
        if first < 0x80 {
            return Some((self.ascii[usize::from(first)], pos + 1));
        }
        self.at_multibyte(text, pos)
    }

    /// [`Classes::at`] for a character that isn't ASCII.
    #[inline]
    fn at_multibyte(&self, text: &str, pos: usize) -> Option<(Class, usize)> {
        let character = text.get(pos..)?.chars().next()?;
        Some((self.of(character), pos + character.len_utf8()))
    }

    #[inline]
    fn of(&self, character: char) -> Class {
        let code = u32::from(character) as usize;
        let block = usize::from(self.index[code / BLOCK_LEN]);
        self.blocks[block][code % BLOCK_LEN]
    }

    /// The end of the run of characters of this class that starts at `pos`.
    #[inline]
    pub(crate) fn run_end(&self, text: &str, mut pos: usize, class: Class) -> usize {
        let bytes = text.as_bytes();
        loop {
            while let Some(&byte) = bytes.get(pos)
                && byte < 0x80
            {
                if self.ascii[usize::from(byte)] != class {
                    return pos;
                }
                pos += 1;
            }
            match self.at_multibyte(text, pos) {
                Some((found, next)) if found == class => pos = next,
                _ => return pos,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_character_is_in_the_class_the_regex_engine_gives_it() {
        let classes = Classes::get().unwrap();
        let letter = fancy_regex::Regex::new(r"\A\p{L}\z").unwrap();
        let number = fancy_regex::Regex::new(r"\A\p{N}\z").unwrap();
        let space = fancy_regex::Regex::new(r"\A\s\z").unwrap();
        let mut buffer = [0; 4];
        for character in '\0'..=char::MAX {
            let text: &str = character.encode_utf8(&mut buffer);
            let expected = match [&letter, &number, &space].map(|regex| regex.is_match(text).unwrap()) {
                [true, false, false] => Class::Letter,
                [false, true, false] => Class::Number,
                [false, false, true] => Class::Space,
                [false, false, false] => Class::Other,
                _ => panic!("U+{:04X} is in two classes", u32::from(character)),
            };
            assert_eq!(
                classes.at(text, 0),
                Some((expected, text.len())),
                "U+{:04X}",
                u32::from(character)
            );
        }
    }

    #[test]
    fn runs_end_at_another_class_and_at_the_end() {
        let classes = Classes::get().unwrap();
        let text = "ab\u{e9}\u{4e2d}z9 ";
        assert_eq!(classes.run_end(text, 0, Class::Letter), 8);
        assert_eq!(classes.run_end(text, 8, Class::Letter), 8);
        assert_eq!(classes.run_end(text, 8, Class::Number), 9);
        assert_eq!(classes.run_end(text, 9, Class::Space), 10);
        assert_eq!(classes.run_end(text, 10, Class::Space), 10);
        assert_eq!(classes.at(text, 10), None);
    }
}
