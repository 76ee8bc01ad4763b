use super::quantity::Quantity;
use super::{BOTTOM, Filled, LEFT, SPAN, Vertical, axes, line, open, rect};
use crate::format::{ABSENT, counted, number, percent};
use mbls_core::metric::Reliability;

pub(super) const VERTICAL: Vertical = Vertical { top: 8.0, length: 80.0 };
/// The height of the histogram.
pub(crate) const HEIGHT: f64 = VERTICAL.top + VERTICAL.length + BOTTOM;

/// Draws the share of samples per confidence bin, with the mean confidence and the accuracy as
/// vertical lines. The vertical axis always ends at 100 %, so the histograms of two losses are
/// comparable.
pub(crate) fn histogram(reliability: &Reliability, id: &str, title: &str) -> String {
    let title = format!("Confidence histogram {title}");
    let mut svg = open(id, HEIGHT, &title, &description(reliability, Quantity::TopLabel));
    svg.push_str(&content(reliability, Quantity::TopLabel));
    svg.push_str("</svg>\n");
    svg
}

fn filled(reliability: &Reliability) -> Vec<Filled> {
    reliability.bins.iter().filter_map(Filled::new).collect()
}

type OfBin = fn(&Filled) -> f64;

/// Returns the mean of a value over the samples.
fn mean(reliability: &Reliability, value: OfBin) -> Option<f64> {
    let bins = filled(reliability);
    let sum: f64 = bins.iter().map(|bin| bin.count as f64 * value(bin)).sum();
    let mean = sum / reliability.n as f64;
    mean.is_finite().then_some(mean.clamp(0.0, 1.0))
}

/// Describes the histogram in words.
pub(crate) fn description(reliability: &Reliability, quantity: Quantity) -> String {
    let print = |value| match mean(reliability, value) {
        Some(mean) => percent(mean, 1),
        None => ABSENT.to_owned(),
    };
    format!(
        "{}, mean {} {} %, {} {} %.",
        counted(reliability.n, "sample"),
        quantity.predicted(),
        print(|bin| bin.confidence),
        quantity.observed(),
        print(|bin| bin.accuracy)
    )
}

/// Draws the histogram without the tags around it. The script of the page of evaluations draws the
/// group `bins` anew: it has to draw as this does, which a test checks.
pub(crate) fn content(reliability: &Reliability, quantity: Quantity) -> String {
    let bins = filled(reliability);
    let mut svg = axes(VERTICAL, &[0.0, 0.5, 1.0], quantity, "Samples");
    svg.push_str("<g class=\"bins\">\n");
    for bin in &bins {
        let share = (bin.count as f64 / reliability.n as f64).min(1.0);
        if !share.is_finite() {
            continue;
        }
        svg.push_str(&format!(
            "<g><title>{} {} to {} %: {}, {} %</title>{}</g>\n",
            quantity.predicted_title(),
            number(bin.lower * 100.0, 1),
            number(bin.upper * 100.0, 1),
            counted(bin.count, "sample"),
            percent(share, 1),
            rect("share", bin.extent(), VERTICAL.y(share), VERTICAL.bottom())
        ));
    }
    let means: [(&str, OfBin); 2] =
        [("mean-accuracy", |bin| bin.accuracy), ("mean-confidence", |bin| bin.confidence)];
    for (class, value) in means {
        if let Some(mean) = mean(reliability, value).filter(|_| !bins.is_empty()) {
            let x = LEFT + mean * SPAN;
            svg.push_str(&line(class, (x, VERTICAL.top), (x, VERTICAL.bottom())));
            svg.push('\n');
        }
    }
    svg.push_str("</g>\n");
    svg
}

#[cfg(test)]
mod tests {
    use super::*;
    use mbls_core::metric::ReliabilityBin;

    /// The plot area spans (40, 8) to (290, 88).
    #[test]
    fn geometry() {
        let bins = vec![
            ReliabilityBin {
                lower: 0.0,
                upper: 0.5,
                count: 1,
                mean_confidence: Some(0.4),
                accuracy: Some(0.0),
            },
            ReliabilityBin {
                lower: 0.5,
                upper: 1.0,
                count: 3,
                mean_confidence: Some(0.8),
                accuracy: Some(1.0),
            },
        ];
        let svg = histogram(&Reliability { n: 4, bins }, "h", "of a test");
        for part in [
            r#"<rect class="share" x="40.5" y="68" width="124" height="20"/>"#,
            r#"<rect class="share" x="165.5" y="28" width="124" height="60"/>"#,
            // Accuracy 3/4, confidence (.4 + 3 * .8) / 4 = .7.
            r#"<line class="mean-accuracy" x1="227.5" y1="8" x2="227.5" y2="88"/>"#,
            r#"<line class="mean-confidence" x1="215" y1="8" x2="215" y2="88"/>"#,
            "4 samples, mean confidence 70.0 %, accuracy 75.0 %.",
        ] {
            assert!(svg.contains(part), "{part} in {svg}");
        }
    }

    #[test]
    fn no_samples_draw_nothing() {
        let svg = histogram(&Reliability { n: 0, bins: vec![] }, "h", "of a test");
        assert!(
            !svg.contains("<rect") && !svg.contains("mean-accuracy") && !svg.contains("NaN"),
            "{svg}"
        );
        assert!(svg.contains("0 samples, mean confidence – %, accuracy – %."), "{svg}");
    }
}
