//! Several curves in one plot: each has its own colour, dashes and marker.

use super::histogram;
use super::layers::{intervals, points};
use super::quantity::Quantity;
use super::reliability::Panel;
use super::{Filled, LEFT, SPAN, Vertical, axes, line};
use crate::format::coordinate;

const VERTICAL: Vertical = Vertical { top: 10.0, length: SPAN };
/// The height of the plot.
pub(crate) const HEIGHT: f64 = 10.0 + SPAN + super::BOTTOM;

const SERIES: usize = 6;
/// Coprime to the number of colours, so that 42 curves differ.
const DASHES: usize = 7;

/// Draws a sample of a curve's line and marker, 28 units wide and 12 high.
pub(crate) fn sample(curve: usize) -> String {
    let (series, dash) = (curve % SERIES, curve % DASHES);
    let class = format!("curve series-{series} dash-{dash}");
    format!("{}{}", line(&class, (0.0, 6.0), (28.0, 6.0)), marker(curve, (14.0, 6.0)))
}

/// Draws all curves. A smooth curve replaces the line between the points of the bins; a band is a
/// vertical line per bin through the diagonal.
pub(crate) fn content(panels: &[Panel], quantity: Quantity) -> String {
    let ticks = [0.0, 0.2, 0.4, 0.6, 0.8, 1.0];
    let mut svg = axes(VERTICAL, &ticks, quantity, quantity.observed_title());
    svg.push_str(&line("diagonal", (LEFT, VERTICAL.y(0.0)), (LEFT + SPAN, VERTICAL.y(1.0))));
    svg.push('\n');
    for (curve, panel) in panels.iter().enumerate() {
        svg.push_str(&whiskers(panel, curve, panels.len()));
    }
    let mut markers = String::new();
    for (curve, panel) in panels.iter().enumerate() {
        let (series, dash) = (curve % SERIES, curve % DASHES);
        let bins: Vec<Filled> = if panel.bins {
            panel.reliability.bins.iter().filter_map(Filled::new).collect()
        } else {
            Vec::new()
        };
        let binned = bins.iter().map(|bin| (bin.confidence, bin.accuracy));
        let through = match panel.smooth {
            [] => points(binned, VERTICAL),
            smooth => points(smooth.iter().copied(), VERTICAL),
        };
        if !through.is_empty() {
            svg.push_str(&format!(
                "<polyline class=\"curve series-{series} dash-{dash}\" points=\"{through}\"/>\n"
            ));
        }
        for bin in &bins {
            let at = (LEFT + bin.confidence * SPAN, VERTICAL.y(bin.accuracy));
            markers.push_str(&marker(curve, at));
        }
        markers.push('\n');
    }
    svg + &markers
}

/// Draws the band of a curve as vertical lines, beside those of the other curves, which would
/// otherwise cover each other.
fn whiskers(panel: &Panel, curve: usize, curves: usize) -> String {
    let mut svg = String::new();
    let apart = (10.0 / curves as f64).min(2.5);
    let shift = (curve as f64 - (curves as f64 - 1.0) / 2.0) * apart;
    for (bin, interval) in panel.band.map(intervals).unwrap_or_default() {
        let x = LEFT + bin.confidence * SPAN + shift;
        let ends = ((x, VERTICAL.y(interval.low)), (x, VERTICAL.y(interval.high)));
        svg.push_str(&line(&format!("whisker series-{}", curve % SERIES), ends.0, ends.1));
        svg.push('\n');
    }
    svg
}

/// Draws the histograms of all curves as lines.
pub(crate) fn histograms(panels: &[Panel], quantity: Quantity) -> String {
    let vertical = histogram::VERTICAL;
    let mut svg = axes(vertical, &[0.0, 0.5, 1.0], quantity, "Samples");
    for (curve, panel) in panels.iter().enumerate() {
        let n = panel.reliability.n as f64;
        let steps = panel.reliability.bins.iter().flat_map(|bin| {
            let share = bin.count as f64 / n;
            [(bin.lower, share), (bin.upper, share)]
        });
        let through = points(steps, vertical);
        if !through.is_empty() {
            let (series, dash) = (curve % SERIES, curve % DASHES);
            svg.push_str(&format!(
                "<polyline class=\"curve series-{series} dash-{dash}\" points=\"{through}\"/>\n"
            ));
        }
    }
    svg
}

fn marker(curve: usize, (x, y): (f64, f64)) -> String {
    let path = match curve % SERIES {
        0 => "M-3 0a3 3 0 1 0 6 0a3 3 0 1 0 -6 0z",
        1 => "M-2.8 -2.8h5.6v5.6h-5.6z",
        2 => "M0 -3.7L3.5 2.6H-3.5z",
        3 => "M0 -3.9L3.9 0L0 3.9L-3.9 0z",
        4 => "M-1.1 -3.6h2.2v2.5h2.5v2.2h-2.5v2.5h-2.2v-2.5h-2.5v-2.2h2.5z",
        _ => "M0 3.7L3.5 -2.6H-3.5z",
    };
    format!(
        "<path class=\"marker fill-{}\" transform=\"translate({} {})\" d=\"{path}\"/>",
        curve % SERIES,
        coordinate(x),
        coordinate(y)
    )
}
