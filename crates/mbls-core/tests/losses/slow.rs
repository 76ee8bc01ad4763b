//! The losses' formulas, row by row and class by class in f64.

use mbls_core::loss::LossSpec;

/// A loss's terms as `(weight, value)`, over rows of logits with their labels; ignored rows are left out before.
pub(crate) fn terms(spec: &LossSpec, rows: &[(Vec<f64>, usize)]) -> Vec<(f64, f64)> {
    let over_rows = |f: &dyn Fn(&[f64], usize) -> f64| {
        rows.iter().map(|(logits, label)| f(logits, *label)).sum::<f64>() / rows.len() as f64
    };
    let over_classes = |f: &dyn Fn(&[f64], usize) -> f64| {
        over_rows(&|logits, _| (0..logits.len()).map(|k| f(logits, k)).sum::<f64>() / logits.len() as f64)
    };
    let cross_entropy = over_rows(&|logits, label| -log_prob(logits, label));
    match *spec {
        LossSpec::CrossEntropy => vec![(1.0, cross_entropy)],
        LossSpec::LabelSmoothing { alpha } => {
            vec![(1.0 - alpha, cross_entropy), (alpha, over_classes(&|logits, k| -log_prob(logits, k)))]
        }
        LossSpec::Focal { gamma } => {
            let focal = |logits: &[f64], label| {
                let other: f64 = (0..logits.len()).filter(|&k| k != label).map(|k| log_prob(logits, k).exp()).sum();
                -other.powf(gamma) * log_prob(logits, label)
            };
            vec![(1.0, over_rows(&focal))]
        }
        LossSpec::EntropyPenalty { alpha } => {
            let entropy = |logits: &[f64], k| {
                let p = log_prob(logits, k).exp().clamp(1e-10, 1.0 - 1e-10);
                -p * p.ln()
            };
            vec![(1.0, cross_entropy), (-alpha, over_classes(&entropy))]
        }
        LossSpec::Margin { margin, alpha } => {
            let excess = |logits: &[f64], k: usize| (maximum(logits) - logits[k] - margin).max(0.0);
            vec![(1.0, cross_entropy), (alpha, over_classes(&excess))]
        }
    }
}

fn maximum(logits: &[f64]) -> f64 {
    logits.iter().copied().fold(f64::NEG_INFINITY, f64::max)
}

fn log_prob(logits: &[f64], k: usize) -> f64 {
    let max = maximum(logits);
    // ln_1p of the others' sum: exact where one class has nearly all the probability.
    let first = logits.iter().position(|&l| l == max).expect("rows are not empty");
    let others: f64 = (0..logits.len()).filter(|&j| j != first).map(|j| (logits[j] - max).exp()).sum();
    logits[k] - max - others.ln_1p()
}
