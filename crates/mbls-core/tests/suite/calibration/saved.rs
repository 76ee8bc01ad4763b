//! Saving and reading calibrators, and rejecting invalid files.

use super::support::synthetic;
use mbls_core::calibration::{
    Calibrator, CalibratorSpec, HistogramBins, HistogramEdges, MulticlassReduction, Odir,
    PlattTargets, SavedCalibrator, Scores,
};

/// Every calibrator, with every reduction that suits the number of classes.
pub(crate) fn specs(classes: usize) -> Vec<CalibratorSpec> {
    let odir = Odir { off_diagonal: 0.1, intercept: 0.1 };
    let mut specs = vec![
        CalibratorSpec::Temperature,
        CalibratorSpec::Vector,
        CalibratorSpec::Matrix { odir },
        CalibratorSpec::Dirichlet { odir },
    ];
    for reduction in
        [MulticlassReduction::OneVsRest, MulticlassReduction::TopLabel, MulticlassReduction::Binary]
    {
        if reduction == MulticlassReduction::Binary && classes != 2 {
            continue;
        }
        specs.extend([
            CalibratorSpec::Platt { reduction, targets: PlattTargets::Smoothed },
            CalibratorSpec::Beta { reduction },
            CalibratorSpec::Isotonic { reduction },
        ]);
        for edges in [HistogramEdges::EqualWidth, HistogramEdges::EqualMass] {
            specs.push(CalibratorSpec::Histogram {
                reduction,
                bins: HistogramBins { bins: 7, edges },
            });
        }
    }
    specs
}

#[test]
fn saving_and_reading_preserves_every_calibrator() {
    for classes in [2, 4] {
        let (logits, labels) = synthetic(300, classes, 2.0, classes as u64);
        let scores = Scores::from_logits(&logits, classes).unwrap();
        for spec in specs(classes) {
            let fitted = spec.fit(&scores, &labels).unwrap_or_else(|e| panic!("{spec:?}: {e}"));
            let text = serde_json::to_string(&SavedCalibrator::from(fitted.clone())).unwrap();
            let read = serde_json::from_str::<SavedCalibrator>(&text)
                .unwrap_or_else(|e| panic!("{e}: {text}"));
            let read = read.into_calibrator();
            assert_eq!(read, fitted);
            let bits = |probs: Vec<f64>| probs.into_iter().map(f64::to_bits).collect::<Vec<u64>>();
            assert_eq!(bits(read.probs(&scores).unwrap()), bits(fitted.probs(&scores).unwrap()));
            assert!(fitted.classes().is_none_or(|fitted| fitted == classes));

            let text = serde_json::to_string(&spec).unwrap();
            assert_eq!(serde_json::from_str::<CalibratorSpec>(&text).unwrap(), spec);
            assert!(spec.to_string().starts_with(spec.title()), "{spec}");
            assert!(fitted.to_string().starts_with(spec.title()), "{fitted}");
            let surplus = text.replacen('}', r#","surplus":1}"#, 1);
            assert!(serde_json::from_str::<CalibratorSpec>(&surplus).is_err(), "{surplus}");
        }
    }
}

fn refused(calibrator: &str, expected: &str) {
    let text = format!(r#"{{"version":1,"calibrator":{calibrator}}}"#);
    let error = serde_json::from_str::<SavedCalibrator>(&text)
        .err()
        .unwrap_or_else(|| panic!("accepted: {text}"));
    assert!(error.to_string().contains(expected), "{text}: {error}");
}

#[test]
fn hostile_files_are_refused() {
    refused(
        r#"{"kind":"temperature","temperature":0}"#,
        "temperature = 0: expected a finite number greater than 0",
    );
    refused(r#"{"kind":"temperature","temperature":1,"other":1}"#, "unknown field `other`");
    refused(r#"{"kind":"temperature","temperature":1e999}"#, "number out of range");
    refused(r#"{"kind":"temperature"}"#, "missing field `temperature`");
    refused(r#"{"kind":"magic","temperature":1}"#, "unknown variant `magic`");
    refused(r#"{"temperature":1}"#, "missing field `kind`");
    refused(
        r#"{"kind":"vector","weights":[1,1],"intercepts":[0]}"#,
        "classes = 1: expected from 2",
    );
    let expected = "vector scaling: expected 2 weights, found 3 weights for 2 intercepts";
    refused(r#"{"kind":"vector","weights":[1,1,1],"intercepts":[0,0]}"#, expected);
    let expected = "matrix scaling: expected 2 x 2 weights, found 2 weights for 2 intercepts";
    refused(r#"{"kind":"matrix","weights":[1,1],"intercepts":[0,0]}"#, expected);
    refused(r#"{"kind":"dirichlet","weights":[],"intercepts":[]}"#, "classes = 0: expected from 2");

    let maps = |kind: &str, reduction: &str, classes: u64, maps: &str| {
        format!(
            r#"{{"kind":"{kind}","reduction":"{reduction}","classes":{classes},"maps":[{maps}]}}"#
        )
    };
    let platt = r#"{"slope":1,"intercept":0}"#;
    refused(&maps("platt", "one-vs-rest", 3, platt), "expected 3 maps, found 1");
    refused(
        &maps("platt", "one-vs-rest", u64::MAX, platt),
        "classes = 18446744073709551615: expected",
    );
    refused(&maps("platt", "top-label", 3, ""), "expected 1 maps, found 0");
    refused(&maps("platt", "binary", 3, platt), "binary calibration: expected 2 classes, found 3");
    refused(&maps("platt", "pairs", 3, platt), "unknown variant `pairs`");
    refused(&maps("platt", "binary", 2, r#"{"slope":null,"intercept":0}"#), "invalid type: null");
    refused(
        &maps("beta", "binary", 2, r#"{"a":-1,"b":0,"c":0}"#),
        "a = -1: expected a finite number, 0 or greater",
    );

    let isotonic = |probs: &str, calibrated: &str| {
        maps("isotonic", "binary", 2, &format!(r#"{{"probs":{probs},"calibrated":{calibrated}}}"#))
    };
    refused(
        &isotonic("[]", "[]"),
        "isotonic regression: expected equal numbers of both, at least one",
    );
    refused(&isotonic("[0.1]", "[0.1,0.2]"), "isotonic regression: expected equal numbers of both");
    refused(&isotonic("[0.2,0.2]", "[0.1,0.2]"), "probs = [0.2, 0.2]: expected ascending numbers");
    refused(
        &isotonic("[0.1,0.2]", "[0.3,0.2]"),
        "calibrated = [0.3, 0.2]: expected nondecreasing numbers",
    );
    refused(&isotonic("[0.1,0.2]", "[0.3,1.2]"), "calibrated = 1.2: expected numbers from 0 to 1");

    let histogram = |edges: &str, calibrated: &str| {
        maps(
            "histogram",
            "top-label",
            2,
            &format!(r#"{{"edges":{edges},"calibrated":{calibrated}}}"#),
        )
    };
    refused(&histogram("[]", "[]"), "bins = 0: expected from 1 to 65536");
    refused(
        &histogram("[0,1]", "[0.5,0.5]"),
        "histogram binning: expected 3 edges of 2 bins, found 2",
    );
    refused(&histogram("[0,0.5,0.5,1]", "[0,0,0]"), "expected ascending numbers from 0 to 1");
    refused(&histogram("[0.1,1]", "[0.5]"), "expected ascending numbers from 0 to 1");
    refused(&histogram("[0,1]", "[2]"), "calibrated = 2: expected numbers from 0 to 1");
}

#[test]
fn the_envelope_is_checked() {
    let read = |text: &str| {
        serde_json::from_str::<SavedCalibrator>(text).map(SavedCalibrator::into_calibrator)
    };
    let error = read(r#"{"version":2,"calibrator":{}}"#).unwrap_err().to_string();
    assert!(error.starts_with("version 2 of a saved calibrator: expected 1"), "{error}");
    assert!(read(r#"{"calibrator":{"kind":"temperature","temperature":1}}"#).is_err());
    assert!(
        read(r#"{"version":1,"calibrator":{"kind":"temperature","temperature":1},"more":0}"#)
            .is_err()
    );
    assert!(read(&"[".repeat(100_000)).is_err());
    assert!(read(r#"{"version":1,"calibrator":{"kind":"temperature","temperature":1}}"#).is_ok());
    for spec in [
        r#"{"kind":"temperature","bins":3}"#,
        r#"{"kind":"beta","reduction":"binary","targets":"labels"}"#,
    ] {
        assert!(serde_json::from_str::<CalibratorSpec>(spec).is_err(), "{spec}");
    }
}

/// Finite parameters can still overflow: this is an error, not NaN.
#[test]
fn overflow_of_parameters_is_an_error() {
    let text =
        r#"{"version":1,"calibrator":{"kind":"vector","weights":[1e308,1],"intercepts":[0,0]}}"#;
    let calibrator = serde_json::from_str::<SavedCalibrator>(text).unwrap().into_calibrator();
    let error =
        calibrator.probs(&Scores::from_logits(&[1e3, 0.0], 2).unwrap()).unwrap_err().to_string();
    assert_eq!(error, "calibrated logit inf at row 0, class 0: expected a finite number");
    for parameters in [r#""slope":1e308,"intercept":1e308"#, r#""slope":-1e308,"intercept":1e308"#]
    {
        let maps = format!(
            r#"{{"kind":"platt","reduction":"binary","classes":2,"maps":[{{{parameters}}}]}}"#
        );
        let text = format!(r#"{{"version":1,"calibrator":{maps}}}"#);
        let calibrator = serde_json::from_str::<SavedCalibrator>(&text).unwrap().into_calibrator();
        let probs =
            calibrator.probs(&Scores::from_probs(&[0.9, 0.1, 0.5, 0.5], 2).unwrap()).unwrap();
        assert!(probs.iter().all(|p| (0.0..=1.0).contains(p)), "{probs:?}");
    }
}

/// The largest finite logits: fitting and applying return a distribution or an error.
#[test]
fn extreme_logits_give_distributions_or_errors() {
    let max = f64::MAX;
    let extreme =
        [max, -max, 0.0, 0.0, max, -max, -max, -max, -max, 1e300, 0.0, -1e300, 1.0, 2.0, 3.0];
    let extreme = Scores::from_logits(&extreme, 3).unwrap();
    let (logits, labels) = synthetic(200, 3, 2.0, 1);
    let usual = Scores::from_logits(&logits, 3).unwrap();
    let mut fitted = 0;
    for spec in specs(3) {
        let on_usual = spec.fit(&usual, &labels).unwrap_or_else(|e| panic!("{spec:?}: {e}"));
        let on_extreme = spec.fit(&extreme, &[0, 1, 2, 2, 1]);
        for (calibrator, scores) in
            [(Some(&on_usual), &extreme), (on_extreme.as_ref().ok(), &extreme)]
        {
            let Some(Ok(probs)) = calibrator.map(|calibrator| calibrator.probs(scores)) else {
                continue;
            };
            fitted += 1;
            for row in probs.chunks(3) {
                assert!((row.iter().sum::<f64>() - 1.0).abs() < 1e-12, "{spec:?}: {row:?}");
                assert!(row.iter().all(|p| (0.0..=1.0).contains(p)), "{spec:?}: {row:?}");
            }
        }
    }
    assert!(fitted > 0);
}
