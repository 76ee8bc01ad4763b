//! Diagrams as SVG with classes. A page's style sheet or the diagram's own colours them.

pub(crate) mod histogram;
pub(crate) mod layers;
pub(crate) mod legend;
pub(crate) mod overlay;
pub(crate) mod quantity;
pub(crate) mod reliability;
pub(crate) mod theme;

use crate::format::coordinate;
use mbls_core::metric::ReliabilityBin;
use quantity::Quantity;

/// The width of every plot in SVG units.
pub(crate) const WIDTH: f64 = 300.0;
/// The left end of the horizontal axis.
const LEFT: f64 = 40.0;
/// Length of the horizontal axis, which runs over confidences from 0 to 1.
const SPAN: f64 = 250.0;
/// Space below the axis for its tick labels and its title.
const BOTTOM: f64 = 34.0;

/// The smallest gap that is drawn and counted: a smaller one would print as 0.0 points.
const VISIBLE: f64 = 5e-4;

/// A bin that contains samples, with validated numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Filled {
    lower: f64,
    upper: f64,
    count: u64,
    confidence: f64,
    accuracy: f64,
}

impl Filled {
    /// Returns `None` for a bin without samples or with numbers that cannot be drawn.
    fn new(bin: &ReliabilityBin) -> Option<Self> {
        let unit = |value: f64| value.is_finite().then(|| value.clamp(0.0, 1.0));
        let filled = Self {
            lower: unit(bin.lower)?,
            upper: unit(bin.upper)?,
            count: bin.count,
            confidence: unit(bin.mean_confidence?)?,
            accuracy: unit(bin.accuracy?)?,
        };
        (filled.count > 0 && filled.lower < filled.upper).then_some(filled)
    }

    /// The accuracy minus the mean confidence; negative if overconfident.
    fn gap(&self) -> f64 {
        self.accuracy - self.confidence
    }

    fn overconfident(&self) -> bool {
        self.gap() <= -VISIBLE
    }

    fn underconfident(&self) -> bool {
        self.gap() >= VISIBLE
    }

    /// Returns the left edge and the width of the bin's bar, with a small space to its neighbours.
    fn extent(&self) -> (f64, f64) {
        let width = (self.upper - self.lower) * SPAN;
        let space = (width * 0.08).min(1.0);
        (LEFT + self.lower * SPAN + space / 2.0, width - space)
    }
}

/// The vertical axis, from 0 at the bottom to 1 at the top.
#[derive(Clone, Copy, Debug)]
struct Vertical {
    top: f64,
    length: f64,
}

impl Vertical {
    fn y(self, value: f64) -> f64 {
        self.top + (1.0 - value) * self.length
    }

    fn bottom(self) -> f64 {
        self.top + self.length
    }
}

pub(crate) fn rect(class: &str, (x, width): (f64, f64), top: f64, bottom: f64) -> String {
    format!(
        "<rect class=\"{class}\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"/>",
        coordinate(x),
        coordinate(top),
        coordinate(width),
        coordinate(bottom - top)
    )
}

pub(crate) fn line(class: &str, (x1, y1): (f64, f64), (x2, y2): (f64, f64)) -> String {
    let [x1, y1, x2, y2] = [x1, y1, x2, y2].map(coordinate);
    format!("<line class=\"{class}\" x1=\"{x1}\" y1=\"{y1}\" x2=\"{x2}\" y2=\"{y2}\"/>")
}

/// Returns the opening tag of a diagram with its title and description for screen readers. `id`
/// must be unique on the page, and the texts already escaped.
fn open(id: &str, height: f64, title: &str, description: &str) -> String {
    format!(
        "<svg viewBox=\"0 0 {} {}\" role=\"img\" aria-labelledby=\"{id}-t {id}-d\">\n<title id=\"{id}-t\">{title}</title>\n\
         <desc id=\"{id}-d\">{description}</desc>\n",
        coordinate(WIDTH),
        coordinate(height)
    )
}

/// Draws the grid, the tick labels and the titles of both axes.
fn axes(vertical: Vertical, ticks: &[f64], quantity: Quantity, title: &str) -> String {
    let mut svg = String::from("<g aria-hidden=\"true\">\n");
    for &tick in ticks {
        let y = vertical.y(tick);
        svg.push_str(&line("grid", (LEFT, y), (LEFT + SPAN, y)));
        svg.push_str(&format!(
            "<text class=\"tick end\" x=\"{}\" y=\"{}\">{}</text>\n",
            coordinate(LEFT - 5.0),
            coordinate(y + 3.5),
            coordinate(tick * 100.0)
        ));
    }
    for tick in [0.0, 0.2, 0.4, 0.6, 0.8, 1.0] {
        svg.push_str(&format!(
            "<text class=\"tick middle\" x=\"{}\" y=\"{}\">{}</text>\n",
            coordinate(LEFT + tick * SPAN),
            coordinate(vertical.bottom() + 13.0),
            coordinate(tick * 100.0)
        ));
    }
    svg.push_str(&format!(
        "<text class=\"axis middle\" x=\"{}\" y=\"{}\">{} (%)</text>\n",
        coordinate(LEFT + SPAN / 2.0),
        coordinate(vertical.bottom() + 28.0),
        quantity.predicted_title()
    ));
    let middle = vertical.y(0.5);
    svg.push_str(&format!(
        "<text class=\"axis middle\" x=\"11\" y=\"{0}\" transform=\"rotate(-90 11 {0})\">{title} (%)</text>\n</g>\n",
        coordinate(middle)
    ));
    svg
}
