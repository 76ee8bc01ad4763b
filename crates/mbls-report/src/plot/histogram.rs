use super::{BOTTOM, Filled, LEFT, SPAN, Vertical, axes, line, open, rect};
use crate::format::{ABSENT, counted, number, percent};
use mbls_core::metric::Reliability;

const VERTICAL: Vertical = Vertical { top: 8.0, length: 80.0 };

/// Draws the share of samples per confidence bin, with the mean confidence and the accuracy as
/// vertical lines. The vertical axis always ends at 100 %, so the histograms of two losses are
/// comparable.
pub(crate) fn histogram(reliability: &Reliability, id: &str, title: &str) -> String {
    let bins: Vec<Filled> = reliability.bins.iter().filter_map(Filled::new).collect();
    let n = reliability.n as f64;
    let mean = |value: fn(&Filled) -> f64| {
        let mean = bins.iter().map(|bin| bin.count as f64 * value(bin)).sum::<f64>() / n;
        mean.is_finite().then_some(mean.clamp(0.0, 1.0))
    };
    let (confidence, accuracy) = (mean(|bin| bin.confidence), mean(|bin| bin.accuracy));
    let print = |mean: Option<f64>| mean.map_or_else(|| ABSENT.to_owned(), |mean| percent(mean, 1));
    let description = format!(
        "{}, mean confidence {} %, accuracy {} %.",
        counted(reliability.n, "sample"),
        print(confidence),
        print(accuracy)
    );
    let mut svg = open(
        id,
        VERTICAL.bottom() + BOTTOM,
        &format!("Confidence histogram {title}"),
        &description,
    );
    svg.push_str(&axes(VERTICAL, &[0.0, 0.5, 1.0], "Samples"));
    for bin in &bins {
        let share = (bin.count as f64 / n).min(1.0);
        if !share.is_finite() {
            continue;
        }
        svg.push_str(&format!(
            "<g><title>Confidence {} to {} %: {}, {} %</title>{}</g>\n",
            number(bin.lower * 100.0, 1),
            number(bin.upper * 100.0, 1),
            counted(bin.count, "sample"),
            percent(share, 1),
            rect("share", bin.extent(), VERTICAL.y(share), VERTICAL.bottom())
        ));
    }
    for (class, mean) in [("mean-accuracy", accuracy), ("mean-confidence", confidence)] {
        if let Some(mean) = mean.filter(|_| !bins.is_empty()) {
            let x = LEFT + mean * SPAN;
            svg.push_str(&line(class, (x, VERTICAL.top), (x, VERTICAL.bottom())));
            svg.push('\n');
        }
    }
    svg.push_str("</svg>\n");
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
