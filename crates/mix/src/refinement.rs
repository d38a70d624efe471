//! Secondary symbol estimation (SSE, or APM; Mahoney): a mixed logit and a small context in, a corrected probability out,
//! learnt from what became of such logits in this context.

use czip_kernels::prefetch;

use crate::logistic::{LOGIT_LIMIT, squash};

/// The points of a line: for logits of -12 to 12 in steps of 1.
const POINTS: usize = 25;

/// Probabilities at the points, Q0.16: `[POINTS]`, in one cache line.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
struct Line([u16; POINTS]);

/// A table of lines, one for each of `2^lines_log2` contexts.
#[derive(Debug, Default)]
pub(crate) struct Refinement {
    lines: Vec<Line>,
}

/// The entry of a [`Refinement`] that learns from the outcome.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Point {
    line: usize,
    point: usize,
}

impl Refinement {
    /// Forgets everything: each line is then the logistic function itself.
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

    /// The refined probability, Q0.16, interpolated between two points, and the nearer of them, which is to be updated.
    #[inline(always)]
    pub(crate) fn refine(&self, line: usize, logit: i32) -> (i32, Point) {
        let position = (logit + LOGIT_LIMIT + 1) as usize;
        let (low, weight) = ((position >> 8).min(POINTS - 2), (position & 255) as i32);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_begin_as_the_logistic_function() {
        let mut refinement = Refinement::default();
        refinement.reset(3);
        assert_eq!([7, 8, 21].map(|context| refinement.line(context)), [7, 0, 5]);
        // At a point, halfway, and a quarter of the way to the next.
        let p = |logit| refinement.refine(5, logit).0;
        assert_eq!([p(0), p(256), p(-256)], [32768, 47911, 17625]);
        assert_eq!([p(128), p(64)], [(32768 + 47911) >> 1, (3 * 32768 + 47911) >> 2]);
        assert_eq!([p(LOGIT_LIMIT), p(-LOGIT_LIMIT)], [65535, 0]);
    }

    #[test]
    fn the_nearer_point_moves() {
        let mut refinement = Refinement::default();
        refinement.reset(1);
        let before = refinement.lines[1].0;
        for (logit, nearer) in [
            (0, 12),
            (127, 12),
            (128, 13),
            (255, 13),
            (LOGIT_LIMIT, 24),
            (-LOGIT_LIMIT, 0),
        ] {
            refinement.reset(1);
            let (_, point) = refinement.refine(1, logit);
            refinement.update(point, true);
            let mut expected = before;
            expected[nearer] += (65535 - expected[nearer]) >> 6;
            assert_eq!(refinement.lines[1].0, expected, "{logit}");
            assert_eq!(refinement.lines[0].0, before);
        }
        let (_, point) = refinement.refine(0, 0);
        refinement.update(point, false);
        assert_eq!(refinement.lines[0].0[12], 32768 - 512);
    }
}
