//! Logits of minus infinity are classes of probability 0. Finite logits have a finite likelihood,
//! however large they are.

use super::{assert_close, f32s, fixture, labels_of, numbers_of};
use mbls_core::calibration::{
    Calibrator, CalibratorSpec, MulticlassReduction, Odir, Scores, TemperatureScaling,
};
use mbls_core::metric::{
    ClassificationMetrics, ClippedNegativeLogLikelihood, LogitDistanceTail, LogitRows,
    LogitStatistics, Metric, NegativeLogLikelihood, OodScore, Predictions, ProbabilityStatistics,
    ScoreType, SegmentationBatch, energy_scores, measure_logits,
};

const MASKED: f32 = f32::NEG_INFINITY;

/// Compares with SciPy, PyTorch and scikit-learn.
#[test]
fn masked_classes_have_the_probability_zero() {
    let document = fixture();
    let case = &document["masked"];
    let (classes, logits, labels) = (5, f32s(&case["logits"]), labels_of(&case["labels"]));
    let wide: Vec<f64> = logits.iter().map(|&logit| logit.into()).collect();
    let predictions = Predictions::from_logits(&logits, classes, &labels).unwrap();
    assert_eq!(Predictions::from_logits(&wide, classes, &labels).unwrap(), predictions);
    let rows = || 0..labels.len();
    let found: Vec<f64> = rows().map(|row| predictions.log_prob_of_label(row)).collect();
    let expected = numbers_of(&case["log_probs"]);
    assert_eq!(expected.iter().filter(|value| value.is_infinite()).count(), 1);
    assert_close("log-probability", &found, &expected, 1e-14);
    let found: Vec<f64> = rows().map(|row| predictions.squared_error(row)).collect();
    assert_close("squared error", &found, &numbers_of(&case["brier"]), 1e-14);
    let found: Vec<f64> = OodScore::Entropy
        .of(predictions.unlabelled())
        .into_iter()
        .map(|entropy| -entropy)
        .collect();
    assert_close("entropy", &found, &numbers_of(&case["entropy"]), 1e-14);
    let energy = energy_scores(LogitRows::new(&logits, classes).unwrap(), 1.0).unwrap();
    assert_close("energy", &energy, &numbers_of(&case["energy"]), 1e-14);
    for score in [OodScore::Confidence, OodScore::EntropyReference, OodScore::Margin] {
        assert!(
            score.of(predictions.unlabelled()).iter().all(|score| score.is_finite()),
            "{score:?}"
        );
    }
    let mut statistics = ProbabilityStatistics::new();
    statistics.update(predictions.unlabelled()).unwrap();
    assert!(statistics.value().unwrap().entropy.is_finite());

    let metrics = ClassificationMetrics::new(15).unwrap().with_clipped_nll(f64::EPSILON).unwrap();
    let measured = measure_logits(&metrics, &logits, classes, &labels).unwrap();
    let report = measured.value().unwrap();
    assert_eq!((report.nll, report.infinite_nll_rows), (f64::INFINITY, 1));
    let clipped = report.clipped_nll.unwrap();
    assert_eq!((clipped.rows_clipped, clipped.epsilon), (1, f64::EPSILON));
    assert!((clipped.value - case["clipped_f64"].as_f64().unwrap()).abs() < 1e-13, "{clipped:?}");
    let mut of_f32 = ClippedNegativeLogLikelihood::new(f32::EPSILON.into()).unwrap();
    of_f32.update(&predictions).unwrap();
    let expected = case["clipped_f32"].as_f64().unwrap();
    assert!(
        (of_f32.value().unwrap().value - expected).abs() < 1e-6,
        "{:?}, expected {expected}",
        of_f32.value()
    );
    let text = serde_json::to_string(&measured).unwrap();
    assert_eq!(serde_json::from_str::<ClassificationMetrics>(&text).unwrap(), measured);
}

#[test]
fn logits_without_a_softmax_are_errors() {
    fn errors<T: ScoreType>(logits: &[T]) -> [String; 3] {
        [
            Predictions::from_logits(logits, 2, &[0]).map(|_| ()),
            Scores::from_logits(logits, 2).map(|_| ()),
            TemperatureScaling::fit_logits(logits, 2, &[0]).map(|_| ()),
        ]
        .map(|result| result.unwrap_err().to_string())
    }
    for (wrong, class) in [([f32::NAN, 0.0], 0), ([0.0, f32::INFINITY], 1), ([MASKED, f32::NAN], 1)]
    {
        let value = wrong[class];
        let expected = format!("logit {value} at row 0, class {class}: expected a finite number");
        assert!(
            errors(&wrong)
                .iter()
                .chain(&errors(&wrong.map(f64::from)))
                .all(|error| *error == expected)
        );
        assert_eq!(LogitRows::new(&wrong, 2).unwrap_err().to_string(), expected);
    }
    let expected = "logit -inf at row 0, class 0: expected a finite number in some class, but all classes of the row are masked";
    assert!(errors(&[MASKED; 2]).iter().all(|error| error == expected));
    assert_eq!(LogitRows::new(&[MASKED; 2], 2).unwrap_err().to_string(), expected);
    // Also for pixels, unless they are ignored.
    let logits = [0.0, MASKED, 1.0, MASKED];
    let batch =
        |ignored: &'static [i64]| SegmentationBatch::new(&logits, [1, 2, 1, 2], &[1, 0], ignored);
    assert!(batch(&[]).unwrap_err().to_string().starts_with("logit -inf at row 1"));
    assert!(batch(&[0]).is_ok());
    assert!(SegmentationBatch::new(&[0.0, MASKED, 1.0, 2.0], [1, 2, 1, 2], &[1, 1], &[]).is_ok());
}

/// Distances are between the unmasked classes.
#[test]
fn statistics_of_logits_exclude_masked_classes() {
    let mut masked = LogitStatistics::new(2.5).unwrap();
    masked
        .update(LogitRows::new(&[3.0, MASKED, 2.0, 0.0, MASKED, MASKED, 7.0, MASKED], 4).unwrap())
        .unwrap();
    let mut plain = LogitStatistics::new(2.5).unwrap();
    plain.update(LogitRows::new(&[3.0, 2.0, 0.0], 3).unwrap()).unwrap();
    let (masked_report, plain) = (masked.value().unwrap(), plain.value().unwrap());
    assert_eq!(masked_report.single_class_rows, 1);
    assert_eq!(mbls_core::metric::LogitReport { single_class_rows: 0, ..masked_report }, plain);
    let text = serde_json::to_string(&masked).unwrap();
    assert_eq!(serde_json::from_str::<LogitStatistics>(&text).unwrap(), masked);
    let mut single = LogitStatistics::new(1.0).unwrap();
    single.update(LogitRows::new(&[MASKED, 1.0], 2).unwrap()).unwrap();
    assert_eq!(single.value(), None);
    let text = serde_json::to_string(&single).unwrap();
    assert_eq!(serde_json::from_str::<LogitStatistics>(&text).unwrap(), single);
    for state in [r#""n":1,"masked":1"#, r#""n":1,"single":-1"#] {
        let zero = r#""beyond":0,"mean_distance":"0","max_distance":"0","gap":"0","norm":"0""#;
        let state = format!(r#"{{"margin":1.0,"classes":2,{zero},{state}}}"#);
        let text = format!(r#"{{"metric":"logit-statistics","version":1,"state":{state}}}"#);
        assert!(serde_json::from_str::<LogitStatistics>(&text).is_err(), "{text}");
    }
    let mut tail = LogitDistanceTail::new(1.0).unwrap();
    tail.update(LogitRows::new(&[3.0, MASKED, 1.0, MASKED, 5.0, MASKED], 3).unwrap()).unwrap();
    assert_eq!(tail.value(), Some(1.0));
}

/// The temperature is fitted to the rows with a finite likelihood; the others are counted.
#[test]
fn temperature_of_masked_classes() {
    let document = fixture();
    let case = &document["masked"];
    let (logits, labels) = (f32s(&case["logits"]), labels_of(&case["labels"]));
    let expected = case["temperature"].as_f64().unwrap();
    let fitted = TemperatureScaling::fit_logits(&logits, 5, &labels).unwrap();
    assert_eq!((fitted.masked_labels(), fitted.bound()), (1, None));
    assert!((fitted.temperature() / expected - 1.0).abs() < 1e-6, "{fitted:?}, SciPy {expected}");
    let text = serde_json::to_string(&fitted).unwrap();
    assert_eq!(serde_json::from_str::<TemperatureScaling>(&text).unwrap(), fitted);
    let scaled = fitted.apply(&logits, 5, &labels).unwrap();
    assert_eq!(scaled.log_prob_of_label(7), f64::NEG_INFINITY);
    let error = TemperatureScaling::fit_logits(&[0.0, MASKED], 2, &[1]).unwrap_err().to_string();
    assert_eq!(error, "temperature scaling: the label of each of the 1 rows is a masked class");
}

/// Cosines, such as the logits of CLIP or ArcFace, need a temperature of a few thousandths.
#[test]
fn temperature_of_cosines() {
    let document = fixture();
    let case = &document["cosine"];
    let (logits, labels) = (f32s(&case["logits"]), labels_of(&case["labels"]));
    let expected = case["temperature"].as_f64().unwrap();
    assert!(expected < 0.01, "below the previous bound");
    let fitted = TemperatureScaling::fit_logits(&logits, 20, &labels).unwrap();
    assert_eq!(fitted.bound(), None);
    assert!((fitted.temperature() / expected - 1.0).abs() < 1e-6, "{fitted:?}, SciPy {expected}");
    let mut nll = NegativeLogLikelihood::new();
    nll.update(&fitted.apply(&logits, 20, &labels).unwrap()).unwrap();
    let (found, old) = (nll.value().unwrap(), case["nll_at_0.01"].as_f64().unwrap());
    assert!(
        (found - case["nll"].as_f64().unwrap()).abs() < 1e-9 && found < old - 0.1,
        "{found}, at 0.01 {old}"
    );
}

/// Calibrators of probabilities accept masked classes; linear maps of logits name them in an error.
#[test]
fn calibrators_of_masked_classes() {
    let logits: Vec<f32> =
        (0..120).map(|i| if i % 7 == 3 { MASKED } else { (i * 37 % 23) as f32 / 5.0 }).collect();
    let labels: Vec<u32> = (0..40).map(|i| i * 5 % 3).collect();
    let scores = Scores::from_logits(&logits, 3).unwrap();
    for spec in [
        CalibratorSpec::Temperature,
        CalibratorSpec::Isotonic { reduction: MulticlassReduction::OneVsRest },
    ] {
        let predictions =
            spec.fit(&scores, &labels).unwrap().predictions(&scores, &labels).unwrap();
        assert!(
            (0..40).all(|row| predictions.probs(row).iter().all(|p| (0.0..=1.0).contains(p))),
            "{spec:?}"
        );
    }
    let odir = Odir { off_diagonal: 0.1, intercept: 0.1 };
    for spec in [
        CalibratorSpec::Vector,
        CalibratorSpec::Matrix { odir },
        CalibratorSpec::Dirichlet { odir },
    ] {
        let error = spec.fit(&scores, &labels).unwrap_err().to_string();
        let expected = "logit -inf at row 1, class 0: expected a finite number: a linear map of a masked class is undefined";
        assert_eq!(error, expected, "{spec:?}");
    }
}

#[test]
fn finite_logits_have_a_finite_likelihood() {
    let huge = [1e308, -1e308, -1e308, 1e308, f64::MAX, -f64::MAX];
    let labels = [1, 1, 1];
    let predictions = Predictions::from_logits(&huge, 2, &labels).unwrap();
    let found: Vec<f64> = (0..3).map(|row| predictions.log_prob_of_label(row)).collect();
    assert_eq!(found, [-f64::MAX, 0.0, -f64::MAX]);
    let mut nll = NegativeLogLikelihood::new();
    nll.update(&predictions).unwrap();
    assert_eq!(nll.infinite(), 0);
    let mean = nll.value().unwrap();
    assert!((mean / (f64::MAX / 3.0 * 2.0) - 1.0).abs() < 1e-15, "{mean}");
    let report = measure_logits(&ClassificationMetrics::new(15).unwrap(), &huge, 2, &labels)
        .unwrap()
        .value()
        .unwrap();
    assert_eq!((report.infinite_nll_rows, report.nll), (0, mean));
    // At a temperature of the same magnitude they are ordinary.
    let scaled = Predictions::from_logits_at(&huge[..2], 2, &[1], 1e308).unwrap();
    let expected = -2.0 - (-2f64).exp().ln_1p();
    assert!(
        (scaled.log_prob_of_label(0) - expected).abs() < 1e-14,
        "{}",
        scaled.log_prob_of_label(0)
    );
    assert!((scaled.probs(0)[1] - expected.exp()).abs() < 1e-15);
    // A small temperature has the same effect as large logits.
    let sharp = Predictions::from_logits_at(&[1e10f32, 0.0], 2, &[1], 1e-300).unwrap();
    assert_eq!(sharp.log_prob_of_label(0), -f64::MAX);

    // Values too large for fixed point are also added exactly, in any order.
    let logits: Vec<f64> =
        (0..400).map(|i| f64::from(i % 20 - 10) * 10f64.powi(i * 7 % 40)).collect();
    let labels = vec![0; 200];
    let sum = |order: &dyn Fn(usize) -> usize| {
        let mut nll = NegativeLogLikelihood::new();
        for i in 0..200 {
            let row = order(i);
            nll.update(
                &Predictions::from_logits(&logits[2 * row..][..2], 2, &labels[..1]).unwrap(),
            )
            .unwrap();
        }
        nll
    };
    let whole = measure_logits(&NegativeLogLikelihood::new(), &logits, 2, &labels).unwrap();
    assert_eq!(sum(&|i| i), whole);
    assert_eq!(sum(&|i| i * 77 % 200), whole);
    let text = serde_json::to_string(&whole).unwrap();
    assert!(text.contains("large"), "{text}");
    assert_eq!(serde_json::from_str::<NegativeLogLikelihood>(&text).unwrap(), whole);
    let naive =
        (0..200).map(|row| (logits[2 * row + 1] - logits[2 * row]).max(0.0)).sum::<f64>() / 200.0;
    assert!((whole.value().unwrap() / naive - 1.0).abs() < 1e-12);
    let hostile = text.replace("\"n\":200", "\"n\":1");
    assert!(serde_json::from_str::<NegativeLogLikelihood>(&hostile).is_err());
}
