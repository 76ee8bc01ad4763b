//! Compares the scores and the calibration of segmentations with the golden values of the published
//! PyTorch code.

use mbls_core::metric::{
    AbsentClasses, AdaptiveConvention, AdaptiveEce, Background, ClassOverlap, ClasswiseConvention,
    ClasswiseEce, ConfusionMatrix, LogitDistanceTail, LogitStatistics, Metric, Overlap,
    PredictionMetric, Predictions, SegmentationBatch, SegmentationCalibration,
    SegmentationCalibrationReport, SegmentationProtocol,
};
use mbls_testkit::golden;
use mbls_testkit::segmentation::{Batch, Case, TOLERANCE, cases};
use serde_json::Value;

fn input<'a>(batch: &'a Batch, ignored: &'a [i64]) -> SegmentationBatch<'a> {
    SegmentationBatch::new(&batch.logits, batch.shape, &batch.labels, ignored).unwrap()
}

/// Accumulates a metric of predictions over all batches.
fn pooled<M: PredictionMetric>(case: &Case, mut metric: M, ignored: &[i64]) -> M {
    for batch in &case.batches {
        for rows in input(batch, ignored).chunks() {
            metric.update(&rows.predictions().unwrap()).unwrap();
        }
    }
    metric
}

fn calibration(
    case: &Case,
    mut metric: SegmentationCalibration,
    ignored: &[i64],
) -> SegmentationCalibrationReport {
    case.batches.iter().for_each(|batch| metric.update(input(batch, ignored)).unwrap());
    metric.value().unwrap()
}

fn confusion(batch: &Batch, ignored: &[i64]) -> ConfusionMatrix {
    let mut confusion = ConfusionMatrix::new(batch.shape[1]).unwrap();
    for rows in input(batch, ignored).chunks() {
        confusion.update(&rows.predictions().unwrap()).unwrap();
    }
    confusion
}

#[test]
fn overlap_of_classes() {
    for case in cases() {
        let mut merged = ConfusionMatrix::new(case.batches[0].shape[1]).unwrap();
        let recorded = case.values["curr_iou_per_batch"].as_array().unwrap();
        assert_eq!(recorded.len(), case.batches.len(), "{}", case.name);
        for (batch, expected) in case.batches.iter().zip(recorded) {
            let batch = confusion(batch, &[case.ignored()]);
            let iou = batch.value().and_then(|overlap| overlap.pooled_iou(Background::Excluded));
            case.check("IoU of a batch", iou.unwrap_or(0.0), expected);
            merged.merge(batch).unwrap();
        }
        let overlap: Overlap = merged.value().unwrap();
        let areas: [(&str, Vec<u64>); 4] = [
            ("area_inter", overlap.classes.iter().map(|class| class.intersection).collect()),
            ("area_union", overlap.classes.iter().map(ClassOverlap::union).collect()),
            ("area_pred", overlap.classes.iter().map(|class| class.predicted).collect()),
            ("area_target", overlap.classes.iter().map(|class| class.labelled).collect()),
        ];
        for (key, found) in areas {
            let expected: Vec<u64> = case.values[key]
                .as_array()
                .unwrap()
                .iter()
                .map(|area| area.as_f64().unwrap() as u64)
                .collect();
            assert_eq!(found, expected, "{}: {key}", case.name);
        }
        let expected = &case.values["segment_evaluator"];
        let (background, absent) = (Background::Excluded, AbsentClasses::Reference);
        case.check("mdsc", overlap.mean_dice(background, absent).unwrap(), &expected["mdsc"]);
        case.check("miou", overlap.mean_iou(background, absent).unwrap(), &expected["miou"]);
        case.check("macc", overlap.mean_recall(background, absent).unwrap(), &expected["macc"]);
    }
}

#[test]
fn calibration_of_the_reference_protocol() {
    for case in cases() {
        let reference =
            || SegmentationCalibration::new(case.bins(), SegmentationProtocol::Reference).unwrap();
        let check = |report: &SegmentationCalibrationReport, value: &dyn Fn(&str) -> Value| {
            assert_eq!(report.protocol, SegmentationProtocol::Reference);
            case.check("NLL", report.nll, &value("nll"));
            case.check("ECE", report.ece, &value("ece"));
            case.check("adaptive ECE", report.aece.unwrap(), &value("aece"));
            case.check("classwise ECE", report.cece, &value("cece"));
        };
        let whole = calibration(&case, reference(), &[case.ignored()]);
        check(&whole, &|key| case.values["calibrate_evaluator_batch_averaged"][key].clone());

        let recorded = &case.values["calibrate_per_batch"];
        for (i, batch) in case.batches.iter().enumerate() {
            let mut metric = reference();
            metric.update(input(batch, &[case.ignored()])).unwrap();
            let report = metric.value().unwrap();
            assert_eq!(report.n, recorded["count"][i].as_u64().unwrap(), "{}", case.name);
            check(&report, &|key| recorded[key][i].clone());
        }
    }
}

#[test]
fn calibration_of_the_pooled_protocol() {
    for case in cases() {
        let sets = [
            ("pooled_no_ignored", vec![case.ignored()]),
            ("pooled_no_ignored_no_background", vec![case.ignored(), 0]),
        ];
        for (key, ignored) in sets {
            let expected = &case.values[key];
            let plain =
                SegmentationCalibration::new(case.bins(), SegmentationProtocol::Pooled).unwrap();
            let report = calibration(&case, plain, &ignored);
            assert_eq!(
                (report.n, report.aece),
                (expected["count"].as_u64().unwrap(), None),
                "{}",
                case.name
            );
            case.check("NLL", report.nll, &expected["nll_f64"]);
            case.check("ECE", report.ece, &expected["ece_f64"]);
            let with_adaptive = SegmentationCalibration::with_adaptive_ece(case.bins()).unwrap();
            let with_adaptive = calibration(&case, with_adaptive, &ignored);
            let default = AdaptiveEce::new(case.bins(), AdaptiveConvention::Definition).unwrap();
            assert_eq!(with_adaptive.aece, pooled(&case, default, &ignored).value());
            assert_eq!(SegmentationCalibrationReport { aece: None, ..with_adaptive }, report);

            // The values of the file use the reference conventions.
            let adaptive = AdaptiveEce::new(case.bins(), AdaptiveConvention::Reference).unwrap();
            case.check(
                "adaptive ECE",
                pooled(&case, adaptive, &ignored).value().unwrap(),
                &expected["aece_f64"],
            );
            let classwise = ClasswiseEce::new(case.bins(), ClasswiseConvention::Reference).unwrap();
            case.check(
                "classwise ECE",
                pooled(&case, classwise, &ignored).value().unwrap(),
                &expected["cece"],
            );
        }
    }
}

/// Label maps on which the published code fails: fewer than two pixels are included.
#[test]
fn almost_no_pixels() {
    let (json, tensors) = (golden::json("seg.json"), golden::tensors("seg.safetensors"));
    let failing = json["cases"]
        .as_object()
        .unwrap()
        .iter()
        .filter(|(_, values)| values.get("batches").is_none());
    let mut maps = Vec::new();
    for (name, recorded) in failing {
        let recorded = recorded.as_object().unwrap();
        assert!(
            recorded.values().all(|value| value.get("error").is_some()),
            "{name}: {recorded:?}"
        );
        let mut of_case: Vec<_> =
            tensors.keys().filter(|key| key.starts_with(&format!("{name}/labels"))).collect();
        assert_eq!(of_case.len(), recorded.len(), "{name}");
        of_case.sort();
        maps.extend(of_case.into_iter().map(|map| (name, map)));
    }
    for (name, map) in maps {
        let batch = Batch::read(name, map);
        let classes = batch.shape[1] as u32;
        let ignored: Vec<i64> =
            batch.labels.iter().copied().filter(|&label| label >= classes).map(i64::from).collect();
        let mut metric = SegmentationCalibration::new(15, SegmentationProtocol::Reference).unwrap();
        metric.update(input(&batch, &ignored)).unwrap();
        let area = batch.labels.len();
        let foreground: Vec<usize> =
            (0..area).filter(|&p| (1..classes).contains(&batch.labels[p])).collect();
        match foreground[..] {
            [] => assert_eq!(metric.value(), None, "{map}"),
            [pixel] => {
                let scores: Vec<f32> =
                    batch.logits.iter().skip(pixel).step_by(area).copied().collect();
                let label = [batch.labels[pixel]];
                let one = Predictions::from_logits(&scores, scores.len(), &label).unwrap();
                let report = metric.value().unwrap();
                let error = (f64::from(u8::from(one.correct(0))) - one.confidence(0)).abs();
                assert_eq!((report.n, report.aece), (1, Some(0.0)), "{map}");
                assert!(
                    (report.ece - error).abs() < TOLERANCE
                        && report.nll == -one.log_prob_of_label(0),
                    "{map}"
                );
            }
            _ => panic!("{map} has {} included pixels", foreground.len()),
        }
    }
}

#[test]
fn statistics_of_logits() {
    for case in cases() {
        let expected = case.values["segment_logits_evaluator"].as_object().unwrap();
        let mut statistics = LogitStatistics::new(10.0).unwrap();
        let mut tails: Vec<(&str, LogitDistanceTail)> = Vec::new();
        for key in expected.keys() {
            if let Some(percent) = key.strip_prefix("max_diffs_top") {
                let share = percent.parse::<f64>().unwrap() / 100.0;
                tails.push((key, LogitDistanceTail::new(share).unwrap()));
            }
        }
        assert!(!tails.is_empty());
        let ignored = case.ignored();
        for rows in case
            .batches
            .iter()
            .flat_map(|batch| input(batch, std::slice::from_ref(&ignored)).chunks())
        {
            statistics.update(rows.logit_rows().unwrap()).unwrap();
            tails.iter_mut().for_each(|(_, tail)| tail.update(rows.logit_rows().unwrap()).unwrap());
        }
        let report = statistics.value().unwrap();
        case.check("mean distance", report.mean_distance, &expected["mean_diffs"]);
        case.check("largest distance", report.max_distance, &expected["max_diffs"]);
        case.check("gap", report.top_two_gap, &expected["margin"]);
        for (key, tail) in tails {
            // Published code averages over all rows if the share is less than one row.
            let all = (report.n as f64 * tail.share()) < 1.0;
            let found = if all { report.max_distance } else { tail.value().unwrap() };
            case.check(key, found, &expected[key]);
        }
    }
}
