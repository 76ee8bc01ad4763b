//! Compares with slow, direct implementations of the definitions.

use super::{BINNINGS, TARGETS, predictions, rows};
use crate::support::{Rows, close, linspace, mass_edges};
use mbls_core::metric::{
    AdaptiveConvention, AdaptiveEce, Binning, BrierScore, CalibrationBins, CalibrationNorm,
    ClasswiseConvention, ClasswiseEce, KernelEstimator, Metric, Predictions, Reliability,
    ReliabilityBins, SmoothConvention, SortedTopLabels, Target, TopLabelSamples,
    kernel_calibration_error,
};
use proptest::prelude::*;

/// A probability and whether its event occurred.
type Event = (f64, bool);

/// Returns the bin of every event by a search in the edges.
fn bins_of(events: &[Event], binning: Binning, bins: usize) -> Vec<usize> {
    let edges = match binning {
        Binning::EqualWidth => linspace(bins),
        // Probabilities are 64ths, so integers are exact.
        Binning::EqualWidthCeil => {
            let bin = |p: f64| {
                (0..bins).position(|k| (p * 64.0) as usize * bins <= 64 * (k + 1)).unwrap()
            };
            return events.iter().map(|(p, _)| bin(*p)).collect();
        }
        Binning::EqualMass => {
            let mut edges = mass_edges(events.iter().map(|(p, _)| *p), bins);
            edges[0] = -1.0;
            edges
        }
        other => panic!("{other:?} has no slow form"),
    };
    let inside = |k: usize, p: f64| (edges[k] < p && p <= edges[k + 1]) || (k == 0 && p == 0.0);
    events.iter().map(|(p, _)| (0..bins).position(|k| inside(k, *p)).unwrap()).collect()
}

/// Returns the events of each curve.
fn curves(input: &Predictions, target: Target) -> Vec<Vec<Event>> {
    let of_class = |class: usize| {
        (0..input.rows()).map(move |r| (input.probs(r)[class], input.label(r) as usize == class))
    };
    match target {
        Target::TopLabel => {
            vec![(0..input.rows()).map(|r| (input.confidence(r), input.correct(r))).collect()]
        }
        Target::Classwise => (0..input.classes()).map(|class| of_class(class).collect()).collect(),
        Target::Thresholded { above } => (0..input.classes())
            .map(|class| of_class(class).filter(|(p, _)| *p > above).collect())
            .collect(),
        other => panic!("{other:?} has no slow form"),
    }
}

struct SlowBin {
    count: f64,
    mean: f64,
    frequency: f64,
}

fn slow_bins(events: &[Event], binning: Binning, bins: usize) -> Vec<SlowBin> {
    if events.is_empty() {
        return Vec::new();
    }
    let of = bins_of(events, binning, bins);
    let bin = |k: usize| {
        let inside: Vec<&Event> =
            events.iter().zip(&of).filter(|(_, bin)| **bin == k).map(|(event, _)| event).collect();
        let count = inside.len() as f64;
        SlowBin {
            count,
            mean: inside.iter().map(|(p, _)| p).sum::<f64>() / count,
            frequency: inside.iter().filter(|(_, event)| *event).count() as f64 / count,
        }
    };
    (0..bins).map(bin).filter(|bin| bin.count > 0.0).collect()
}

fn sorted(input: &Predictions) -> SortedTopLabels {
    let mut samples = TopLabelSamples::new();
    samples.update(input).unwrap();
    samples.value().unwrap()
}

fn top_label_events(rows: &Rows) -> Vec<Event> {
    curves(&predictions(rows), Target::TopLabel).remove(0)
}

proptest! {
    #[test]
    fn errors_of_every_norm_binning_and_target(rows in rows(), bins in 1usize..40) {
        let input = predictions(&rows);
        for target in TARGETS {
            let events = curves(&input, target);
            for binning in BINNINGS {
                let mut metric = CalibrationBins::new(target, binning, bins).unwrap();
                metric.update(&input).unwrap();
                let Some(found) = metric.value() else {
                    prop_assert!(events.iter().all(Vec::is_empty));
                    continue;
                };
                prop_assert_eq!((found.n, found.curves.len()), (input.rows() as u64, events.len()));
                let slow: Vec<Vec<SlowBin>> = events.iter().map(|events| slow_bins(events, binning, bins)).collect();
                let mean = |of: &dyn Fn(&SlowBin) -> f64| {
                    let curve = |(bins, events): (&Vec<SlowBin>, &Vec<Event>)| {
                        bins.iter().map(|bin| bin.count / events.len() as f64 * of(bin)).sum::<f64>()
                    };
                    slow.iter().zip(&events).map(curve).sum::<f64>() / events.len() as f64
                };
                let gap = |bin: &SlowBin| (bin.mean - bin.frequency).abs();
                let gaps: Vec<f64> = slow.iter().flatten().map(gap).collect();
                close(found.error(CalibrationNorm::L1).value, mean(&gap))?;
                close(found.error(CalibrationNorm::L2).value.powi(2), mean(&|bin| gap(bin).powi(2)))?;
                close(found.error(CalibrationNorm::Max).value, gaps.iter().copied().fold(0.0, f64::max))?;
                close(found.error(CalibrationNorm::Average).value, gaps.iter().sum::<f64>() / gaps.len() as f64)?;
                let debiased = mean(&|bin| {
                    if bin.count < 2.0 { return 0.0 }
                    gap(bin).powi(2) - bin.frequency * (1.0 - bin.frequency) / (bin.count - 1.0)
                });
                close(found.debiased_l2().value.powi(2), debiased.max(0.0))?;
            }
        }
    }

    #[test]
    fn special_cases_equal_the_specific_metrics(rows in rows(), bins in 1usize..40) {
        let input = predictions(&rows);
        let l1 = |target, binning| {
            let mut metric = CalibrationBins::new(target, binning, bins).unwrap();
            metric.update(&input).unwrap();
            metric.value().unwrap().error(CalibrationNorm::L1).value
        };
        let mut equal_width = ReliabilityBins::new(bins).unwrap();
        equal_width.update(&input).unwrap();
        let diagram = equal_width.value().unwrap();
        prop_assert_eq!(l1(Target::TopLabel, Binning::EqualWidth), diagram.ece());
        prop_assert_eq!(sorted(&input).reliability(Binning::EqualWidth, bins).unwrap(), diagram);
        let mut adaptive = AdaptiveEce::new(bins, AdaptiveConvention::Definition).unwrap();
        adaptive.update(&input).unwrap();
        close(l1(Target::TopLabel, Binning::EqualMass), adaptive.value().unwrap())?;
        let mut classwise = ClasswiseEce::new(bins, ClasswiseConvention::Definition).unwrap();
        classwise.update(&input).unwrap();
        close(l1(Target::Classwise, Binning::EqualWidth), classwise.value().unwrap())?;
    }

    #[test]
    fn brier_score_in_parts(rows in rows(), bins in 1usize..40) {
        let input = predictions(&rows);
        for target in [Target::TopLabel, Target::Classwise] {
            for binning in BINNINGS {
                let mut metric = CalibrationBins::new(target, binning, bins).unwrap();
                metric.update(&input).unwrap();
                let found = metric.value().unwrap().brier_decomposition().unwrap();
                close(found.binned, found.reliability - found.resolution + found.uncertainty)?;
                // The score itself, with the within-bin terms.
                let (mut score, mut variance, mut covariance) = (0.0, 0.0, 0.0);
                for events in curves(&input, target) {
                    let of = bins_of(&events, binning, bins);
                    for (i, (p, event)) in events.iter().enumerate() {
                        let same: Vec<&Event> = events.iter().zip(&of).filter(|(_, b)| **b == of[i]).map(|(e, _)| e).collect();
                        let mean = same.iter().map(|(p, _)| p).sum::<f64>() / same.len() as f64;
                        let frequency = same.iter().filter(|(_, e)| *e).count() as f64 / same.len() as f64;
                        let z = f64::from(u8::from(*event));
                        score += (p - z).powi(2) / input.rows() as f64;
                        variance += (p - mean).powi(2) / input.rows() as f64;
                        covariance += (p - mean) * (z - frequency) / input.rows() as f64;
                    }
                }
                close(found.binned + variance - 2.0 * covariance, score)?;
                if target == Target::Classwise {
                    let mut brier = BrierScore::new();
                    brier.update(&input).unwrap();
                    close(score, brier.value().unwrap())?;
                }
            }
        }
        let thresholded = Target::Thresholded { above: 0.0 };
        let mut metric = CalibrationBins::new(thresholded, Binning::EqualWidth, bins).unwrap();
        metric.update(&input).unwrap();
        prop_assert!(metric.value().unwrap().brier_decomposition().is_none());
    }

    #[test]
    fn debiased_brier_score_in_parts(rows in rows(), bins in 1usize..40) {
        let reliability = sorted(&predictions(&rows)).reliability(Binning::EqualMass, bins).unwrap();
        let plain = reliability.brier_decomposition();
        let Some(debiased) = reliability.debiased_brier_decomposition() else {
            prop_assert_eq!(reliability.n, 1);
            return Ok(());
        };
        close(debiased.reliability - debiased.resolution + debiased.uncertainty, plain.binned)?;
        close(debiased.uncertainty, plain.uncertainty * plain.n as f64 / (plain.n - 1) as f64)?;
        if reliability.bins.iter().all(|bin| bin.count != 1) {
            close(debiased.reliability, reliability.debiased_squared_error())?;
        }
    }

    #[test]
    fn log_loss_in_parts(rows in rows(), bins in 1usize..40) {
        let reliability = sorted(&predictions(&rows)).reliability(Binning::EqualWidth, bins).unwrap();
        let found = reliability.log_loss_decomposition();
        close(found.refinement, found.uncertainty - found.resolution)?;
        let contradicted = |bin: &mbls_core::metric::ReliabilityBin| {
            let (accuracy, confidence) = (bin.accuracy.unwrap_or(0.5), bin.mean_confidence.unwrap_or(0.5));
            (confidence == 0.0 && accuracy > 0.0) || (confidence == 1.0 && accuracy < 1.0)
        };
        if reliability.bins.iter().any(contradicted) {
            prop_assert_eq!((found.calibration, found.binned), (f64::INFINITY, f64::INFINITY));
        } else {
            close(found.calibration + found.refinement, found.binned)?;
            prop_assert!(found.calibration >= 0.0);
        }
    }

    #[test]
    fn kolmogorov_smirnov(rows in rows()) {
        let events = top_label_events(&rows);
        let up_to = |t: f64| events.iter().filter(|(c, _)| *c <= t).map(|(c, z)| c - f64::from(u8::from(*z))).sum::<f64>();
        let slow = events.iter().map(|(t, _)| up_to(*t).abs()).fold(0.0, f64::max) / events.len() as f64;
        close(sorted(&predictions(&rows)).kolmogorov_smirnov_error(), slow)?;
    }

    #[test]
    fn kernel_errors(rows in rows(), bandwidth in 0.01f64..10.0) {
        let input = predictions(&rows);
        let n = input.rows();
        let h = |i: usize, j: usize| {
            let residual = |row: usize, class: usize| {
                f64::from(u8::from(input.label(row) as usize == class)) - input.probs(row)[class]
            };
            let distance: f64 = (0..input.classes()).map(|k| (input.probs(i)[k] - input.probs(j)[k]).powi(2)).sum();
            let product: f64 = (0..input.classes()).map(|k| residual(i, k) * residual(j, k)).sum();
            (-distance.sqrt() / bandwidth).exp() * product
        };
        let squared = |estimator| kernel_calibration_error(&input, bandwidth, estimator).unwrap().map(|e| e.squared);
        if n < 2 {
            prop_assert_eq!(squared(KernelEstimator::Biased), None);
            return Ok(());
        }
        let all: f64 = (0..n).flat_map(|i| (0..n).map(move |j| (i, j))).map(|(i, j)| h(i, j)).sum();
        let diagonal: f64 = (0..n).map(|i| h(i, i)).sum();
        close(squared(KernelEstimator::Biased).unwrap(), all / (n * n) as f64)?;
        close(squared(KernelEstimator::Unbiased).unwrap(), (all - diagonal) / (n * (n - 1)) as f64)?;
        prop_assert!(squared(KernelEstimator::Biased).unwrap() > -1e-15);
        if n == 2 {
            // There is only one pair.
            prop_assert_eq!(squared(KernelEstimator::UnbiasedLinear { seed: 1 }), squared(KernelEstimator::Unbiased));
        }
    }
}

/// Over many pairings the mean of the linear estimate is the mean over all pairs.
#[test]
fn linear_kernel_estimate_is_unbiased() {
    let probs: Vec<f32> =
        (0..21u8).flat_map(|i| [f32::from(i) / 32.0 + 0.25, 0.75 - f32::from(i) / 32.0]).collect();
    let labels: Vec<u32> = (0..21).map(|i| u32::from(i % 3 == 0)).collect();
    let input = Predictions::from_probs(&probs, 2, &labels).unwrap();
    let rows = sorted(&input);
    let seeds = 4000;
    for all_classes in [false, true] {
        let squared = |estimator| {
            let error = if all_classes {
                kernel_calibration_error(&input, 0.2, estimator)
            } else {
                rows.kernel_calibration_error(0.2, estimator)
            };
            error.unwrap().unwrap().squared
        };
        let values: Vec<f64> =
            (0..seeds).map(|seed| squared(KernelEstimator::UnbiasedLinear { seed })).collect();
        let mean = values.iter().sum::<f64>() / seeds as f64;
        let deviation =
            (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / seeds as f64).sqrt();
        let all_pairs = squared(KernelEstimator::Unbiased);
        let allowed = 4.0 * deviation / (seeds as f64).sqrt();
        assert!(
            deviation > 0.0 && (mean - all_pairs).abs() < allowed,
            "{mean} instead of {all_pairs} within {allowed}"
        );
    }
}

/// The integrals of the definition without a grid, for rows of which the last has confidence 1.
#[test]
fn smooth_ece_is_its_definition() {
    let probs: Vec<f32> = (0..200u16)
        .flat_map(|i| [0.5 + f32::from(i) / 398.0, 0.5 - f32::from(i) / 398.0])
        .collect();
    let labels: Vec<u32> = (0..200).map(|i| u32::from(i % 3 == 0)).collect();
    let rows = sorted(&Predictions::from_probs(&probs, 2, &labels).unwrap());
    assert_eq!(rows.iter().last().map(|(confidence, _)| confidence), Some(1.0));
    let found = rows.smooth_ece(SmoothConvention::Definition);
    let gauss = |x: f64| (-x * x / (2.0 * found.bandwidth * found.bandwidth)).exp();
    let reflected = |c: f64, t: f64| {
        (-3..=3)
            .map(|k| 2.0 * f64::from(k))
            .map(|shift| gauss(t - c - shift) + gauss(t + c - shift))
            .sum::<f64>()
    };
    let grid = || (0..1000).map(|i| (f64::from(i) + 0.5) / 1000.0);
    let residual = |t: f64| {
        rows.iter().map(|(c, z)| (c - f64::from(u8::from(z))) * reflected(c, t)).sum::<f64>().abs()
    };
    let density = |t: f64| rows.iter().map(|(c, _)| reflected(c, t)).sum::<f64>();
    let value = grid().map(residual).sum::<f64>() / grid().map(density).sum::<f64>();
    assert!((found.value - value).abs() < 1e-3 * value, "{found:?}, by definition {value}");
    assert_eq!(found.convention, SmoothConvention::Definition);
    // The bandwidth is where it equals the error, to within a bisection step.
    assert!(
        found.bandwidth >= found.value && found.bandwidth - found.value < 2.0 / 1024.0,
        "{found:?}"
    );
}

/// Rows with one confidence per bin that are correct with this probability: the debiased error has
/// expectation 0, and the plug-in estimate that of the noise, `mean_b c_b (1 - c_b) / n_b`.
#[test]
fn debiasing_subtracts_the_expected_noise() {
    let (levels, per_level, resamples) = ([0.55, 0.65, 0.75, 0.85, 0.95], 20, 4000);
    let confidences: Vec<f64> = levels.iter().flat_map(|c| [*c; 20]).collect();
    let mut samples = TopLabelSamples::new();
    samples.add(&mbls_core::metric::TopLabels::new(&confidences, &[true; 100]).unwrap()).unwrap();
    let rows = samples.value().unwrap();
    let expectation = |statistic: fn(&Reliability) -> f64| {
        let of =
            |rows: &SortedTopLabels| statistic(&rows.reliability(Binning::EqualWidth, 10).unwrap());
        rows.consistency(resamples, 0.95, 5, of).unwrap().mean
    };
    let noise = levels.iter().map(|c| c * (1.0 - c) / f64::from(per_level)).sum::<f64>() / 5.0;
    let plug_in = expectation(|diagram| diagram.error(CalibrationNorm::L2).powi(2));
    let debiased = expectation(Reliability::debiased_squared_error);
    assert!((plug_in - noise).abs() < 0.05 * noise, "{plug_in}, expected {noise}");
    assert!(debiased.abs() < 0.05 * noise, "{debiased}, expected 0");
}
