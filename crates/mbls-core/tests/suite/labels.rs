//! Labels of every integer type in metrics and fits. With rows of an ignored label, results are
//! bit-identical to those without these rows.

use mbls_core::calibration::{Scores, TemperatureScaling};
use mbls_core::metric::{
    ClassificationMetrics, ConfusionMatrix, CountedRows, Label, Labels, Metric, Predictions,
    SegmentationBatch, SegmentationCalibration, SegmentationProtocol, measure_logits,
    measure_logits_at, measure_probs,
};
use mbls_core::{Error, Result};

const CLASSES: usize = 5;

/// Returns rows whose label is `None` (ignored) for every fourth row.
fn rows(n: usize) -> (Vec<f32>, Vec<Option<u32>>) {
    let logits = (0..n * CLASSES).map(|i| (i * 7919 % 1013) as f32 / 100.0 - 5.0).collect();
    (logits, (0..n).map(|i| (i % 4 != 2).then_some((i * 31 % CLASSES) as u32)).collect())
}

fn with<L: Copy>(labels: &[Option<u32>], ignored: L, class: impl Fn(u32) -> L) -> Vec<L> {
    labels.iter().map(|label| label.map_or(ignored, &class)).collect()
}

/// The results of everything that accepts ignored labels.
#[derive(Debug, PartialEq)]
struct Found {
    metrics: ClassificationMetrics,
    at_two: ClassificationMetrics,
    temperature: TemperatureScaling,
    of_pixels: TemperatureScaling,
    confusion: ConfusionMatrix,
    pooled: SegmentationCalibration,
    published: SegmentationCalibration,
    pixels: Vec<usize>,
}

fn measure<L: Label>(logits: &[f32], labels: &[L], ignored: i64) -> Result<Found> {
    let empty = ClassificationMetrics::new(15)?;
    let counted = CountedRows::new(logits, CLASSES, labels, &[ignored])?;
    let metrics = measure_logits(&empty, counted.scores(), CLASSES, counted.labels())?;
    let mut updated = empty.clone();
    updated.update(&Predictions::from_logits(counted.scores(), CLASSES, counted.labels())?)?;
    assert_eq!(updated, metrics);

    // The rows as pixels of 1 x 3 images.
    let images = labels.len() / 3;
    let shape = [images, CLASSES, 1, 3];
    let place = |i: usize| (i / 3 / CLASSES * 3 + i % 3) * CLASSES + i / 3 % CLASSES;
    let planes: Vec<f32> = (0..logits.len()).map(|i| logits[place(i)]).collect();
    let ignored_labels = [ignored];
    let batch = SegmentationBatch::new(&planes, shape, labels, &ignored_labels)?;
    let calibration = |protocol| {
        let mut metric = SegmentationCalibration::new(15, protocol)?;
        metric.update(batch)?;
        Ok::<_, Error>(metric)
    };
    let predicted: Vec<u8> = logits.chunks(CLASSES).map(first_maximum).collect();
    let mut confusion = ConfusionMatrix::new(CLASSES)?;
    confusion.add_masks(&predicted, labels, &[ignored])?;
    Ok(Found {
        at_two: measure_logits_at(&empty, counted.scores(), CLASSES, counted.labels(), 2.0)?,
        temperature: TemperatureScaling::fit_logits(counted.scores(), CLASSES, counted.labels())?,
        of_pixels: TemperatureScaling::fit_pixels(&planes, shape, labels, Some(ignored))?,
        pooled: calibration(SegmentationProtocol::Pooled)?,
        published: calibration(SegmentationProtocol::Reference)?,
        pixels: batch.chunks().flat_map(|rows| rows.pixels).collect(),
        metrics,
        confusion,
    })
}

fn first_maximum(row: &[f32]) -> u8 {
    (0..row.len()).rev().max_by(|&a, &b| row[a].total_cmp(&row[b])).expect("classes") as u8
}

#[test]
fn minus_100_leaves_rows_out_of_every_metric_and_fit() -> Result<()> {
    let (logits, labels) = rows(300);
    let expected = measure(&logits, &with(&labels, 255u32, |class| class), 255)?;
    // Compared with the remaining rows alone.
    let counted = |(i, label): (usize, &Option<u32>)| Some((i, (*label)?));
    let kept: Vec<(usize, u32)> = labels.iter().enumerate().filter_map(counted).collect();
    let scores: Vec<f32> =
        kept.iter().flat_map(|(i, _)| logits[i * CLASSES..][..CLASSES].to_vec()).collect();
    let classes: Vec<u32> = kept.iter().map(|(_, label)| *label).collect();
    assert_eq!(
        expected.metrics,
        measure_logits(&ClassificationMetrics::new(15)?, &scores, CLASSES, &classes)?
    );
    assert_eq!(expected.temperature, TemperatureScaling::fit_logits(&scores, CLASSES, &classes)?);
    assert_eq!(expected.of_pixels, expected.temperature);
    assert_eq!(expected.pixels, kept.iter().map(|(i, _)| *i).collect::<Vec<_>>());
    let mut confusion = ConfusionMatrix::new(CLASSES)?;
    confusion.update(&Predictions::from_logits(&scores, CLASSES, &classes)?)?;
    assert_eq!(expected.confusion, confusion);
    assert_eq!(expected.pooled.n(), kept.len() as u64);

    for ignored in [-100, -1, 99, i64::MIN, i64::MAX] {
        assert_eq!(
            measure(&logits, &with(&labels, ignored, i64::from), ignored)?,
            expected,
            "{ignored}"
        );
    }
    assert_eq!(measure(&logits, &with(&labels, -100i32, |class| class as i32), -100)?, expected);
    assert_eq!(measure(&logits, &with(&labels, -100i16, |class| class as i16), -100)?, expected);
    assert_eq!(measure(&logits, &with(&labels, -100i8, |class| class as i8), -100)?, expected);
    assert_eq!(
        measure(&logits, &with(&labels, -100isize, |class| class as isize), -100)?,
        expected
    );
    assert_eq!(measure(&logits, &with(&labels, 255u8, |class| class as u8), 255)?, expected);
    assert_eq!(measure(&logits, &with(&labels, 65535u16, |class| class as u16), 65535)?, expected);
    assert_eq!(measure(&logits, &with(&labels, 77u64, u64::from), 77)?, expected);
    assert_eq!(measure(&logits, &with(&labels, 77usize, |class| class as usize), 77)?, expected);
    assert_eq!(
        measure(&logits, &with(&labels, u32::MAX, |class| class), u32::MAX.into())?,
        expected
    );
    Ok(())
}

/// The scores of ignored rows have no effect, wherever rows are selected by label.
#[test]
fn scores_of_ignored_rows_have_no_effect() -> Result<()> {
    let (mut logits, labels) = rows(30);
    let labels = with(&labels, -100i64, i64::from);
    let expected = measure(&logits, &labels, -100)?;
    for row in (0..30).filter(|&row| labels[row] == -100) {
        logits[row * CLASSES..][..CLASSES].fill(f32::NAN);
    }
    assert_eq!(measure(&logits, &labels, -100)?, expected);
    Ok(())
}

/// Every function names row and value of a negative label, and none mistakes it for a class or for
/// the -100 of another type.
#[test]
fn negative_labels_are_errors_and_never_wrap() {
    let logits = [0.0f32; 3 * 2];
    let probs = [0.5f32; 3 * 2];
    let empty = ClassificationMetrics::new(15).unwrap();
    for (wrong, others) in
        [(-100i64, [-1, 255]), (-1, [-100, 1]), (1 << 32, [0, -100]), (i64::MIN, [0, 1])]
    {
        let labels = [0, wrong, 0];
        let shape = [3, 2, 1, 1];
        let messages = [
            Predictions::from_logits(&logits, 2, &labels).map(drop),
            Predictions::from_logits_at(&logits, 2, &labels, 2.0).map(drop),
            Predictions::from_probs(&probs, 2, &labels).map(drop),
            measure_logits(&empty, &logits, 2, &labels).map(drop),
            measure_logits_at(&empty, &logits, 2, &labels, 2.0).map(drop),
            measure_probs(&empty, &probs, 2, &labels).map(drop),
            TemperatureScaling::fit_logits(&logits, 2, &labels).map(drop),
            TemperatureScaling::fit_pixels(&logits, shape, &labels, None).map(drop),
            TemperatureScaling::fit_pixels(&logits, shape, &labels, Some(others[0])).map(drop),
            SegmentationBatch::new(&logits, shape, &labels, &[]).map(drop),
            SegmentationBatch::new(&logits, shape, &labels, &others[..1]).map(drop),
            CountedRows::new(&logits, 2, &labels, &[]).map(drop),
            CountedRows::new(&logits, 2, &labels, &others[..1]).map(drop),
            ConfusionMatrix::new(2).unwrap().add_masks(&[0, 0, 0], &labels, &[]),
            ConfusionMatrix::new(2).unwrap().add_masks(&labels, &[0, 0, 0], &[]),
        ];
        for (i, message) in messages.into_iter().enumerate() {
            let message = message.expect_err("a wrong label").to_string();
            assert_eq!(
                message,
                format!("label {wrong} at row 1 is out of range: the logits have 2 classes"),
                "{i}"
            );
        }
    }
    // 4294967196 is -100 as a `u32`.
    let wrapped = [0u32, -100i32 as u32, 0];
    let message = CountedRows::new(&logits, 2, &wrapped, &[-100]).unwrap_err().to_string();
    assert!(message.starts_with("label 4294967196 at row 1"), "{message}");
    let message = SegmentationBatch::new(&logits, [3, 2, 1, 1], &[0, u64::MAX, 0], &[-1])
        .unwrap_err()
        .to_string();
    assert!(message.starts_with("label 18446744073709551615 at row 1"), "{message}");
}

#[test]
fn rows_that_count_can_be_scores_of_a_calibrator() -> Result<()> {
    let (logits, labels) = rows(40);
    let labels = with(&labels, -100i64, i64::from);
    let counted = CountedRows::new(&logits, CLASSES, &labels, &[-100])?;
    assert_eq!((counted.ignored(), counted.labels().len(), counted.scores().len()), (10, 30, 150));
    let scores = Scores::from_logits(counted.scores(), CLASSES)?;
    assert_eq!(scores.rows(), 30);
    // Without an ignored row nothing is copied.
    let all = [0u32; 40];
    let counted = CountedRows::new(&logits, CLASSES, &all, &[-100])?;
    assert!(
        std::ptr::eq(counted.scores(), &logits[..]) && std::ptr::eq(counted.labels(), &all[..])
    );
    assert_eq!(counted.ignored(), 0);
    let none = CountedRows::new(&logits[..CLASSES], CLASSES, &[-100i64], &[-100])?;
    assert_eq!((none.scores().len(), none.labels().len()), (0, 0));
    assert!(matches!(
        CountedRows::new(&logits, CLASSES, &all[..39], &[]),
        Err(Error::Shape { .. })
    ));
    assert!(matches!(CountedRows::new(&logits, 1, &all, &[]), Err(Error::Setting { .. })));
    Ok(())
}

#[test]
fn labels_are_slices_of_any_type() -> Result<()> {
    assert_eq!(Labels::from(&[3i8, -1, 127][..]).range(1..3).to_u32(&[-1])?, [u32::MAX, 127]);
    assert_eq!(Labels::from(&vec![1u64, 2]).to_u32(&[])?, [1, 2]);
    assert!(Labels::from(&[0usize; 0]).is_empty());
    let message = Labels::from(&[1, 2, u32::MAX]).to_u32(&[-100]).unwrap_err().to_string();
    assert_eq!(
        message,
        "label = 4294967295 at row 2: expected from 0 to 2^32 - 2, or one that is ignored"
    );
    Ok(())
}
