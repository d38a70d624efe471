//! From a pattern to instructions.

use std::collections::HashMap;

use fancy_regex::{Assertion, Expr, LookAround};
use regex_syntax::hir::{Class as HirClass, HirKind};

use crate::error::PatternError;
use crate::quote::cut;

/// The longest pattern in bytes. The longest that are in use have some hundred.
const MAX_LEN: usize = 1 << 13;

/// The most instructions: a counted repetition of more than one character is written out.
const MAX_INSTRUCTIONS: usize = 1 << 14;

/// The most different classes of characters. Some have hundreds of ranges, and folding their case takes a millisecond.
const MAX_CLASSES: usize = 256;

/// A pattern ready to run.
#[derive(Debug)]
pub(crate) struct Program {
    pub(super) code: Vec<Instruction>,
    pub(super) classes: Vec<CharClass>,
    /// `\w`.
    pub(super) word: CharClass,
    /// Places in the text to remember: where the match starts, then the bounds of groups, then the starts of loops.
    pub(super) slots: usize,
}

/// A step of a program. Programs go on with the next instruction unless it says otherwise; `next` and the like are
/// indices of instructions.
#[derive(Debug)]
pub(super) enum Instruction {
    /// The end of the program, or of the part that belongs to an instruction with `next`.
    Match,
    Fail,
    Literal(Box<str>),
    /// One character.
    Class(u32),
    /// `min` to `max` characters, without an upper bound for [`u32::MAX`].
    Run {
        class: u32,
        min: u32,
        max: u32,
        kind: RunKind,
    },
    Split {
        first: u32,
        second: u32,
    },
    Jump(u32),
    Assert(Assertion),
    /// Where the search began, if that is where the last match ended.
    AtSearchStart,
    Save(u32),
    /// Leaves a loop whose body has taken nothing since `slot` was saved.
    Progress {
        slot: u32,
        exit: u32,
    },
    /// What follows up to its [`Instruction::Match`] matches in the first way that does.
    Atomic {
        next: u32,
    },
    Ahead {
        negative: bool,
        next: u32,
    },
    /// What follows starts from `min` to `max` characters before, and ends here.
    Behind {
        negative: bool,
        min: u32,
        max: u32,
        next: u32,
    },
    /// The end of what a [`Instruction::Behind`] looks for.
    AtBehindEnd,
    BackReference {
        slot: u32,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RunKind {
    Greedy,
    Lazy,
    Possessive,
}

/// A set of characters.
#[derive(Debug)]
pub(super) struct CharClass {
    /// A bit for each of the first 128.
    ascii: u128,
    /// Sorted, without overlaps.
    ranges: Vec<(char, char)>,
}

impl CharClass {
    fn parse(pattern: &str) -> Result<Self, PatternError> {
        let hir = regex_syntax::parse(pattern).map_err(|error| PatternError::Syntax {
            reason: cut(&error.to_string()),
        })?;
        let ranges = match hir.kind() {
            HirKind::Class(HirClass::Unicode(class)) => class
                .ranges()
                .iter()
                .map(|range| (range.start(), range.end()))
                .collect(),
            HirKind::Class(HirClass::Bytes(class)) => class
                .ranges()
                .iter()
                .map(|range| (char::from(range.start()), char::from(range.end())))
                .collect(),
            HirKind::Literal(literal) => std::str::from_utf8(&literal.0)
                .iter()
                .flat_map(|text| text.chars())
                .map(|character| (character, character))
                .collect(),
            _ => Vec::new(),
        };
        let mut class = Self { ascii: 0, ranges };
        class.ascii = (0..128u8)
            .filter(|&byte| class.has(byte.into()))
            .fold(0, |bits, byte| bits | 1 << byte);
        Ok(class)
    }

    fn has(&self, character: char) -> bool {
        let after = self.ranges.partition_point(|&(first, _)| first <= character);
        after > 0 && character <= self.ranges[after - 1].1
    }

    /// The end of the character at `pos`, if it is one of the class.
    #[inline]
    pub(super) fn end(&self, text: &str, pos: usize) -> Option<usize> {
        let &first = text.as_bytes().get(pos)?;
        if first < 0x80 {
            return (self.ascii >> first & 1 == 1).then_some(pos + 1);
        }
        let character = text.get(pos..)?.chars().next()?;
        self.has(character).then_some(pos + character.len_utf8())
    }
}

impl Program {
    pub(crate) fn new(pattern: &str) -> Result<Self, PatternError> {
        if pattern.len() > MAX_LEN {
            return Err(PatternError::TooLong {
                len: pattern.len(),
                max: MAX_LEN,
            });
        }
        // Nesting is bounded by the parser.
        let tree = Expr::parse_tree(pattern).map_err(|error| PatternError::Syntax {
            reason: cut(&error.to_string()),
        })?;
        let groups = group_count(&tree.expr);
        let mut compiler = Compiler {
            program: Self {
                code: Vec::new(),
                classes: Vec::new(),
                word: CharClass::parse(r"\w")?,
                slots: 1 + 2 * groups,
            },
            class_ids: HashMap::new(),
            groups,
            next_group: 0,
            keep_groups: !tree.backrefs.is_empty(),
        };
        compiler.expr(&tree.expr)?;
        compiler.push(Instruction::Match)?;
        Ok(compiler.program)
    }
}

struct Compiler {
    program: Program,
    class_ids: HashMap<String, u32>,
    groups: usize,
    /// The number of the next group, from 0.
    next_group: usize,
    /// Whether anything refers to groups.
    keep_groups: bool,
}

impl Compiler {
    fn here(&self) -> u32 {
        self.program.code.len() as u32
    }

    fn push(&mut self, instruction: Instruction) -> Result<usize, PatternError> {
        let index = self.program.code.len();
        if index == MAX_INSTRUCTIONS {
            return Err(PatternError::TooComplex {
                what: "instructions",
                max: MAX_INSTRUCTIONS,
            });
        }
        self.program.code.push(instruction);
        Ok(index)
    }

    fn new_slot(&mut self) -> u32 {
        self.program.slots += 1;
        self.program.slots as u32 - 1
    }

    fn class(&mut self, pattern: String) -> Result<u32, PatternError> {
        if let Some(&id) = self.class_ids.get(&pattern) {
            return Ok(id);
        }
        if self.program.classes.len() == MAX_CLASSES {
            return Err(PatternError::TooComplex {
                what: "classes of characters",
                max: MAX_CLASSES,
            });
        }
        let id = self.program.classes.len() as u32;
        self.program.classes.push(CharClass::parse(&pattern)?);
        self.class_ids.insert(pattern, id);
        Ok(id)
    }

    fn expr(&mut self, expr: &Expr) -> Result<(), PatternError> {
        if let Expr::Literal { val, casei: false } = expr {
            self.push(Instruction::Literal(val.as_str().into()))?;
            return Ok(());
        }
        if let Some(pattern) = single(expr) {
            let class = self.class(pattern)?;
            self.push(Instruction::Class(class))?;
            return Ok(());
        }
        match expr {
            Expr::Empty => {}
            Expr::Literal { val, .. } => {
                for character in val.chars() {
                    let class = self.class(literal_class(character, true))?;
                    self.push(Instruction::Class(class))?;
                }
            }
            Expr::LiteralBytes { bytes } => {
                let text: String = bytes.iter().copied().map(char::from).collect();
                self.push(Instruction::Literal(text.into()))?;
            }
            Expr::GeneralNewline { .. } => {
                let atomic = self.push(Instruction::Atomic { next: 0 })?;
                let split = self.push(Instruction::Split { first: 0, second: 0 })?;
                self.push(Instruction::Literal("\r\n".into()))?;
                self.push(Instruction::Match)?;
                self.set_split(split, true);
                let class = self.class(r"[\n\x0b\x0c\r\x{85}\x{2028}\x{2029}]".to_owned())?;
                self.push(Instruction::Class(class))?;
                self.push(Instruction::Match)?;
                self.set_next(atomic);
            }
            Expr::Assertion(Assertion::StartLineOniguruma { .. }) => {
                return Err(unknown("this start of a line"));
            }
            Expr::Assertion(assertion) => {
                self.push(Instruction::Assert(*assertion))?;
            }
            Expr::Concat(parts) => parts.iter().try_for_each(|part| self.expr(part))?,
            Expr::Alt(parts) => self.alternatives(parts)?,
            Expr::Group(body) => {
                let slot = 1 + 2 * self.next_group as u32;
                self.next_group += 1;
                if self.keep_groups {
                    self.push(Instruction::Save(slot))?;
                }
                self.expr(body)?;
                if self.keep_groups {
                    self.push(Instruction::Save(slot + 1))?;
                }
            }
            Expr::LookAround(body, kind) => self.look_around(body, *kind)?,
            Expr::Repeat {
                child,
                lo,
                hi,
                greedy,
            } => self.repeat(child, *lo, *hi, *greedy)?,
            Expr::AtomicGroup(body) => {
                if let Expr::Repeat {
                    child,
                    lo,
                    hi,
                    greedy: true,
                } = &**body
                    && let Some(pattern) = single(child)
                {
                    self.run(pattern, *lo, *hi, RunKind::Possessive)?;
                } else {
                    let atomic = self.push(Instruction::Atomic { next: 0 })?;
                    self.expr(body)?;
                    self.push(Instruction::Match)?;
                    self.set_next(atomic);
                }
            }
            Expr::Backref { group, casei: false } => {
                if *group == 0 || *group > self.groups {
                    return Err(PatternError::Syntax {
                        reason: format!("reference to group {group} of {}", self.groups),
                    });
                }
                self.push(Instruction::BackReference {
                    slot: 2 * *group as u32 - 1,
                })?;
            }
            Expr::KeepOut => {
                self.push(Instruction::Save(0))?;
            }
            Expr::ContinueFromPreviousMatchEnd => {
                self.push(Instruction::AtSearchStart)?;
            }
            Expr::BacktrackingControlVerb(fancy_regex::BacktrackingControlVerb::Fail) => {
                self.push(Instruction::Fail)?;
            }
            Expr::Backref { .. } | Expr::BackrefWithRelativeRecursionLevel { .. } => {
                return Err(unknown("a reference to a group in any case or at a level"));
            }
            Expr::Conditional { .. } | Expr::BackrefExistsCondition { .. } => {
                return Err(unknown("a condition"));
            }
            Expr::SubroutineCall(_) | Expr::DefineGroup { .. } => return Err(unknown("a subroutine")),
            Expr::BacktrackingControlVerb(_) => return Err(unknown("a verb")),
            Expr::Absent(_) => return Err(unknown("an absent operator")),
            _ => return Err(unknown("this")),
        }
        Ok(())
    }

    /// Lets an instruction go on here after what belongs to it.
    fn set_next(&mut self, index: usize) {
        let here = self.here();
        match &mut self.program.code[index] {
            Instruction::Atomic { next }
            | Instruction::Ahead { next, .. }
            | Instruction::Behind { next, .. }
            | Instruction::Jump(next)
            | Instruction::Progress { exit: next, .. } => *next = here,
            other => unreachable!("{other:?} has no next"),
        }
    }

    /// Lets a split try what follows it first, or else last, and what comes here otherwise.
    fn set_split(&mut self, index: usize, greedy: bool) {
        let (body, here) = (index as u32 + 1, self.here());
        let (first, second) = if greedy { (body, here) } else { (here, body) };
        self.program.code[index] = Instruction::Split { first, second };
    }

    fn alternatives(&mut self, parts: &[Expr]) -> Result<(), PatternError> {
        let mut jumps = Vec::new();
        for (index, part) in parts.iter().enumerate() {
            if index + 1 == parts.len() {
                self.expr(part)?;
                break;
            }
            let split = self.push(Instruction::Split { first: 0, second: 0 })?;
            self.expr(part)?;
            jumps.push(self.push(Instruction::Jump(0))?);
            self.set_split(split, true);
        }
        jumps.into_iter().for_each(|jump| self.set_next(jump));
        Ok(())
    }

    fn look_around(&mut self, body: &Expr, kind: LookAround) -> Result<(), PatternError> {
        let negative = matches!(kind, LookAround::LookAheadNeg | LookAround::LookBehindNeg);
        let behind = matches!(kind, LookAround::LookBehind | LookAround::LookBehindNeg);
        let index = self.push(if behind {
            let (min, max) = width(body);
            Instruction::Behind {
                negative,
                min,
                max,
                next: 0,
            }
        } else {
            Instruction::Ahead { negative, next: 0 }
        })?;
        self.expr(body)?;
        if behind {
            self.push(Instruction::AtBehindEnd)?;
        }
        self.push(Instruction::Match)?;
        self.set_next(index);
        Ok(())
    }

    fn run(&mut self, pattern: String, lo: usize, hi: usize, kind: RunKind) -> Result<(), PatternError> {
        let class = self.class(pattern)?;
        self.push(Instruction::Run {
            class,
            min: narrow(lo),
            max: narrow(hi),
            kind,
        })?;
        Ok(())
    }

    fn repeat(&mut self, child: &Expr, lo: usize, hi: usize, greedy: bool) -> Result<(), PatternError> {
        if let Some(pattern) = single(child) {
            let kind = if greedy { RunKind::Greedy } else { RunKind::Lazy };
            return self.run(pattern, lo, hi, kind);
        }
        // Each copy of the child has the same groups.
        let first_group = self.next_group;
        let copy = |compiler: &mut Self| {
            compiler.next_group = first_group;
            // Something that has no instructions can't be counted by them.
            compiler.push(Instruction::Jump(compiler.here() + 1))?;
            compiler.expr(child)
        };
        for _ in 0..lo {
            copy(self)?;
        }
        if hi == usize::MAX {
            let split = self.push(Instruction::Split { first: 0, second: 0 })?;
            if width(child).0 == 0 {
                let slot = self.new_slot();
                self.push(Instruction::Save(slot))?;
                copy(self)?;
                let progress = self.push(Instruction::Progress { slot, exit: 0 })?;
                self.push(Instruction::Jump(split as u32))?;
                self.set_next(progress);
            } else {
                copy(self)?;
                self.push(Instruction::Jump(split as u32))?;
            }
            self.set_split(split, greedy);
        } else {
            let mut splits = Vec::new();
            for _ in lo..hi {
                splits.push(self.push(Instruction::Split { first: 0, second: 0 })?);
                copy(self)?;
            }
            splits.into_iter().for_each(|split| self.set_split(split, greedy));
        }
        self.next_group = first_group + group_count(child);
        Ok(())
    }
}

fn unknown(what: &'static str) -> PatternError {
    PatternError::Unknown { what }
}

/// A count of characters, where the largest stands for any.
fn narrow(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// The class of an expression that takes exactly one character, as a pattern.
fn single(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Any { newline: true, .. } => Some("(?s:.)".to_owned()),
        Expr::Any { crlf: true, .. } => Some(r"[^\r\n]".to_owned()),
        Expr::Any { .. } => Some(r"[^\n]".to_owned()),
        Expr::Delegate { inner, casei: false } => Some(inner.clone()),
        Expr::Delegate { inner, casei: true } => Some(format!("(?i:{inner})")),
        Expr::Literal { val, casei } => {
            let mut characters = val.chars();
            match (characters.next(), characters.next()) {
                (Some(character), None) => Some(literal_class(character, *casei)),
                _ => None,
            }
        }
        _ => None,
    }
}

fn literal_class(character: char, any_case: bool) -> String {
    let escaped = regex_syntax::escape(character.encode_utf8(&mut [0; 4]));
    if any_case {
        format!("(?i:{escaped})")
    } else {
        escaped
    }
}

/// The fewest and the most characters that an expression takes.
fn width(expr: &Expr) -> (u32, u32) {
    if single(expr).is_some() {
        return (1, 1);
    }
    match expr {
        Expr::Literal { val, .. } => {
            let count = narrow(val.chars().count());
            (count, count)
        }
        Expr::LiteralBytes { bytes } => (narrow(bytes.len()), narrow(bytes.len())),
        Expr::GeneralNewline { .. } => (1, 2),
        Expr::Concat(parts) => parts.iter().map(width).fold((0, 0), |sum: (u32, u32), part| {
            (sum.0.saturating_add(part.0), sum.1.saturating_add(part.1))
        }),
        Expr::Alt(parts) => parts
            .iter()
            .map(width)
            .reduce(|all, part| (all.0.min(part.0), all.1.max(part.1)))
            .unwrap_or((0, 0)),
        Expr::Group(body) => width(body),
        Expr::AtomicGroup(body) => width(body),
        Expr::Repeat { child, lo, hi, .. } => {
            let (min, max) = width(child);
            (min.saturating_mul(narrow(*lo)), max.saturating_mul(narrow(*hi)))
        }
        Expr::Backref { .. } => (0, u32::MAX),
        _ => (0, 0),
    }
}

fn group_count(expr: &Expr) -> usize {
    let inside: usize = expr.children_iter().map(group_count).sum();
    inside + usize::from(matches!(expr, Expr::Group(_)))
}
