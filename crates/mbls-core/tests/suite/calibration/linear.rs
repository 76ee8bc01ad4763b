//! Vector scaling, matrix scaling and Dirichlet calibration compared with SciPy's optimum and
//! scikit-learn's regression.

use super::support::{assert_close, fixture, in_pool, items, labels, numbers, synthetic};
use mbls_core::Error;
use mbls_core::calibration::{
    Calibrator, DirichletCalibration, Fit, MatrixScaling, Odir, PlattScaling, PlattTargets, Scores,
    TemperatureScaling, VectorScaling,
};
use serde_json::Value;

struct FittedMap {
    calibrator: Box<dyn Calibrator>,
    weights: Vec<f64>,
    intercepts: Vec<f64>,
}

fn fit(method: &str, scores: &Scores, labels: &[u32], odir: Odir) -> FittedMap {
    match method {
        "vector" => {
            let fitted = VectorScaling::fit(scores, labels, ()).unwrap();
            let (weights, intercepts) = (fitted.weights().to_vec(), fitted.intercepts().to_vec());
            FittedMap { calibrator: Box::new(fitted), weights, intercepts }
        }
        "matrix" => {
            let fitted = MatrixScaling::fit(scores, labels, odir).unwrap();
            let (weights, intercepts) = (fitted.weights().to_vec(), fitted.intercepts().to_vec());
            FittedMap { calibrator: Box::new(fitted), weights, intercepts }
        }
        "dirichlet" => {
            let fitted = DirichletCalibration::fit(scores, labels, odir).unwrap();
            let (weights, intercepts) = (fitted.weights().to_vec(), fitted.intercepts().to_vec());
            FittedMap { calibrator: Box::new(fitted), weights, intercepts }
        }
        other => panic!("method {other}"),
    }
}

fn mean_nll(probs: &[f64], labels: &[u32]) -> f64 {
    let classes = probs.len() / labels.len();
    let of_label =
        probs.chunks_exact(classes).zip(labels).map(|(row, &label)| -row[label as usize].ln());
    of_label.sum::<f64>() / labels.len() as f64
}

/// The objective as written in the paper.
fn objective(fit: &FittedMap, scores: &Scores, labels: &[u32], odir: Odir) -> f64 {
    let c = fit.intercepts.len();
    let off_diagonal: f64 = match fit.weights.len() {
        n if n == c => 0.0,
        _ => (0..c * c).filter(|i| i / c != i % c).map(|i| fit.weights[i].powi(2)).sum(),
    };
    let intercepts: f64 = fit.intercepts.iter().map(|b| b * b).sum();
    mean_nll(&fit.calibrator.probs(scores).unwrap(), labels)
        + odir.off_diagonal / (c * (c - 1)) as f64 * off_diagonal
        + odir.intercept / c as f64 * intercepts
}

fn odir(recorded: &Value) -> Odir {
    let number = |key: &str| recorded[key].as_f64().unwrap();
    Odir { off_diagonal: number("off_diagonal"), intercept: number("intercept") }
}

#[test]
fn optimum_is_that_of_scipy() {
    for case in items(&fixture("linear.json")["cases"]) {
        let classes = case["classes"].as_u64().unwrap() as usize;
        let (logits, labels) = (numbers(&case["logits"]), labels(&case["labels"]));
        let scores = Scores::from_logits(&logits, classes).unwrap();
        for recorded in items(&case["fits"]) {
            let (method, odir) = (recorded["method"].as_str().unwrap(), odir(recorded));
            let what = format!("{method} scaling of {classes} classes with {odir:?}");
            let found = fit(method, &scores, &labels, odir);
            let value = objective(&found, &scores, &labels, odir);
            assert_close(&what, &[value], &[recorded["objective"].as_f64().unwrap()], 1e-12);

            let expected = numbers(&recorded["probs"]);
            let probs = found.calibrator.probs(&scores).unwrap();
            assert_close(&what, &probs[..expected.len()], &expected, 1e-7);

            // Without a penalty the intercepts, and the weights of a column, are determined up to a
            // constant.
            let mut intercepts = numbers(&recorded["intercepts"]);
            if method == "vector" {
                let mean = intercepts.iter().sum::<f64>() / classes as f64;
                intercepts.iter_mut().for_each(|b| *b -= mean);
            }
            if method == "vector" || odir.off_diagonal > 0.0 {
                assert_close(&what, &found.weights, &numbers(&recorded["weights"]), 1e-6);
                assert_close(&what, &found.intercepts, &intercepts, 1e-6);
            }
            if method == "matrix" && odir == Odir::NONE {
                assert_close(&what, &[value], &[case["sklearn_nll"].as_f64().unwrap()], 1e-9);
            }
        }
    }
}

#[test]
fn dirichlet_takes_logits_and_probabilities_alike() {
    let (logits, labels) = synthetic(400, 3, 2.0, 3);
    let odir = Odir { off_diagonal: 0.1, intercept: 0.1 };
    let of_logits = Scores::from_logits(&logits, 3).unwrap();
    let of_probs =
        Scores::from_probs(&TemperatureScaling::new(1.0).unwrap().probs(&of_logits).unwrap(), 3)
            .unwrap();
    let probs =
        |scores| DirichletCalibration::fit(scores, &labels, odir).unwrap().probs(scores).unwrap();
    assert_close("probabilities", &probs(&of_probs), &probs(&of_logits), 1e-9);
}

#[test]
fn a_strong_penalty_is_vector_scaling_without_intercepts() {
    let (logits, labels) = synthetic(600, 3, 2.0, 8);
    let scores = Scores::from_logits(&logits, 3).unwrap();
    let fitted =
        MatrixScaling::fit(&scores, &labels, Odir { off_diagonal: 1e6, intercept: 1e6 }).unwrap();
    for (i, weight) in fitted.weights().iter().enumerate() {
        assert!(
            if i % 4 == 0 { *weight > 0.3 } else { weight.abs() < 1e-4 },
            "weight {i} is {weight}"
        );
    }
    assert!(fitted.intercepts().iter().all(|b| b.abs() < 1e-4));
}

#[test]
fn huge_logits_and_far_offsets() {
    let (logits, labels) = synthetic(2000, 3, 1.0, 6);
    let plain = VectorScaling::fit(&Scores::from_logits(&logits, 3).unwrap(), &labels, ()).unwrap();
    let huge: Vec<f32> = logits.iter().map(|logit| logit * 1024.0).collect();
    let scaled = VectorScaling::fit(&Scores::from_logits(&huge, 3).unwrap(), &labels, ()).unwrap();
    let back: Vec<f64> = scaled.weights().iter().map(|w| w * 1024.0).collect();
    assert_close("weights", &back, plain.weights(), 1e-6);
    assert_close("intercepts", scaled.intercepts(), plain.intercepts(), 1e-6);

    let shifted: Vec<f32> = logits.iter().map(|logit| logit + 64.0).collect();
    let scores = Scores::from_logits(&shifted, 3).unwrap();
    let moved = VectorScaling::fit(&scores, &labels, ()).unwrap();
    let expected = plain.probs(&Scores::from_logits(&logits, 3).unwrap()).unwrap();
    // The offset is rounded to f32.
    assert_close("probabilities", &moved.probs(&scores).unwrap(), &expected, 1e-4);
}

/// The logits of many networks have a sum near 0 in every row, so features are linearly dependent.
#[test]
fn logits_that_sum_to_zero() {
    let (logits, labels) = synthetic(800, 4, 2.0, 11);
    let centred = |jitter: f64| {
        let row = |row: &[f32]| -> Vec<f64> {
            let mean = row.iter().map(|&l| f64::from(l)).sum::<f64>() / 4.0;
            row.iter().map(|&l| f64::from(l) - mean + jitter * f64::from(l).sin()).collect()
        };
        Scores::from_logits(&logits.chunks(4).flat_map(row).collect::<Vec<f64>>(), 4).unwrap()
    };
    let fit = |scores: &Scores| {
        MatrixScaling::fit(scores, &labels, Odir::NONE).unwrap().probs(scores).unwrap()
    };
    let exact = fit(&centred(0.0));
    let vector =
        VectorScaling::fit(&centred(0.0), &labels, ()).unwrap().probs(&centred(0.0)).unwrap();
    assert!(mean_nll(&exact, &labels) <= mean_nll(&vector, &labels));
    // A small component in a fourth dimension is one more feature, whatever its size.
    let (small, large) = (fit(&centred(1e-4)), fit(&centred(1e-2)));
    assert!(mean_nll(&small, &labels) < mean_nll(&exact, &labels));
    assert_close("NLL", &[mean_nll(&small, &labels)], &[mean_nll(&large, &labels)], 1e-3);
}

/// For two opposite logits, all weights are multiples of one: the fit is Platt scaling of their
/// difference.
#[test]
fn two_opposite_logits_are_platt_scaling() {
    let (logits, labels) = synthetic(300, 2, 3.0, 12);
    let scores: Vec<f64> = logits.chunks(2).map(|row| f64::from(row[1] - row[0])).collect();
    let positive: Vec<bool> = labels.iter().map(|&label| label == 1).collect();
    let platt = PlattScaling::fit_scores(&scores, &positive, PlattTargets::Labels).unwrap();
    let expected: Vec<f64> = scores.iter().map(|&s| platt.prob_of_score(s)).collect();
    let opposite = Scores::from_logits(
        &scores.iter().flat_map(|s| [-0.5 * s, 0.5 * s]).collect::<Vec<f64>>(),
        2,
    )
    .unwrap();
    let matrix =
        MatrixScaling::fit(&opposite, &labels, Odir::NONE).unwrap().probs(&opposite).unwrap();
    let vector = VectorScaling::fit(&opposite, &labels, ()).unwrap().probs(&opposite).unwrap();
    for found in [matrix, vector] {
        let found: Vec<f64> = found.chunks(2).map(|row| row[1]).collect();
        assert_close("probabilities", &found, &expected, 1e-9);
    }
}

#[test]
fn same_bits_for_any_number_of_threads() {
    let (logits, labels) = synthetic(5000, 4, 2.0, 9);
    let scores = Scores::from_logits(&logits, 4).unwrap();
    let odir = Odir { off_diagonal: 0.1, intercept: 0.1 };
    let fit = || {
        (
            MatrixScaling::fit(&scores, &labels, odir).unwrap(),
            VectorScaling::fit(&scores, &labels, ()).unwrap(),
        )
    };
    assert_eq!(in_pool(1, fit), in_pool(2, fit));
    assert_eq!(in_pool(1, fit), in_pool(4, fit));
}

/// Rows that a threshold separates have no optimal weights: the likelihood increases without bound.
#[test]
fn separable_rows_are_an_error() {
    let scores = Scores::from_logits(&[1.0, 0.0, 2.0, 0.0, 0.0, 1.0, 0.0, 3.0], 2).unwrap();
    // Of three classes the first is separable, the others are not.
    let partly = Scores::from_logits(
        &[5.0, 0.0, 0.0, 6.0, 0.0, 1.0, 0.0, 1.0, 2.0, 0.0, 2.0, 1.0, 0.0, 2.0, 1.0],
        3,
    );
    let (partly, partly_labels) = (partly.unwrap(), [0, 0, 1, 2, 1]);
    let penalty = Odir { off_diagonal: 0.1, intercept: 0.1 };
    let results = [
        VectorScaling::fit(&scores, &[0, 0, 1, 1], ()).err(),
        MatrixScaling::fit(&scores, &[0, 0, 1, 1], Odir::NONE).err(),
        // The penalty leaves the diagonal free, which suffices for rows that are all predicted
        // correctly.
        MatrixScaling::fit(&scores, &[0, 0, 1, 1], penalty).err(),
        DirichletCalibration::fit(&scores, &[0, 0, 1, 1], penalty).err(),
        VectorScaling::fit(&partly, &partly_labels, ()).err(),
        MatrixScaling::fit(&partly, &partly_labels, Odir::NONE).err(),
    ];
    for error in results {
        let error = error.unwrap();
        assert!(matches!(&error, Error::Fit { .. }), "{error}");
        assert!(error.to_string().contains("no optimum: the rows are separable"), "{error}");
    }
}

#[test]
fn wrong_input_is_refused() {
    let scores = Scores::from_logits(&[1.0, 0.0, 2.0, 0.0], 2).unwrap();
    let message = |error: Error| error.to_string();
    let fit = |labels: &[u32]| message(VectorScaling::fit(&scores, labels, ()).unwrap_err());
    assert_eq!(fit(&[0]), "vector scaling: expected 2 rows of scores, found 1 labels");
    assert_eq!(fit(&[0, 2]), "label 2 at row 1 is out of range: the logits have 2 classes");
    // Their squares are infinite: a fit would ignore them.
    for huge in [1e160, -1e300] {
        let scores = Scores::from_logits(&[huge, 0.0, 0.0, 1.0, 1.0, 0.0], 2).unwrap();
        let error = VectorScaling::fit(&scores, &[0, 1, 1], ()).unwrap_err().to_string();
        assert!(error.ends_with("has a square beyond the range of f64"), "{error}");
        let error = MatrixScaling::fit(&scores, &[0, 1, 1], Odir::NONE).unwrap_err().to_string();
        assert!(error.ends_with("has a square beyond the range of f64"), "{error}");
    }
    let none = Scores::from_logits::<f32>(&[], 2).unwrap();
    assert_eq!(
        message(VectorScaling::fit(&none, &[], ()).unwrap_err()),
        "vector scaling: there are no rows to fit to"
    );
    for (odir, expected) in [
        (
            Odir { off_diagonal: -1.0, intercept: 0.0 },
            "off_diagonal = -1: expected a finite number, 0 or greater",
        ),
        (
            Odir { off_diagonal: 0.0, intercept: f64::NAN },
            "intercept = NaN: expected a finite number, 0 or greater",
        ),
    ] {
        assert_eq!(message(MatrixScaling::fit(&scores, &[0, 1], odir).unwrap_err()), expected);
    }
    let probs = Scores::from_probs(&[1.0, 0.0, 0.5, 0.5], 2).unwrap();
    let found = message(VectorScaling::fit(&probs, &[0, 1], ()).unwrap_err());
    assert_eq!(found, "vector scaling: expected logits, found probabilities");
    let odir = Odir { off_diagonal: 1.0, intercept: 1.0 };
    let half = Scores::from_probs(&[0.5, 0.5, 0.5, 0.5], 2).unwrap();
    let fitted = DirichletCalibration::fit(&half, &[0, 1], odir).unwrap();
    let other = Scores::from_probs(&[0.5, 0.25, 0.25], 3).unwrap();
    let found = message(fitted.probs(&other).unwrap_err());
    assert_eq!(found, "Dirichlet calibration: expected scores of 2 classes, found 3 classes");

    assert_eq!(
        message(Scores::from_logits(&[1.0], 1).unwrap_err()),
        "classes = 1: expected from 2 to 2^32 - 1"
    );
    let found = message(Scores::from_logits(&[1.0, 2.0, 3.0], 2).unwrap_err());
    assert_eq!(found, "scores: expected a multiple of 2 classes, found 3 values");
    let found = message(Scores::from_logits(&[0.0, 1.0, f64::INFINITY, 3.0], 2).unwrap_err());
    assert_eq!(found, "logit inf at row 1, class 0: expected a finite number");
    let found = message(Scores::from_probs(&[-0.5, 1.5], 2).unwrap_err());
    assert_eq!(found, "probability -0.5 at row 0, class 0: expected a number from 0 to 1");
}
