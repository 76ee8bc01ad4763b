//! Chooses the confidence below which a model abstains, on validation logits, and what it costs.
//!
//! Run it with `cargo run -p mbls --example selective_prediction`. It prints:
//!
//! ```text
//! validation: AURC 0.0334, optimal 0.0071
//! confidence 0.335 and above: validation risk 11.3 %; test coverage 98.6 %, risk 16.3 %
//! confidence 0.546 and above: validation risk 10.4 %; test coverage 86.7 %, risk 11.9 %
//! confidence 0.673 and above: validation risk 7.5 %; test coverage 78.7 %, risk 8.1 %
//! confidence 0.777 and above: validation risk 5.7 %; test coverage 69.4 %, risk 5.1 %
//! ```

mod rows;

use mbls::metric::TopLabelSamples;
use mbls::prelude::*;
use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    let (validation, labels) = rows::labelled("mbls-validation.csv")?;
    let validation = measure_logits(&TopLabelSamples::new(), &validation, 10, &labels)?;
    let sorted = validation.value().ok_or("no validation rows")?;
    let curve = sorted.risk_coverage();
    println!("validation: AURC {:.4}, optimal {:.4}", curve.aurc(), curve.optimal_aurc());

    let (test, labels) = rows::labelled("mbls-test.csv")?;
    let test = Predictions::from_logits(&test, 10, &labels)?;
    for coverage in [1.0, 0.9, 0.8, 0.7] {
        // The risk of the most confident rows, and the confidence of the last one among them.
        let point = curve.at_coverage(coverage).ok_or("no row is covered")?;
        let answered: Vec<usize> =
            (0..test.rows()).filter(|&row| test.confidence(row) >= point.threshold).collect();
        let wrong = answered.iter().filter(|&&row| !test.correct(row)).count();
        println!(
            "confidence {:.3} and above: validation risk {:.1} %; test coverage {:.1} %, risk {:.1} %",
            point.threshold,
            100.0 * point.risk,
            100.0 * answered.len() as f64 / test.rows() as f64,
            100.0 * wrong as f64 / answered.len() as f64
        );
    }
    Ok(())
}
