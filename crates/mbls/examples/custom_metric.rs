//! Adds a metric: the share of confident mistakes, with a state that merges.
//!
//! Run it with `cargo run -p mbls --example custom_metric`. It prints:
//!
//! ```text
//! ce-test.csv: 4.79 %
//! mbls-test.csv: 1.24 %
//! ```

mod rows;

use mbls::prelude::*;
use std::error::Error;

/// Counts wrong predictions with a confidence above a threshold.
#[derive(Clone, Debug)]
struct ConfidentMistakes {
    above: f64,
    rows: u64,
    mistakes: u64,
}

impl Metric for ConfidentMistakes {
    type Input<'a> = &'a Predictions<'a>;
    type Value = f64;

    fn name(&self) -> &'static str {
        "confident-mistakes"
    }

    fn version(&self) -> u32 {
        1
    }

    fn empty(&self) -> Self {
        Self { rows: 0, mistakes: 0, ..self.clone() }
    }

    fn check_update(&self, _rows: &Predictions) -> mbls::Result<()> {
        Ok(())
    }

    fn update(&mut self, rows: &Predictions) -> mbls::Result<()> {
        let is_mistake = |&row: &usize| !rows.correct(row) && rows.confidence(row) > self.above;
        self.mistakes += (0..rows.rows()).filter(is_mistake).count() as u64;
        self.rows += rows.rows() as u64;
        Ok(())
    }

    fn check_merge(&self, other: &Self) -> mbls::Result<()> {
        let (left, right) = (self.above.to_string(), other.above.to_string());
        let differ = mbls::Error::Merge { name: "above", left, right };
        if self.above == other.above { Ok(()) } else { Err(differ) }
    }

    fn merge(&mut self, other: Self) -> mbls::Result<()> {
        self.check_merge(&other)?;
        self.rows += other.rows;
        self.mistakes += other.mistakes;
        Ok(())
    }

    fn value(&self) -> Option<f64> {
        (self.rows > 0).then(|| self.mistakes as f64 / self.rows as f64)
    }

    fn size(&self) -> usize {
        size_of_val(self)
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let metric = ConfidentMistakes { above: 0.9, rows: 0, mistakes: 0 };
    for file in ["ce-test.csv", "mbls-test.csv"] {
        let (logits, labels) = rows::labelled(file)?;
        let found = measure_logits(&metric, &logits, 10, &labels)?;
        println!("{file}: {:.2} %", 100.0 * found.value().ok_or("no rows")?);
    }
    Ok(())
}
