//! Prints the times of fits in seconds, the minimum of five; with `big`, of 100 classes, once.
//!
//! ```text
//! cargo run -p mbls-core --no-default-features --example fit_seconds [-- big | -- NAME]
//! ```

use mbls_core::calibration::{CalibratorSpec, MulticlassReduction, Odir, PlattTargets, Scores};
use rand::{RngExt, SeedableRng};
use std::time::Instant;

fn rows(n: usize, classes: usize, sharpness: f64) -> (Scores, Vec<u32>) {
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(7);
    let mut logits = Vec::new();
    let mut labels = Vec::new();
    for _ in 0..n {
        let row: Vec<f64> = (0..classes)
            .map(|_| (0..12).map(|_| rng.random::<f64>()).sum::<f64>() * 1.5 - 9.0)
            .collect();
        let exps: Vec<f64> = row.iter().map(|z| (sharpness * z).exp()).collect();
        let mut left = rng.random::<f64>() * exps.iter().sum::<f64>();
        let y = exps
            .iter()
            .position(|e| {
                left -= e;
                left < 0.0
            })
            .unwrap_or(classes - 1);
        labels.push(y as u32);
        logits.extend(row.iter().map(|z| f64::from((2.0 * z) as f32)));
    }
    (Scores::from_logits(&logits, classes).unwrap(), labels)
}

fn main() {
    let odir = Odir { off_diagonal: 0.01, intercept: 0.01 };
    let (b, top) = (MulticlassReduction::Binary, MulticlassReduction::TopLabel);
    let big = std::env::args().any(|a| a == "big");
    let mut jobs: Vec<(&str, usize, usize, CalibratorSpec)> = vec![
        (
            "Platt smoothed, 2 x 50,000",
            50_000,
            2,
            CalibratorSpec::Platt { reduction: b, targets: PlattTargets::Smoothed },
        ),
        ("beta, 2 x 50,000", 50_000, 2, CalibratorSpec::Beta { reduction: b }),
        ("beta top-label, 10 x 50,000", 50_000, 10, CalibratorSpec::Beta { reduction: top }),
        ("vector, 10 x 10,000", 10_000, 10, CalibratorSpec::Vector),
        ("matrix, 10 x 10,000", 10_000, 10, CalibratorSpec::Matrix { odir }),
        (
            "matrix without penalty, 10 x 10,000",
            10_000,
            10,
            CalibratorSpec::Matrix { odir: Odir::NONE },
        ),
        ("Dirichlet, 10 x 10,000", 10_000, 10, CalibratorSpec::Dirichlet { odir }),
    ];
    if big {
        jobs = vec![
            ("matrix, 100 x 10,000", 10_000, 100, CalibratorSpec::Matrix { odir }),
            ("Dirichlet, 100 x 10,000", 10_000, 100, CalibratorSpec::Dirichlet { odir }),
        ];
    }
    // With an argument, only the jobs whose name begins with it.
    let only = std::env::args().nth(1).filter(|argument| argument != "big");
    for (name, n, classes, spec) in jobs {
        if only.as_ref().is_some_and(|only| !name.starts_with(only.as_str())) {
            continue;
        }
        let (scores, labels) = rows(n, classes, 1.0);
        let mut best = f64::INFINITY;
        let mut outcome = String::new();
        for _ in 0..(if big { 1 } else { 5 }) {
            let started = Instant::now();
            outcome = match spec.fit(&scores, &labels) {
                Ok(_) => "fitted".into(),
                Err(e) => e.to_string(),
            };
            best = best.min(started.elapsed().as_secs_f64());
        }
        println!("{name}: {best:.4} s, {outcome}");
    }
}
