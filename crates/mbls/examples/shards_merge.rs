//! Measures shards of a data set separately and merges the results, bit for bit as in one pass.
//!
//! Run it with `cargo run -p mbls --example shards_merge`. It prints:
//!
//! ```text
//! 4 shards
//! 647 rows, ECE 9.33 %, NLL 0.5718
//! same bits as in one pass: true
//! ```

mod rows;

use mbls::prelude::*;
use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    let (logits, labels) = rows::labelled("ce-test.csv")?;
    let metrics = ClassificationMetrics::new(15)?;

    // Each machine measures its shard and writes the state of the metrics.
    let mut files = Vec::new();
    for (logits, labels) in logits.chunks(2000).zip(labels.chunks(200)) {
        let shard = measure_logits(&metrics, logits, 10, labels)?;
        files.push(serde_json::to_string(&shard)?);
    }

    // One machine reads and merges them, in any order.
    let mut merged = metrics.empty();
    for file in files.iter().rev() {
        let shard: ClassificationMetrics = serde_json::from_str(file)?;
        merged.merge(shard)?;
    }
    let whole = measure_logits(&metrics, &logits, 10, &labels)?;
    println!("{} shards", files.len());
    let report = merged.value().ok_or("no rows")?;
    println!("{} rows, ECE {:.2} %, NLL {:.4}", report.n, 100.0 * report.ece, report.nll);
    println!("same bits as in one pass: {}", merged.value() == whole.value());
    Ok(())
}
