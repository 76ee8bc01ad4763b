//! Regressions: ordinary rows whose fit once failed. Their objectives have an optimum, and it is
//! found.

use super::support::{assert_close, fixture, items, labels, numbers, synthetic};
use mbls_core::calibration::{
    BetaCalibration, BinaryCalibrator, Calibrator, CalibratorSpec, DirichletCalibration, Fit,
    MatrixScaling, Multiclass, MulticlassReduction, Odir, PlattScaling, PlattTargets, Scores,
    VectorScaling,
};

const BOTH: Odir = Odir { off_diagonal: 0.1, intercept: 0.1 };

/// `(i factor) mod n < positives`: spreads this number of positive rows over n rows.
fn outcomes(n: usize, positives: usize) -> Vec<bool> {
    (0..n).map(|i| (i * 7919) % n < positives).collect()
}

fn mean_nll(probs: &[f64], labels: &[u32]) -> f64 {
    let classes = probs.len() / labels.len();
    let of_label =
        probs.chunks_exact(classes).zip(labels).map(|(row, &label)| -row[label as usize].ln());
    of_label.sum::<f64>() / labels.len() as f64
}

/// For two probabilities the map meets both shares of (smoothed) positives exactly.
#[test]
fn platt_scaling_of_two_probabilities_meets_their_shares() {
    let probs: Vec<f64> = (0..700).map(|i| if i % 2 == 0 { 0.8 } else { 0.6 }).collect();
    let positive = outcomes(700, 364);
    let scaling =
        <PlattScaling as BinaryCalibrator>::fit(&probs, &positive, PlattTargets::Smoothed).unwrap();
    let (own, other) = (365.0 / 366.0, 1.0 / 338.0);
    for (parity, prob) in [(0, 0.8), (1, 0.6)] {
        let of =
            (0..700).filter(|i| i % 2 == parity).map(|i| if positive[i] { own } else { other });
        let share = of.sum::<f64>() / 350.0;
        assert!((scaling.prob(prob) - share).abs() < 1e-13, "{} and {share}", scaling.prob(prob));
    }
}

/// The optimality conditions with `a, b >= 0`, to nearly full precision.
fn assert_optimal_beta(fitted: &BetaCalibration, probs: &[f64], positive: &[bool]) {
    let n = probs.len() as f64;
    let slope = |feature: &dyn Fn(f64) -> f64| {
        let of_row =
            |(p, y): (&f64, &bool)| (fitted.prob(*p) - f64::from(u8::from(*y))) * feature(*p);
        probs.iter().zip(positive).map(of_row).sum::<f64>() / n
    };
    assert!(slope(&|_| 1.0).abs() < 1e-14);
    let clipped = |p: f64| p.clamp(f64::EPSILON, 1.0 - f64::EPSILON);
    for (weight, slope) in [
        (fitted.a(), slope(&|p| clipped(p).ln())),
        (fitted.b(), slope(&|p| -(1.0 - clipped(p)).ln())),
    ] {
        assert!(slope > -1e-13 && (weight == 0.0 || slope < 1e-13), "{fitted:?}: slope {slope:e}");
    }
}

#[test]
fn beta_calibration_of_evenly_spread_probabilities() {
    let probs: Vec<f64> = (0..5000).map(|i| (f64::from(i) + 0.5) / 5000.0).collect();
    for positives in [700, 1, 2500, 4999] {
        let positive = outcomes(5000, positives);
        let fitted = BetaCalibration::fit(&probs, &positive, ());
        // One positive row at the lower end, or one negative row at the upper, leaves no increasing
        // map to find.
        assert_optimal_beta(
            &fitted.unwrap_or_else(|e| panic!("{positives}: {e}")),
            &probs,
            &positive,
        );
    }
}

/// Many rows: a sum of that many losses has lost the digits that decide whether a step is accepted.
#[test]
fn fifty_thousand_rows_of_two_decimals() {
    for seed in 0..4 {
        let (logits, _) = synthetic(50_000, 2, 1.0, seed);
        let probs: Vec<f64> = logits
            .chunks(2)
            .map(|l| (f64::from((l[0] + 4.0) / 8.0) * 100.0).floor() / 100.0)
            .collect();
        let positive: Vec<bool> = probs
            .iter()
            .enumerate()
            .map(|(i, p)| ((i * 7919 + seed as usize) % 1000) as f64 / 1000.0 < 0.9 * p)
            .collect();
        let fitted = BetaCalibration::fit(&probs, &positive, ()).unwrap();
        assert_optimal_beta(&fitted, &probs, &positive);
        for targets in [PlattTargets::Smoothed, PlattTargets::Labels] {
            let platt =
                <PlattScaling as BinaryCalibrator>::fit(&probs, &positive, targets).unwrap();
            assert!(platt.slope() > 0.0);
        }
    }
}

/// One score for all rows: the slope is 0 and the probability is the share of positives.
#[test]
fn a_single_score_gives_a_constant_map() {
    for n in [2, 16, 700, 10_000] {
        let (probs, positive) = (vec![0.7; n], outcomes(n, n / 2));
        let platt =
            <PlattScaling as BinaryCalibrator>::fit(&probs, &positive, PlattTargets::Smoothed)
                .unwrap();
        assert_eq!(platt.slope(), 0.0);
        let labels =
            <PlattScaling as BinaryCalibrator>::fit(&probs, &positive, PlattTargets::Labels)
                .unwrap();
        let beta = BetaCalibration::fit(&probs, &positive, ()).unwrap();
        assert_eq!((beta.a(), beta.b()), (0.0, 0.0));
        assert_close(
            "share",
            &[platt.prob(0.7), labels.prob(0.2), beta.prob(0.1)],
            &[0.5; 3],
            1e-14,
        );
    }
}

/// Two probabilities do not determine both `a` and `b`: the minimum-norm solution is taken.
#[test]
fn beta_calibration_of_two_probabilities_takes_the_least_weights() {
    let probs = [0.3, 0.3, 0.3, 0.3, 0.9, 0.9, 0.9, 0.9];
    let positive = [true, false, false, false, true, true, true, false];
    let fitted = BetaCalibration::fit(&probs, &positive, ()).unwrap();
    assert_close("shares", &[fitted.prob(0.3), fitted.prob(0.9)], &[0.25, 0.75], 1e-14);
    // (a, b) is a multiple of the change of (ln p, -ln (1 - p)).
    let ratio = (0.9f64 / 0.3).ln() / (0.7f64 / 0.1).ln();
    assert_close("ratio", &[fitted.a() / fitted.b()], &[ratio], 1e-12);
}

/// Rows that sum to 0, nearly uniform rows and a few equal rows, with penalties of any size.
#[test]
fn penalised_fits_of_dependent_features() {
    let constant: Vec<f64> = [2.0, 1.0, 0.0].repeat(10);
    let three: Vec<u32> = (0..10).map(|i| i % 3).collect();
    let entropy = -[0.4f64, 0.3, 0.3].iter().map(|p| p * p.ln()).sum::<f64>();
    let scores = Scores::from_logits(&constant, 3).unwrap();
    for odir in [BOTH, Odir { off_diagonal: 10.0, intercept: 1e-5 }, Odir::NONE] {
        // The first two logits are free and the third is 0, so the shares can be met exactly.
        let fitted =
            MatrixScaling::fit(&scores, &three, odir).unwrap_or_else(|e| panic!("{odir:?}: {e}"));
        assert_close(
            "NLL",
            &[mean_nll(&fitted.probs(&scores).unwrap(), &three)],
            &[entropy],
            1e-12,
        );
    }
    for scale in [1.0, 0.01] {
        let (logits, labels) = synthetic(800, 4, 2.0, 11);
        let row = |row: &[f32]| -> Vec<f64> {
            let mean = row.iter().map(|&l| f64::from(l)).sum::<f64>() / 4.0;
            row.iter().map(|&l| scale * (f64::from(l) - mean)).collect()
        };
        let scores =
            Scores::from_logits(&logits.chunks(4).flat_map(row).collect::<Vec<f64>>(), 4).unwrap();
        for strength in [1e-6, 1e-2, 1.0, 1e3] {
            let odir = Odir { off_diagonal: strength, intercept: strength };
            let matrix = MatrixScaling::fit(&scores, &labels, odir)
                .unwrap_or_else(|e| panic!("{odir:?}: {e}"));
            let dirichlet = DirichletCalibration::fit(&scores, &labels, odir)
                .unwrap_or_else(|e| panic!("{odir:?}: {e}"));
            // Better than the uniform map, whose penalty is 0.
            for probs in [matrix.probs(&scores).unwrap(), dirichlet.probs(&scores).unwrap()] {
                assert!(mean_nll(&probs, &labels) < 4f64.ln());
            }
        }
    }
}

/// Near 1,100 rows of three classes, steps along equal intercepts, which have no effect, were once
/// counted as remaining progress.
#[test]
fn vector_scaling_of_many_sizes() {
    // The fits after the first forty rows failed.
    let refused = [
        (1094, 1.5, 1),
        (1105, 2.5, 0),
        (1113, 2.5, 0),
        (1091, 2.5, 1),
        (1104, 2.5, 1),
        (1109, 2.5, 1),
    ];
    for (rows, temperature, seed) in
        (1080..1120).map(|rows| (rows, 1.5, rows as u64)).chain(refused)
    {
        let (logits, labels) = synthetic(rows, 3, temperature, seed);
        let scores = Scores::from_logits(&logits, 3).unwrap();
        let fitted =
            VectorScaling::fit(&scores, &labels, ()).unwrap_or_else(|e| panic!("{rows} rows: {e}"));
        assert!(fitted.intercepts().iter().sum::<f64>().abs() < 1e-14);
        let probs = fitted.probs(&scores).unwrap();
        for class in 0..3 {
            let of_class = |(row, &label): (&[f64], &u32)| {
                row[class] - f64::from(u8::from(label as usize == class))
            };
            let slope = probs.chunks(3).zip(&labels).map(of_class).sum::<f64>() / rows as f64;
            assert!(slope.abs() < 1e-13, "{rows} rows, class {class}: {slope:e}");
        }
    }
}

/// Weights without effect have minimum norm: constant logits have weight 0, equal logits share
/// their weight.
#[test]
fn weights_without_effect_are_the_least() {
    let (logits, labels) = synthetic(500, 3, 2.0, 5);
    let with = |third: fn(&[f32]) -> f32| {
        let row = |row: &[f32]| [row[0], row[1], third(row)];
        Scores::from_logits(&logits.chunks(3).flat_map(row).collect::<Vec<f32>>(), 3).unwrap()
    };
    let constant = with(|_| 0.3);
    assert_eq!(VectorScaling::fit(&constant, &labels, ()).unwrap().weights()[2], 0.0);
    let matrix = MatrixScaling::fit(&constant, &labels, Odir::NONE).unwrap();
    assert!(matrix.weights().chunks(3).all(|row| row[2] == 0.0));
    let equal = MatrixScaling::fit(&with(|row| row[0]), &labels, Odir::NONE).unwrap();
    for row in equal.weights().chunks(3) {
        assert_close("weights of equal logits", &[row[0]], &[row[2]], 1e-12);
    }
    // The mean of each column over classes is 0.
    for column in 0..3 {
        assert!(equal.weights().iter().skip(column).step_by(3).sum::<f64>().abs() < 1e-12);
    }
}

/// SciPy's best of several methods and starts, see `fixtures/calibration/objectives.py`.
#[test]
fn no_objective_is_above_that_of_scipy() {
    for case in items(&fixture("objectives.json")["cases"]) {
        let classes = case["classes"].as_u64().unwrap() as usize;
        let (values, labels) = (numbers(&case["logits"]), labels(&case["labels"]));
        let scores = Scores::from_logits(&values, classes).unwrap();
        for recorded in items(&case["fits"]) {
            let number = |key: &str| recorded[key].as_f64().unwrap();
            let odir =
                Odir { off_diagonal: number("off_diagonal"), intercept: number("intercept") };
            let method = recorded["method"].as_str().unwrap();
            let name = format!("{}: {method} with {odir:?}", case["name"]);
            let (probs, weights, intercepts) = match method {
                "vector" => {
                    let fitted = VectorScaling::fit(&scores, &labels, ())
                        .unwrap_or_else(|e| panic!("{name}: {e}"));
                    (fitted.probs(&scores).unwrap(), vec![], vec![])
                }
                "matrix" => {
                    let fitted = MatrixScaling::fit(&scores, &labels, odir)
                        .unwrap_or_else(|e| panic!("{name}: {e}"));
                    (
                        fitted.probs(&scores).unwrap(),
                        fitted.weights().to_vec(),
                        fitted.intercepts().to_vec(),
                    )
                }
                _ => {
                    let fitted = DirichletCalibration::fit(&scores, &labels, odir)
                        .unwrap_or_else(|e| panic!("{name}: {e}"));
                    (
                        fitted.probs(&scores).unwrap(),
                        fitted.weights().to_vec(),
                        fitted.intercepts().to_vec(),
                    )
                }
            };
            let off_diagonal: f64 = weights
                .iter()
                .enumerate()
                .filter(|(i, _)| i % (classes + 1) != 0)
                .map(|(_, w)| w * w)
                .sum();
            let intercepts: f64 = intercepts.iter().map(|b| b * b).sum();
            let c = classes as f64;
            let found = mean_nll(&probs, &labels)
                + odir.off_diagonal / (c * (c - 1.0)) * off_diagonal
                + odir.intercept / c * intercepts;
            let expected = number("objective");
            assert!(
                found <= expected + 64.0 * f64::EPSILON * expected.max(1.0),
                "{name}: {found} above {expected}"
            );
            // Nor far below: SciPy stops slightly early.
            assert!(found >= expected - 1e-6, "{name}: {found} far below {expected}");
        }
    }
}

/// Errors name the map and the class that have no optimum, and the reason.
#[test]
fn errors_name_class_map_and_cause() {
    let logits =
        [2.0, 1.0, 0.0, 0.5, 1.0, 0.2, 0.1, 0.3, 1.0, 1.0, 0.9, 0.8, 0.3, 1.2, 0.4, 1.5, 0.2, 0.1];
    let scores = Scores::from_logits(&logits, 3).unwrap();
    // Class 2 has no rows.
    let labels = [0, 1, 0, 1, 0, 1];
    let one_vs_rest = MulticlassReduction::OneVsRest;
    let message =
        |spec: CalibratorSpec, labels: &[u32]| spec.fit(&scores, labels).unwrap_err().to_string();
    let absent = "no row is of class 2 of 3: its intercept has no optimum";
    assert_eq!(message(CalibratorSpec::Vector, &labels), format!("vector scaling: {absent}"));
    let way_out = "; a penalty on intercepts may give it one";
    let matrix = CalibratorSpec::Matrix { odir: Odir::NONE };
    assert_eq!(message(matrix, &labels), format!("matrix scaling: {absent}{way_out}"));
    let dirichlet = CalibratorSpec::Dirichlet { odir: Odir { off_diagonal: 1.0, intercept: 0.0 } };
    assert_eq!(message(dirichlet, &labels), format!("Dirichlet calibration: {absent}{way_out}"));
    let of_map = "the map of class 2: no row is positive: the intercept has no optimum";
    let platt = |targets| CalibratorSpec::Platt { reduction: one_vs_rest, targets };
    assert_eq!(message(platt(PlattTargets::Labels), &labels), format!("Platt scaling: {of_map}"));
    assert_eq!(
        message(CalibratorSpec::Beta { reduction: one_vs_rest }, &labels),
        format!("beta calibration: {of_map}")
    );
    // With smoothed targets there is an optimum.
    let fitted = platt(PlattTargets::Smoothed).fit(&scores, &labels).unwrap();
    assert!(fitted.probs(&scores).unwrap().iter().all(|p| (0.0..1.0).contains(p)));

    let probs = Scores::from_probs(&[0.25, 0.75, 0.75, 0.25, 0.5, 0.5], 2).unwrap();
    let beta =
        Multiclass::<BetaCalibration>::fit(&probs, &[1, 0, 0], (MulticlassReduction::Binary, ()))
            .unwrap_err();
    let separable =
        "no optimum: the rows are separable, negative ones up to 0.5 and positive ones from 0.75";
    assert_eq!(beta.to_string(), format!("beta calibration: the map of class 1: {separable}"));
    let beta =
        Multiclass::<BetaCalibration>::fit(&probs, &[1, 0, 0], (MulticlassReduction::TopLabel, ()))
            .unwrap_err();
    let right = "the map of the confidence (positive: predicted correctly): no row is negative: the intercept has no optimum";
    assert_eq!(beta.to_string(), format!("beta calibration: {right}"));
}

/// With a penalty on intercepts, a class without rows has a map if the diagonal cannot replace the
/// intercept.
#[test]
fn a_penalty_on_intercepts_can_replace_absent_rows() {
    let (logits, labels) = synthetic(60, 3, 2.0, 1);
    let scores = Scores::from_logits(&logits, 3).unwrap();
    let two: Vec<u32> = labels.iter().map(|label| label % 2).collect();
    let fitted = MatrixScaling::fit(&scores, &two, BOTH).unwrap();
    let probs = fitted.probs(&scores).unwrap();
    assert!(probs.chunks(3).map(|row| row[2]).sum::<f64>() / 60.0 < 0.1);
}
