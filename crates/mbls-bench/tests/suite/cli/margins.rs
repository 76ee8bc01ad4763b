//! The report of a run on its margin: that it was never exceeded, or which one its rule chose.

use crate::support::{kill_after, program, results, run, tensors, text};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Texts of two classes that are distinguishable by their words, and a suite with margins of every
/// kind.
fn suite(folder: &Path, epochs: usize) -> (PathBuf, PathBuf) {
    let row = |i: usize| {
        let (label, words) = if i.is_multiple_of(2) {
            ("good", ["fine", "warm", "kind"])
        } else {
            ("bad", ["poor", "cold", "rude"])
        };
        format!("{label},\"{} {} number {i}\"\n", words[i % 3], words[(i / 3) % 3])
    };
    let (data, suite) = (folder.join("reviews.csv"), folder.join("margins.toml"));
    std::fs::write(&data, format!("label,text\n{}", (0..48).map(row).collect::<String>()))
        .expect("a file");
    let text = format!(
        r#"
        name = "margins"
        title = "Margins"
        description = "Good and bad."
        model = "text-cnn"
        data = {{ kind = "textfile" }}
        [recipe]
        batch_size = 4
        learning_rate = 0.01
        schedule = {{ kind = "cosine" }}
        optimizer = {{ kind = "adam" }}
        bins = 5
        [recipe.text]
        rule = "unicode"
        num_words = 20
        length = 8
        dimension = 4
        [profile.default]
        epochs = {epochs}
        seeds = 1
        train = 1.0
        validation = 0.25
        test = 0.25
        [[loss]]
        id = "ce"
        title = "Cross-entropy"
        spec = {{ kind = "cross-entropy" }}
        [[loss]]
        id = "far"
        title = "MbLS"
        spec = {{ kind = "margin", margin = 50.0, alpha = 0.1 }}
        [[loss]]
        id = "near"
        title = "MbLS"
        spec = {{ kind = "margin", margin = 0.01, alpha = 0.1 }}
        [[loss]]
        id = "auto"
        title = "MbLS"
        spec = {{ kind = "margin", margin = "auto", alpha = 0.1 }}
        [[loss]]
        id = "median"
        title = "MbLS"
        spec = {{ kind = "margin", margin = {{ rule = "median-distance", factor = 0.5, epochs = 2 }}, alpha = 0.1 }}
        "#
    );
    std::fs::write(&suite, text).expect("a file");
    (suite, data)
}

fn bench(suite: &Path, data: &Path, out: &Path, losses: &[&str]) -> Command {
    let [suite, data, out] = [suite, data, out].map(|path| path.to_str().expect("UTF-8"));
    let mut command = program(&["bench", suite, "--data", data, "--out", out, "--device", "cpu"]);
    for loss in losses {
        command.args(["--loss", loss]);
    }
    command
}

/// The metrics except the share beyond the margin, which cross-entropy does not have.
fn measures(cell: &Value) -> Value {
    let mut measures = cell["metrics"].clone();
    measures.as_object_mut().expect("measures").remove("distance_beyond_margin");
    measures
}

#[test]
fn a_margin_that_is_never_exceeded_equals_cross_entropy_and_gives_a_warning() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("out");
    let (suite, data) = suite(folder.path(), 3);
    let said = text(&run(bench(&suite, &data, &out, &["ce", "far"])));
    let warning = "margin 50 was never exceeded in training (largest distance on validation data ";
    assert!(
        said.contains(&format!("Warning: margins, text-cnn, far, seed 0: {warning}")),
        "{said}"
    );
    let found = results(&out);
    let [ce, far] = [0, 1].map(|cell| &found["cells"][cell]);
    assert_eq!(measures(ce), measures(far));
    assert_eq!(
        (far["margin"]["margin"].as_f64(), far["margin"]["exceeded"].as_bool()),
        (Some(50.0), Some(false))
    );
    assert_eq!(far["metrics"]["distance_beyond_margin"], 0.0);
    assert!(ce["margin"].is_null() && ce["metrics"]["distance_beyond_margin"].is_null(), "{ce}");
    let largest = far["margin"]["largest_distance"].as_f64().expect("a distance");
    let median = far["metrics"]["distance_median"].as_f64().expect("a distance");
    assert!(0.0 < median && median < 50.0 && 0.0 < largest && largest < 50.0, "{far}");
    // Tied losses have no best.
    let report = std::fs::read_to_string(out.join("report.html")).expect("a report");
    assert!(
        !report.contains("<strong>") && report.contains("No value is bold"),
        "a best among ties"
    );
    assert!(report.contains(warning) && report.contains("Distances between logits"), "{report}");
    let log = std::fs::read_to_string(out.join("margins/text-cnn/far/seed-0/events.jsonl"))
        .expect("a log");
    assert_eq!(log.matches("\"distance_beyond_margin\":0.0").count(), 3, "{log}");
    // Classes are listed by name.
    for part in ["**Classes: Cross-entropy**", "| good | ", "| bad | "] {
        assert!(said.contains(part), "{part}: {said}");
    }
    // With a margin that is exceeded the training differs.
    let said = text(&run(bench(&suite, &data, &out, &["ce", "near"])));
    assert!(!said.contains("never exceeded"), "{said}");
    let found = results(&out);
    assert_eq!(found["cells"][1]["margin"]["exceeded"], true);
    assert_ne!(measures(&found["cells"][0]), measures(&found["cells"][1]));
}

#[test]
fn a_margin_that_a_rule_chooses_is_reported_and_survives_an_interruption() {
    let folder = tempfile::tempdir().expect("a folder");
    let [whole, killed] = ["whole", "killed"].map(|name| folder.path().join(name));
    let (suite, data) = suite(folder.path(), 60);
    let said = text(&run(bench(&suite, &data, &whole, &["auto", "median"])));
    assert!(
        said.contains("auto, seed 0: margin 3.14, chosen by the rule: confidence 1 \u{2212} 1/n of n training samples"),
        "{said}"
    );
    let found = results(&whole);
    let margin = |cell: usize| found["cells"][cell]["margin"]["margin"].as_f64().expect("a margin");
    // Training uses 24 of 48 texts, of two classes.
    assert_eq!(margin(0), 23f64.ln(), "{found}");
    let median = |cell: &str, epoch: usize| {
        let log = std::fs::read_to_string(
            whole.join(format!("margins/text-cnn/{cell}/seed-0/events.jsonl")),
        )
        .expect("a log");
        let events = log.lines().map(|line| serde_json::from_str::<Value>(line).expect("an event"));
        let epochs: Vec<Value> = events.filter(|event| event["event"] == "epoch").collect();
        (
            epochs[epoch]["validation"]["distance_median"].as_f64().expect("a distance"),
            epochs[epoch].clone(),
        )
    };
    // Half of the median after the second epoch; before it there is no penalty.
    assert!((margin(1) - 0.5 * median("median", 1).0).abs() < 1e-12, "{found}");
    assert!(median("median", 1).1["train"]["loss_logit-margin"].is_null());
    assert!(
        median("median", 2).1["train"]["loss_logit-margin"]
            .as_f64()
            .is_some_and(|penalty| penalty > 0.0)
    );
    let cell = Path::new("margins/text-cnn/median/seed-0");
    for epochs in [1, 2, 30] {
        kill_after(
            bench(&suite, &data, &killed, &["median"]),
            &killed.join(cell).join("events.jsonl"),
            epochs,
        );
    }
    run(bench(&suite, &data, &killed, &["median"]));
    assert_eq!(results(&killed)["cells"][0], found["cells"][1]);
    assert!(
        tensors(&killed.join(cell)) == tensors(&whole.join(cell)),
        "checkpoints or predictions differ"
    );
}
