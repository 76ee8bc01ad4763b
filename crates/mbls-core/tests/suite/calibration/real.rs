//! Calibrators of saved outputs of real networks, if `MBLS_DATA_DIR` contains them.

use super::support::{assert_close, fixture, items};
use mbls_core::calibration::{
    Calibrator, CalibratorSpec, MulticlassReduction, Odir, Scores, TemperatureScaling,
};
use mbls_core::metric::{Metric, NegativeLogLikelihood, Predictions, ReliabilityBins};
use mbls_testkit::data;
use std::path::PathBuf;

/// Reads one array of an uncompressed npz file: numbers of `width` bytes after the npy header of
/// that name.
fn array(bytes: &[u8], name: &str, width: usize) -> Vec<Vec<u8>> {
    let find = |from: usize, what: &[u8]| {
        from + bytes[from..].windows(what.len()).position(|w| w == what).unwrap()
    };
    let start = find(find(0, name.as_bytes()), b"\x93NUMPY");
    let header = usize::from(u16::from_le_bytes([bytes[start + 8], bytes[start + 9]]));
    let text = std::str::from_utf8(&bytes[start + 10..start + 10 + header]).unwrap();
    assert!(text.contains("'fortran_order': False"), "{text}");
    let shape = &text[text.find('(').unwrap() + 1..text.find(')').unwrap()];
    let count = shape.split(',').filter_map(|n| n.trim().parse::<usize>().ok()).product::<usize>();
    bytes[start + 10 + header..][..count * width].chunks(width).map(<[u8]>::to_vec).collect()
}

fn network(file: &PathBuf) -> (Vec<f32>, Vec<u32>) {
    let bytes = std::fs::read(file).unwrap();
    let logits = array(&bytes, "logits.npy", 4)
        .into_iter()
        .map(|b| f32::from_le_bytes(b.try_into().unwrap()));
    let labels = array(&bytes, "labels.npy", 8)
        .into_iter()
        .map(|b| i64::from_le_bytes(b.try_into().unwrap()));
    (logits.collect(), labels.map(|label| label.try_into().unwrap()).collect())
}

fn nll(predictions: &Predictions) -> f64 {
    let mut metric = NegativeLogLikelihood::new();
    metric.update(predictions).unwrap();
    metric.value().unwrap()
}

#[test]
fn temperature_is_the_root_that_scipy_finds() {
    for set in items(&fixture("temperature_real.json")["sets"]) {
        let Some(file) = data(set["file"].as_str().unwrap()) else { return };
        let (logits, labels) = network(&file);
        let classes = logits.len() / labels.len();
        let fitted = TemperatureScaling::fit_logits(&logits, classes, &labels).unwrap();
        let expected = set["temperature"].as_f64().unwrap();
        assert!(
            (fitted.temperature() / expected - 1.0).abs() < 1e-9,
            "{} and {expected}",
            fitted.temperature()
        );
        let found = nll(&fitted.apply(&logits, classes, &labels).unwrap());
        assert_close("NLL", &[found], &[set["nll"].as_f64().unwrap()], 1e-9);
    }
}

/// Parts of the test images whose fits once failed although they have an optimum: beta maps of
/// confidences, and penalised matrix scaling of centred logits, whose rows sum to 0.
#[test]
fn every_part_of_real_outputs_is_fitted() {
    for set in items(&fixture("temperature_real.json")["sets"]) {
        let Some(file) = data(set["file"].as_str().unwrap()) else { return };
        let (logits, labels) = network(&file);
        let classes = logits.len() / labels.len();
        for (part, (logits, labels)) in
            logits.chunks(1250 * classes).zip(labels.chunks(1250)).enumerate()
        {
            let name = format!("{}, part {part}", set["file"]);
            let scores = Scores::from_logits(logits, classes).unwrap();
            let beta = CalibratorSpec::Beta { reduction: MulticlassReduction::TopLabel };
            beta.fit(&scores, labels).unwrap_or_else(|e| panic!("{name}: {e}"));
            if part >= 2 {
                continue;
            }
            let centred = |row: &[f32]| -> Vec<f64> {
                let mean = row.iter().map(|&logit| f64::from(logit)).sum::<f64>() / classes as f64;
                row.iter().map(|&logit| f64::from(logit) - mean).collect()
            };
            let centred: Vec<f64> = logits.chunks(classes).flat_map(centred).collect();
            let scores = Scores::from_logits(&centred, classes).unwrap();
            let matrix =
                CalibratorSpec::Matrix { odir: Odir { off_diagonal: 0.1, intercept: 0.1 } };
            let fitted = matrix.fit(&scores, labels).unwrap_or_else(|e| panic!("{name}: {e}"));
            let mut after = NegativeLogLikelihood::new();
            after
                .update(
                    &Predictions::from_probs(&fitted.probs(&scores).unwrap(), classes, labels)
                        .unwrap(),
                )
                .unwrap();
            let mut before = NegativeLogLikelihood::new();
            before.update(&Predictions::from_logits(logits, classes, labels).unwrap()).unwrap();
            assert!(
                after.value() < before.value(),
                "{name}: {:?} and {:?}",
                after.value(),
                before.value()
            );
        }
    }
}

/// Fitted on the first half of the test images, evaluated on the second: every calibrator more than
/// halves the ECE of these overconfident networks.
#[test]
fn every_calibrator_helps_on_held_out_images() {
    let odir = Odir { off_diagonal: 0.01, intercept: 0.01 };
    let (one_vs_rest, top_label) = (MulticlassReduction::OneVsRest, MulticlassReduction::TopLabel);
    let specs = [
        CalibratorSpec::Temperature,
        CalibratorSpec::Vector,
        CalibratorSpec::Matrix { odir },
        CalibratorSpec::Dirichlet { odir },
        CalibratorSpec::Platt { reduction: one_vs_rest, targets: Default::default() },
        CalibratorSpec::Beta { reduction: top_label },
        CalibratorSpec::Isotonic { reduction: top_label },
    ];
    let Some(file) = data("logits/cifar10_human_experiments/resnet_preact_bottleneck_164_test.npz")
    else {
        return;
    };
    let (logits, labels) = network(&file);
    let classes = logits.len() / labels.len();
    let (fit_labels, labels) = labels.split_at(labels.len() / 2);
    let (fit_logits, logits) = logits.split_at(fit_labels.len() * classes);
    let (fit_to, held_out) = (
        Scores::from_logits(fit_logits, classes).unwrap(),
        Scores::from_logits(logits, classes).unwrap(),
    );
    let ece = |predictions: &Predictions| {
        let mut bins = ReliabilityBins::new(15).unwrap();
        bins.update(predictions).unwrap();
        bins.value().unwrap().ece()
    };
    let before = Predictions::from_logits(logits, classes, labels).unwrap();
    for spec in specs {
        let after = spec.fit(&fit_to, fit_labels).unwrap().predictions(&held_out, labels).unwrap();
        assert!(
            ece(&after) < 0.5 * ece(&before),
            "{spec:?}: ECE {} after {}",
            ece(&after),
            ece(&before)
        );
        println!(
            "{spec:?}: ECE {:.4} -> {:.4}, NLL {:.4} -> {:.4}",
            ece(&before),
            ece(&after),
            nll(&before),
            nll(&after)
        );
    }
}
