//! Compares the metrics with slow, direct implementations of their definitions.
//!
//! Probabilities are multiples of 1/64, so ties, zeros, ones and confidences on bin edges are
//! common, and plain f64 arithmetic is exact for them.

use crate::support::{close, linspace, mass_edges};
use mbls_core::metric::{
    AdaptiveConvention, AdaptiveEce, BrierScore, ClassificationMetrics, ClasswiseConvention,
    ClasswiseEce, Metric, Predictions,
};
use proptest::prelude::*;

/// For each bin `(lower, upper]` that has samples (0 is in the first bin): their count, and the
/// absolute difference between their mean probability and the frequency of the event.
fn gaps(samples: &[(f64, bool)], edges: &[f64]) -> Vec<(usize, f64)> {
    let mut gaps = Vec::new();
    for i in 0..edges.len() - 1 {
        let inside = |p: f64| (edges[i] < p && p <= edges[i + 1]) || (i == 0 && p == 0.0);
        let bin: Vec<_> = samples.iter().filter(|(p, _)| inside(*p)).collect();
        let n = bin.len() as f64;
        if n > 0.0 {
            let mean = bin.iter().map(|(p, _)| p).sum::<f64>() / n;
            let frequency = bin.iter().filter(|(_, event)| *event).count() as f64 / n;
            gaps.push((bin.len(), (mean - frequency).abs()));
        }
    }
    gaps
}

fn expected(gaps: &[(usize, f64)], n: usize) -> f64 {
    gaps.iter().map(|(count, gap)| *count as f64 / n as f64 * gap).sum()
}

fn classwise(input: &Predictions, bins: usize, classes: usize, keep_zeros: bool) -> f64 {
    let of_class = |class: usize| {
        let samples = (0..input.rows())
            .map(|row| (input.probs(row)[class], input.label(row) as usize == class));
        let samples: Vec<_> = samples.filter(|(p, _)| keep_zeros || *p > 0.0).collect();
        expected(&gaps(&samples, &linspace(bins)), input.rows())
    };
    (0..classes).map(of_class).sum::<f64>() / classes as f64
}

fn adaptive(input: &Predictions, bins: usize, keep_lowest: bool) -> f64 {
    let samples: Vec<_> =
        (0..input.rows()).map(|row| (input.confidence(row), input.correct(row))).collect();
    let mut edges = mass_edges(samples.iter().map(|(p, _)| *p), bins);
    if keep_lowest {
        edges[0] = -1.0;
    }
    expected(&gaps(&samples, &edges), samples.len())
}

/// Generates rows of probabilities in 64ths with a label each.
fn batch() -> impl Strategy<Value = (usize, Vec<f32>, Vec<u32>)> {
    (2usize..6).prop_flat_map(|classes| {
        let cuts = prop::collection::vec(0u8..=64, classes - 1);
        let row = (cuts, 0..classes as u32);
        prop::collection::vec(row, 1..40).prop_map(move |rows| {
            let (mut probs, mut labels) = (Vec::new(), Vec::new());
            for (mut cuts, label) in rows {
                cuts.extend([0, 64]);
                cuts.sort_unstable();
                probs.extend(cuts.windows(2).map(|pair| f32::from(pair[1] - pair[0]) / 64.0));
                labels.push(label);
            }
            (classes, probs, labels)
        })
    })
}

proptest! {
    #[test]
    fn all_metrics_are_their_definitions((classes, probs, labels) in batch(), bins in 1usize..40) {
        let input = Predictions::from_probs(&probs, classes, &labels).unwrap();
        let n = labels.len();
        let mut metrics = ClassificationMetrics::new(bins).unwrap();
        metrics.update(&input).unwrap();
        let report = metrics.value().unwrap();

        let rows: Vec<&[f32]> = probs.chunks(classes).collect();
        let first_maximum = |row: &[f32]| {
            let max = row.iter().copied().fold(0.0, f32::max);
            row.iter().position(|p| *p == max).unwrap()
        };
        let samples: Vec<(f64, bool)> = rows.iter().zip(&labels)
            .map(|(row, &label)| (row[first_maximum(row)].into(), first_maximum(row) == label as usize))
            .collect();
        let mean = |of: &dyn Fn(&[f32], u32) -> f64| rows.iter().zip(&labels).map(|(r, &l)| of(r, l)).sum::<f64>() / n as f64;

        prop_assert_eq!(report.n, n as u64);
        close(report.accuracy, mean(&|row, label| f64::from(u8::from(first_maximum(row) == label as usize))))?;
        let nll = mean(&|row, label| -f64::from(row[label as usize]).ln());
        prop_assert!(report.nll == nll || (report.nll - nll).abs() < 1e-12);
        close(report.brier, mean(&|row, label| {
            row.iter().enumerate().map(|(k, &p)| (f64::from(p) - f64::from(u8::from(k == label as usize))).powi(2)).sum()
        }))?;
        let slow = gaps(&samples, &linspace(bins));
        close(report.ece, expected(&slow, n))?;
        close(report.mce, slow.iter().map(|(_, gap)| *gap).fold(0.0, f64::max))?;
        prop_assert_eq!(report.reliability.bins.iter().map(|bin| bin.count).sum::<u64>(), n as u64);
        close(report.aece, adaptive(&input, bins, true))?;
        close(report.cece, classwise(&input, bins, classes, true))?;
    }

    #[test]
    fn reference_conventions_are_their_definitions((classes, probs, labels) in batch(), bins in 1usize..40) {
        let input = Predictions::from_probs(&probs, classes, &labels).unwrap();
        let mut metric = AdaptiveEce::new(bins, AdaptiveConvention::Reference).unwrap();
        metric.update(&input).unwrap();
        close(metric.value().unwrap(), adaptive(&input, bins, false))?;
        let mut metric = ClasswiseEce::new(bins, ClasswiseConvention::Reference).unwrap();
        metric.update(&input).unwrap();
        let seen = *labels.iter().max().unwrap() as usize + 1;
        close(metric.value().unwrap(), classwise(&input, bins, seen, false))?;
    }

    #[test]
    fn bounds((classes, probs, labels) in batch(), bins in 1usize..40) {
        let mut metrics = ClassificationMetrics::new(bins).unwrap();
        metrics.update(&Predictions::from_probs(&probs, classes, &labels).unwrap()).unwrap();
        let report = metrics.value().unwrap();
        // Two means of the same numbers may differ in the last bit.
        prop_assert!(0.0 <= report.ece && report.ece <= report.mce + 1e-15 && report.mce <= 1.0);
        for share in [report.accuracy, report.aece, report.cece, 0.5 * report.brier] {
            prop_assert!((0.0..=1.0).contains(&share));
        }
        prop_assert!(report.nll >= 0.0);
        // With one bin, this is the difference of mean confidence and accuracy in any convention
        // for edges.
        if bins == 1 {
            prop_assert!((report.ece - report.aece).abs() < 1e-15);
        }
    }
}

#[test]
fn perfect_and_worst_predictions() {
    for (label, expected) in [(0, 0.0), (1, 2.0)] {
        let mut brier = BrierScore::new();
        brier.update(&Predictions::from_probs(&[1.0, 0.0], 2, &[label]).unwrap()).unwrap();
        assert_eq!(brier.value(), Some(expected));
    }
}

/// With equal confidences or a single row, the reference convention excludes all rows.
#[test]
fn adaptive_conventions_differ_in_the_lowest_confidence() {
    for rows in [1, 7] {
        let logits = [1.0, 0.0].repeat(rows);
        let labels = vec![1; rows];
        let input = Predictions::from_logits(&logits, 2, &labels).unwrap();
        for (convention, expected) in [
            (AdaptiveConvention::Definition, input.confidence(0)),
            (AdaptiveConvention::Reference, 0.0),
        ] {
            let mut metric = AdaptiveEce::new(15, convention).unwrap();
            metric.update(&input).unwrap();
            assert!((metric.value().unwrap() - expected).abs() < 1e-15, "{convention:?}");
        }
    }
}

/// No f32 edge fits between two confidences that are adjacent f32 numbers: it is rounded to one of
/// them.
#[test]
fn adaptive_reference_convention_rounds_edges() {
    let low = 0.7f32;
    let confidences = [0.6, low, low.next_up(), 0.9];
    let probs: Vec<f32> = confidences.iter().flat_map(|&c| [c, 1.0 - c]).collect();
    let input = Predictions::from_probs(&probs, 2, &[0, 0, 1, 0]).unwrap();
    // Edges at the positions 0, .8, 1.6, 2.4, 3 and 3: the third is rounded to the upper of the
    // two, so both are in one bin.
    let mut metric = AdaptiveEce::new(5, AdaptiveConvention::Reference).unwrap();
    metric.update(&input).unwrap();
    let c: Vec<f64> = confidences.map(f64::from).into();
    let expected = ((c[1] + c[2] - 1.0).abs() + (1.0 - c[3])) / 4.0;
    assert!((metric.value().unwrap() - expected).abs() < 1e-15);
    // Exact edges separate them, and the row with the lowest confidence is included.
    let mut metric = AdaptiveEce::new(5, AdaptiveConvention::Definition).unwrap();
    metric.update(&input).unwrap();
    let expected = ((1.0 - c[0]) + (1.0 - c[1]) + c[2] + (1.0 - c[3])) / 4.0;
    assert!((metric.value().unwrap() - expected).abs() < 1e-15);
}
