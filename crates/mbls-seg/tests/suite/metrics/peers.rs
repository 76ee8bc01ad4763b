//! Comparison with torchmetrics and scipy (`fixtures/segmentation-metrics/generate.py`).

use super::Set;
use mbls_core::metric::Metric;
use mbls_seg::metric::{SegmentationMetrics, SegmentationSettings, VoidEdges, boundary_distances};
use mbls_testkit::golden;
use serde_json::Value;

fn numbers<T>(values: &Value, of: impl Fn(&Value) -> T) -> Vec<T> {
    values.as_array().unwrap().iter().map(of).collect()
}

fn integers(values: &Value) -> Vec<i64> {
    numbers(values, |value| value.as_i64().unwrap())
}

fn floats(values: &Value) -> Vec<f64> {
    numbers(values, |value| value.as_f64().unwrap())
}

fn set(case: &Value) -> Set {
    let shape = integers(&case["shape"]);
    let [count, classes, height, width] = [0, 1, 2, 3].map(|i| shape[i] as usize);
    let logits: Vec<f32> =
        integers(&case["logits_64"]).into_iter().map(|units| units as f32 / 64.0).collect();
    let labels: Vec<u32> =
        integers(&case["labels"]).into_iter().map(|label| label as u32).collect();
    let area = height * width;
    let logits = logits.chunks(classes * area).map(<[f32]>::to_vec);
    let images: Vec<_> = logits.zip(labels.chunks(area).map(<[u32]>::to_vec)).collect();
    assert_eq!(images.len(), count);
    Set { classes, height, width, images }
}

#[test]
fn torchmetrics_and_scipy() {
    let values = golden::fixture("segmentation-metrics/values.json");
    let (bins, void) =
        (values["bins"].as_u64().unwrap() as usize, values["void"].as_i64().unwrap());
    let mut with_distances = 0;
    for case in values["cases"].as_array().unwrap() {
        let set = set(case);
        let settings = SegmentationSettings { bins, void: vec![void], ..Default::default() };
        let mut metrics = SegmentationMetrics::new(set.classes, settings).unwrap();
        set.add(&mut metrics, &set.indices()).unwrap();
        let (report, all) = (metrics.value().unwrap(), &case["all"]);
        let close = |what: &str, found: f64, expected: f64| {
            assert!(
                (found - expected).abs() < 1e-6,
                "{what} of {}: {found} and {expected}",
                case["shape"]
            );
        };
        // torchmetrics assigns a score of 0 to a class that does not occur.
        let expected = [floats(&all["iou"]), floats(&all["dice"]), floats(&all["accuracy"])];
        for (k, class) in report.classes.iter().enumerate() {
            close("IoU", class.iou.unwrap_or(0.0), expected[0][k]);
            close("Dice", class.dice.unwrap_or(0.0), expected[1][k]);
            close("accuracy", class.accuracy.unwrap_or(0.0), expected[2][k]);
        }
        close(
            "pixel accuracy",
            report.overlap.unwrap().pixel_accuracy,
            all["pixel_accuracy"].as_f64().unwrap(),
        );
        close("ECE", report.calibration.unwrap().ece, all["ece"].as_f64().unwrap());
        let images = floats(&case["pictures"]);
        assert_eq!(report.by_image.len(), images.len());
        report
            .by_image
            .iter()
            .zip(images)
            .for_each(|(p, expected)| close("image", p.ece.unwrap(), expected));
        if let Some(bands) = case["bands"].as_array() {
            with_distances += 1;
            for (band, expected) in report.bands.iter().zip(bands) {
                assert_eq!(band.ece.is_some(), expected.is_number());
                close("band", band.ece.unwrap_or(0.0), expected.as_f64().unwrap_or(0.0));
            }
            let mut distances = Vec::new();
            for (_, labels) in &set.images {
                distances.extend(
                    boundary_distances(labels, set.width, &[void], VoidEdges::Ignored).unwrap(),
                );
            }
            assert_eq!(
                distances,
                integers(&case["distances"]).into_iter().map(|d| d as u32).collect::<Vec<_>>()
            );
        }
    }
    assert_eq!(with_distances, 1);
}
