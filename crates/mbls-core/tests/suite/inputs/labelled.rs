//! Every type of scores and labels, ignored labels, probabilities of class 1, and rows without
//! labels.

use half::{bf16, f16};
use mbls_core::Error;
use mbls_core::metric::{
    ClassificationMetrics, IgnoringLabels, LabelledScores, LogitDistanceTail, LogitRows,
    LogitStatistics, Metric, OodDetection, OodScore, OodScores, Precision, Predictions,
    ProbabilityStatistics, ScoreSlice, ScoreType, SegmentationBatch, SegmentationCalibration,
    SegmentationProtocol, TopLabels, UnlabelledRows, measure, measure_logits, measure_probs,
};

/// Returns `rows` rows of logits that every type represents exactly.
fn logits(rows: usize, classes: usize) -> Vec<f32> {
    (0..rows * classes).map(|i| (i * 7919 % 101) as f32 / 8.0).collect()
}

fn labels(rows: usize, classes: usize) -> Vec<u32> {
    (0..rows).map(|row| (row * 31 % classes) as u32).collect()
}

/// Converts the numbers to another type.
fn of<T>(values: &[f32], from: fn(f32) -> T) -> Vec<T> {
    values.iter().map(|&value| from(value)).collect()
}

fn statistics<'a>(logits: impl Into<ScoreSlice<'a>>, classes: usize) -> String {
    let rows = LogitRows::new(logits, classes).unwrap();
    let mut metrics = (LogitStatistics::new(2.0).unwrap(), LogitDistanceTail::new(0.3).unwrap());
    metrics.update(rows).unwrap();
    format!("{:?} {:?}", metrics.value(), rows.row(1))
}

#[test]
fn scores_of_every_type_are_the_same_numbers() {
    let (rows, classes) = (300, 5);
    let (logits, labels) = (logits(rows, classes), labels(rows, classes));
    let (doubles, halves, brains) =
        (of(&logits, f64::from), of(&logits, f16::from_f32), of(&logits, bf16::from_f32));
    let metrics = ClassificationMetrics::new(10).unwrap();
    let measured = measure_logits(&metrics, &logits, classes, &labels).unwrap();
    assert_eq!(measure_logits(&metrics, &doubles, classes, &labels).unwrap(), measured);
    assert_eq!(measure_logits(&metrics, &halves, classes, &labels).unwrap(), measured);
    let described = LabelledScores::logits(&brains, classes, &labels);
    assert_eq!(measure(&metrics, described).unwrap(), measured);

    let expected = statistics(&logits, classes);
    for found in
        [statistics(&doubles, classes), statistics(&halves, classes), statistics(&brains, classes)]
    {
        assert_eq!(found, expected);
    }

    let pixels = |logits: ScoreSlice<'_>| {
        let mut calibration =
            SegmentationCalibration::new(5, SegmentationProtocol::Pooled).unwrap();
        let batch = SegmentationBatch::new(logits, [3, classes, 10, 10], &labels, &[2]).unwrap();
        calibration.update(batch).unwrap();
        (calibration, batch.chunks().flat_map(|rows| rows.logits().to_f64()).collect::<Vec<f64>>())
    };
    let expected = pixels((&logits).into());
    assert_eq!(expected.0.n(), labels.iter().filter(|label| **label != 2).count() as u64);
    for logits in [ScoreSlice::from(&doubles), (&halves).into(), (&brains).into()] {
        assert!(pixels(logits) == expected);
    }
}

#[test]
fn numbers_per_row_are_of_every_type() {
    let scores = [0.5f32, 0.25, 0.75];
    let correct = [true, false, true];
    let expected = TopLabels::new(&scores, &correct).unwrap();
    assert_eq!(TopLabels::new(&of(&scores, f64::from), &correct).unwrap(), expected);
    assert_eq!(TopLabels::new(&of(&scores, bf16::from_f32), &correct).unwrap(), expected);
    let detection = |scores: OodScores| {
        let mut detection = OodDetection::new();
        detection.update(OodScores::outside(&[0.3f64]).unwrap()).unwrap();
        detection.update(scores).unwrap();
        detection
    };
    let halves = of(&scores, f16::from_f32);
    let expected = detection(OodScores::inside(&scores).unwrap());
    assert_eq!(detection(OodScores::inside(&halves).unwrap()), expected);
    assert!(matches!(OodScores::inside(&[f16::NAN]), Err(Error::Score { row: 0, .. })));
}

#[test]
fn rows_of_ignored_labels_may_hold_anything() {
    let (rows, classes) = (50_000, 3);
    let (mut logits, labels) = (logits(rows, classes), labels(rows, classes));
    // Every third row is ignored, so blocks begin and end with ignored rows.
    let padded: Vec<i64> = labels
        .iter()
        .enumerate()
        .map(|(i, &l)| if i.is_multiple_of(3) { -100 } else { l.into() })
        .collect();
    logits.chunks_mut(classes).step_by(3).for_each(|row| row.fill(f32::NAN));
    let metrics = ClassificationMetrics::new(15).unwrap();
    let counted = |row: &(usize, &[f32])| !row.0.is_multiple_of(3);
    let kept: Vec<f32> = logits
        .chunks(classes)
        .enumerate()
        .filter(counted)
        .flat_map(|(_, row)| row.to_vec())
        .collect();
    let kept_labels: Vec<u32> =
        (0..rows).filter(|i: &usize| !i.is_multiple_of(3)).map(|i| labels[i]).collect();
    let expected = measure_logits(&metrics, &kept, classes, &kept_labels).unwrap();

    let described = LabelledScores::logits(&logits, classes, &padded).ignoring(&[-100]);
    assert_eq!(measure(&metrics, described).unwrap(), expected);
    assert_eq!(described.predictions().unwrap().rows(), kept_labels.len());
    let cold = measure(&metrics, described.at_temperature(0.5)).unwrap();
    assert!(cold.value().unwrap().nll > expected.value().unwrap().nll);

    // Errors have row indices that include ignored rows.
    let mut wrong = logits.clone();
    wrong[40_000 * classes + 1] = f32::NAN;
    let error =
        measure(&metrics, LabelledScores::logits(&wrong, classes, &padded).ignoring(&[-100]))
            .unwrap_err();
    assert_eq!(error.to_string(), "logit NaN at row 40000, class 1: expected a finite number");
    let error =
        measure(&metrics, LabelledScores::logits(&kept, classes, &padded[..kept_labels.len()]))
            .unwrap_err();
    assert_eq!(error.to_string(), "label -100 at row 0 is out of range: the logits have 3 classes");
    let error = measure(&metrics, LabelledScores::logits(&kept, classes, &padded)).unwrap_err();
    assert_eq!(error.to_string(), "logits: expected 50000 labels x 3 classes, found 99999 values");
}

#[test]
fn probabilities_of_class_1_are_rows_of_two_classes() {
    let (probs, labels) = ([0.75f32, 0.25, 1.0, 0.5, 0.0], [1u8, 1, 0, 0, 0]);
    let rows: Vec<f32> = probs.iter().flat_map(|p| [1.0 - p, *p]).collect();
    let metrics = ClassificationMetrics::new(4).unwrap();
    let expected = measure_probs(&metrics, &rows, 2, &labels).unwrap();
    assert_eq!(measure(&metrics, LabelledScores::binary(&probs, &labels)).unwrap(), expected);
    assert_eq!(
        Predictions::from_binary(&probs, &labels).unwrap(),
        Predictions::from_probs(&rows, 2, &labels).unwrap()
    );
    let ignored = LabelledScores::binary(&probs, &[1i64, 1, 0, 0, -1]).ignoring(&[-1]);
    assert_eq!(
        measure(&metrics, ignored).unwrap(),
        measure_probs(&metrics, &rows[..8], 2, &labels[..4]).unwrap()
    );

    let found = Predictions::from_binary(&[1.0 + 1e-8, -1e-8, 0.5], &[1, 0, 1]);
    assert!(matches!(found, Err(Error::Value { row: 0, class: 1, .. })), "f64 rounds less");
    let found =
        Predictions::from_binary_in(&[1.0 + 1e-8, -1e-8, 0.5], &[1, 0, 1], Precision::F32).unwrap();
    assert_eq!(
        (found.clipped(), found.probs(0), found.probs(1)),
        (2, &[0.0, 1.0][..], &[1.0, 0.0][..])
    );
    assert!(matches!(Predictions::from_binary(&[0.5], &[0, 1]), Err(Error::Shape { .. })));
    let error =
        measure(&metrics, LabelledScores::binary(&[0.5, 0.5, 1.5], &[0, -1, 1]).ignoring(&[-1]))
            .unwrap_err();
    assert_eq!(
        error.to_string(),
        "probability 1.5 at row 2, class 1: expected a number from 0 to 1"
    );
}

fn same_without_labels<T: ScoreType>(scores: &[T], classes: usize, labels: &[u32]) {
    let predictions = Predictions::from_logits(scores, classes, labels).unwrap();
    let rows = UnlabelledRows::from_logits(scores, classes).unwrap();
    for row in 0..rows.rows() {
        assert_eq!(rows.predicted(row), predictions.predicted(row), "{classes} classes, row {row}");
        assert_eq!(
            rows.confidence(row).to_bits(),
            predictions.confidence(row).to_bits(),
            "{classes} classes, row {row}"
        );
    }
    let from_predictions = predictions.unlabelled();
    assert_eq!(*from_predictions, rows);
    for score in
        [OodScore::Confidence, OodScore::Entropy, OodScore::EntropyReference, OodScore::Margin]
    {
        assert_eq!(score.of(from_predictions), score.of(&rows));
    }
    let selected = rows.select(&[2, 0, 2]);
    assert_eq!((selected.confidence(1), selected.probs(0)), (rows.confidence(0), rows.probs(2)));
    assert_eq!(rows.clone().into_owned(), rows);
}

#[test]
fn rows_without_labels_have_the_same_bits() {
    // Rows of few and of many classes are processed differently; the last group of rows is not
    // full.
    for classes in [2, 7, 8, 21, 64, 65, 200] {
        let (logits, labels) = (logits(19, classes), labels(19, classes));
        same_without_labels(&logits, classes, &labels);
        same_without_labels(&of(&logits, f64::from), classes, &labels);
        same_without_labels(&of(&logits, f16::from_f32), classes, &labels);
        let probs: Vec<f64> = UnlabelledRows::from_logits(&logits, classes)
            .unwrap()
            .select(&[0, 1])
            .probs(1)
            .to_vec();
        let given = UnlabelledRows::from_probs(&probs, classes).unwrap();
        assert_eq!(given.confidence(0), probs.iter().copied().fold(0.0, f64::max));
    }
}

#[test]
fn a_metric_without_labels_is_one_of_predictions() {
    let (logits, labels) = (logits(100, 4), labels(100, 4));
    let mut alone = ProbabilityStatistics::new();
    alone.update(&UnlabelledRows::from_logits(&logits, 4).unwrap()).unwrap();
    let beside =
        measure_logits(&IgnoringLabels(ProbabilityStatistics::new()), &logits, 4, &labels).unwrap();
    assert_eq!(beside, IgnoringLabels(alone.clone()));
    assert_eq!((beside.name(), beside.size()), (alone.name(), alone.size()));
    assert_eq!(serde_json::to_string(&beside).unwrap(), serde_json::to_string(&alone).unwrap());
}

#[test]
fn wrong_rows_without_labels_are_refused() {
    let error = |rows: mbls_core::Result<UnlabelledRows>| rows.unwrap_err().to_string();
    assert_eq!(
        error(UnlabelledRows::from_logits(&[0.0; 3], 2)),
        "logits: expected rows of 2 classes, found 3 values"
    );
    assert_eq!(
        error(UnlabelledRows::from_logits(&[0.0; 3], 1)),
        "classes = 1: expected from 2 to 2^32 - 1"
    );
    assert!(
        error(UnlabelledRows::from_logits_at(&[0.0; 2], 2, 0.0)).starts_with("temperature = 0")
    );
    assert!(error(UnlabelledRows::from_probs(&[0.5, 0.6], 2)).contains("sum to 1.1"));
    assert!(
        error(UnlabelledRows::from_logits(&[f32::NAN, 0.0], 2))
            .starts_with("logit NaN at row 0, class 0")
    );
}
