//! Adaptive maps from small contexts to probabilities.

use czip_kernels::prefetch;

use crate::numbers::{LOGIT_LIMIT, RATE, squash};

/// A probability that adapts: 22 bits of it above a count of 10 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Adaptive(u32);

impl Adaptive {
    pub(crate) fn new(p: u16, count: u8) -> Self {
        Self(u32::from(p) << 16 | u32::from(count))
    }

    #[inline(always)]
    pub(crate) fn p(self) -> u16 {
        (self.0 >> 16) as u16
    }

    pub(crate) fn count(self) -> u32 {
        self.0 & 1023
    }

    /// Moves towards a bit, by `1 / (n + 1.5)` after n bits, and no less than by that of 255.
    #[inline(always)]
    pub(crate) fn update(&mut self, bit: bool) {
        let count = self.0 & 1023;
        let p = (self.0 >> 10) as i32;
        let target = if bit { (1 << 22) - 1 } else { 0 };
        let change = (i64::from(target - p) * i64::from(RATE[count as usize & 255])) >> 16;
        let count = (count + 1).min(255);
        self.0 = ((p + change as i32) as u32) << 10 | count;
    }
}

/// The points of a line of [`Refinement`]: for logits of -12 to 12 in steps of 1.
const POINTS: usize = 25;

/// One line, in a cache line of its own.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
struct Line([u16; POINTS]);

/// Refines a probability in a context: secondary symbol estimation, or APM (Mahoney).
#[derive(Debug, Default)]
pub(crate) struct Refinement {
    lines: Vec<Line>,
}

/// Where a [`Refinement`] learns from the outcome.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Point {
    line: usize,
    point: usize,
}

impl Refinement {
    pub(crate) fn reset(&mut self, lines_log2: u32) {
        let line = Line(std::array::from_fn(|i| {
            squash(i as i32 * 256 - (LOGIT_LIMIT + 1))
        }));
        self.lines.clear();
        self.lines.resize(1 << lines_log2, line);
    }

    /// The line of a context.
    #[inline(always)]
    pub(crate) fn line(&self, context: usize) -> usize {
        context & (self.lines.len() - 1)
    }

    #[inline(always)]
    pub(crate) fn prefetch(&self, line: usize) {
        prefetch(&self.lines, line);
    }

    /// The refined probability, Q0.16, and the point to update.
    #[inline(always)]
    pub(crate) fn refine(&self, line: usize, logit: i32) -> (i32, Point) {
        let place = (logit + LOGIT_LIMIT + 1) as usize;
        let (low, weight) = ((place >> 8).min(POINTS - 2), (place & 255) as i32);
        let points = &self.lines[line].0;
        let (a, b) = (i32::from(points[low]), i32::from(points[low + 1]));
        let p = (a * (256 - weight) + b * weight) >> 8;
        let point = low + (weight >> 7) as usize;
        (p, Point { line, point })
    }

    #[inline(always)]
    pub(crate) fn update(&mut self, Point { line, point }: Point, bit: bool) {
        let p = &mut self.lines[line].0[point];
        let target = if bit { 65535 } else { 0 };
        *p = (i32::from(*p) + ((target - i32::from(*p)) >> 6)) as u16;
    }
}
