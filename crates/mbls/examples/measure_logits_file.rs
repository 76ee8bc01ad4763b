//! Measures the calibration of a file of logits.
//!
//! Run it with `cargo run -p mbls --example measure_logits_file`. It prints:
//!
//! ```text
//! 647 rows, 10 classes
//! accuracy 82.07 %
//! NLL 0.5718, Brier 0.2620
//! ECE 9.33 %, MCE 43.89 %
//! 95 % interval of the ECE: 7.34 to 12.06 %
//! ```

mod rows;

use mbls::metric::{EceInterval, ece_with_interval};
use mbls::prelude::*;
use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    let (logits, labels) = rows::labelled("ce-test.csv")?;
    let classes = logits.len() / labels.len();

    // One pass over the rows, on all cores.
    let metrics = measure_logits(&ClassificationMetrics::new(15)?, &logits, classes, &labels)?;
    let report = metrics.value().ok_or("the file is empty")?;
    println!("{} rows, {classes} classes", report.n);
    println!("accuracy {:.2} %", 100.0 * report.accuracy);
    println!("NLL {:.4}, Brier {:.4}", report.nll, report.brier);
    println!("ECE {:.2} %, MCE {:.2} %", 100.0 * report.ece, 100.0 * report.mce);

    let predictions = Predictions::from_logits(&logits, classes, &labels)?;
    let ece = ece_with_interval(&predictions, EceInterval::default())?;
    let [low, high] = [ece.interval.low, ece.interval.high].map(|end| 100.0 * end);
    println!("95 % interval of the ECE: {low:.2} to {high:.2} %");
    Ok(())
}
