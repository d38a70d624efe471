//! The curve of a training run: points go in; a table (CSV) and a picture (SVG) come out.

use std::fmt::Write as _;

/// A point of the curve.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// Tokens trained on so far, each counted as often as it was seen.
    pub tokens: u64,
    /// Seconds trained so far.
    pub seconds: f64,
    /// The cost of the training text since the last point, in bits per byte.
    pub train: f64,
    /// The cost of the held-out text, in bits per byte; infinite if there is none.
    pub heldout: f64,
}

/// How every table begins.
pub(crate) const CSV_START: &str = "tokens,seconds,train_bits_per_byte,heldout_bits_per_byte\n";

/// How every picture begins.
pub(crate) const SVG_START: &str = "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 640 360\" font-family=\"sans-serif\" \
     font-size=\"12\">\n<rect width=\"640\" height=\"360\" fill=\"white\"/>\n";

/// A table: a header, then one line for each point.
#[must_use]
pub fn csv(curve: &[Point]) -> String {
    let mut table = String::from(CSV_START);
    for point in curve {
        let _ = writeln!(
            table,
            "{},{:.1},{:.4},{:.4}",
            point.tokens, point.seconds, point.train, point.heldout
        );
    }
    table
}

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 360.0;
const MARGIN: f64 = 48.0;

/// A picture: bits per byte against tokens.
#[must_use]
pub fn svg(curve: &[Point]) -> String {
    let costs = curve.iter().flat_map(|point| [point.train, point.heldout]);
    let costs: Vec<f64> = costs.filter(|cost| cost.is_finite()).collect();
    let most = curve.iter().map(|point| point.tokens).max().unwrap_or(1).max(1) as f64;
    let high = costs.iter().copied().fold(1.0, f64::max);
    let low = costs.iter().copied().fold(high, f64::min);
    // At least half a bit, so a flat curve looks flat; at most 1.5, or the first points would flatten all others.
    let (low, high) = ((low - 0.05).max(0.0), high.min(low + 1.5).max(low + 0.5));
    let x = |tokens: f64| MARGIN + tokens / most * (WIDTH - 2.0 * MARGIN);
    let y = |cost: f64| HEIGHT - MARGIN - (cost - low) / (high - low) * (HEIGHT - 2.0 * MARGIN);
    let mut picture = String::from(SVG_START);
    for step in 0..=4 {
        let cost = low + (high - low) * f64::from(step) / 4.0;
        let at = y(cost);
        let right = WIDTH - MARGIN;
        let _ = writeln!(
            picture,
            "<path d=\"M{MARGIN} {at:.1}H{right}\" stroke=\"#ddd\"/><text x=\"8\" y=\"{:.1}\">{cost:.2}</text>",
            at + 4.0
        );
        let tokens = most * f64::from(step) / 4.0;
        let _ = writeln!(
            picture,
            "<text x=\"{:.1}\" y=\"{}\" text-anchor=\"middle\">{:.1}M</text>",
            x(tokens),
            HEIGHT - MARGIN + 18.0,
            tokens / 1e6
        );
    }
    type Cost = fn(&Point) -> f64;
    let lines: [(&str, &str, Cost); 2] = [
        ("training text", "#8aa", |point| point.train),
        ("held-out text", "#c30", |point| point.heldout),
    ];
    for (index, (name, colour, cost)) in lines.into_iter().enumerate() {
        let points: Vec<String> = curve
            .iter()
            .filter(|point| cost(point).is_finite())
            .map(|point| {
                let cost = cost(point).clamp(low, high);
                format!("{:.1},{:.1}", x(point.tokens as f64), y(cost))
            })
            .collect();
        let _ = writeln!(
            picture,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>\
             <text x=\"{}\" y=\"{}\" fill=\"{colour}\">{name}</text>",
            points.join(" "),
            WIDTH - MARGIN - 90.0,
            24.0 + 16.0 * index as f64
        );
    }
    let _ = writeln!(
        picture,
        "<text x=\"8\" y=\"20\">bits per byte, net without mixer</text>\n\
         <text x=\"{:.1}\" y=\"{}\" text-anchor=\"middle\">tokens</text>\n</svg>",
        WIDTH / 2.0,
        HEIGHT - 8.0
    );
    picture
}
