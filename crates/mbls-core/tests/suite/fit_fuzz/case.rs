//! Random rows with sizes, scales, ties, duplicates and dependencies like those of real outputs.

use mbls_core::calibration::{
    Calibrator, CalibratorSpec, MulticlassReduction, Odir, PlattTargets, Scores, TemperatureScaling,
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::fmt;

/// A fit to test.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fit(pub(crate) CalibratorSpec);

impl fmt::Display for Fit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let with = |odir: Odir| match (odir.off_diagonal > 0.0, odir.intercept > 0.0) {
            (false, false) => "no penalty",
            (true, true) => "both penalties",
            (true, false) => "off-diagonal penalty",
            (false, true) => "intercept penalty",
        };
        match self.0 {
            CalibratorSpec::Vector => write!(f, "vector"),
            CalibratorSpec::Matrix { odir } => write!(f, "matrix, {}", with(odir)),
            CalibratorSpec::Dirichlet { odir } => write!(f, "Dirichlet, {}", with(odir)),
            CalibratorSpec::Platt { reduction, targets } => {
                write!(f, "Platt, {}, {reduction:?}", format!("{targets:?}").to_lowercase())
            }
            CalibratorSpec::Beta { reduction } => write!(f, "beta, {reduction:?}"),
            other => write!(f, "{other:?}"),
        }
    }
}

/// Rows, labels and the fit that is tested on them.
pub(crate) struct Case {
    pub(crate) seed: u64,
    pub(crate) fit: Fit,
    pub(crate) classes: usize,
    pub(crate) scores: Scores,
    /// The logits or probabilities of the scores.
    pub(crate) values: Vec<f64>,
    pub(crate) probabilities: bool,
    pub(crate) labels: Vec<u32>,
    rows_are: String,
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "seed {}: {}: {} x {} {}",
            self.seed,
            self.fit,
            self.labels.len(),
            self.classes,
            self.rows_are
        )
    }
}

fn one_of<T: Copy>(rng: &mut ChaCha8Rng, of: &[T]) -> T {
    of[rng.random_range(0..of.len())]
}

/// Returns a number from `low` to `high`, each order of magnitude equally often.
fn log_uniform(rng: &mut ChaCha8Rng, low: f64, high: f64) -> f64 {
    (rng.random_range(low.ln()..high.ln())).exp()
}

/// Approximately normal.
fn normal(rng: &mut ChaCha8Rng) -> f64 {
    (0..12).map(|_| rng.random::<f64>()).sum::<f64>() - 6.0
}

fn softmax(row: &[f64]) -> Vec<f64> {
    let max = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let exps: Vec<f64> = row.iter().map(|z| (z - max).exp()).collect();
    let sum: f64 = exps.iter().sum();
    exps.iter().map(|e| e / sum).collect()
}

fn draw(rng: &mut ChaCha8Rng, probs: &[f64]) -> usize {
    let mut left: f64 = rng.random();
    let chosen = probs.iter().position(|p| {
        left -= p;
        left < 0.0
    });
    chosen.unwrap_or(probs.len() - 1)
}

fn spec(rng: &mut ChaCha8Rng) -> CalibratorSpec {
    let reduction = one_of(
        rng,
        &[
            MulticlassReduction::Binary,
            MulticlassReduction::OneVsRest,
            MulticlassReduction::TopLabel,
        ],
    );
    let strength = log_uniform(rng, 1e-5, 10.0);
    let other = log_uniform(rng, 1e-5, 10.0);
    let odir = one_of(
        rng,
        &[
            Odir::NONE,
            Odir { off_diagonal: strength, intercept: other },
            Odir { off_diagonal: strength, intercept: strength },
            Odir { off_diagonal: strength, intercept: 0.0 },
            Odir { off_diagonal: 0.0, intercept: strength },
        ],
    );
    match rng.random_range(0..11) {
        0 | 1 => CalibratorSpec::Platt { reduction, targets: PlattTargets::Smoothed },
        2 | 3 => CalibratorSpec::Platt { reduction, targets: PlattTargets::Labels },
        4..=6 => CalibratorSpec::Beta { reduction },
        7 | 8 => CalibratorSpec::Vector,
        9 => CalibratorSpec::Matrix { odir },
        _ => CalibratorSpec::Dirichlet { odir },
    }
}

/// Returns numbers of rows and classes with which a case takes seconds at most: `C^2` parameters
/// are fitted to few rows or few classes, and without a penalty to few classes.
fn size(rng: &mut ChaCha8Rng, spec: &CalibratorSpec) -> (usize, usize) {
    let (most_rows, most_classes) = match spec {
        CalibratorSpec::Platt { reduction, .. } | CalibratorSpec::Beta { reduction } => {
            match reduction {
                MulticlassReduction::Binary => (50_000.0, 2),
                _ => one_of(rng, &[(50_000.0, 3), (5_000.0, 10), (500.0, 200)]),
            }
        }
        CalibratorSpec::Vector if rng.random_bool(0.03) => (400.0, 200),
        CalibratorSpec::Vector => one_of(rng, &[(20_000.0, 3), (3_000.0, 10), (1_500.0, 40)]),
        CalibratorSpec::Matrix { odir } | CalibratorSpec::Dirichlet { odir }
            if odir.off_diagonal == 0.0 =>
        {
            one_of(rng, &[(5_000.0, 2), (2_000.0, 3), (1_000.0, 5)])
        }
        _ => one_of(rng, &[(10_000.0, 2), (4_000.0, 4), (1_000.0, 10), (300.0, 20)]),
    };
    let classes = if most_classes == 2 {
        2
    } else {
        log_uniform(rng, 2.0, most_classes as f64 + 0.99) as usize
    };
    // Few rows are difficult as data, many rows as sums.
    let most_rows = if rng.random_bool(0.35) { most_rows } else { f64::min(most_rows, 1500.0) };
    let mut rows = log_uniform(rng, 2.0, most_rows);
    // Usually with enough rows that every class occurs.
    if rng.random_bool(0.8) {
        rows = rows.max(most_rows.min(15.0 * classes as f64));
    }
    (rows.round() as usize, classes)
}

impl Case {
    pub(crate) fn of(seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let rng = &mut rng;
        let spec = spec(rng);
        let (n, classes) = size(rng, &spec);
        let takes_probs = !matches!(spec, CalibratorSpec::Vector | CalibratorSpec::Matrix { .. });
        let sharpness = one_of(rng, &[0.0, 0.3, 1.0, 1.0, 2.0, 5.0]);
        let scale = if rng.random_bool(0.4) {
            one_of(rng, &[1.0, 2.5])
        } else {
            log_uniform(rng, 1e-3, 1e3)
        };
        let offset = if rng.random_bool(0.2) { 10.0 * scale } else { 0.0 };
        // The properties of the rows.
        let kind = rng.random_range(0..8);
        let distinct = if kind == 1 { rng.random_range(1..6).min(n) } else { n };
        let mut pool: Vec<f64> = (0..distinct * classes).map(|_| 1.5 * normal(rng)).collect();
        let mut rows_are = match kind {
            1 => format!("{distinct} distinct rows"),
            2 => {
                pool.iter_mut().for_each(|z| *z = (2.0 * *z).round() / 2.0);
                "ties".into()
            }
            _ => "rows".into(),
        };
        let mut logits = Vec::with_capacity(n * classes);
        let mut labels = Vec::with_capacity(n);
        let present = if rng.random_bool(0.05) { rng.random_range(1..=classes) } else { classes };
        for row in 0..n {
            let at = if kind == 1 { rng.random_range(0..distinct) } else { row };
            let row = &pool[at * classes..][..classes];
            let sharp: Vec<f64> = row.iter().map(|z| sharpness * z).collect();
            labels.push(draw(rng, &softmax(&sharp[..present])) as u32);
            logits.extend(row.iter().map(|z| scale * z + offset));
        }
        match kind {
            3 | 4 => {
                for row in logits.chunks_exact_mut(classes) {
                    let mean = row.iter().sum::<f64>() / classes as f64;
                    row.iter_mut().for_each(|z| *z -= mean);
                    if kind == 4 {
                        row.iter_mut().for_each(|z| *z = f64::from(*z as f32));
                    }
                }
                rows_are =
                    (if kind == 3 { "rows that sum to 0" } else { "f32 rows that sum to 0" })
                        .into();
            }
            5 => {
                let constant = rng.random_range(0..classes);
                logits.iter_mut().skip(constant).step_by(classes).for_each(|z| *z = 3.0);
                rows_are = format!("rows, logit {constant} constant");
            }
            6 => {
                logits.iter_mut().for_each(|z| *z = f64::from(*z as f32));
                rows_are = "f32 rows".into();
            }
            _ => {}
        }
        let probabilities = takes_probs && rng.random_bool(0.5);
        let mut values = logits;
        if probabilities {
            let decimals = rng.random_bool(0.4);
            for row in values.chunks_exact_mut(classes) {
                let mut probs = softmax(row);
                if decimals {
                    // The remainder goes to the last class, so that the sum is 1.
                    probs.iter_mut().for_each(|p| *p = (*p * 100.0).floor() / 100.0);
                    let others: f64 = probs[..classes - 1].iter().sum();
                    probs[classes - 1] = ((1.0 - others) * 100.0).round().max(0.0) / 100.0;
                }
                row.copy_from_slice(&probs);
            }
            rows_are +=
                if decimals { ", probabilities of two decimals" } else { ", probabilities" };
        }
        rows_are += &format!(", scale {scale:.1e}, sharpness {sharpness}");
        let scores = if probabilities {
            Scores::from_probs(&values, classes)
        } else {
            Scores::from_logits(&values, classes)
        };
        let scores = scores.unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        Self { seed, fit: Fit(spec), classes, scores, values, probabilities, labels, rows_are }
    }

    /// The probabilities of the rows, bit-identical to those that a binary map is fitted to.
    pub(crate) fn probs(&self) -> Vec<f64> {
        if self.probabilities {
            return self.values.clone();
        }
        TemperatureScaling::new(1.0).unwrap().probs(&self.scores).unwrap()
    }

    /// The logarithms of the probabilities, as in Dirichlet calibration.
    pub(crate) fn log_probs(&self) -> Vec<f64> {
        if self.probabilities {
            return self.values.iter().map(|p| p.max(f64::from(f32::MIN_POSITIVE)).ln()).collect();
        }
        let row = |row: &[f64]| -> Vec<f64> {
            let max = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let log_sum = max + row.iter().map(|z| (z - max).exp()).sum::<f64>().ln();
            row.iter().map(|z| z - log_sum).collect()
        };
        self.values.chunks_exact(self.classes).flat_map(row).collect()
    }
}
