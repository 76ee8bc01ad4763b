use super::layers::{self, interval_text};
use super::quantity::Quantity;
use super::{BOTTOM, Filled, LEFT, SPAN, Vertical, axes, line, open, rect};
use crate::format::{coordinate, count, counted, number, percent, signed};
use mbls_core::bootstrap::Interval;
use mbls_core::metric::{ConsistencyBand, Reliability};

/// Space above the plot for the bins' counts.
const TOP: f64 = 42.0;
const VERTICAL: Vertical = Vertical { top: TOP, length: SPAN };
/// The height of the diagram.
pub(crate) const HEIGHT: f64 = TOP + SPAN + BOTTOM;
/// The smallest width of a bin, in SVG units, at which its count is printed.
const COUNT_WIDTH: f64 = 9.0;

/// One reliability diagram and what lies above its bins.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Panel<'a> {
    pub(crate) reliability: &'a Reliability,
    pub(crate) quantity: Quantity,
    /// Whether the bins are drawn.
    pub(crate) bins: bool,
    pub(crate) band: Option<&'a ConsistencyBand>,
    /// Points of the smooth curve.
    pub(crate) smooth: &'a [(f64, f64)],
}

impl<'a> Panel<'a> {
    /// The bins of the top label alone.
    pub(crate) fn of(reliability: &'a Reliability) -> Self {
        Self { reliability, quantity: Quantity::TopLabel, bins: true, band: None, smooth: &[] }
    }
}

/// Draws the accuracy of each confidence bin, and the gap between its accuracy and its mean
/// confidence, which ends on the diagonal. Bins without samples are omitted. If bins are too narrow
/// for their counts, the counts are only in the tooltips.
pub(crate) fn diagram(panel: &Panel, id: &str, title: &str) -> String {
    let title = format!("Reliability diagram {title}");
    let mut svg = open(id, HEIGHT, &title, &description(panel));
    svg.push_str(&content(panel));
    svg.push_str("</svg>\n");
    svg
}

/// Draws the diagram without the tags around it. The script of the page of evaluations draws the
/// groups `bins` and `counts` anew: it has to draw as this does, which a test checks.
pub(crate) fn content(panel: &Panel) -> String {
    let ticks = [0.0, 0.2, 0.4, 0.6, 0.8, 1.0];
    let mut svg = axes(VERTICAL, &ticks, panel.quantity, panel.quantity.observed_title());
    let bins = filled(panel.reliability);
    let drawn_bins = if panel.bins { bins.as_slice() } else { &[] };
    let intervals = panel.band.map(layers::intervals).unwrap_or_default();
    svg.push_str("<g class=\"bins\">\n");
    for bin in drawn_bins {
        let same = |of: &&(Filled, Interval)| of.0.lower == bin.lower && of.0.upper == bin.upper;
        let interval = intervals.iter().find(same).map(|of| &of.1);
        svg.push_str(&drawn(bin, panel.quantity, interval));
    }
    if let Some(band) = panel.band {
        svg.push_str(&layers::band(band, VERTICAL));
    }
    svg.push_str("</g>\n");
    svg.push_str(&line("diagonal", (LEFT, VERTICAL.y(0.0)), (LEFT + SPAN, VERTICAL.y(1.0))));
    svg.push('\n');
    svg.push_str(&layers::smooth(panel.smooth, VERTICAL));
    svg.push_str(&counts(drawn_bins));
    svg
}

fn filled(reliability: &Reliability) -> Vec<Filled> {
    reliability.bins.iter().filter_map(Filled::new).collect()
}

/// Draws one bin: its bar, its gap, and a tick at its accuracy that stays visible if the bar is too
/// low to see.
fn drawn(bin: &Filled, quantity: Quantity, interval: Option<&Interval>) -> String {
    let extent = bin.extent();
    let (accuracy, confidence) = (VERTICAL.y(bin.accuracy), VERTICAL.y(bin.confidence));
    let interval = interval.map_or_else(String::new, |of| format!(", {}", interval_text(of)));
    let mut svg = format!("<g><title>{}{interval}</title>", tooltip(bin, quantity));
    svg.push_str(&rect("bar", extent, accuracy, VERTICAL.bottom()));
    if bin.overconfident() {
        svg.push_str(&rect("over", extent, confidence, accuracy));
    } else if bin.underconfident() {
        svg.push_str(&rect("under", extent, accuracy, confidence));
    }
    svg.push_str(&line("level", (extent.0, accuracy), (extent.0 + extent.1, accuracy)));
    svg.push_str("</g>\n");
    svg
}

fn counts(bins: &[Filled]) -> String {
    let mut svg = String::from("<g class=\"counts\" aria-hidden=\"true\">\n");
    let wide = |bin: &Filled| (bin.upper - bin.lower) * SPAN >= COUNT_WIDTH;
    if !bins.is_empty() && bins.iter().all(wide) {
        for bin in bins {
            let (x, y) = (LEFT + (bin.lower + bin.upper) / 2.0 * SPAN + 3.0, TOP - 4.0);
            let (x, y) = (coordinate(x), coordinate(y));
            svg.push_str(&format!(
                "<text class=\"count\" x=\"{x}\" y=\"{y}\" transform=\"rotate(-90 {x} {y})\">{}</text>\n",
                count(bin.count)
            ));
        }
        let (x, y) = (coordinate(LEFT - 5.0), coordinate(TOP - 16.0));
        svg.push_str(&format!("<text class=\"tick end\" x=\"{x}\" y=\"{y}\">n</text>\n"));
    }
    svg.push_str("</g>\n");
    svg
}

fn tooltip(bin: &Filled, quantity: Quantity) -> String {
    format!(
        "{} {} to {} %: {}, {} {} %, mean {} {} %, gap {} points",
        quantity.predicted_title(),
        number(bin.lower * 100.0, 1),
        number(bin.upper * 100.0, 1),
        counted(bin.count, "sample"),
        quantity.observed(),
        percent(bin.accuracy, 1),
        quantity.predicted(),
        percent(bin.confidence, 1),
        signed(bin.gap() * 100.0, 1),
    )
}

/// Describes the diagram in words.
pub(crate) fn description(panel: &Panel) -> String {
    let Panel { reliability, quantity, .. } = *panel;
    let bins = filled(reliability);
    let over = bins.iter().filter(|bin| bin.overconfident()).count() as u64;
    let under = bins.iter().filter(|bin| bin.underconfident()).count() as u64;
    let mut text = format!(
        "{} in {}, {} of them with samples: overconfident in {over}, underconfident in {under}.",
        counted(reliability.n, "sample"),
        counted(reliability.bins.len() as u64, "bin"),
        bins.len(),
    );
    if let Some(widest) =
        bins.iter().copied().reduce(|a, b| if b.gap().abs() > a.gap().abs() { b } else { a })
    {
        text.push_str(&format!(" Largest gap: {}.", tooltip(&widest, quantity)));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use mbls_core::metric::ReliabilityBin;

    fn bin(lower: f64, upper: f64, count: u64, confidence: f64, accuracy: f64) -> ReliabilityBin {
        ReliabilityBin {
            lower,
            upper,
            count,
            mean_confidence: Some(confidence),
            accuracy: Some(accuracy),
        }
    }

    /// Four bins of width 62.5 in a plot area from (40, 42) to (290, 292), with half a unit of
    /// space on both sides of a bar.
    #[test]
    fn geometry() {
        let empty = ReliabilityBin {
            lower: 0.0,
            upper: 0.25,
            count: 0,
            mean_confidence: None,
            accuracy: None,
        };
        let bins = vec![
            empty,
            bin(0.25, 0.5, 4, 0.4, 0.6),
            bin(0.5, 0.75, 5, 0.6, 0.6),
            bin(0.75, 1.0, 10, 0.9, 0.5),
        ];
        let svg = diagram(&Panel::of(&Reliability { n: 19, bins }), "d", "of a test");
        let rects: Vec<&str> = svg
            .match_indices("<rect")
            .map(|(at, _)| &svg[at..at + svg[at..].find("/>").unwrap()])
            .collect();
        assert_eq!(
            rects,
            [
                // Accuracy .6: 250 * .6 = 150 high, its top at 42 + 250 * .4 = 142; the gap down
                // to .4 at 192.
                r#"<rect class="bar" x="103" y="142" width="61.5" height="150""#,
                r#"<rect class="under" x="103" y="142" width="61.5" height="50""#,
                // No gap.
                r#"<rect class="bar" x="165.5" y="142" width="61.5" height="150""#,
                // Accuracy .5: 125 high; the gap from there up to .9 at 42 + 25 = 67.
                r#"<rect class="bar" x="228" y="167" width="61.5" height="125""#,
                r#"<rect class="over" x="228" y="67" width="61.5" height="100""#,
            ]
        );
        assert!(
            svg.contains(r#"<line class="diagonal" x1="40" y1="292" x2="290" y2="42"/>"#),
            "{svg}"
        );
        let counts: Vec<&str> =
            svg.match_indices("class=\"count\"").map(|(at, _)| &svg[at..]).collect();
        assert_eq!(counts.len(), 3);
        // The centre of the last bin, 40 + 250 * .875 = 258.75, and half the height of a digit.
        assert!(counts[2].starts_with(
            r#"class="count" x="261.75" y="38" transform="rotate(-90 261.75 38)">10</text>"#
        ));
        assert!(svg.contains(
            "19 samples in 4 bins, 3 of them with samples: overconfident in 1, underconfident in 1."
        ));
        assert!(svg.contains("gap \u{2212}40.0 points.</desc>"), "{svg}");
    }

    #[test]
    fn what_cannot_be_drawn_is_left_out() {
        let mut bins = vec![
            bin(0.0, 0.5, 3, f64::NAN, 0.5),
            bin(0.5, 1.0, 3, 0.7, f64::INFINITY),
            bin(0.5, 0.5, 3, 0.5, 0.5),
        ];
        bins.push(ReliabilityBin {
            lower: 0.0,
            upper: 1.0,
            count: 0,
            mean_confidence: Some(0.5),
            accuracy: Some(0.5),
        });
        bins.push(ReliabilityBin {
            lower: 0.0,
            upper: 1.0,
            count: 2,
            mean_confidence: None,
            accuracy: Some(0.5),
        });
        for bins in [bins, vec![]] {
            let svg = diagram(&Panel::of(&Reliability { n: 9, bins }), "d", "of a test");
            assert!(
                !svg.contains("<rect") && !svg.contains("NaN") && !svg.contains("inf"),
                "{svg}"
            );
        }
    }

    #[test]
    fn narrow_bins_have_no_room_for_counts() {
        let bins = |n: usize| -> Vec<ReliabilityBin> {
            (0..n)
                .map(|i| bin(i as f64 / n as f64, (i + 1) as f64 / n as f64, 1, 0.5, 0.5))
                .collect()
        };
        let counts = |n: usize| {
            diagram(&Panel::of(&Reliability { n: n as u64, bins: bins(n) }), "d", "")
                .matches("class=\"count\"")
                .count()
        };
        assert_eq!((counts(15), counts(25), counts(100)), (15, 25, 0));
    }
}
