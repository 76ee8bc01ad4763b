//! Bounds and invariances.

use super::{BINNINGS, TARGETS, predictions, rows};
use mbls_core::metric::{
    Binning, CalibrationBins, CalibrationNorm, KernelEstimator, Metric, Reliability,
    ReliabilityBin, SmoothConvention, SortedTopLabels, TopLabelSamples, TopLabels,
    kernel_calibration_error,
};
use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

proptest! {
    #[test]
    fn norms_are_ordered_and_bounded(rows in rows(), bins in 1usize..40) {
        for (target, binning) in TARGETS.iter().flat_map(|t| BINNINGS.map(|b| (*t, b))) {
            let mut metric = CalibrationBins::new(target, binning, bins).unwrap();
            metric.update(&predictions(&rows)).unwrap();
            let Some(calibration) = metric.value() else { continue };
            let [l1, l2, max, average] =
                [CalibrationNorm::L1, CalibrationNorm::L2, CalibrationNorm::Max, CalibrationNorm::Average].map(|norm| calibration.error(norm).value);
            // Means of the same numbers may differ in the last bits.
            prop_assert!(0.0 <= l1 && l1 <= l2 + 1e-12 && l2 <= max + 1e-12 && max <= 1.0);
            prop_assert!(0.0 <= average && average <= max + 1e-12);
            prop_assert!((0.0..=max + 1e-12).contains(&calibration.debiased_l2().value));
            for curve in calibration.curves.iter().flatten() {
                let (over, under) = (curve.overconfidence(), curve.underconfidence());
                prop_assert!(over >= 0.0 && under >= 0.0);
                prop_assert!((over + under - curve.ece()).abs() < 1e-12);
                // The difference of over- and underconfidence is the overall gap, for any bins.
                let gap = curve.mean_confidence() - curve.accuracy();
                prop_assert!((over - under - gap).abs() < 1e-12);
            }
        }
    }

    #[test]
    fn errors_without_bins_are_bounded(rows in rows()) {
        let mut samples = TopLabelSamples::new();
        samples.update(&predictions(&rows)).unwrap();
        let sorted = samples.value().unwrap();
        let diagram = sorted.reliability(Binning::EqualWidth, 1).unwrap();
        let gap = (diagram.mean_confidence() - diagram.accuracy()).abs();
        let ks = sorted.kolmogorov_smirnov_error();
        prop_assert!(gap <= ks + 1e-12 && ks <= 1.0);
        let smooth = sorted.smooth_ece(SmoothConvention::Definition);
        prop_assert!((0.0..=1.0).contains(&smooth.value) && (0.0..=1.0).contains(&smooth.bandwidth));
        prop_assert_eq!(smooth.n, rows.rows.len() as u64);
    }

    /// Every non-empty bin has a band that contains its confidence, to within the step of one row.
    #[test]
    fn consistency_bands_hold_the_confidence(rows in rows(), bins in 1usize..20, seed: u64) {
        let mut samples = TopLabelSamples::new();
        samples.update(&predictions(&rows)).unwrap();
        for binning in BINNINGS {
            let band = samples.value().unwrap().consistency_band(binning, bins, 200, 0.99, seed).unwrap().unwrap();
            for (bin, interval) in band.reliability.bins.iter().zip(&band.accuracies) {
                prop_assert_eq!(bin.count > 0, interval.is_some());
                if let (Some(interval), Some(confidence)) = (interval, bin.mean_confidence) {
                    let row = 1.0 / bin.count as f64;
                    prop_assert!(0.0 <= interval.low && interval.high <= 1.0);
                    prop_assert!(interval.low - row <= confidence && confidence <= interval.high + row);
                }
            }
        }
    }
}

#[test]
fn rows_that_are_certain_have_no_band() {
    let mut samples = TopLabelSamples::new();
    samples.add(&TopLabels::new(&[0.0, 1.0, 1.0], &[true, false, true]).unwrap()).unwrap();
    let rows = samples.value().unwrap();
    let band = rows.consistency_band(Binning::EqualWidth, 2, 100, 0.9, 0).unwrap().unwrap();
    let ends: Vec<_> =
        band.accuracies.iter().flatten().map(|interval| (interval.low, interval.high)).collect();
    assert_eq!(ends, [(0.0, 0.0), (1.0, 1.0)]);
    let ece = |rows: &SortedTopLabels| rows.reliability(Binning::EqualWidth, 2).unwrap().ece();
    let consistency = rows.consistency(99, 0.9, 0, ece).unwrap();
    assert_eq!(
        (consistency.mean, consistency.interval.high, consistency.p_value),
        (0.0, 0.0, 0.01)
    );
    assert_eq!((consistency.observed, consistency.n, consistency.resamples), (2.0 / 3.0, 3, 99));
}

/// A calibrated model is rejected at the 10 % level in about 10 % of the cases.
#[test]
fn p_values_of_calibrated_rows_are_uniform() {
    let confidences: Vec<f64> = (0..150).map(|i| 0.5 + f64::from(i) / 300.0).collect();
    let mut low = 0;
    for trial in 0..200 {
        let mut rng = ChaCha8Rng::seed_from_u64(trial);
        let correct: Vec<bool> =
            confidences.iter().map(|confidence| rng.random::<f64>() < *confidence).collect();
        let mut samples = TopLabelSamples::new();
        samples.add(&TopLabels::new(&confidences, &correct).unwrap()).unwrap();
        let rows = samples.value().unwrap();
        let found = rows
            .consistency(99, 0.9, 1000 + trial, SortedTopLabels::kolmogorov_smirnov_error)
            .unwrap();
        low += usize::from(found.p_value <= 0.1);
    }
    // Binomial: mean 20, standard deviation 4.2.
    assert!((7..=35).contains(&low), "{low} of 200");
}

#[test]
fn same_bits_for_any_number_of_threads() {
    let confidences: Vec<f64> = (0..200).map(|i| 0.4 + f64::from(i) / 400.0).collect();
    let correct: Vec<bool> = (0..200).map(|i| i % 3 != 0).collect();
    let mut samples = TopLabelSamples::new();
    samples.add(&TopLabels::new(&confidences, &correct).unwrap()).unwrap();
    let rows = samples.value().unwrap();
    let logits: Vec<f32> = (0..600).map(|i| ((i * 37) % 101) as f32 / 20.0).collect();
    let labels: Vec<u32> = (0..200).map(|i| i % 3).collect();
    let predictions = mbls_core::metric::Predictions::from_logits(&logits, 3, &labels).unwrap();
    let in_pool = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            (
                rows.consistency(40, 0.9, 4, |rows| {
                    rows.smooth_ece(SmoothConvention::Definition).value
                })
                .unwrap(),
                rows.consistency_band(Binning::EqualMass, 7, 200, 0.9, 4).unwrap().unwrap(),
                rows.kernel_calibration_error(0.5, KernelEstimator::Biased).unwrap().unwrap(),
                kernel_calibration_error(&predictions, 0.5, KernelEstimator::Unbiased)
                    .unwrap()
                    .unwrap(),
            )
        })
    };
    assert_eq!(in_pool(1), in_pool(2));
    assert_eq!(in_pool(1), in_pool(5));
}

/// A resample as large as the observed value counts as evidence for calibration.
#[test]
fn statistic_that_never_changes_is_no_evidence() {
    let mut samples = TopLabelSamples::new();
    samples.add(&TopLabels::new(&[0.7, 0.9], &[true, false]).unwrap()).unwrap();
    let found = samples.value().unwrap().consistency(99, 0.9, 0, |_| 0.5).unwrap();
    assert_eq!(
        (found.p_value, found.mean, found.interval.low, found.interval.high),
        (1.0, 0.5, 0.5, 0.5)
    );
}

/// The estimate samples one pair of three rows, and every pair about equally often.
#[test]
fn linear_kernel_estimate_draws_every_pair() {
    let mut samples = TopLabelSamples::new();
    samples.add(&TopLabels::new(&[0.25, 0.5, 0.75], &[true; 3]).unwrap()).unwrap();
    let rows = samples.value().unwrap();
    let mut counts = std::collections::BTreeMap::new();
    for seed in 0..300 {
        let found = rows
            .kernel_calibration_error(1.0, KernelEstimator::UnbiasedLinear { seed })
            .unwrap()
            .unwrap();
        *counts.entry(found.squared.to_bits()).or_insert(0) += 1;
    }
    // Binomial with mean 100 and standard deviation 8.2.
    assert!(
        counts.len() == 3 && counts.values().all(|count| (65..=135).contains(count)),
        "{counts:?}"
    );
}

/// Rounding must not make an error negative if a bin's frequency and its mean probability differ
/// only in the last digits.
#[test]
fn divergence_of_nearly_equal_numbers_is_not_negative() {
    for k in 1..1000 {
        let accuracy = f64::from(k) / 1000.0;
        for confidence in [accuracy.next_up(), accuracy * (1.0 + 1e-13), accuracy * (1.0 - 1e-12)] {
            let (lower, upper, count) = (0.0, 1.0, 1000);
            let bin = ReliabilityBin {
                lower,
                upper,
                count,
                mean_confidence: Some(confidence),
                accuracy: Some(accuracy),
            };
            let calibration =
                Reliability { n: count, bins: vec![bin] }.log_loss_decomposition().calibration;
            assert!((0.0..1e-15).contains(&calibration), "{calibration} at {accuracy}");
        }
    }
}

/// Exchanging correct and incorrect and mirroring the confidences leads to the same error, at
/// bandwidths of every number of cells.
#[test]
fn smooth_ece_is_unchanged_by_mirroring() {
    for wrong in 2..14 {
        let rows = |mirrored: bool| {
            let mut samples = TopLabelSamples::new();
            for (confidence, correct) in [(0.0, wrong / 2), (0.5, 500 + wrong)] {
                let confidence = if mirrored { 1.0 - confidence } else { confidence };
                let correct: Vec<bool> = (0..1000).map(|i| (i < correct) != mirrored).collect();
                samples.add(&TopLabels::new(&[confidence; 1000], &correct).unwrap()).unwrap();
            }
            samples.value().unwrap().smooth_ece(SmoothConvention::Definition)
        };
        let (plain, mirrored) = (rows(false), rows(true));
        assert_eq!(plain.bandwidth, mirrored.bandwidth);
        assert!((plain.value - mirrored.value).abs() < 1e-12, "{plain:?} {mirrored:?}");
    }
}
