//! The scores and the calibration of segmentations against the golden values of the published PyTorch code.

use mbls_core::metric::{
    AbsentClasses, AdaptiveConvention, AdaptiveEce, Background, ClassOverlap, ClasswiseConvention, ClasswiseEce,
    ConfusionMatrix, LogitDistanceTail, LogitStatistics, Metric, Overlap, PredictionMetric, Predictions,
    SegmentationBatch, SegmentationCalibration, SegmentationCalibrationReport, SegmentationProtocol,
};
use mbls_testkit::golden;
use serde_json::Value;

const TOLERANCE: f64 = 1e-6;

struct Batch {
    logits: Vec<f32>,
    shape: [usize; 4],
    labels: Vec<u32>,
}

impl Batch {
    /// The logits of a name, and a tensor of labels.
    fn read(name: &str, labels: &str) -> Self {
        let (logits, shape, labels) = golden::segmentation(name, labels);
        Self { logits, shape, labels }
    }

    fn input<'a>(&'a self, ignored: &'a [i64]) -> SegmentationBatch<'a> {
        SegmentationBatch::new(&self.logits, self.shape, &self.labels, ignored).unwrap()
    }
}

struct Case {
    name: String,
    values: Value,
    batches: Vec<Batch>,
    ignore: i64,
}

/// The cases with values; the others hold what the published code fails on.
fn cases() -> Vec<Case> {
    let json = golden::json("seg.json");
    let cases = json["cases"].as_object().unwrap().iter().filter_map(|(name, values)| {
        let batches = 0..values["batches"].as_u64()?;
        let batch = |b| Batch::read(&format!("{name}/b{b}"), &format!("{name}/b{b}/labels"));
        Some(Case {
            name: name.clone(),
            values: values.clone(),
            batches: batches.map(batch).collect(),
            ignore: values["ignore_index"].as_i64().unwrap(),
        })
    });
    let cases: Vec<Case> = cases.collect();
    assert!(!cases.is_empty());
    cases
}

impl Case {
    fn bins(&self) -> usize {
        self.values["bins"].as_u64().unwrap() as usize
    }

    fn check(&self, what: &str, found: f64, expected: &Value) {
        let expected = expected.as_f64().unwrap();
        let tolerance = TOLERANCE * expected.abs().max(1.0);
        assert!((found - expected).abs() <= tolerance, "{}: {what} is {found}, expected {expected}", self.name);
    }

    /// The sum of what a metric of predictions saw in all batches.
    fn pooled<M: PredictionMetric>(&self, mut metric: M, ignored: &[i64]) -> M {
        for batch in &self.batches {
            for rows in batch.input(ignored).chunks() {
                metric.update(&rows.predictions().unwrap()).unwrap();
            }
        }
        metric
    }

    fn calibration(&self, mut metric: SegmentationCalibration, ignored: &[i64]) -> SegmentationCalibrationReport {
        self.batches.iter().for_each(|batch| metric.update(batch.input(ignored)).unwrap());
        metric.value().unwrap()
    }
}

fn confusion(batch: &Batch, ignored: &[i64]) -> ConfusionMatrix {
    let mut confusion = ConfusionMatrix::new(batch.shape[1]).unwrap();
    for rows in batch.input(ignored).chunks() {
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
            let batch = confusion(batch, &[case.ignore]);
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
            let expected: Vec<u64> =
                case.values[key].as_array().unwrap().iter().map(|area| area.as_f64().unwrap() as u64).collect();
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
        let reference = || SegmentationCalibration::new(case.bins(), SegmentationProtocol::Reference).unwrap();
        let check = |report: &SegmentationCalibrationReport, value: &dyn Fn(&str) -> Value| {
            assert_eq!(report.protocol, SegmentationProtocol::Reference);
            case.check("NLL", report.nll, &value("nll"));
            case.check("ECE", report.ece, &value("ece"));
            case.check("adaptive ECE", report.aece.unwrap(), &value("aece"));
            case.check("classwise ECE", report.cece, &value("cece"));
        };
        let whole = case.calibration(reference(), &[case.ignore]);
        check(&whole, &|key| case.values["calibrate_evaluator_batch_averaged"][key].clone());

        let recorded = &case.values["calibrate_per_batch"];
        for (i, batch) in case.batches.iter().enumerate() {
            let mut metric = reference();
            metric.update(batch.input(&[case.ignore])).unwrap();
            let report = metric.value().unwrap();
            assert_eq!(report.n, recorded["count"][i].as_u64().unwrap(), "{}", case.name);
            check(&report, &|key| recorded[key][i].clone());
        }
    }
}

#[test]
fn calibration_of_the_pooled_protocol() {
    for case in cases() {
        let sets =
            [("pooled_no_ignored", vec![case.ignore]), ("pooled_no_ignored_no_background", vec![case.ignore, 0])];
        for (key, ignored) in sets {
            let expected = &case.values[key];
            let plain = SegmentationCalibration::new(case.bins(), SegmentationProtocol::Pooled).unwrap();
            let report = case.calibration(plain, &ignored);
            assert_eq!((report.n, report.aece), (expected["count"].as_u64().unwrap(), None), "{}", case.name);
            case.check("NLL", report.nll, &expected["nll_f64"]);
            case.check("ECE", report.ece, &expected["ece_f64"]);
            let with_adaptive = SegmentationCalibration::with_adaptive_ece(case.bins()).unwrap();
            let with_adaptive = case.calibration(with_adaptive, &ignored);
            let default = AdaptiveEce::new(case.bins(), AdaptiveConvention::Definition).unwrap();
            assert_eq!(with_adaptive.aece, case.pooled(default, &ignored).value());
            assert_eq!(SegmentationCalibrationReport { aece: None, ..with_adaptive }, report);

            // The values of the file are in the reference conventions.
            let adaptive = AdaptiveEce::new(case.bins(), AdaptiveConvention::Reference).unwrap();
            case.check("adaptive ECE", case.pooled(adaptive, &ignored).value().unwrap(), &expected["aece_f64"]);
            let classwise = ClasswiseEce::new(case.bins(), ClasswiseConvention::Reference).unwrap();
            case.check("classwise ECE", case.pooled(classwise, &ignored).value().unwrap(), &expected["cece"]);
        }
    }
}

/// Label maps that the published code fails on: with fewer than two pixels that count.
#[test]
fn almost_no_pixels() {
    let (json, tensors) = (golden::json("seg.json"), golden::tensors("seg.safetensors"));
    let failing = json["cases"].as_object().unwrap().iter().filter(|(_, values)| values.get("batches").is_none());
    let mut maps = Vec::new();
    for (name, recorded) in failing {
        let recorded = recorded.as_object().unwrap();
        assert!(recorded.values().all(|value| value.get("error").is_some()), "{name}: {recorded:?}");
        let mut of_case: Vec<_> = tensors.keys().filter(|key| key.starts_with(&format!("{name}/labels"))).collect();
        assert_eq!(of_case.len(), recorded.len(), "{name}");
        of_case.sort();
        maps.extend(of_case.into_iter().map(|map| (name, map)));
    }
    for (name, map) in maps {
        let batch = Batch::read(name, map);
        let classes = batch.shape[1] as u32;
        let ignored: Vec<i64> = batch.labels.iter().copied().filter(|&label| label >= classes).map(i64::from).collect();
        let mut metric = SegmentationCalibration::new(15, SegmentationProtocol::Reference).unwrap();
        metric.update(batch.input(&ignored)).unwrap();
        let area = batch.labels.len();
        let foreground: Vec<usize> = (0..area).filter(|&p| (1..classes).contains(&batch.labels[p])).collect();
        match foreground[..] {
            [] => assert_eq!(metric.value(), None, "{map}"),
            [pixel] => {
                let scores: Vec<f32> = batch.logits.iter().skip(pixel).step_by(area).copied().collect();
                let label = [batch.labels[pixel]];
                let one = Predictions::from_logits(&scores, scores.len(), &label).unwrap();
                let report = metric.value().unwrap();
                let error = (f64::from(u8::from(one.correct(0))) - one.confidence(0)).abs();
                assert_eq!((report.n, report.aece), (1, Some(0.0)), "{map}");
                assert!((report.ece - error).abs() < TOLERANCE && report.nll == -one.log_prob_of_label(0), "{map}");
            }
            _ => panic!("{map} has {} pixels that count", foreground.len()),
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
        for rows in case.batches.iter().flat_map(|batch| batch.input(std::slice::from_ref(&case.ignore)).chunks()) {
            statistics.update(rows.logit_rows().unwrap()).unwrap();
            tails.iter_mut().for_each(|(_, tail)| tail.update(rows.logit_rows().unwrap()).unwrap());
        }
        let report = statistics.value().unwrap();
        case.check("mean distance", report.mean_distance, &expected["mean_diffs"]);
        case.check("largest distance", report.max_distance, &expected["max_diffs"]);
        case.check("gap", report.top_two_gap, &expected["margin"]);
        for (key, tail) in tails {
            // Published code means all rows where the share of them is less than one row.
            let all = (report.n as f64 * tail.share()) < 1.0;
            let found = if all { report.max_distance } else { tail.value().unwrap() };
            case.check(key, found, &expected[key]);
        }
    }
}
