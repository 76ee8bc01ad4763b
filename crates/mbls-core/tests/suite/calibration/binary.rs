//! Platt scaling, beta calibration, isotonic regression and histogram binning compared with
//! scikit-learn, betacal and netcal, and their extension to several classes.

use super::support::{assert_close, fixture, items, labels, numbers};
use mbls_core::Error;
use mbls_core::calibration::{
    BetaCalibration, BinaryCalibrator, Calibrator, Fit, HistogramBinning, HistogramBins,
    HistogramEdges, IsotonicRegression, Multiclass, MulticlassReduction, PlattScaling,
    PlattTargets, Scores,
};
use serde_json::Value;

fn outcomes(value: &Value) -> Vec<bool> {
    items(value).iter().map(|positive| positive.as_bool().unwrap()).collect()
}

#[test]
fn platt_scaling_is_that_of_scikit_learn() {
    let mut compared = 0;
    for case in
        items(&fixture("binary.json")["cases"]).iter().filter(|case| !case["platt"].is_null())
    {
        let (scores, positive) = (numbers(&case["scores"]), outcomes(&case["positive"]));
        let fit = |targets| {
            let fitted = PlattScaling::fit_scores(&scores, &positive, targets).unwrap();
            [fitted.slope(), fitted.intercept()]
        };
        let (smoothed, expected) = (fit(PlattTargets::Smoothed), &case["platt"]);
        // scikit-learn stops at a gradient of 1e-6; the same objective was minimised further.
        assert_close("scikit-learn", &smoothed, &numbers(&expected["sklearn"]), 1e-3);
        assert_close("smoothed targets", &smoothed, &numbers(&expected["smoothed"]), 1e-7);
        assert_close("labels", &fit(PlattTargets::Labels), &numbers(&expected["labels"]), 1e-7);
        compared += 1;
    }
    assert!(compared > 0);
}

#[test]
fn beta_calibration_is_that_of_betacal() {
    let (mut inside, mut at_bound) = (0, 0);
    for case in
        items(&fixture("binary.json")["cases"]).iter().filter(|case| !case["beta"].is_null())
    {
        let (probs, positive) = (numbers(&case["probs"]), outcomes(&case["positive"]));
        let fitted = BetaCalibration::fit(&probs, &positive, ()).unwrap();
        let name = case["name"].as_str().unwrap();
        let expected = ["a", "b", "c"].map(|key| case["beta"][key].as_f64().unwrap());
        assert_close(name, &[fitted.a(), fitted.b(), fitted.c()], &expected, 1e-6);
        // betacal uses scikit-learn's tolerance of 1e-4.
        let found: Vec<f64> = probs.iter().map(|&p| fitted.prob(p)).collect();
        assert_close(name, &found, &numbers(&case["beta"]["betacal_probs"]), 1e-3);
        *(if fitted.a() > 0.0 && fitted.b() > 0.0 { &mut inside } else { &mut at_bound }) += 1;
    }
    assert!(inside > 0 && at_bound > 0, "{inside} fits inside, {at_bound} at a bound");
}

#[test]
fn isotonic_regression_is_that_of_scikit_learn() {
    for case in items(&fixture("binary.json")["cases"]) {
        let (probs, positive, grid) =
            (numbers(&case["probs"]), outcomes(&case["positive"]), numbers(&case["grid"]));
        let map = IsotonicRegression::fit(&probs, &positive, ()).unwrap();
        let at = |probs: &[f64]| -> Vec<f64> { probs.iter().map(|&p| map.prob(p)).collect() };
        let name = case["name"].as_str().unwrap();
        assert_close(name, &at(&probs), &numbers(&case["isotonic_fitted"]), 1e-12);
        // Between and outside of the probabilities it was fitted to.
        assert_close(name, &at(&grid), &numbers(&case["isotonic"]), 1e-12);
    }
}

#[test]
fn histogram_binning_is_that_of_netcal() {
    let (mut width, mut mass) = (0, 0);
    for case in items(&fixture("binary.json")["cases"]) {
        let (probs, positive) = (numbers(&case["probs"]), outcomes(&case["positive"]));
        for (bins, expected) in case["histogram"].as_object().unwrap() {
            let fit = |edges| {
                let settings = HistogramBins { bins: bins.parse().unwrap(), edges };
                let map = HistogramBinning::fit(&probs, &positive, settings).unwrap();
                map.bins().collect::<Vec<(f64, f64, f64)>>()
            };
            let calibrated =
                |bins: &[(f64, f64, f64)]| bins.iter().map(|bin| bin.2).collect::<Vec<f64>>();
            if !expected["equal_width"].is_null() {
                let found = calibrated(&fit(HistogramEdges::EqualWidth));
                assert_close("equal width", &found, &numbers(&expected["equal_width"]), 1e-12);
                width += 1;
            }
            if !expected["equal_mass"].is_null() {
                let (found, expected) = (fit(HistogramEdges::EqualMass), &expected["equal_mass"]);
                assert_close(
                    "equal mass",
                    &calibrated(&found),
                    &numbers(&expected["probs"]),
                    1e-12,
                );
                let upper: Vec<f64> = found.iter().map(|bin| bin.1).collect();
                assert_close("edges", &upper, &numbers(&expected["edges"])[1..], 1e-12);
                mass += 1;
            }
        }
    }
    assert!(width > 0 && mass > 0);
}

/// Bins are `(lower, upper]` with 0 in the first, both in fitting and in application; a bin without
/// rows maps to its centre.
#[test]
fn histogram_bins_include_their_upper_edge() {
    let probs = [0.0, 0.25, 0.25, 0.5, 0.5, 0.5, 1.0];
    let positive = [true, false, false, true, true, false, true];
    let bins = HistogramBins { bins: 4, edges: HistogramEdges::EqualWidth };
    let map = HistogramBinning::fit(&probs, &positive, bins).unwrap();
    let expected =
        [(0.0, 0.25, 1.0 / 3.0), (0.25, 0.5, 2.0 / 3.0), (0.5, 0.75, 0.625), (0.75, 1.0, 1.0)];
    assert_eq!(map.bins().collect::<Vec<_>>(), expected);
    let found = [0.0, 0.1, 0.25, 0.26, 0.5, 0.51, 0.75, 0.76, 1.0].map(|p| map.prob(p));
    let (third, thirds) = (1.0 / 3.0, 2.0 / 3.0);
    assert_eq!(found, [third, third, third, thirds, thirds, 0.625, 0.625, 1.0, 1.0]);

    // Quartiles 0.25, 0.5 and 0.5: the two equal ones are merged.
    let bins = HistogramBins { bins: 4, edges: HistogramEdges::EqualMass };
    let map = HistogramBinning::fit(&probs, &positive, bins).unwrap();
    assert_eq!(
        map.bins().collect::<Vec<_>>(),
        [(0.0, 0.25, third), (0.25, 0.5, thirds), (0.5, 1.0, 1.0)]
    );
}

#[test]
fn one_against_the_rest_is_that_of_scikit_learn_and_netcal() {
    let several = &fixture("binary.json")["several"];
    let (probs, labels) = (numbers(&several["probs"]), labels(&several["labels"]));
    let scores = Scores::from_probs(&probs, several["classes"].as_u64().unwrap() as usize).unwrap();
    let isotonic = Multiclass::<IsotonicRegression>::fit(
        &scores,
        &labels,
        (MulticlassReduction::OneVsRest, ()),
    )
    .unwrap();
    assert_close(
        "isotonic",
        &isotonic.probs(&scores).unwrap(),
        &numbers(&several["isotonic"]),
        1e-12,
    );
    let bins = HistogramBins { bins: 8, edges: HistogramEdges::EqualWidth };
    let histogram = Multiclass::<HistogramBinning>::fit(
        &scores,
        &labels,
        (MulticlassReduction::OneVsRest, bins),
    )
    .unwrap();
    assert_close(
        "histogram",
        &histogram.probs(&scores).unwrap(),
        &numbers(&several["histogram_8"]),
        1e-12,
    );
}

#[test]
fn rows_without_any_mass() {
    // Class 2 is never correct below 0.5, nor is any other: the row is 0, 0, 0 before it is made
    // uniform.
    let probs = [0.4, 0.3, 0.3, 0.9, 0.05, 0.05, 0.1, 0.8, 0.1, 0.1, 0.2, 0.7];
    let scores = Scores::from_probs(&probs, 3).unwrap();
    let bins = HistogramBins { bins: 2, edges: HistogramEdges::EqualWidth };
    let map = Multiclass::<HistogramBinning>::fit(
        &scores,
        &[0, 0, 1, 2],
        (MulticlassReduction::OneVsRest, bins),
    )
    .unwrap();
    let low = Scores::from_probs(&[0.34, 0.33, 0.33], 3).unwrap();
    // Class 0 was correct in one of the three rows of its lower bin.
    assert_close("mass", &map.probs(&low).unwrap(), &[1.0, 0.0, 0.0], 1e-12);
    let map = Multiclass::<HistogramBinning>::fit(
        &scores,
        &[1, 0, 1, 2],
        (MulticlassReduction::OneVsRest, bins),
    )
    .unwrap();
    let one = Scores::from_probs(&[0.2, 0.4, 0.4], 3).unwrap();
    assert_close("one", &map.probs(&one).unwrap(), &[0.0, 1.0, 0.0], 1e-12);
    let right = Scores::from_probs(&[0.9, 0.05, 0.05, 0.1, 0.8, 0.1, 0.1, 0.2, 0.7], 3).unwrap();
    let map = Multiclass::<HistogramBinning>::fit(
        &right,
        &[0, 1, 2],
        (MulticlassReduction::OneVsRest, bins),
    )
    .unwrap();
    assert_close("none", &map.probs(&low).unwrap(), &[1.0 / 3.0; 3], 1e-12);

    // All of the mass is on the prediction: the others share the rest equally.
    let sure = Scores::from_probs(&[1.0, 0.0, 0.0, 1.0, 0.0, 0.0], 3).unwrap();
    let map =
        Multiclass::<IsotonicRegression>::fit(&sure, &[0, 1], (MulticlassReduction::TopLabel, ()))
            .unwrap();
    assert_close(
        "top label",
        &map.probs(&sure).unwrap(),
        &[0.5, 0.25, 0.25, 0.5, 0.25, 0.25],
        1e-12,
    );
}

#[test]
fn platt_scaling_of_two_classes_takes_the_difference_of_the_logits() {
    let logits = [0.0f32, 1.0, 2.0, 1.5, -1.0, 0.5, 3.0, 0.0, 0.0, 0.25, 1.0, 1.5];
    let labels = [1, 0, 0, 0, 1, 1];
    let differences: Vec<f64> = logits.chunks(2).map(|row| f64::from(row[1] - row[0])).collect();
    let positive = labels.map(|label| label == 1);
    let expected =
        PlattScaling::fit_scores(&differences, &positive, PlattTargets::Smoothed).unwrap();
    let scores = Scores::from_logits(&logits, 2).unwrap();
    let map = Multiclass::<PlattScaling>::fit(
        &scores,
        &labels,
        (MulticlassReduction::Binary, PlattTargets::Smoothed),
    )
    .unwrap();
    let found = [map.maps()[0].slope(), map.maps()[0].intercept()];
    assert_close("parameters", &found, &[expected.slope(), expected.intercept()], 1e-9);
    let probs = map.probs(&scores).unwrap();
    for (row, difference) in probs.chunks(2).zip(&differences) {
        assert_close(
            "probabilities",
            row,
            &[1.0 - row[1], expected.prob_of_score(*difference)],
            1e-9,
        );
    }
}

#[test]
fn beta_calibration_of_reversed_probabilities_is_constant() {
    // The larger the probability, the rarer the class: the best monotone map is constant at the
    // base rate.
    let probs: Vec<f64> = (1..40).map(|i| f64::from(i) / 40.0).collect();
    let positive: Vec<bool> = (1..40).map(|i| i < 20 && i % 3 > 0 || i % 10 == 0).collect();
    let fitted = BetaCalibration::fit(&probs, &positive, ()).unwrap();
    assert_eq!((fitted.a(), fitted.b()), (0.0, 0.0));
    let rate = positive.iter().filter(|&&p| p).count() as f64 / probs.len() as f64;
    assert_close("rate", &[fitted.prob(0.1), fitted.prob(0.9)], &[rate, rate], 1e-9);
    // This holds even if a decreasing map would separate the rows.
    let fitted =
        BetaCalibration::fit(&[0.1, 0.2, 0.8, 0.9], &[true, true, false, false], ()).unwrap();
    assert_eq!((fitted.a(), fitted.b()), (0.0, 0.0));
    assert_close("rate", &[fitted.prob(0.5)], &[0.5], 1e-9);
}

#[test]
fn fits_without_an_optimum_are_errors() {
    let (probs, positive) = ([0.1, 0.2, 0.8, 0.9], [false, false, true, true]);
    let errors = [
        PlattScaling::fit_scores(&probs, &positive, PlattTargets::Labels).err(),
        PlattScaling::fit_scores(&probs, &[true; 4], PlattTargets::Labels).err(),
        BetaCalibration::fit(&probs, &positive, ()).err(),
        BetaCalibration::fit(&probs, &[false; 4], ()).err(),
    ];
    for error in errors {
        assert!(matches!(error, Some(Error::Fit { .. })), "{error:?}");
    }
    // Platt's targets are inside (0, 1), and the other fits are bounded.
    assert!(PlattScaling::fit_scores(&probs, &[true; 4], PlattTargets::Smoothed).is_ok());
    assert!(PlattScaling::fit_scores(&[3.0; 4], &positive, PlattTargets::Smoothed).is_ok());
    assert_eq!(IsotonicRegression::fit(&probs, &[true; 4], ()).unwrap().prob(0.0), 1.0);
}

/// Slope and intercept compensate for scale and offset of the scores, even if squares of scores
/// overflow or underflow.
#[test]
fn platt_scaling_undoes_scale_and_offset_of_the_scores() {
    let scores = [1.0, -1.0, 0.5, 0.25, -0.25, -0.75];
    let fit = |scores: [f64; 6]| {
        let positive = [true, false, true, false, true, false];
        PlattScaling::fit_scores(&scores, &positive, PlattTargets::Smoothed).unwrap()
    };
    let plain = fit(scores);
    for scale in [1e-300, 1e-150, 1e-5, 1e5, 1e150, 1e300] {
        let fitted = fit(scores.map(|score| score * scale));
        let found = [fitted.slope() * scale, fitted.intercept()];
        assert_close(
            &format!("scale {scale:e}"),
            &found,
            &[plain.slope(), plain.intercept()],
            1e-9,
        );
    }
    for offset in [-3.0, 1e3, 1e6, -1e10] {
        let fitted = fit(scores.map(|score| score + offset));
        assert_close(&format!("offset {offset}"), &[fitted.slope()], &[plain.slope()], 1e-9);
        let (found, expected) = (
            scores.map(|s| fitted.prob_of_score(s + offset)),
            scores.map(|s| plain.prob_of_score(s)),
        );
        assert_close(&format!("offset {offset}"), &found, &expected, 1e-5);
    }
}

/// Neighbours with the same share form one pool: a map has no unnecessary breakpoints.
#[test]
fn isotonic_regression_pools_equal_shares() {
    let map =
        IsotonicRegression::fit(&[0.2, 0.4, 0.6, 0.8], &[false, true, true, true], ()).unwrap();
    assert_eq!(map.corners().collect::<Vec<_>>(), [(0.2, 0.0), (0.4, 1.0), (0.8, 1.0)]);
}

/// Probabilities are clipped to 2^-52 from 0 and 1: with a tenth of their log-odds, the odds are
/// 2^-5.2 and 2^5.2.
#[test]
fn log_odds_are_of_clipped_probabilities() {
    let platt: PlattScaling = serde_json::from_str(r#"{"slope":0.1,"intercept":0.0}"#).unwrap();
    let beta: BetaCalibration = serde_json::from_str(r#"{"a":0.1,"b":0.1,"c":0.0}"#).unwrap();
    let odds = 2f64.powf(-5.2);
    let expected = [odds / (1.0 + odds), 1.0 / (1.0 + odds)];
    assert_close("Platt", &[platt.prob(0.0), platt.prob(1.0)], &expected, 1e-12);
    assert_close("beta", &[beta.prob(0.0), beta.prob(1.0)], &expected, 1e-12);
}

#[test]
fn probabilities_out_of_range_are_taken_as_the_nearer_end() {
    let (probs, positive) = ([0.1, 0.4, 0.6, 0.9, 0.5], [false, true, false, true, true]);
    let bins = HistogramBins { bins: 3, edges: HistogramEdges::EqualMass };
    let maps: [Box<dyn Fn(f64) -> f64>; 4] = [
        Box::new({
            let map =
                <PlattScaling as BinaryCalibrator>::fit(&probs, &positive, PlattTargets::Smoothed)
                    .unwrap();
            move |p| map.prob(p)
        }),
        Box::new({
            let map = BetaCalibration::fit(&probs, &positive, ()).unwrap();
            move |p| map.prob(p)
        }),
        Box::new({
            let map = IsotonicRegression::fit(&probs, &positive, ()).unwrap();
            move |p| map.prob(p)
        }),
        Box::new({
            let map = HistogramBinning::fit(&probs, &positive, bins).unwrap();
            move |p| map.prob(p)
        }),
    ];
    for map in maps {
        for (out, end) in [
            (-3.0, 0.0),
            (f64::NEG_INFINITY, 0.0),
            (f64::NAN, 0.0),
            (1.5, 1.0),
            (f64::INFINITY, 1.0),
        ] {
            assert_eq!(map(out), map(end));
            assert!((0.0..=1.0).contains(&map(out)));
        }
    }
}

#[test]
fn wrong_input_is_refused() {
    let message = |error: Error| error.to_string();
    let isotonic = |probs: &[f64], positive: &[bool]| {
        message(IsotonicRegression::fit(probs, positive, ()).unwrap_err())
    };
    assert_eq!(isotonic(&[], &[]), "isotonic regression: there are no rows to fit to");
    assert_eq!(isotonic(&[0.5], &[]), "isotonic regression: expected 1 outcomes, found 0");
    assert_eq!(isotonic(&[1.5], &[true]), "probability = 1.5: expected a number from 0 to 1");
    let platt = PlattScaling::fit_scores(&[0.0, f64::NAN], &[true, true], PlattTargets::Smoothed);
    assert_eq!(message(platt.unwrap_err()), "score NaN at row 1: expected a finite number");
    for bins in [0, 65537] {
        let settings = HistogramBins { bins, edges: HistogramEdges::EqualMass };
        let error = HistogramBinning::fit(&[0.5], &[true], settings).unwrap_err();
        assert_eq!(message(error), format!("bins = {bins}: expected from 1 to 65536"));
    }
    let scores = Scores::from_probs(&[0.2, 0.3, 0.5], 3).unwrap();
    let error =
        Multiclass::<IsotonicRegression>::fit(&scores, &[0], (MulticlassReduction::Binary, ()))
            .unwrap_err();
    assert_eq!(message(error), "binary calibration: expected 2 classes, found 3");
}
