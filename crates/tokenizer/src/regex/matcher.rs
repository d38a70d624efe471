//! Running a program on a text.

use std::ops::Range;

use fancy_regex::Assertion;

use super::program::{Instruction, Program, RunKind};
use crate::error::SplitLimit;

/// Steps that a pattern may take for each byte of a text. Patterns in use take three to ten.
const STEPS_PER_BYTE: u64 = 256;

/// Added to a text's length in bytes: on short texts even patterns that are slow on long ones are quick enough.
const FREE_BYTES: u64 = 1 << 14;

/// The most places that a search keeps to go back to, 24 bytes each.
const MAX_DEPTH: usize = 1 << 20;

/// The steps that are left for a text.
#[derive(Debug)]
pub(crate) struct Budget {
    left: u64,
    limit: SplitLimit,
}

impl Budget {
    /// For a text of this many bytes, however many parts and searches it has.
    pub(crate) fn new(text_len: usize) -> Self {
        let steps = (text_len as u64 + FREE_BYTES) * STEPS_PER_BYTE;
        Self {
            left: steps,
            limit: SplitLimit::Steps { steps, text_len },
        }
    }

    #[inline]
    fn take(&mut self, steps: usize) -> Result<(), SplitLimit> {
        match self.left.checked_sub(steps as u64) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => Err(self.limit),
        }
    }
}

/// Where to go on when what follows doesn't match.
#[derive(Debug)]
enum Entry {
    Branch {
        pc: u32,
        pos: usize,
    },
    /// A run that may end before `pos`, but not before `low`.
    Greedy {
        pc: u32,
        low: usize,
        pos: usize,
    },
    /// A run that may take up to `left` characters more.
    Lazy {
        pc: u32,
        pos: usize,
        left: u32,
    },
    /// Not a place: a slot had another value.
    Undo {
        slot: u32,
        old: usize,
    },
}

/// The value of a slot before it is saved.
const UNSET: usize = usize::MAX;

/// Searches a text.
#[derive(Debug)]
pub(crate) struct Matcher<'p, 't, 'b> {
    program: &'p Program,
    text: &'t str,
    budget: &'b mut Budget,
    stack: Vec<Entry>,
    slots: Vec<usize>,
    /// Where `\G` matches.
    search_start: Option<usize>,
    /// Where what is looked for behind has to end.
    behind_end: usize,
}

impl<'p, 't, 'b> Matcher<'p, 't, 'b> {
    pub(crate) fn new(program: &'p Program, text: &'t str, budget: &'b mut Budget) -> Self {
        Self {
            program,
            text,
            budget,
            stack: Vec::new(),
            slots: vec![UNSET; program.slots],
            search_start: None,
            behind_end: 0,
        }
    }

    /// The first match that starts at `from` or after. `after_match` tells whether the last one ended there.
    pub(crate) fn find(
        &mut self,
        from: usize,
        after_match: bool,
    ) -> Result<Option<Range<usize>>, SplitLimit> {
        self.search_start = after_match.then_some(from);
        let mut start = from;
        while start <= self.text.len() {
            self.stack.clear();
            self.budget.take(self.slots.len())?;
            self.slots.fill(UNSET);
            self.slots[0] = start;
            if let Some(end) = self.run(0, start)? {
                // What `\K` leaves out may reach as far as the end.
                return Ok(Some(self.slots[0].min(end)..end));
            }
            start = self.after(start);
        }
        Ok(None)
    }

    /// The position of the next character, or one past the end.
    pub(crate) fn after(&self, pos: usize) -> usize {
        let character = self.text.get(pos..).and_then(|rest| rest.chars().next());
        pos + character.map_or(1, char::len_utf8)
    }

    /// The position of the character before.
    fn before(&self, pos: usize) -> Option<usize> {
        let character = self.text.get(..pos)?.chars().next_back()?;
        Some(pos - character.len_utf8())
    }

    fn push(&mut self, entry: Entry) -> Result<(), SplitLimit> {
        if self.stack.len() == MAX_DEPTH {
            return Err(SplitLimit::Depth { places: MAX_DEPTH });
        }
        self.stack.push(entry);
        Ok(())
    }

    fn save(&mut self, slot: u32, pos: usize) -> Result<(), SplitLimit> {
        let old = std::mem::replace(&mut self.slots[slot as usize], pos);
        self.push(Entry::Undo { slot, old })
    }

    /// Forgets the places to go back to above `base`, but not the saved slots.
    fn commit(&mut self, base: usize) {
        let mut kept = base;
        for index in base..self.stack.len() {
            if matches!(self.stack[index], Entry::Undo { .. }) {
                self.stack.swap(kept, index);
                kept += 1;
            }
        }
        self.stack.truncate(kept);
    }

    /// Forgets all above `base`.
    fn roll_back(&mut self, base: usize) {
        while self.stack.len() > base {
            if let Some(Entry::Undo { slot, old }) = self.stack.pop() {
                self.slots[slot as usize] = old;
            }
        }
    }

    /// The end of the match of a program that starts here. The places to go back to stay on the stack.
    ///
    /// It calls itself for what look-around and atomic groups hold, as deep as these are nested.
    fn run(&mut self, start: usize, pos: usize) -> Result<Option<usize>, SplitLimit> {
        let program = self.program;
        let base = self.stack.len();
        let (mut pc, mut pos) = (start, pos);
        loop {
            self.budget.take(1)?;
            let next = match &program.code[pc] {
                Instruction::Match => return Ok(Some(pos)),
                Instruction::Fail => None,
                Instruction::Literal(literal) => {
                    self.budget.take(literal.len() / 8)?;
                    self.text.as_bytes()[pos..]
                        .starts_with(literal.as_bytes())
                        .then_some((pc + 1, pos + literal.len()))
                }
                Instruction::Class(class) => program.classes[*class as usize]
                    .end(self.text, pos)
                    .map(|end| (pc + 1, end)),
                &Instruction::Run {
                    class,
                    min,
                    max,
                    kind,
                } => self
                    .run_of(pc, class, min, max, kind, pos)?
                    .map(|end| (pc + 1, end)),
                &Instruction::Split { first, second } => {
                    self.push(Entry::Branch { pc: second, pos })?;
                    Some((first as usize, pos))
                }
                &Instruction::Jump(to) => Some((to as usize, pos)),
                Instruction::Assert(assertion) => self.holds(*assertion, pos)?.then_some((pc + 1, pos)),
                Instruction::AtSearchStart => (self.search_start == Some(pos)).then_some((pc + 1, pos)),
                &Instruction::Save(slot) => {
                    self.save(slot, pos)?;
                    Some((pc + 1, pos))
                }
                &Instruction::Progress { slot, exit } => {
                    let moved = self.slots[slot as usize] != pos;
                    Some((if moved { pc + 1 } else { exit as usize }, pos))
                }
                &Instruction::Atomic { next } => {
                    let base = self.stack.len();
                    let end = self.run(pc + 1, pos)?;
                    self.commit(base);
                    end.map(|end| (next as usize, end))
                }
                &Instruction::Ahead { negative, next } => {
                    let base = self.stack.len();
                    let found = self.run(pc + 1, pos)?.is_some();
                    self.looked(base, found, negative).then_some((next as usize, pos))
                }
                &Instruction::Behind {
                    negative,
                    min,
                    max,
                    next,
                } => {
                    let base = self.stack.len();
                    let found = self.look_behind(pc + 1, min, max, pos)?;
                    self.looked(base, found, negative).then_some((next as usize, pos))
                }
                Instruction::AtBehindEnd => (pos == self.behind_end).then_some((pc + 1, pos)),
                &Instruction::BackReference { slot } => {
                    self.back_reference(slot as usize, pos)?.map(|end| (pc + 1, end))
                }
            };
            let next = match next {
                Some(next) => Some(next),
                None => self.go_back(base)?,
            };
            let Some(next) = next else { return Ok(None) };
            (pc, pos) = next;
        }
    }

    /// Takes the newest place to go back to above `base`: the instruction and the position to go on with.
    fn go_back(&mut self, base: usize) -> Result<Option<(usize, usize)>, SplitLimit> {
        while self.stack.len() > base {
            self.budget.take(1)?;
            match self.stack.pop() {
                Some(Entry::Branch { pc, pos }) => return Ok(Some((pc as usize, pos))),
                Some(Entry::Greedy { pc, low, pos }) => {
                    let pos = self.before(pos).unwrap_or(low);
                    if pos > low {
                        self.push(Entry::Greedy { pc, low, pos })?;
                    }
                    return Ok(Some((pc as usize, pos)));
                }
                Some(Entry::Lazy { pc, pos, left }) => {
                    let Instruction::Run { class, .. } = self.program.code[pc as usize] else {
                        continue;
                    };
                    if let Some(pos) = self.program.classes[class as usize].end(self.text, pos) {
                        if left > 1 {
                            self.push(Entry::Lazy {
                                pc,
                                pos,
                                left: left - 1,
                            })?;
                        }
                        return Ok(Some((pc as usize + 1, pos)));
                    }
                }
                Some(Entry::Undo { slot, old }) => self.slots[slot as usize] = old,
                None => break,
            }
        }
        Ok(None)
    }

    /// The end of a run of characters of a class, if there are enough.
    fn run_of(
        &mut self,
        pc: usize,
        class: u32,
        min: u32,
        max: u32,
        kind: RunKind,
        start: usize,
    ) -> Result<Option<usize>, SplitLimit> {
        let class = &self.program.classes[class as usize];
        let wanted = if kind == RunKind::Lazy { min } else { max };
        let (mut count, mut pos, mut low) = (0, start, start);
        while (count < wanted || wanted == u32::MAX)
            && let Some(end) = class.end(self.text, pos)
        {
            pos = end;
            count = u32::saturating_add(count, 1);
            if count == min {
                low = pos;
            }
        }
        self.budget.take(pos - start)?;
        if count < min {
            return Ok(None);
        }
        match kind {
            RunKind::Greedy if pos > low => self.push(Entry::Greedy {
                pc: pc as u32 + 1,
                low,
                pos,
            })?,
            RunKind::Lazy if max > min => self.push(Entry::Lazy {
                pc: pc as u32,
                pos,
                left: if max == u32::MAX { max } else { max - min },
            })?,
            _ => {}
        }
        Ok(Some(pos))
    }

    /// Ends a look-around: whether it holds.
    fn looked(&mut self, base: usize, found: bool, negative: bool) -> bool {
        if negative {
            self.roll_back(base);
        } else {
            self.commit(base);
        }
        found != negative
    }

    fn look_behind(&mut self, body: usize, min: u32, max: u32, end: usize) -> Result<bool, SplitLimit> {
        let outer_end = std::mem::replace(&mut self.behind_end, end);
        let mut from = Some(end);
        let mut count = 0;
        let mut found = false;
        while let Some(start) = from
            && (count <= max || max == u32::MAX)
            && !found
        {
            self.budget.take(1)?;
            if count >= min {
                found = self.run(body, start)?.is_some();
            }
            from = self.before(start);
            count = count.saturating_add(1);
        }
        self.behind_end = outer_end;
        Ok(found)
    }

    /// The end of a repetition of a group's text. `None` for a group that hasn't matched.
    fn back_reference(&mut self, slot: usize, pos: usize) -> Result<Option<usize>, SplitLimit> {
        let (text, group) = (self.text.as_bytes(), self.slots[slot]..self.slots[slot + 1]);
        if group.end == UNSET {
            return Ok(None);
        }
        self.budget.take(group.len() / 8)?;
        let same = text
            .get(group.clone())
            .is_some_and(|group| text[pos..].starts_with(group));
        Ok(same.then_some(pos + group.len()))
    }

    fn holds(&mut self, assertion: Assertion, pos: usize) -> Result<bool, SplitLimit> {
        let bytes = self.text.as_bytes();
        let before = pos.checked_sub(1).map(|before| bytes[before]);
        let after = bytes.get(pos).copied();
        let word_before = || {
            self.before(pos)
                .is_some_and(|before| self.program.word.end(self.text, before).is_some())
        };
        let word_after = || self.program.word.end(self.text, pos).is_some();
        Ok(match assertion {
            Assertion::StartText => before.is_none(),
            Assertion::EndText => after.is_none(),
            Assertion::EndTextIgnoreTrailingNewlines { crlf } => {
                let newlines = bytes[pos..]
                    .iter()
                    .take_while(|&&byte| byte == b'\n' || crlf && byte == b'\r')
                    .count();
                self.budget.take(newlines)?;
                pos + newlines == bytes.len()
            }
            Assertion::StartLine { crlf: false } => matches!(before, None | Some(b'\n')),
            Assertion::EndLine { crlf: false } => matches!(after, None | Some(b'\n')),
            Assertion::StartLine { crlf: true } => {
                matches!(before, None | Some(b'\n')) || before == Some(b'\r') && after != Some(b'\n')
            }
            Assertion::EndLine { crlf: true } => {
                matches!(after, None | Some(b'\r')) || after == Some(b'\n') && before != Some(b'\r')
            }
            Assertion::WordBoundary => word_before() != word_after(),
            Assertion::NotWordBoundary => word_before() == word_after(),
            Assertion::LeftWordBoundary => !word_before() && word_after(),
            Assertion::RightWordBoundary => word_before() && !word_after(),
            Assertion::LeftWordHalfBoundary => !word_before(),
            Assertion::RightWordHalfBoundary => !word_after(),
            // No program has it.
            Assertion::StartLineOniguruma { .. } => false,
        })
    }
}
