use super::classification::{Rows, rows_in_batches};
use super::{batches, bits, check, refused, reloaded};
use mbls_core::Error;
use mbls_core::metric::{
    AbsentClasses, AdaptiveConvention, Background, ClassificationMetrics, ClasswiseConvention,
    ConfusionMatrix, Metric, Predictions, SegmentationBatch, SegmentationCalibration,
    SegmentationProtocol,
};
use proptest::prelude::*;
use rayon::iter::ParallelIterator as _;
use serde_json::json;

const IGNORED: u32 = 255;

/// Returns a logits tensor `[N, C, H, W]` whose pixels are these rows, in the order of `[N, H, W]`.
fn transposed(rows: &Rows, shape: [usize; 4]) -> Vec<f32> {
    let [images, classes, height, width] = shape;
    let area = height * width;
    let mut logits = vec![0.0; images * classes * area];
    for (pixel, scores) in rows.logits.chunks(classes).enumerate() {
        for (class, &score) in scores.iter().enumerate() {
            logits[(pixel / area * classes + class) * area + pixel % area] = score;
        }
    }
    logits
}

/// Adds rows as images of one pixel. Label 0 is ignored in rows with an index divisible by 3.
fn add(metric: &mut SegmentationCalibration, rows: &Rows, batch: &[usize]) {
    let (logits, labels) = (rows.select_logits(batch), masked_labels(rows, batch));
    let shape = [batch.len(), rows.classes, 1, 1];
    metric
        .update(SegmentationBatch::new(&logits, shape, &labels, &[IGNORED as i64]).unwrap())
        .unwrap();
}

fn masked_labels(rows: &Rows, batch: &[usize]) -> Vec<u32> {
    let label = |&row: &usize| {
        if row % 3 == 0 && rows.labels[row] == 0 { IGNORED } else { rows.labels[row] }
    };
    batch.iter().map(label).collect()
}

proptest! {
    #[test]
    fn shards((rows, batches) in rows_in_batches(), bins in 1usize..20) {
        let confusion = ConfusionMatrix::new(rows.classes).unwrap();
        check(confusion.clone(), &batches, |m, b| m.update(&rows.predictions(b)).unwrap());
        let predicted = |batch: &[usize]| -> Vec<u32> {
            let input = rows.predictions(batch);
            (0..batch.len()).map(|row| input.predicted(row)).collect()
        };
        let mut by_masks = confusion.clone();
        check(confusion, &batches, |m, b| m.add_masks(&predicted(b), &masked_labels(&rows, b), &[IGNORED as i64]).unwrap());
        let all: Vec<usize> = (0..batches.0).collect();
        by_masks.add_masks(&predicted(&all), &rows.labels, &[]).unwrap();
        let mut by_rows = ConfusionMatrix::new(rows.classes).unwrap();
        by_rows.update(&rows.all()).unwrap();
        prop_assert_eq!(&by_masks, &by_rows);
        let classes = 0..rows.classes;
        let counts = classes.clone().flat_map(|label| classes.clone().map(move |predicted| (label, predicted)));
        let counts: Vec<u64> = counts.map(|(label, predicted)| by_rows.count(label, predicted)).collect();
        prop_assert_eq!(ConfusionMatrix::from_counts(rows.classes, &counts).unwrap(), by_rows);

        let pooled = SegmentationCalibration::new(bins, SegmentationProtocol::Pooled).unwrap();
        check(pooled, &batches, |m, b| add(m, &rows, b));
        check(SegmentationCalibration::with_adaptive_ece(bins).unwrap(), &batches, |m, b| add(m, &rows, b));
    }

    /// The protocol is a mean over batches, in any order and from any shard.
    #[test]
    fn reference_protocol_is_its_definition((rows, (_, batches)) in rows_in_batches(), bins in 1usize..20) {
        let empty = SegmentationCalibration::new(bins, SegmentationProtocol::Reference).unwrap();
        let (mut streamed, mut merged) = (empty.clone(), empty.clone());
        let (mut n, mut sums) = (0, [0.0; 4]);
        for batch in &batches {
            add(&mut streamed, &rows, batch);
            let foreground: Vec<usize> = batch.iter().copied().filter(|&row| rows.labels[row] != 0).collect();
            let (adaptive, classwise) = (AdaptiveConvention::Reference, ClasswiseConvention::Reference);
            let mut metrics = ClassificationMetrics::with_conventions(bins, adaptive, classwise).unwrap();
            metrics.update(&rows.predictions(&foreground)).unwrap();
            if let Some(report) = metrics.value() {
                n += report.n;
                let errors = [report.nll, report.ece, report.aece, report.cece];
                sums.iter_mut().zip(errors).for_each(|(sum, error)| *sum += error * report.n as f64);
            }
        }
        for batch in batches.iter().rev() {
            let mut shard = reloaded(&empty);
            add(&mut shard, &rows, batch);
            merged.merge(reloaded(&shard)).unwrap();
        }
        prop_assert_eq!(&merged, &streamed);
        prop_assert_eq!(bits(&merged), bits(&streamed));
        match merged.value() {
            None => prop_assert_eq!(n, 0),
            Some(report) => {
                prop_assert_eq!(report.n, n);
                let found = [report.nll, report.ece, report.aece.unwrap(), report.cece];
                for (found, sum) in found.into_iter().zip(sums) {
                    prop_assert!((found - sum / n as f64).abs() < 1e-12, "{} and {}", found, sum / n as f64);
                }
            }
        }
    }

    #[test]
    fn pixels_are_rows_in_the_order_of_the_labels((rows, _) in rows_in_batches(), width in 1usize..5) {
        // Whole images of 2 x width pixels.
        let images = rows.labels.len() / (2 * width);
        let n = images * 2 * width;
        let all: Vec<usize> = (0..n).collect();
        let rows = Rows { classes: rows.classes, logits: rows.select_logits(&all), labels: masked_labels(&rows, &all) };
        let shape = [images, rows.classes, 2, width];
        let logits = transposed(&rows, shape);
        let batch = SegmentationBatch::new(&logits, shape, &rows.labels, &[IGNORED as i64]).unwrap();
        let counted: Vec<usize> = all.into_iter().filter(|&row| rows.labels[row] != IGNORED).collect();
        let found: Vec<_> = batch.chunks().collect();
        prop_assert_eq!(found.iter().flat_map(|c| c.logits().as_f32().unwrap()).copied().collect::<Vec<_>>(), rows.select_logits(&counted));
        prop_assert_eq!(found.iter().flat_map(|c| c.labels.clone()).collect::<Vec<_>>(), rows.select_labels(&counted));
    }

    #[test]
    fn overlap_is_its_definition((rows, _) in rows_in_batches()) {
        let (mut confusion, input) = (ConfusionMatrix::new(rows.classes).unwrap(), rows.all());
        confusion.update(&input).unwrap();
        let overlap = confusion.value().unwrap();
        let count = |of: &dyn Fn(u32, u32) -> bool| {
            (0..input.rows()).filter(|&row| of(input.label(row), input.predicted(row))).count() as f64
        };
        let defined = |part: f64, whole: f64| (whole > 0.0).then(|| part / whole);
        let mut scores = Vec::new();
        for (k, class) in overlap.classes.iter().enumerate() {
            let k = k as u32;
            let both = count(&|label, predicted| label == k && predicted == k);
            let (labelled, predicted) = (count(&|label, _| label == k), count(&|_, predicted| predicted == k));
            let either = count(&|label, predicted| label == k || predicted == k);
            prop_assert_eq!(class.iou(), defined(both, either));
            prop_assert_eq!(class.dice(), defined(2.0 * both, labelled + predicted));
            prop_assert_eq!(class.recall(), defined(both, labelled));
            // Dice is a function of IoU and at least as large.
            if let (Some(iou), Some(dice)) = (class.iou(), class.dice()) {
                prop_assert!((dice - 2.0 * iou / (1.0 + iou)).abs() < 1e-12 && iou <= dice && dice <= 1.0);
            }
            scores.push(class.iou());
        }
        let right = count(&|label, predicted| label == predicted);
        prop_assert_eq!(overlap.pixel_accuracy(), defined(right, input.rows() as f64));
        for (background, scores) in [(Background::Included, &scores[..]), (Background::Excluded, &scores[1..])] {
            let sum: f64 = scores.iter().flatten().sum();
            let found = overlap.mean_iou(background, AbsentClasses::Omitted);
            prop_assert_eq!(found, defined(sum, scores.iter().flatten().count() as f64));
            let reference = overlap.mean_iou(background, AbsentClasses::Reference).unwrap();
            prop_assert!((reference - sum / scores.len() as f64).abs() < 1e-9);
        }
    }
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    let (classes, area) = (3, 200_000);
    let logits: Vec<f32> = (0..classes * area).map(|i| (i * i % 97) as f32 / 8.0).collect();
    let labels: Vec<u32> = (0..area as u32).map(|i| i * 7 % 3).collect();
    let batch = SegmentationBatch::new(&logits, [1, classes, 1, area], &labels, &[]).unwrap();
    let on = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let reference =
                SegmentationCalibration::new(15, SegmentationProtocol::Reference).unwrap();
            [SegmentationCalibration::with_adaptive_ece(15).unwrap(), reference].map(
                |mut metric| {
                    metric.update(batch).unwrap();
                    serde_json::to_string(&metric).unwrap()
                },
            )
        })
    };
    assert_eq!(on(1), on(2));
    assert_eq!(on(1), on(5));
}

/// The error names the pixel without valid logits in any block; an arbitrarily large likelihood is
/// not an error.
#[test]
fn errors_name_the_pixel_of_the_batch() {
    let (classes, area) = (2, 300_000);
    let mut logits = vec![0.0; classes * area];
    logits[250_000] = 1e38;
    logits[290_000] = 1e38;
    let mut labels = vec![1; area];
    labels[..1000].fill(IGNORED);
    let batch =
        SegmentationBatch::new(&logits, [1, classes, 1, area], &labels, &[IGNORED as i64]).unwrap();
    let mut metric = SegmentationCalibration::new(15, SegmentationProtocol::Pooled).unwrap();
    metric.update(batch).unwrap();
    assert!(metric.value().unwrap().nll > 1e32);
    logits[250_000] = f32::INFINITY;
    let batch = SegmentationBatch::new(&logits, [1, classes, 1, area], &labels, &[IGNORED as i64]);
    let message = batch.unwrap_err().to_string();
    assert!(message.contains("at row 250000, class 0"), "{message}");
}

/// There are more pixels than fit in one chunk.
#[test]
fn large_batches_come_in_bounded_chunks() {
    let (classes, area) = (3, 500_000);
    let logits: Vec<f32> = (0..classes * area).map(|i| (i % 7) as f32).collect();
    let labels: Vec<u32> = (0..area as u32).map(|i| i % 4).collect();
    let batch = SegmentationBatch::new(&logits, [1, classes, area, 1], &labels, &[3]).unwrap();
    let mut pixel = 0;
    for chunk in batch.chunks() {
        assert!(chunk.logits().len() <= 1 << 18);
        for (scores, &label) in chunk.logits().as_f32().unwrap().chunks(classes).zip(&chunk.labels)
        {
            pixel += usize::from(pixel % 4 == 3);
            assert_eq!((label, scores[2]), ((pixel % 4) as u32, ((pixel + 2 * area) % 7) as f32));
            pixel += 1;
        }
    }
    assert_eq!(pixel, area - 1, "the last pixel is ignored");
}

#[test]
fn wrong_input_is_refused() {
    let message = |logits: &[f32], shape, labels: &[u32]| {
        SegmentationBatch::new(logits, shape, labels, &[IGNORED as i64]).unwrap_err().to_string()
    };
    let cases = [
        (
            message(&[0.0; 5], [1, 2, 1, 3], &[0; 3]),
            "logits: expected [1, 2, 1, 3], found 5 values",
        ),
        (message(&[0.0; 6], [1, 2, 1, 3], &[0; 2]), "labels: expected [1, 1, 3], found 2 values"),
        (
            message(&[], [usize::MAX, 2, 1, 1], &[]),
            "logits: expected [18446744073709551615, 2, 1, 1], found 0 values",
        ),
        (message(&[0.0; 3], [1, 1, 1, 3], &[0; 3]), "classes = 1: expected from 2 to 2^32 - 1"),
        (
            message(&[0.0; 6], [1, 2, 1, 3], &[0, IGNORED, 2]),
            "label 2 at row 2 is out of range: the logits have 2 classes",
        ),
        (
            message(&[0.0, 0.0, 0.0, 0.0, 0.0, f32::NAN], [1, 2, 1, 3], &[0; 3]),
            "logit NaN at row 2, class 1: expected a finite number",
        ),
    ];
    for (message, expected) in cases {
        assert_eq!(message, expected);
    }
    // There are no pixels, for any product of the other sizes.
    for shape in [[0, 2, usize::MAX, usize::MAX], [3, 2, 0, usize::MAX], [3, 2, 5, 0]] {
        assert_eq!(
            SegmentationBatch::new(&[0f32; 0], shape, &[0u32; 0], &[]).unwrap().chunks().count(),
            0
        );
    }
    // Ignored pixels may have any value.
    let logits = [0.0, f32::NAN, 0.0, f32::INFINITY];
    let batch =
        SegmentationBatch::new(&logits, [1, 2, 1, 2], &[1, IGNORED], &[IGNORED as i64]).unwrap();
    assert_eq!(batch.chunks().map(|rows| rows.labels).collect::<Vec<_>>(), [[1]]);

    let mut confusion = ConfusionMatrix::new(2).unwrap();
    let message = confusion.add_masks(&[0, 1], &[0], &[]).unwrap_err().to_string();
    assert_eq!(message, "predicted mask: expected 1 pixels, one per label, found 2 pixels");
    for (predicted, labels) in [([0, 2], [0, 0]), ([0, 0], [0, 2])] {
        let message =
            confusion.add_masks(&predicted, &labels, &[IGNORED as i64]).unwrap_err().to_string();
        assert_eq!(message, "label 2 at row 1 is out of range: the logits have 2 classes");
    }
    assert_eq!(confusion, ConfusionMatrix::new(2).unwrap());
    for classes in [1, 4097] {
        let message = ConfusionMatrix::new(classes).unwrap_err().to_string();
        assert_eq!(message, format!("classes = {classes}: expected from 2 to 4096"));
    }
    let message = ConfusionMatrix::from_counts(2, &[0; 5]).unwrap_err().to_string();
    assert_eq!(message, "confusion matrix: expected 2 x 2 counts, found 5 counts");
    for counts in [[1 << 47, 1, 0, 0], [u64::MAX; 4]] {
        assert!(matches!(ConfusionMatrix::from_counts(2, &counts), Err(Error::Accumulator { .. })));
    }
    let message = confusion.merge(ConfusionMatrix::new(3).unwrap()).unwrap_err().to_string();
    assert_eq!(message, "cannot merge metrics of different settings: classes is 2 and 3");

    let new = |bins, protocol| SegmentationCalibration::new(bins, protocol).unwrap();
    let (pooled, reference) = (SegmentationProtocol::Pooled, SegmentationProtocol::Reference);
    let refused = |mut left: SegmentationCalibration, right, expected: &str| {
        let message = left.merge(right).unwrap_err().to_string();
        assert_eq!(message, format!("cannot merge metrics of different settings: {expected}"));
    };
    refused(new(15, pooled), new(15, reference), "protocol is Pooled and Reference");
    refused(new(15, pooled), new(10, pooled), "bins is 15 and 10");
    refused(new(15, reference), new(10, reference), "bins is 15 and 10");
    let adaptive = SegmentationCalibration::with_adaptive_ece(15).unwrap();
    refused(new(15, pooled), adaptive, "adaptive ECE is false and true");
    for protocol in [pooled, reference] {
        let message = SegmentationCalibration::new(0, protocol).unwrap_err().to_string();
        assert_eq!(message, "bins = 0: expected from 1 to 65536");
    }
}

#[test]
fn states_that_contradict_themselves_are_refused() {
    let confusion = |classes: u64, counts: &[u64]| {
        refused::<ConfusionMatrix>(
            "confusion-matrix",
            json!({"classes": classes, "counts": counts}),
        )
    };
    assert!(confusion(2, &[0; 3]).contains("3 counts of 2 classes"));
    assert!(confusion(1 << 40, &[0; 3]).contains("classes = 1099511627776"));
    assert!(confusion(2, &[u64::MAX; 4]).contains("rows: expected at most 2^47"));

    let calibration = |state| refused::<SegmentationCalibration>("segmentation-calibration", state);
    let empty = SegmentationCalibration::new(15, SegmentationProtocol::Reference).unwrap();
    let state = serde_json::to_value(&empty).unwrap()["state"].clone();
    let with = |key: &str, value: serde_json::Value| {
        let mut state = state.clone();
        state["reference"][key] = value;
        calibration(state)
    };
    assert!(with("bins", json!(0)).contains("bins = 0"));
    assert!(with("batches", json!(1)).contains("1 batches of 0 pixels"));
    assert!(with("ece", json!("1")).contains("for 0 pixels"));
    assert!(with("cece", json!("-1")).contains("for 0 pixels"));

    let mut pooled =
        serde_json::to_value(SegmentationCalibration::with_adaptive_ece(15).unwrap()).unwrap();
    pooled["state"]["pooled"]["adaptive"]["state"]["bins"] = json!(14);
    assert!(calibration(pooled["state"].clone()).contains("[15, 15, 14] bins"));
    pooled["state"]["pooled"]["adaptive"]["state"]["bins"] = json!(15);
    pooled["state"]["pooled"]["adaptive"]["state"]["convention"] = json!("reference");
    assert!(
        calibration(pooled["state"].clone()).contains("conventions (Definition, Some(Reference))")
    );
    pooled["state"]["pooled"]["adaptive"] = json!(null);
    pooled["state"]["pooled"]["nll"]["state"]["n"] = json!(1);
    assert!(calibration(pooled["state"].clone()).contains("[1, 0, 0] rows"));
}

proptest! {
    /// Without included pixels there is no value, for any batches.
    #[test]
    fn background_alone_has_no_value((n, _) in batches(1usize..20)) {
        let rows = Rows { classes: 2, logits: vec![0.0; 2 * n], labels: vec![0; n] };
        let mut metric = SegmentationCalibration::new(15, SegmentationProtocol::Reference).unwrap();
        add(&mut metric, &rows, &(0..n).collect::<Vec<_>>());
        prop_assert_eq!(metric.value(), None);
    }
}

/// A matrix with the maximum number of pixels accepts no more pixels, and no part of a batch.
#[test]
fn full_matrices_take_no_more() {
    let state = json!({"classes": 2, "counts": [1u64 << 47, 0, 0, 0]});
    let text = json!({"metric": "confusion-matrix", "version": 1, "state": state}).to_string();
    let mut confusion: ConfusionMatrix = serde_json::from_str(&text).unwrap();
    let before = confusion.clone();
    assert!(matches!(confusion.add_masks(&[0], &[1], &[]), Err(Error::Accumulator { .. })));
    let input = Predictions::from_logits(&[0.0, 1.0], 2, &[0]).unwrap();
    assert!(matches!(confusion.update(&input), Err(Error::Accumulator { .. })));
    assert!(matches!(confusion.merge(before.clone()), Err(Error::Accumulator { .. })));
    assert_eq!(confusion, before);
}

/// The images of a batch are valid batches, and parallel iteration yields the same chunks as
/// sequential iteration.
#[test]
fn images_are_batches() {
    let (images, classes, area) = (3, 4, 70_000);
    let logits: Vec<f32> = (0..images * classes * area).map(|i| (i * 31 % 1009) as f32).collect();
    let labels: Vec<u32> = (0..images * area).map(|i| ((i * 7 + i / area) % 5) as u32).collect();
    let whole =
        SegmentationBatch::new(&logits, [images, classes, 7, area / 7], &labels, &[4]).unwrap();
    assert_eq!(whole.images(), images);
    for image in 0..images {
        let (own_logits, own_labels) =
            (&logits[image * classes * area..][..classes * area], &labels[image * area..][..area]);
        let own =
            SegmentationBatch::new(own_logits, [1, classes, area, 1], own_labels, &[4]).unwrap();
        let found: Vec<_> = whole.image(image).chunks().collect();
        assert!(found.len() > 1);
        assert_eq!((whole.image(image).images(), found), (1, own.chunks().collect()));
    }
    let mut chunks: Vec<_> = whole.par_chunks().collect();
    chunks.sort_by_key(|rows| rows.pixels[0]);
    assert_eq!(chunks, whole.chunks().collect::<Vec<_>>());
}
