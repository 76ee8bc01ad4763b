//! `mbls eval` on saved outputs of real networks, if `MBLS_DATA_DIR` contains them.
//!
//! `logits/computed_metrics.csv` was computed by numpy in f64, to nine decimals; two networks have
//! published values.

use crate::program::{Ran, mbls, value};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

fn data() -> Option<PathBuf> {
    let Some(dir) = std::env::var_os("MBLS_DATA_DIR") else {
        eprintln!("skipped: MBLS_DATA_DIR is not set");
        return None;
    };
    let path = Path::new(&dir).join("logits");
    if !path.is_dir() {
        eprintln!("skipped: there is no folder {}", path.display());
        return None;
    }
    Some(path)
}

fn eval(path: &Path, options: &str) -> Ran {
    let folder = TempDir::new().unwrap();
    let name = path.to_str().unwrap();
    // Its name says nothing of labels.
    let labels = match name.strip_suffix("_pyx.npy") {
        Some(stem) => format!(" --labels-file {stem}_original_labels.npy"),
        None => String::new(),
    };
    mbls(&folder, &format!("eval {name} --no-intervals --format json{labels} {options}"))
}

fn recorded(dir: &Path) -> Vec<HashMap<String, String>> {
    let mut reader = csv::Reader::from_path(dir.join("computed_metrics.csv")).unwrap();
    reader.deserialize().map(Result::unwrap).collect()
}

#[test]
fn metrics_that_numpy_computed() {
    let Some(dir) = data() else { return };
    let recorded = recorded(&dir);
    assert!(recorded.len() >= 16);
    for row in recorded {
        let file = &row["file"];
        let of_bins = |bins: usize| {
            let options = format!("--convention reference --nll-epsilon 1e-300 --bins {bins}");
            eval(&dir.join(file), &options).json()
        };
        let fifteen = of_bins(15);
        let check = |key: &str, ours: f64, tolerance: f64| {
            let expected: f64 = row[key].parse().unwrap();
            assert!(
                (ours - expected).abs() <= tolerance,
                "{file}: {key} is {ours}, expected {expected} within {tolerance}"
            );
        };
        assert_eq!(fifteen["samples"].to_string(), row["n"], "{file}");
        check("ece10", value(&of_bins(10), "ece"), 1e-7);
        check("ece15", value(&fifteen, "ece"), 1e-7);
        check("ece20", value(&of_bins(20), "ece"), 1e-7);
        check("accuracy", value(&fifteen, "accuracy"), 1e-6);
        let excess = value(&fifteen, "overconfidence") - value(&fifteen, "underconfidence");
        check("mean_confidence", value(&fifteen, "accuracy") + excess, 1e-7);
        check("mce15", value(&fifteen, "mce"), 1e-7);
        check("aece15", value(&fifteen, "aece"), 1e-7);
        if fifteen["classes"].is_null() {
            assert!(file.ends_with(".csv"), "{file}");
            continue;
        }
        assert_eq!(fifteen["classes"].to_string(), row["classes"], "{file}");
        check("classwise_ece15", value(&fifteen, "cece"), 1e-7);
        check("nll", value(&fifteen, "nll"), 1e-7);
        check("brier", value(&fifteen, "brier"), 1e-7);
    }
}

#[test]
fn published_errors_and_accuracies() {
    let Some(dir) = data() else { return };
    // NN_calibration, `Calibration - (Temp, Iso, Beta, Hist).ipynb`, cell 9, 15 bins.
    for (file, ece, mce, accuracy) in [
        ("probs_resnet110_c10_logits.csv", 0.047503518641, 0.295798957348, 0.9356),
        ("probs_densenet40_c100_logits.csv", 0.211562852757, 0.45400331452, 0.7),
    ] {
        let found = eval(&dir.join("nn_calibration_csv").join(file), "").json();
        for (key, published) in [("ece", ece), ("mce", mce), ("accuracy", accuracy)] {
            let ours = value(&found, key);
            assert!((ours - published).abs() < 1e-6, "{file}: {key} {ours}, published {published}");
        }
    }
    // cifar10-human-experiments, `check_predictions.ipynb`, cell 4.
    for (network, accuracy) in [
        ("pyramidnet_basic_110_270", 0.9621),
        ("resnet_preact_bottleneck_164", 0.9428),
        ("resnext_29_8x64d", 0.9646),
        ("shake_shake_26_2x64d_SSI_cutout16", 0.973),
    ] {
        let file = dir.join(format!("cifar10_human_experiments/{network}_test.npz"));
        let ran = eval(&file, "");
        assert!(ran.messages.contains("logits"), "{}", ran.messages);
        let ours = value(&ran.json(), "accuracy");
        assert!((ours - accuracy).abs() < 1e-6, "{network}: accuracy {ours}, published {accuracy}");
        // Their probabilities were rounded in another program.
        let probs = value(&eval(&file, "--scores probs").json(), "ece");
        assert!((probs - value(&ran.json(), "ece")).abs() < 1e-3);
    }
}
