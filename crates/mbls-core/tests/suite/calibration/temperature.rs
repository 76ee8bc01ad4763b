//! Temperature scaling: the exact fit compared with its definition. The golden tests cover the
//! grid.

use super::support::{in_pool, synthetic};
use mbls_core::calibration::{
    Calibrator, CalibratorSpec, FittedCalibrator, GridObjective, Scores, TemperatureBound,
    TemperatureScaling,
};
use mbls_core::metric::{Metric, NegativeLogLikelihood, Predictions};
use proptest::prelude::*;

fn nll(logits: &[f32], classes: usize, labels: &[u32], temperature: f64) -> f64 {
    let mut metric = NegativeLogLikelihood::new();
    metric
        .update(&Predictions::from_logits_at(logits, classes, labels, temperature).unwrap())
        .unwrap();
    metric.value().unwrap()
}

/// `d NLL / d (1 / T)`, from its definition.
fn derivative(logits: &[f32], classes: usize, labels: &[u32], temperature: f64) -> f64 {
    let batch = Predictions::from_logits_at(logits, classes, labels, temperature).unwrap();
    let row = |n: usize| {
        let row = &logits[n * classes..][..classes];
        let mean: f64 = row.iter().zip(batch.probs(n)).map(|(&l, p)| p * f64::from(l)).sum();
        mean - f64::from(row[labels[n] as usize])
    };
    (0..labels.len()).map(row).sum::<f64>() / labels.len() as f64
}

#[test]
fn grid_takes_the_first_of_ties() {
    for objective in [GridObjective::Nll, GridObjective::Ece] {
        let fitted = TemperatureScaling::fit_grid(&[2.0, 2.0], 2, &[0], objective).unwrap();
        assert_eq!(fitted.temperature(), 0.1);
    }
}

#[test]
fn fit_recovers_the_temperature_that_sampled_the_labels() {
    for (seed, expected) in [0.3, 1.0, 1.7, 4.0].into_iter().enumerate() {
        let (logits, labels) = synthetic(20_000, 5, expected, seed as u64);
        let found = TemperatureScaling::fit_logits(&logits, 5, &labels).unwrap().temperature();
        assert!((found / expected - 1.0).abs() < 0.05, "{found}, expected {expected}");
        let slope = derivative(&logits, 5, &labels, found);
        assert!(slope.abs() < 1e-10, "derivative {slope} at T {found}");
    }
}

#[test]
fn fit_has_the_same_bits_for_any_number_of_threads() {
    let (logits, labels) = synthetic(5000, 4, 2.0, 9);
    let fit =
        || TemperatureScaling::fit_logits(&logits, 4, &labels).unwrap().temperature().to_bits();
    assert_eq!(in_pool(1, fit), in_pool(2, fit));
    assert_eq!(in_pool(1, fit), in_pool(4, fit));
}

#[test]
fn a_fit_that_stops_at_a_bound_says_so() {
    let fit = |logits: &[f32], labels: &[u32]| {
        let fitted = TemperatureScaling::fit_logits(logits, 2, labels).unwrap();
        (fitted.temperature(), fitted.bound())
    };
    let (lower, upper) = (Some(TemperatureBound::Lower), Some(TemperatureBound::Upper));
    // If all rows are correct, sharper is always better; if all are wrong, flatter is. The ends
    // depend on the ranges of the rows.
    assert_eq!(fit(&[1.0, 0.0, 0.0, 1.0], &[0, 1]), (1e-4, lower));
    assert_eq!(fit(&[1.0, 0.0, 0.0, 1.0], &[1, 0]), (1e4, upper));
    assert_eq!(fit(&[1e4, -1e4, -1e4, 1e4], &[1, 0]), (2e8, upper));
    assert_eq!(fit(&[1e4, -1e4], &[0]), (2.0, lower));
    assert_eq!(fit(&[1e4, -1e4, 0.0, 1e-2], &[0, 1]), (f64::from(1e-2f32) / 1e4, lower));
    // The temperature has no effect.
    assert_eq!(fit(&[3.0, 3.0], &[1]), (1.0, None));
    // No better than random.
    assert_eq!(fit(&[1.0, 0.0, 1.0, 0.0], &[0, 1]), (1e4, upper));

    let fitted = TemperatureScaling::fit_logits(&[1.0, 0.0], 2, &[1]).unwrap();
    let text = serde_json::to_string(&fitted).unwrap();
    assert_eq!(text, r#"{"temperature":10000.0,"bound":"upper"}"#);
    assert_eq!(serde_json::from_str::<TemperatureScaling>(&text).unwrap(), fitted);
    assert_eq!(
        TemperatureBound::Upper.to_string(),
        "at its upper bound: rows are predicted no better than at random"
    );
    // The ends of the published grid count as bounds too.
    let grid = |labels: &[u32]| {
        TemperatureScaling::fit_grid(&[1.0, 0.0, 0.0, 1.0], 2, labels, GridObjective::Nll)
            .unwrap()
            .bound()
    };
    assert_eq!((grid(&[0, 1]), grid(&[1, 0])), (lower, upper));
    let grid =
        TemperatureScaling::fit_grid(&[4.0, 0.0].repeat(4), 2, &[0, 0, 0, 1], GridObjective::Nll)
            .unwrap();
    assert_eq!(grid.bound(), None);
}

/// The temperature scales with the logits, both at a bound and inside.
#[test]
fn temperatures_scale_with_the_logits() {
    let (logits, labels) = synthetic(400, 4, 1.7, 3);
    let wide: Vec<f64> = logits.iter().map(|&logit| logit.into()).collect();
    let best: Vec<u32> = wide
        .chunks(4)
        .map(|row| (0..4).fold(0, |a, b| if row[b] > row[a] { b } else { a }) as u32)
        .collect();
    for labels in [&labels, &best] {
        let expected = TemperatureScaling::fit_logits(&wide, 4, labels).unwrap();
        for scale in [1e-300, 1e-100, 1e-12, 1e-6, 0.05, 1e6, 1e20, 1e100, 1e307] {
            let scaled: Vec<f64> = wide.iter().map(|logit| logit * scale).collect();
            let found = TemperatureScaling::fit_logits(&scaled, 4, labels).unwrap();
            assert_eq!(found.bound(), expected.bound(), "{scale}");
            let ratio = found.temperature() / scale / expected.temperature();
            assert!(
                (ratio - 1.0).abs() < 1e-9,
                "{scale}: {found:?}, expected {scale} x {expected:?}"
            );
            let probs = found.probs(&Scores::from_logits(&scaled, 4).unwrap()).unwrap();
            let unscaled = expected.probs(&Scores::from_logits(&wide, 4).unwrap()).unwrap();
            assert!(probs.iter().zip(unscaled).all(|(a, b)| (a - b).abs() < 1e-6), "{scale}");
        }
    }
    // One row has a far larger range than the others.
    let mut outlier = wide.clone();
    outlier[0] = 1e12;
    let labels: Vec<u32> = std::iter::once(0).chain(labels[1..].iter().copied()).collect();
    let (found, expected) = (
        TemperatureScaling::fit_logits(&outlier, 4, &labels),
        TemperatureScaling::fit_logits(&wide, 4, &labels),
    );
    let (found, expected) = (found.unwrap(), expected.unwrap());
    assert!(
        (found.temperature() / expected.temperature() - 1.0).abs() < 0.05
            && found.bound().is_none(),
        "{found:?}"
    );
}

/// Logits of 1e4 that are correct in three of four rows: calibrated where 1e4 / T = ln 3.
#[test]
fn fit_of_huge_logits() {
    let logits = [1e4, 0.0].repeat(4);
    let fitted = TemperatureScaling::fit_logits(&logits, 2, &[0, 0, 0, 1]).unwrap().temperature();
    assert!((fitted / (1e4 / 3f64.ln()) - 1.0).abs() < 1e-9, "{fitted}");
}

/// Far beyond the logits of any network, up to the range of f64.
#[test]
fn fit_of_logits_beyond_all_networks() {
    for scale in [1e9, 1e14, 1e30, 1e308] {
        let logits = [scale, 0.0f64].repeat(4);
        let fitted =
            TemperatureScaling::fit_logits(&logits, 2, &[0, 0, 0, 1]).unwrap().temperature();
        assert!((fitted / (scale / 3f64.ln()) - 1.0).abs() < 1e-9, "{scale}: {fitted}");
    }
    let fitted = TemperatureScaling::fit_logits(&[1e38f32, 0.0], 2, &[1]).unwrap();
    assert_eq!(fitted.bound(), Some(TemperatureBound::Upper));
    let fitted = TemperatureScaling::fit_logits(&[f64::MAX, -f64::MAX], 2, &[1]).unwrap();
    assert_eq!((fitted.temperature(), fitted.bound()), (f64::MAX, Some(TemperatureBound::Upper)));
}

/// For a probability of 0 the logarithm is that of the smallest normal f32.
#[test]
fn probabilities_of_zero_have_a_logarithm() {
    let probs = TemperatureScaling::new(100.0)
        .unwrap()
        .probs(&Scores::from_probs(&[1.0, 0.0], 2).unwrap())
        .unwrap();
    let odds = f64::from(f32::MIN_POSITIVE).powf(0.01);
    assert!((probs[1] / probs[0] - odds).abs() < 1e-12, "{probs:?}");
}

#[test]
fn scaling_keeps_predictions() {
    let (logits, labels) = synthetic(200, 4, 3.0, 2);
    let plain = Predictions::from_logits(&logits, 4, &labels).unwrap();
    let scaled = TemperatureScaling::new(7.5).unwrap().apply(&logits, 4, &labels).unwrap();
    let wide: Vec<f64> = logits.iter().map(|&logit| logit.into()).collect();
    assert_eq!(TemperatureScaling::new(7.5).unwrap().apply(&wide, 4, &labels).unwrap(), scaled);
    for row in 0..plain.rows() {
        assert_eq!(plain.predicted(row), scaled.predicted(row));
        assert!(scaled.confidence(row) <= plain.confidence(row));
    }
}

#[test]
fn wrong_input_is_refused() {
    let message =
        TemperatureScaling::fit_logits(&[0f32; 0], 3, &[0u32; 0]).unwrap_err().to_string();
    assert_eq!(message, "temperature scaling: there are no rows to fit to");
    let message = TemperatureScaling::fit_grid(&[0.0, f32::NAN], 2, &[0], GridObjective::Ece)
        .unwrap_err()
        .to_string();
    assert_eq!(message, "logit NaN at row 0, class 1: expected a finite number");
    for temperature in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let message = TemperatureScaling::new(temperature).unwrap_err().to_string();
        assert_eq!(
            message,
            format!("temperature = {temperature}: expected a finite number greater than 0")
        );
    }
    // Its inverse is infinite.
    let message = TemperatureScaling::new(1e-320).unwrap_err().to_string();
    assert!(message.ends_with("expected 2.3e-308 or greater"), "{message}");
    let fitted = TemperatureScaling::new(1.5).unwrap();
    let text = serde_json::to_string(&fitted).unwrap();
    assert_eq!(text, r#"{"temperature":1.5}"#);
    assert_eq!(serde_json::from_str::<TemperatureScaling>(&text).unwrap(), fitted);
    assert!(serde_json::from_str::<TemperatureScaling>(r#"{"temperature":-1}"#).is_err());
}

/// Arranges `[rows, classes]` as `[images, classes, positions]` with ignored rows in between.
fn dense(
    logits: &[f32],
    labels: &[u32],
    classes: usize,
    [images, positions]: [usize; 2],
) -> (Vec<f32>, Vec<u32>) {
    let (mut dense, mut dense_labels) =
        (vec![f32::NAN; images * classes * positions], vec![255; images * positions]);
    for (row, (values, &label)) in logits.chunks_exact(classes).zip(labels).enumerate() {
        // Every second pixel is ignored; its contents are not read.
        let (image, position) = (2 * row / positions, 2 * row % positions);
        dense_labels[image * positions + position] = label;
        for (class, &value) in values.iter().enumerate() {
            dense[(image * classes + class) * positions + position] = value;
        }
    }
    (dense, dense_labels)
}

#[test]
fn pixels_are_rows() {
    let (logits, labels) = synthetic(3 * 700, 5, 2.5, 4);
    let (pixels, pixel_labels) = dense(&logits, &labels, 5, [3, 1400]);
    let expected = TemperatureScaling::fit_logits(&logits, 5, &labels).unwrap();
    let fit = |shape| TemperatureScaling::fit_pixels(&pixels, shape, &pixel_labels, Some(255));
    assert_eq!(fit([3, 5, 35, 40]).unwrap(), expected);
    assert_eq!(fit([3, 5, 1, 1400]).unwrap(), expected);

    let message = fit([3, 5, 35, 41]).unwrap_err().to_string();
    let expected = "temperature scaling: expected 3 x 5 x 1435 logits and 3 x 1435 labels, found 21000 logits and 4200 labels";
    assert_eq!(message, expected);
    assert!(fit([3, 5, usize::MAX, 2]).is_err());
    let fit =
        |ignore| TemperatureScaling::fit_pixels(&pixels, [3, 5, 35, 40], &pixel_labels, ignore);
    let message = fit(None).unwrap_err().to_string();
    assert_eq!(message, "label 255 at row 1 is out of range: the logits have 5 classes");
    let message = TemperatureScaling::fit_pixels(&[0.0, 1.0], [1, 2, 1, 1], &[9], Some(9))
        .unwrap_err()
        .to_string();
    assert_eq!(message, "temperature scaling: there are no rows to fit to");
    let none: [f32; 0] = [];
    assert!(TemperatureScaling::fit_pixels(&none, [0, 2, 1, 1], &[0u32; 0], None).is_err());
    assert!(TemperatureScaling::fit_pixels(&none, [1, 2, 0, 1], &[0u32; 0], None).is_err());
    // The row of a NaN is numbered through the images.
    let message =
        TemperatureScaling::fit_pixels(&[0.0, 0.0, 0.0, f32::NAN], [2, 2, 1, 1], &[0, 0], None)
            .unwrap_err();
    assert_eq!(message.to_string(), "logit NaN at row 1, class 1: expected a finite number");
}

#[test]
fn probabilities_have_the_temperature_of_their_logits() {
    let (logits, labels) = synthetic(500, 4, 3.0, 5);
    let of_logits = Scores::from_logits(&logits, 4).unwrap();
    let of_probs =
        Scores::from_probs(&TemperatureScaling::new(1.0).unwrap().probs(&of_logits).unwrap(), 4)
            .unwrap();
    let fit = |scores| CalibratorSpec::Temperature.fit(scores, &labels).unwrap();
    let (a, b) =
        (fit(&of_logits).probs(&of_logits).unwrap(), fit(&of_probs).probs(&of_probs).unwrap());
    assert!(a.iter().zip(&b).all(|(a, b)| (a - b).abs() < 1e-12));
    let plain = TemperatureScaling::fit_logits(&logits, 4, &labels).unwrap();
    assert_eq!(fit(&of_logits), FittedCalibrator::Temperature(plain));
    let predictions = plain.apply(&logits, 4, &labels).unwrap();
    for row in 0..500 {
        assert!(
            predictions.probs(row).iter().zip(&a[row * 4..]).all(|(a, b)| (a - b).abs() < 1e-14)
        );
    }
}

proptest! {
    #[test]
    fn fit_is_the_optimum(
        rows in prop::collection::vec((prop::collection::vec(-30f32..30.0, 3), 0u32..3), 1..40)
    ) {
        let logits: Vec<f32> = rows.iter().flat_map(|(logits, _)| logits.clone()).collect();
        let labels: Vec<u32> = rows.iter().map(|(_, label)| *label).collect();
        let scaling = TemperatureScaling::fit_logits(&logits, 3, &labels).unwrap();
        let fitted = scaling.temperature();
        let at = |temperature: f64| nll(&logits, 3, &labels, temperature);
        prop_assert!(scaling.bound().is_some() || at(fitted) <= at(1.0));
        // Convex in 1 / T: if it is no worse than its neighbours, it is optimal.
        for factor in [0.9, 0.999, 1.001, 1.1] {
            let (other, beyond) = (fitted * factor, match scaling.bound() {
                Some(TemperatureBound::Lower) => factor < 1.0,
                Some(TemperatureBound::Upper) => factor > 1.0,
                None => false,
            });
            prop_assert!(beyond || at(fitted) <= at(other) + 1e-12, "T {} is worse than {}", fitted, other);
        }
        if scaling.bound().is_none() {
            let slope = derivative(&logits, 3, &labels, fitted);
            prop_assert!(slope.abs() < 1e-9, "derivative {} at T {}", slope, fitted);
        }
    }
}
