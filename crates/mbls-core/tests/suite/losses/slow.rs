//! The formulas of the losses, row by row and class by class in f64.

use mbls_core::loss::{
    Anchor, AugmentedPenalty, ClassReduction, LossSpec, MarginChoice, PenaltyShape,
};

/// Logits and label of a row that is not ignored.
pub(crate) type Row = (Vec<f64>, usize);

/// A loss's terms as `(weight, value)`, averaged over rows.
pub(crate) fn terms(spec: &LossSpec, rows: &[Row]) -> Vec<(f64, f64)> {
    weighted_terms(spec, rows, &|_| 1.0)
}

/// A loss's terms as `(weight, value)`, averaged over rows with the weights of their labels.
pub(crate) fn weighted_terms(
    spec: &LossSpec,
    rows: &[Row],
    weight: &dyn Fn(usize) -> f64,
) -> Vec<(f64, f64)> {
    let total: f64 = rows.iter().map(|(_, label)| weight(*label)).sum();
    let by_row: Vec<_> = rows
        .iter()
        .map(|(logits, label)| (weight(*label), row_terms(spec, logits, *label)))
        .collect();
    let mut terms: Vec<(f64, f64)> = (0..by_row[0].1.len())
        .map(|t| {
            (
                by_row[0].1[t].0,
                by_row.iter().map(|(weight, terms)| weight * terms[t].1).sum::<f64>() / total,
            )
        })
        .collect();
    match *spec {
        LossSpec::Mmce { lambda } => terms.push((lambda, mmce(rows))),
        LossSpec::WeightedMmce { lambda } => terms.push((lambda, weighted_mmce(rows))),
        LossSpec::Mdca { beta, .. } => terms.push((beta, mdca(rows))),
        _ => {}
    }
    terms
}

/// The terms of one row, without those of the whole batch.
pub(crate) fn row_terms(spec: &LossSpec, logits: &[f64], label: usize) -> Vec<(f64, f64)> {
    let classes = logits.len() as f64;
    let mean = |f: &dyn Fn(usize) -> f64| (0..logits.len()).map(f).sum::<f64>() / classes;
    let log_probs = log_probs(logits);
    let probs: Vec<f64> = log_probs.iter().map(|log| log.exp()).collect();
    let p = |k: usize| probs[k];
    // 1 - p without cancellation near 1.
    let others = |k: usize| (0..logits.len()).filter(|&j| j != k).map(p).sum::<f64>();
    let cross_entropy = -log_probs[label];
    let focal = |gamma: f64| others(label).powf(gamma) * cross_entropy;
    let distance = |k: usize| maximum(logits) - logits[k];
    match *spec {
        LossSpec::CrossEntropy | LossSpec::Mmce { .. } | LossSpec::WeightedMmce { .. } => {
            vec![(1.0, cross_entropy)]
        }
        LossSpec::LabelSmoothing { alpha } => {
            vec![(1.0 - alpha, cross_entropy), (alpha, mean(&|k| -log_probs[k]))]
        }
        LossSpec::Focal { gamma } | LossSpec::Mdca { gamma, .. } => vec![(1.0, focal(gamma))],
        LossSpec::SampleDependentFocal { gamma } => {
            let gamma = match p(label) {
                p if p < 0.2 => 5.0,
                p if p < 0.5 => 3.0,
                _ => gamma,
            };
            vec![(1.0, focal(gamma))]
        }
        LossSpec::DualFocal { gamma } => {
            let next =
                (0..logits.len()).filter(|&k| logits[k] < logits[label]).map(p).fold(0.0, f64::max);
            vec![(1.0, (others(label) + next).powf(gamma) * cross_entropy)]
        }
        LossSpec::EntropyPenalty { alpha } => {
            let entropy = |k: usize| {
                let p = p(k).clamp(1e-10, 1.0 - 1e-10);
                -p * p.ln()
            };
            vec![(1.0, cross_entropy), (-alpha, mean(&entropy))]
        }
        LossSpec::L1Penalty { alpha } => {
            vec![(1.0, cross_entropy), (alpha, classes * mean(&|k| (p(k) - 1.0 / classes).abs()))]
        }
        LossSpec::Brier => {
            vec![(
                1.0,
                classes * mean(&|k| if k == label { others(k).powi(2) } else { p(k).powi(2) }),
            )]
        }
        LossSpec::LogitNorm { tau } => {
            let norm = logits.iter().map(|l| l * l).sum::<f64>().sqrt() + 1e-7;
            let scaled: Vec<f64> = logits.iter().map(|l| l / norm / tau).collect();
            vec![(1.0, -self::log_probs(&scaled)[label])]
        }
        LossSpec::Margin {
            margin: MarginChoice::Fixed(margin),
            alpha,
            anchor,
            shape,
            class_reduction,
            ..
        } => {
            let cost = |k: usize| {
                let anchor = if anchor == Anchor::Max { maximum(logits) } else { logits[label] };
                let excess = (anchor - logits[k] - margin).max(0.0);
                match shape {
                    PenaltyShape::Linear => excess,
                    PenaltyShape::Quadratic => excess.powi(2),
                    PenaltyShape::Huber { delta } if excess <= delta => excess.powi(2) / 2.0,
                    PenaltyShape::Huber { delta } => delta * (excess - delta / 2.0),
                    other => panic!("{other:?} has no slow form"),
                }
            };
            let factor = if class_reduction == ClassReduction::Sum { classes } else { 1.0 };
            vec![(1.0, cross_entropy), (alpha, factor * mean(&cost))]
        }
        LossSpec::Acls { margin, alpha, pos_lambda, neg_lambda } => {
            let top_logit = (maximum(logits) - margin).max(0.0).powi(2);
            let losers =
                classes / (classes - 1.0) * mean(&|k| (distance(k) - margin).max(0.0).powi(2));
            vec![
                (1.0, cross_entropy),
                (alpha * pos_lambda, top_logit),
                (alpha * neg_lambda, losers),
            ]
        }
        LossSpec::ClassAdaptive { margin, penalty } => {
            // As long as nothing has been learnt.
            let (lambda, rho) = (1e-6, 1.0);
            let value = |h: f64| match penalty {
                AugmentedPenalty::Phr => {
                    ((lambda + rho * h).max(0.0).powi(2) - lambda * lambda) / (2.0 * rho)
                }
                _ if h < 0.0 => lambda * h / (1.0 - rho * h),
                AugmentedPenalty::P2 => {
                    lambda * h + lambda * rho * h * h + rho * rho * h.powi(3) / 6.0
                }
                AugmentedPenalty::P3 => lambda * h + lambda * rho * h * h,
            };
            vec![(1.0, cross_entropy), (1.0, mean(&|k| value(distance(k) / margin - 1.0)))]
        }
        ref other => panic!("{other:?} is no loss of single rows"),
    }
}

/// Confidence, and 1 where the prediction is correct.
fn confidences(rows: &[Row]) -> Vec<(f64, f64)> {
    let confidence = |(logits, label): &Row| {
        let predicted =
            logits.iter().position(|l| *l == maximum(logits)).expect("rows are not empty");
        (log_probs(logits)[predicted].exp(), f64::from(predicted == *label))
    };
    rows.iter().map(confidence).collect()
}

fn kernel(a: f64, b: f64) -> f64 {
    (-(a - b).abs() / 0.4).exp()
}

fn mmce(rows: &[Row]) -> f64 {
    let confidences = confidences(rows);
    let pair = |&(r, c): &(f64, f64)| {
        confidences
            .iter()
            .map(|(other, correct)| (c - r) * (correct - other) * kernel(r, *other))
            .sum::<f64>()
    };
    confidences.iter().map(pair).sum::<f64>() / (rows.len() as f64).powi(2)
}

fn weighted_mmce(rows: &[Row]) -> f64 {
    let (correct, wrong): (Vec<_>, Vec<_>) =
        confidences(rows).into_iter().partition(|(_, correct)| *correct == 1.0);
    if correct.is_empty() || wrong.is_empty() {
        return 0.0;
    }
    let part = |left: &[(f64, f64)], right: &[(f64, f64)]| {
        let weight = |(r, correct): (f64, f64)| if correct == 1.0 { 1.0 - r } else { r };
        let sum: f64 = left
            .iter()
            .flat_map(|&a| right.iter().map(move |&b| weight(a) * weight(b) * kernel(a.0, b.0)))
            .sum();
        let pairs = (left.len() * right.len()) as f64;
        sum / pairs / (pairs + 1e-5)
    };
    let square = part(&correct, &correct) + part(&wrong, &wrong) - 2.0 * part(&correct, &wrong);
    (square.max(0.0) + 1e-10).sqrt()
}

fn mdca(rows: &[Row]) -> f64 {
    let (n, classes) = (rows.len() as f64, rows[0].0.len());
    let log_probs: Vec<_> = rows.iter().map(|(logits, _)| log_probs(logits)).collect();
    let gap = |k: usize| {
        let probability: f64 = log_probs.iter().map(|row| row[k].exp()).sum();
        let share = rows.iter().filter(|(_, label)| *label == k).count() as f64;
        (probability - share).abs() / n
    };
    (0..classes).map(gap).sum::<f64>() / classes as f64
}

fn maximum(logits: &[f64]) -> f64 {
    logits.iter().copied().fold(f64::NEG_INFINITY, f64::max)
}

fn log_probs(logits: &[f64]) -> Vec<f64> {
    let max = maximum(logits);
    // ln_1p of the sum of the others: accurate if one class has nearly all the probability.
    let first = logits.iter().position(|&l| l == max).expect("rows are not empty");
    let others: f64 =
        (0..logits.len()).filter(|&j| j != first).map(|j| (logits[j] - max).exp()).sum();
    logits.iter().map(|l| l - max - others.ln_1p()).collect()
}
