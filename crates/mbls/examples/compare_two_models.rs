//! Compares the calibration of two models on the same rows, beyond noise.
//!
//! Run it with `cargo run -p mbls --example compare_two_models`. It prints:
//!
//! ```text
//! cross-entropy: ECE 9.33 % [7.34, 12.06]
//! MbLS: ECE 4.76 % [3.65, 7.61]
//! difference of ECE: 4.57 points [1.19, 7.07]
//! difference of NLL: 0.0674 [0.0120, 0.1285]
//! beyond noise: true
//! ```

mod rows;

use mbls::bootstrap::{Interval, paired_difference};
use mbls::metric::{EceInterval, ece_difference, ece_with_interval};
use mbls::prelude::*;
use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    let (ce, labels) = rows::labelled("ce-test.csv")?;
    let (mbls, _) = rows::labelled("mbls-test.csv")?;
    let ce = Predictions::from_logits(&ce, 10, &labels)?;
    let mbls = Predictions::from_logits(&mbls, 10, &labels)?;

    let settings = EceInterval::default();
    for (name, predictions) in [("cross-entropy", &ce), ("MbLS", &mbls)] {
        let ece = ece_with_interval(predictions, settings)?;
        let [low, high] = [ece.interval.low, ece.interval.high].map(|end| 100.0 * end);
        println!("{name}: ECE {:.2} % [{low:.2}, {high:.2}]", 100.0 * ece.ece);
    }

    // Both models see the same resampled rows, so what makes rows hard for both cancels.
    let ece = ece_difference(&ce, &mbls, settings)?;
    let [low, high] = [ece.interval.low, ece.interval.high].map(|end| 100.0 * end);
    println!("difference of ECE: {:.2} points [{low:.2}, {high:.2}]", 100.0 * ece.observed);

    // Any statistic of rows can be compared like this; here the likelihood.
    let nll = |rows: &Predictions, drawn: &[u32]| {
        let sum: f64 = drawn.iter().map(|&row| -rows.log_prob_of_label(row as usize)).sum();
        sum / drawn.len() as f64
    };
    let (left, right) = (|drawn: &[u32]| nll(&ce, drawn), |drawn: &[u32]| nll(&mbls, drawn));
    let found = paired_difference(labels.len(), 1000, 0.95, 0, left, right)
        .ok_or("no finite difference")?;
    let Interval { low, high, .. } = found.interval;
    println!("difference of NLL: {:.4} [{low:.4}, {high:.4}]", found.observed);
    println!("beyond noise: {}", found.interval.excludes_zero());
    Ok(())
}
