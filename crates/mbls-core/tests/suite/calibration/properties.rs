//! Properties that hold for any rows.

use super::saved::specs;
use crate::support::{Rows, logit_rows};
use mbls_core::calibration::{
    BetaCalibration, BinaryCalibrator, Calibrator, CalibratorSpec, IsotonicRegression, Scores,
    TemperatureScaling,
};
use proptest::prelude::*;

/// Multiples of 1/4.
fn rows() -> impl Strategy<Value = Rows> {
    logit_rows(2..5, 1..50, -24..24, 1.0 / 4.0)
}

fn scores(rows: &Rows) -> Scores {
    Scores::from_logits(&rows.scores(), rows.classes).unwrap()
}

/// The saved form of a fit, or its error.
fn fit(spec: &CalibratorSpec, rows: &Rows) -> Result<String, String> {
    let fitted = spec.fit(&scores(rows), &rows.labels()).map_err(|error| error.to_string())?;
    Ok(serde_json::to_string(&fitted).unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Bit-identical results, and the same errors.
    #[test]
    fn the_order_of_the_rows_does_not_matter(rows in rows()) {
        for spec in specs(rows.classes) {
            prop_assert_eq!(fit(&spec, &rows), fit(&spec, &rows.select(&rows.order)), "{:?}", spec);
        }
    }

    #[test]
    fn calibrated_rows_are_distributions(rows in rows(), other in rows()) {
        for spec in specs(rows.classes) {
            let Ok(fitted) = spec.fit(&scores(&rows), &rows.labels()) else { continue };
            // Also for rows that it was not fitted to.
            for of in [&rows, &other] {
                if fitted.classes().is_some_and(|classes| classes != of.classes) {
                    prop_assert!(fitted.probs(&scores(of)).is_err());
                    continue;
                }
                let probs = fitted.probs(&scores(of)).unwrap();
                prop_assert_eq!(probs.len(), of.rows.len() * of.classes);
                for row in probs.chunks(of.classes) {
                    prop_assert!(row.iter().all(|p| (0.0..=1.0).contains(p)), "{:?}: {:?}", spec, row);
                    prop_assert!((row.iter().sum::<f64>() - 1.0).abs() < 1e-12, "{:?}: {:?}", spec, row);
                }
                prop_assert!(fitted.predictions(&scores(of), &of.labels()).is_ok());
            }
        }
    }

    #[test]
    fn temperature_keeps_the_order_of_a_row(rows in rows(), temperature in 0.01f64..100.0) {
        let probs = TemperatureScaling::new(temperature).unwrap().probs(&scores(&rows)).unwrap();
        for ((logits, _), row) in rows.rows.iter().zip(probs.chunks(rows.classes)) {
            for (a, b) in (0..rows.classes).flat_map(|a| (0..rows.classes).map(move |b| (a, b))) {
                prop_assert!(logits[a] < logits[b] || row[a] >= row[b], "{:?} at {}: {:?}", logits, temperature, row);
            }
        }
    }

    #[test]
    fn temperature_1_is_the_identity(rows in rows()) {
        let scaling = TemperatureScaling::new(1.0).unwrap();
        let probs = scaling.probs(&scores(&rows)).unwrap();
        let again = scaling.probs(&Scores::from_probs(&probs, rows.classes).unwrap()).unwrap();
        prop_assert!(probs.iter().zip(&again).all(|(a, b)| (a - b).abs() < 1e-14));
        let (logits, labels) = (rows.scores(), rows.labels());
        let softmax = mbls_core::metric::Predictions::from_logits(&logits, rows.classes, &labels).unwrap();
        for (row, probs) in probs.chunks(rows.classes).enumerate() {
            prop_assert!(probs.iter().zip(softmax.probs(row)).all(|(a, b)| (a - b).abs() < 1e-15));
        }
    }

    /// No worse than any simple map of the family: the uncalibrated softmax, and the identity for
    /// regularised ones.
    #[test]
    fn vector_scaling_is_no_worse_than_temperature(rows in rows()) {
        let (scores, labels) = (scores(&rows), rows.labels());
        let nll = |spec: CalibratorSpec| {
            let probs = spec.fit(&scores, &labels).ok()?.probs(&scores).unwrap();
            let of_label = probs.chunks(rows.classes).zip(&labels).map(|(row, &label)| -row[label as usize].ln());
            Some(of_label.sum::<f64>() / labels.len() as f64)
        };
        if let Some(vector) = nll(CalibratorSpec::Vector) {
            let temperature = nll(CalibratorSpec::Temperature).unwrap();
            prop_assert!(vector <= temperature + 1e-12, "{} and {}", vector, temperature);
        }
    }

    /// The Karush-Kuhn-Tucker conditions, which under `a, b >= 0` only the optimum of a convex
    /// function meets.
    #[test]
    fn beta_calibration_is_the_optimum_under_its_bounds(
        samples in prop::collection::vec(((1u8..20).prop_map(|p| f64::from(p) / 20.0), any::<bool>()), 1..40)
    ) {
        let (probs, positive): (Vec<f64>, Vec<bool>) = samples.iter().copied().unzip();
        // There is no optimum if an increasing map separates the rows, or if all rows are of one
        // class.
        let largest_negative = samples.iter().filter(|s| !s.1).map(|s| s.0).fold(0.0, f64::max);
        let separable = samples.iter().filter(|s| s.1).all(|s| s.0 >= largest_negative);
        if separable || positive.iter().all(|&p| p) || !positive.contains(&true) {
            return Ok(());
        }
        let fitted = BetaCalibration::fit(&probs, &positive, ()).unwrap();
        let slope = |feature: fn(f64) -> f64| {
            let of_row = |&(p, y): &(f64, bool)| (fitted.prob(p) - f64::from(u8::from(y))) * feature(p);
            samples.iter().map(of_row).sum::<f64>() / samples.len() as f64
        };
        prop_assert!(slope(|_| 1.0).abs() < 1e-8);
        for (weight, slope) in [(fitted.a(), slope(f64::ln)), (fitted.b(), slope(|p| -(1.0 - p).ln()))] {
            prop_assert!(slope > -1e-8 && (weight == 0.0 || slope < 1e-8), "{:?}: slope {}", fitted, slope);
        }
    }

    #[test]
    fn isotonic_regression_is_the_monotone_map_of_least_squares(
        samples in prop::collection::vec(((0u8..20).prop_map(|p| f64::from(p) / 19.0), any::<bool>()), 1..60)
    ) {
        let (probs, positive): (Vec<f64>, Vec<bool>) = samples.iter().copied().unzip();
        let map = IsotonicRegression::fit(&probs, &positive, ()).unwrap();
        let values: Vec<f64> = (0..=1000).map(|i| map.prob(f64::from(i) / 1000.0)).collect();
        prop_assert!(values.windows(2).all(|pair| pair[0] <= pair[1]));
        prop_assert!(values.iter().all(|p| (0.0..=1.0).contains(p)));

        // The minimax formula: max over a <= i of min over b >= i of the mean of the rows from a to b.
        let mut distinct = probs.clone();
        distinct.sort_unstable_by(f64::total_cmp);
        distinct.dedup();
        let mean = |low: f64, high: f64| {
            let inside: Vec<bool> = samples.iter().filter(|s| s.0 >= low && s.0 <= high).map(|s| s.1).collect();
            inside.iter().filter(|&&positive| positive).count() as f64 / inside.len() as f64
        };
        for &at in &distinct {
            let least = |low: f64| distinct.iter().filter(|&&b| b >= at).map(|&b| mean(low, b)).fold(1.0, f64::min);
            let expected = distinct.iter().filter(|&&a| a <= at).map(|&a| least(a)).fold(0.0, f64::max);
            prop_assert!((map.prob(at) - expected).abs() < 1e-12, "{} at {}, expected {}", map.prob(at), at, expected);
        }
    }
}
