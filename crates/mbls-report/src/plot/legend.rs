//! The legend of the reliability diagrams, for pages and for standalone diagrams.

use super::quantity::Quantity;
use super::{line, rect};
use crate::format::coordinate;

/// Fill patterns of the gaps. Their ids are those of the style sheet.
pub(crate) const PATTERNS: &str = "<defs>\n\
<pattern id=\"pattern-over\" width=\"5\" height=\"5\" patternUnits=\"userSpaceOnUse\" patternTransform=\"rotate(45)\">\
<rect class=\"over-ground\" width=\"5\" height=\"5\"/><rect class=\"over-ink\" width=\"2\" height=\"5\"/></pattern>\n\
<pattern id=\"pattern-under\" width=\"5\" height=\"5\" patternUnits=\"userSpaceOnUse\">\
<rect class=\"under-ground\" width=\"5\" height=\"5\"/><circle class=\"under-ink\" cx=\"2.5\" cy=\"2.5\" r=\"1.3\"/></pattern>\n\
</defs>";

/// Returns the fill patterns for all diagrams of a page.
pub(crate) fn page_patterns() -> String {
    format!(
        "<svg class=\"patterns\" width=\"0\" height=\"0\" aria-hidden=\"true\" focusable=\"false\">{PATTERNS}</svg>\n"
    )
}

/// An element of a reliability diagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    Bar,
    Over,
    Under,
    Diagonal,
    Band,
    Smooth,
    MeanObserved,
    MeanPredicted,
}

impl Key {
    /// The elements of a diagram with bins.
    pub(crate) const BINS: [Self; 4] = [Self::Bar, Self::Over, Self::Under, Self::Diagonal];
    /// The lines of a histogram.
    pub(crate) const HISTOGRAM: [Self; 2] = [Self::MeanObserved, Self::MeanPredicted];

    /// Draws a sample of the element, 16 units wide and 12 high.
    fn sample(self) -> String {
        let whole = |class| rect(class, (0.5, 15.0), 0.5, 11.5);
        let upright = |class| line(class, (8.0, 0.0), (8.0, 12.0));
        let level = |class, y| line(class, (0.5, y), (15.5, y));
        match self {
            Self::Bar => whole("bar"),
            Self::Over => whole("over"),
            Self::Under => whole("under"),
            Self::Diagonal => line("diagonal", (1.0, 11.0), (15.0, 1.0)),
            Self::Band => {
                let area = rect("band", (0.5, 15.0), 2.0, 10.0);
                format!("{area}{}{}", level("band-edge", 2.0), level("band-edge", 10.0))
            }
            Self::Smooth => {
                "<polyline class=\"smooth\" points=\"0.5,11 5,6 10,5 15.5,1\"/>".to_owned()
            }
            Self::MeanObserved => upright("mean-accuracy"),
            Self::MeanPredicted => upright("mean-confidence"),
        }
    }

    fn long(self, quantity: Quantity) -> String {
        let (predicted, observed) = (quantity.predicted(), quantity.observed());
        match self {
            Self::Bar => format!("{observed} of the bin"),
            Self::Over => format!("overconfident: {observed} below {predicted}"),
            Self::Under => format!("underconfident: {observed} above {predicted}"),
            Self::Band => format!("{observed} that a calibrated model would show"),
            _ => self.short(quantity),
        }
    }

    fn short(self, quantity: Quantity) -> String {
        match self {
            Self::Bar => format!("{} of the bin", quantity.observed()),
            Self::Over => "overconfident".to_owned(),
            Self::Under => "underconfident".to_owned(),
            Self::Diagonal => "perfect calibration".to_owned(),
            Self::Band => "range if calibrated".to_owned(),
            Self::Smooth => "smooth curve".to_owned(),
            Self::MeanObserved => match quantity {
                Quantity::TopLabel => "mean accuracy".to_owned(),
                Quantity::Class => "frequency".to_owned(),
            },
            Self::MeanPredicted => format!("mean {}", quantity.predicted()),
        }
    }
}

/// Renders the legend of a page.
pub(crate) fn html(keys: &[Key], quantity: Quantity) -> String {
    let mut html = String::from("<ul class=\"legend\">\n");
    for key in keys {
        html.push_str(&format!(
            "<li><svg class=\"key\" viewBox=\"0 0 16 12\" aria-hidden=\"true\">{}</svg> {}</li>\n",
            key.sample(),
            key.long(quantity)
        ));
    }
    html.push_str("</ul>\n");
    html
}

/// The width of an entry in a standalone diagram.
const ENTRY_WIDTH: f64 = 125.0;
/// The height of a row of entries.
const ROW: f64 = 16.0;

fn columns(width: f64) -> usize {
    ((width / ENTRY_WIDTH) as usize).max(1)
}

/// Returns the height of the legend in a standalone diagram.
pub(crate) fn height(keys: &[Key], width: f64) -> f64 {
    keys.len().div_ceil(columns(width)) as f64 * ROW
}

/// Draws the legend of a standalone diagram from a corner rightwards and downwards.
pub(crate) fn svg(keys: &[Key], quantity: Quantity, (left, top): (f64, f64), width: f64) -> String {
    let columns = columns(width);
    let mut svg = String::new();
    for (place, key) in keys.iter().enumerate() {
        let x = left + (place % columns) as f64 * ENTRY_WIDTH;
        let y = top + (place / columns) as f64 * ROW;
        svg.push_str(&format!(
            "<g transform=\"translate({} {})\">{}<text class=\"entry\" x=\"21\" y=\"9.5\">{}</text></g>\n",
            coordinate(x),
            coordinate(y),
            key.sample(),
            key.short(quantity)
        ));
    }
    svg
}
