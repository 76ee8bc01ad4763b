//! Fits two calibrators to validation logits, saves one, and applies it to test logits.
//!
//! Run it with `cargo run -p mbls --example calibrate_and_save`. It prints:
//!
//! ```text
//! uncalibrated: ECE 9.33 %
//! vector scaling: ECE 4.45 %
//! temperature scaling (T = 1.5388): ECE 4.21 %
//! {"version":1,"calibrator":{"kind":"temperature","temperature":1.5388189209493954}}
//! first row: 0.999
//! ```

mod rows;

use mbls::metric::ReliabilityBins;
use mbls::prelude::*;
use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    let (validation, validation_labels) = rows::labelled("ce-validation.csv")?;
    let (test, test_labels) = rows::labelled("ce-test.csv")?;
    let validation = Scores::from_logits(&validation, 10)?;

    // Test rows must not decide anything: calibrators are fitted to validation rows.
    let ece = |predictions: &Predictions| -> mbls::Result<f64> {
        let mut bins = ReliabilityBins::new(15)?;
        bins.update(predictions)?;
        Ok(bins.value().map_or(f64::NAN, |reliability| reliability.ece()))
    };
    let before = ece(&Predictions::from_logits(&test, 10, &test_labels)?)?;
    println!("uncalibrated: ECE {:.2} %", 100.0 * before);

    let folder = tempfile::tempdir()?;
    let file = folder.path().join("calibrator.json");
    for spec in [CalibratorSpec::Vector, CalibratorSpec::Temperature] {
        let calibrator = spec.fit(&validation, &validation_labels)?;
        let scores = Scores::from_logits(&test, 10)?;
        let after = ece(&calibrator.predictions(&scores, &test_labels)?)?;
        println!("{calibrator}: ECE {:.2} %", 100.0 * after);
        std::fs::write(&file, serde_json::to_string(&SavedCalibrator::from(calibrator))?)?;
    }

    // Another program reads the last one.
    let text = std::fs::read_to_string(&file)?;
    println!("{text}");
    let calibrator = serde_json::from_str::<SavedCalibrator>(&text)?.into_calibrator();
    let probs = calibrator.probs(&Scores::from_logits(&test[..10], 10)?)?;
    println!("first row: {:.3}", probs.iter().copied().fold(0.0, f64::max));
    Ok(())
}
