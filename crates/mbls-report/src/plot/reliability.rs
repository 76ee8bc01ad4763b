use super::{BOTTOM, Filled, LEFT, SPAN, Vertical, axes, line, open, rect};
use crate::format::{coordinate, count, counted, number, percent, signed};
use mbls_core::metric::Reliability;

/// Space above the plot for the bins' counts.
const TOP: f64 = 42.0;
const VERTICAL: Vertical = Vertical { top: TOP, length: SPAN };
/// The smallest width of a bin, in SVG units, at which its count is printed.
const COUNT_WIDTH: f64 = 9.0;

/// Fill patterns of the gaps, shared by all diagrams of a page.
pub(crate) const PATTERNS: &str = "<svg class=\"patterns\" width=\"0\" height=\"0\" aria-hidden=\"true\" focusable=\"false\"><defs>\n\
<pattern id=\"pattern-over\" width=\"5\" height=\"5\" patternUnits=\"userSpaceOnUse\" patternTransform=\"rotate(45)\">\
<rect class=\"over-ground\" width=\"5\" height=\"5\"/><rect class=\"over-ink\" width=\"2\" height=\"5\"/></pattern>\n\
<pattern id=\"pattern-under\" width=\"5\" height=\"5\" patternUnits=\"userSpaceOnUse\">\
<rect class=\"under-ground\" width=\"5\" height=\"5\"/><circle class=\"under-ink\" cx=\"2.5\" cy=\"2.5\" r=\"1.3\"/></pattern>\n\
</defs></svg>\n";

/// Renders the legend of the reliability diagrams.
pub(crate) fn legend() -> String {
    let key = |body: &str, text: &str| {
        format!(
            "<li><svg class=\"key\" viewBox=\"0 0 16 12\" aria-hidden=\"true\">{body}</svg> {text}</li>\n"
        )
    };
    let whole = |class| rect(class, (0.5, 15.0), 0.5, 11.5);
    let mut html = String::from("<ul class=\"legend\">\n");
    html.push_str(&key(&whole("bar"), "accuracy of the bin"));
    html.push_str(&key(&whole("over"), "overconfident: accuracy below confidence"));
    html.push_str(&key(&whole("under"), "underconfident: accuracy above confidence"));
    html.push_str(&key(&line("diagonal", (1.0, 11.0), (15.0, 1.0)), "perfect calibration"));
    html.push_str(&key(&line("mean-accuracy", (8.0, 0.0), (8.0, 12.0)), "mean accuracy"));
    html.push_str(&key(&line("mean-confidence", (8.0, 0.0), (8.0, 12.0)), "mean confidence"));
    html.push_str("</ul>\n");
    html
}

/// Draws the accuracy of each confidence bin, and the gap between its accuracy and its mean
/// confidence, which ends on the diagonal. Bins without samples are omitted. If bins are too narrow
/// for their counts, the counts are only in the tooltips.
pub(crate) fn diagram(reliability: &Reliability, id: &str, title: &str) -> String {
    let bins: Vec<Filled> = reliability.bins.iter().filter_map(Filled::new).collect();
    let title = format!("Reliability diagram {title}");
    let mut svg = open(id, VERTICAL.bottom() + BOTTOM, &title, &description(reliability, &bins));
    svg.push_str(&axes(VERTICAL, &[0.0, 0.2, 0.4, 0.6, 0.8, 1.0], "Accuracy"));
    for bin in &bins {
        svg.push_str(&drawn(bin));
    }
    svg.push_str(&line("diagonal", (LEFT, VERTICAL.y(0.0)), (LEFT + SPAN, VERTICAL.y(1.0))));
    svg.push('\n');
    svg.push_str(&counts(&bins));
    svg.push_str("</svg>\n");
    svg
}

/// Draws one bin: its bar, its gap, and a tick at its accuracy that stays visible if the bar is too
/// low to see.
fn drawn(bin: &Filled) -> String {
    let extent = bin.extent();
    let (accuracy, confidence) = (VERTICAL.y(bin.accuracy), VERTICAL.y(bin.confidence));
    let mut svg = format!("<g><title>{}</title>", tooltip(bin));
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
    let mut svg = String::from("<g aria-hidden=\"true\">\n");
    if bins.iter().all(|bin| (bin.upper - bin.lower) * SPAN >= COUNT_WIDTH) {
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

fn tooltip(bin: &Filled) -> String {
    format!(
        "Confidence {} to {} %: {}, accuracy {} %, mean confidence {} %, gap {} points",
        number(bin.lower * 100.0, 1),
        number(bin.upper * 100.0, 1),
        counted(bin.count, "sample"),
        percent(bin.accuracy, 1),
        percent(bin.confidence, 1),
        signed(bin.gap() * 100.0, 1),
    )
}

/// Describes the diagram in words.
fn description(reliability: &Reliability, bins: &[Filled]) -> String {
    let over = bins.iter().filter(|bin| bin.overconfident()).count() as u64;
    let under = bins.iter().filter(|bin| bin.underconfident()).count() as u64;
    let mut text = format!(
        "{} in {}, {} of them with samples: overconfident in {over}, underconfident in {under}.",
        counted(reliability.n, "sample"),
        counted(reliability.bins.len() as u64, "bin"),
        bins.len(),
    );
    if let Some(widest) =
        bins.iter().reduce(|a, b| if b.gap().abs() > a.gap().abs() { b } else { a })
    {
        text.push_str(&format!(" Largest gap: {}.", tooltip(widest)));
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
        let svg = diagram(&Reliability { n: 19, bins }, "d", "of a test");
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
            let svg = diagram(&Reliability { n: 9, bins }, "d", "of a test");
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
            diagram(&Reliability { n: n as u64, bins: bins(n) }, "d", "")
                .matches("class=\"count\"")
                .count()
        };
        assert_eq!((counts(15), counts(25), counts(100)), (15, 25, 0));
    }
}
