//! Overlap and calibration of segmentations under both protocols.

use mbls_core::metric::{Metric, Predictions, SegmentationCalibrationReport};
use mbls_seg::metric::{
    SegmentationMetrics, SegmentationReport, SegmentationSettings, SegmentedImages,
};
use mbls_testkit::golden;
use mbls_testkit::segmentation::{Batch, Case, TOLERANCE, cases};
use serde_json::Value;

fn measure<'a>(
    bins: usize,
    void: &[i64],
    batches: impl IntoIterator<Item = &'a Batch>,
) -> (SegmentationMetrics, SegmentationReport) {
    let mut metrics: Option<SegmentationMetrics> = None;
    for batch in batches {
        let settings = SegmentationSettings { bins, void: void.to_vec(), ..Default::default() };
        let metrics = metrics
            .get_or_insert_with(|| SegmentationMetrics::new(batch.shape[1], settings).unwrap());
        let first = metrics.images() as u64;
        let indices: Vec<u64> = (first..first + batch.shape[0] as u64).collect();
        let (logits, labels) = (&batch.logits, &batch.labels);
        metrics
            .update(SegmentedImages {
                logits: logits.into(),
                shape: batch.shape,
                labels: labels.into(),
                indices: &indices,
            })
            .unwrap();
    }
    let metrics = metrics.unwrap();
    let report = metrics.value().unwrap();
    (metrics, report)
}

fn check_published(
    case: &Case,
    found: &SegmentationCalibrationReport,
    expected: impl Fn(&str) -> Value,
) {
    case.check("NLL", found.nll, &expected("nll"));
    case.check("ECE", found.ece, &expected("ece"));
    case.check("adaptive ECE", found.aece.unwrap(), &expected("aece"));
    case.check("classwise ECE", found.cece, &expected("cece"));
}

#[test]
fn overlap() {
    for case in cases() {
        let (_, report) = measure(case.bins(), &[case.ignored()], &case.batches);
        let (overlap, expected) = (report.overlap.unwrap(), &case.values["segment_evaluator"]);
        case.check("mdsc", overlap.mean_dice.published.unwrap(), &expected["mdsc"]);
        case.check("miou", overlap.mean_iou.published.unwrap(), &expected["miou"]);
        case.check("macc", overlap.mean_accuracy.published.unwrap(), &expected["macc"]);
        let sum = |key: &str, from: usize| {
            let areas = case.values[key].as_array().unwrap().iter().skip(from);
            areas.map(|area| area.as_f64().unwrap()).sum::<f64>()
        };
        let accuracy = |from: usize| (sum("area_inter", from) / sum("area_target", from)).into();
        case.check("pixel accuracy", overlap.pixel_accuracy, &accuracy(0));
        case.check("foreground accuracy", overlap.foreground_accuracy.unwrap(), &accuracy(1));
        let mut ious = Vec::new();
        for (k, class) in report.classes.iter().enumerate() {
            let area = |key: &str| case.values[key][k].as_f64().unwrap();
            assert_eq!(
                (class.labelled as f64, class.predicted as f64),
                (area("area_target"), area("area_pred"))
            );
            let (both, either) = (area("area_inter"), area("area_union"));
            assert_eq!(
                class.iou,
                (either > 0.0).then(|| both / either),
                "{}: class {k}",
                case.name
            );
            ious.extend(class.iou);
        }
        let mean = ious.iter().sum::<f64>() / ious.len() as f64;
        case.check("mean IoU", overlap.mean_iou.with_background.unwrap(), &mean.into());
    }
}

#[test]
fn calibration_of_the_published_protocol() {
    for case in cases() {
        let (_, report) = measure(case.bins(), &[case.ignored()], &case.batches);
        let published = report.published.unwrap();
        assert_eq!(
            (published.batches, published.empty_batches),
            (case.batches.len() as u64, 0),
            "{}",
            case.name
        );
        let expected = &case.values["calibrate_evaluator_batch_averaged"];
        check_published(&case, &published.calibration.unwrap(), |key| expected[key].clone());
        for (i, batch) in case.batches.iter().enumerate() {
            let (_, report) = measure(case.bins(), &[case.ignored()], [batch]);
            let (found, expected) =
                (report.published.unwrap(), &case.values["calibrate_per_batch"]);
            let found = found.calibration.unwrap();
            assert_eq!(found.n, expected["count"][i].as_u64().unwrap(), "{}", case.name);
            check_published(&case, &found, |key| expected[key][i].clone());
        }
    }
}

/// Compares all images in one histogram, with and without the background. The bands, images and
/// classes must add up to it.
#[test]
fn calibration_of_the_pooled_protocol() {
    for case in cases() {
        let sets = [
            ("pooled_no_ignored", vec![case.ignored()]),
            ("pooled_no_ignored_no_background", vec![case.ignored(), 0]),
        ];
        for (key, void) in sets {
            let (metrics, report) = measure(case.bins(), &void, &case.batches);
            let (pooled, expected) = (report.calibration.unwrap(), &case.values[key]);
            let n = expected["count"].as_u64().unwrap();
            assert_eq!((pooled.reliability.n, report.pixels), (n, n), "{}", case.name);
            case.check("NLL", pooled.nll, &expected["nll_f64"]);
            case.check("ECE", pooled.ece, &expected["ece_f64"]);
            let pixels = case.batches.iter().map(|batch| batch.labels.len() as u64).sum::<u64>();
            assert_eq!(report.pixels + report.void_pixels, pixels);
            assert_eq!(report.bands.iter().map(|band| band.pixels).sum::<u64>(), n);
            assert_eq!(report.by_image.iter().map(|image| image.pixels).sum::<u64>(), n);
            let classes = report.classes.iter();
            let mean =
                classes.map(|class| class.ece.unwrap()).sum::<f64>() / report.classes.len() as f64;
            case.check("mean of the classes", mean, &pooled.cece.unwrap().into());
            for image in &report.by_image {
                assert_eq!(
                    image.ece,
                    metrics.reliability_of(image.index).map(|reliability| reliability.ece())
                );
            }
        }
    }
}

/// The error of a batch of one image equals the error of the image.
#[test]
fn single_images() {
    for case in cases() {
        for batch in case.batches.iter().filter(|batch| batch.shape[0] == 1) {
            let (_, report) = measure(case.bins(), &[case.ignored(), 0], [batch]);
            assert_eq!(report.by_image[0].ece, Some(report.calibration.unwrap().ece));
            // Without background, the image has the pixels that the published protocol counts.
            case.check(
                "ECE",
                report.by_image[0].ece.unwrap(),
                &report.published.unwrap().calibration.unwrap().ece.into(),
            );
        }
    }
}

/// Label maps with fewer than two pixels that count, on which the published code fails.
#[test]
fn almost_no_pixels() {
    let (json, tensors) = (golden::json("seg.json"), golden::tensors("seg.safetensors"));
    for (name, _) in json["cases"]
        .as_object()
        .unwrap()
        .iter()
        .filter(|(_, values)| values.get("batches").is_none())
    {
        let maps: Vec<&String> =
            tensors.keys().filter(|key| key.starts_with(&format!("{name}/labels"))).collect();
        assert!(!maps.is_empty(), "{name}");
        for map in maps {
            let batch = Batch::read(name, map);
            let (classes, area) = (batch.shape[1] as u32, batch.labels.len());
            let void: Vec<i64> = batch
                .labels
                .iter()
                .copied()
                .filter(|&label| label >= classes)
                .map(i64::from)
                .collect();
            let (_, report) = measure(15, &void, [&batch]);
            let published = report.published.unwrap();
            let foreground: Vec<usize> =
                (0..area).filter(|&p| (1..classes).contains(&batch.labels[p])).collect();
            match foreground[..] {
                [] => {
                    assert_eq!(
                        (published.calibration, published.empty_batches),
                        (None, 1),
                        "{map}"
                    );
                }
                [pixel] => {
                    let scores: Vec<f32> =
                        batch.logits.iter().skip(pixel).step_by(area).copied().collect();
                    let label = [batch.labels[pixel]];
                    let one = Predictions::from_logits(&scores, scores.len(), &label).unwrap();
                    let error = (f64::from(u8::from(one.correct(0))) - one.confidence(0)).abs();
                    let found = published.calibration.unwrap();
                    assert!(found.n == 1 && (found.ece - error).abs() < TOLERANCE, "{map}");
                }
                _ => panic!("{map} has {} pixels that count", foreground.len()),
            }
        }
    }
}
