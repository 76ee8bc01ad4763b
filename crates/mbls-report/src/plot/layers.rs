//! What may lie above the bins: the consistency band and the smooth curve.

use super::{Filled, LEFT, SPAN, Vertical, line, rect};
use crate::format::{coordinate, level, number};
use mbls_core::bootstrap::Interval;
use mbls_core::metric::ConsistencyBand;

/// Returns the bins of a band that can be drawn, with their intervals.
pub(super) fn intervals(band: &ConsistencyBand) -> Vec<(Filled, Interval)> {
    let bins = band.reliability.bins.iter().zip(&band.accuracies);
    bins.filter_map(|(bin, interval)| {
        let interval = interval.filter(|of| of.low.is_finite() && of.high.is_finite())?;
        let (low, high) = (interval.low.clamp(0.0, 1.0), interval.high.clamp(0.0, 1.0));
        Some((Filled::new(bin)?, Interval { low, high, ..interval }))
    })
    .collect()
}

/// Draws the interval of each bin as an area with a line at both ends.
pub(super) fn band(band: &ConsistencyBand, vertical: Vertical) -> String {
    let mut svg = String::new();
    for (bin, interval) in intervals(band) {
        let (left, width) = bin.extent();
        let (top, bottom) = (vertical.y(interval.high), vertical.y(interval.low));
        svg.push_str(&rect("band", (left, width), top, bottom));
        for y in [top, bottom] {
            svg.push_str(&line("band-edge", (left, y), (left + width, y)));
        }
        svg.push('\n');
    }
    svg
}

/// Describes the interval of a bin for its tooltip.
pub(super) fn interval_text(interval: &Interval) -> String {
    format!(
        "{} of calibrated models {} to {} %",
        level(interval.level),
        number(interval.low * 100.0, 1),
        number(interval.high * 100.0, 1)
    )
}

/// Returns the `d` or `points` of a line through points of the unit square; empty for fewer than
/// two points that can be drawn.
pub(super) fn points(of: impl Iterator<Item = (f64, f64)>, vertical: Vertical) -> String {
    let drawn: Vec<String> = of
        .filter(|(x, y)| x.is_finite() && y.is_finite())
        .map(|(x, y)| {
            let (x, y) = (LEFT + x.clamp(0.0, 1.0) * SPAN, vertical.y(y.clamp(0.0, 1.0)));
            format!("{},{}", coordinate(x), coordinate(y))
        })
        .collect();
    if drawn.len() < 2 { String::new() } else { drawn.join(" ") }
}

/// Draws the smooth curve, with an edge in the colour of the paper to set it off from the bins.
pub(super) fn smooth(curve: &[(f64, f64)], vertical: Vertical) -> String {
    let points = points(curve.iter().copied(), vertical);
    if points.is_empty() {
        return points;
    }
    format!(
        "<g aria-hidden=\"true\"><polyline class=\"smooth-edge\" points=\"{points}\"/><polyline class=\"smooth\" points=\"{points}\"/></g>\n"
    )
}
