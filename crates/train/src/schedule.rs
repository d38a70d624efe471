//! The schedule of learning rates: the part of the budget used and the steps taken go in; a factor from 0 to 1 comes out.

/// Steps in which the rates rise to their full height.
const WARM_UP_STEPS: u64 = 60;
/// The part of the budget after which the rates fall, in a straight line to zero.
const PLATEAU: f64 = 0.35;

/// The factor of the learning rates once part `done` of the budget is used up and this many steps have been taken.
pub(crate) fn rate_factor(done: f64, steps: u64) -> f32 {
    let warm = (steps + 1) as f64 / WARM_UP_STEPS as f64;
    let falling = (1.0 - done) / (1.0 - PLATEAU);
    warm.min(falling).clamp(0.0, 1.0) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_rise_stay_and_fall() {
        let cases = [
            (0.0, 0, 1.0 / 60.0),
            (0.01, 29, 0.5),
            (0.02, 59, 1.0),
            (0.1, 1_000, 1.0),
            (0.35, 1_000, 1.0),
            (0.675, 1_000, 0.5),
            (1.0, 1_000, 0.0),
            (1.5, 1_000, 0.0),
            // In a short run the rates fall before they have risen.
            (0.87, 5, 0.1),
        ];
        for (done, steps, factor) in cases {
            assert!((rate_factor(done, steps) - factor).abs() < 1e-6, "{done} {steps}");
        }
    }
}
