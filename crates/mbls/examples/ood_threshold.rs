//! Chooses a threshold of an out-of-distribution (OOD) score on validation logits, and applies it.
//!
//! Run it with `cargo run -p mbls --example ood_threshold`. It prints:
//!
//! ```text
//! Energy: AUROC 0.964; accepts 94.4 % of test digits, 15.0 % of photographs
//! Entropy: AUROC 0.943; accepts 93.4 % of test digits, 22.0 % of photographs
//! Confidence: AUROC 0.918; accepts 92.1 % of test digits, 33.3 % of photographs
//! ```

mod rows;

use mbls::calibration::{OodDetector, OodThreshold};
use mbls::metric::{Metric, OodDetection, OodScores};
use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    let (validation, _) = rows::labelled("mbls-validation.csv")?;
    let (test, _) = rows::labelled("mbls-test.csv")?;
    // Photographs, through the same network for digits.
    let ood = std::fs::read_to_string(rows::data("ood.csv"))?;
    let ood: Vec<f32> = ood
        .lines()
        .skip(1)
        .flat_map(|row| row.split(','))
        .map(str::parse)
        .collect::<Result<_, _>>()?;

    for detector in OodDetector::ALL {
        // 95 % of the validation rows have this score or a higher one.
        let threshold = OodThreshold::fit(detector, &detector.scores(&validation, 10)?)?;
        let (inside, outside) = (detector.scores(&test, 10)?, detector.scores(&ood, 10)?);
        let accepted = |scores: &[f64]| {
            let accepted = scores.iter().filter(|&&score| threshold.accepts(score)).count();
            100.0 * accepted as f64 / scores.len() as f64
        };
        let mut detection = OodDetection::new();
        detection.update(OodScores::inside(&inside)?)?;
        detection.update(OodScores::outside(&outside)?)?;
        let auroc = detection.value().ok_or("rows of both kinds")?.auroc;
        println!(
            "{detector:?}: AUROC {auroc:.3}; accepts {:.1} % of test digits, {:.1} % of photographs",
            accepted(&inside),
            accepted(&outside)
        );
    }
    Ok(())
}
