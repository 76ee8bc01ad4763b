//! Runs the benchmark program as a user does, and compares what it leaves.

use mbls_core::metric::{ClassificationMetrics, Metric, Predictions};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

/// The program with the environment of these tests.
pub(crate) fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mbls-bench"));
    command.args(arguments).env_remove("MBLS_DATA_DIR");
    command
}

/// Runs it to its end; a failure shows what it printed.
pub(crate) fn run(mut command: Command) -> Output {
    let output = command.output().expect("the program starts");
    assert!(output.status.success(), "{}", text(&output));
    output
}

/// Runs it, expects a failure without a panic, and returns what it printed.
pub(crate) fn fail(mut command: Command) -> String {
    let output = command.output().expect("the program starts");
    let text = text(&output);
    assert_eq!(output.status.code().map(|code| code != 0 && code != 101), Some(true), "{text}");
    assert!(!text.contains("panicked"), "{text}");
    text
}

/// Runs it until the event log at `log` has `epochs` epochs, and kills it: no handler runs, and no
/// destructor.
pub(crate) fn kill_after(mut command: Command, log: &Path, epochs: usize) {
    let mut process =
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the program starts");
    let done = || {
        std::fs::read_to_string(log)
            .is_ok_and(|log| log.matches("\"event\":\"epoch\"").count() >= epochs)
    };
    while !done() && process.try_wait().expect("the process is ours").is_none() {
        std::thread::sleep(Duration::from_millis(1));
    }
    process.kill().expect("the process is ours");
    let status = process.wait().expect("the process is ours");
    assert!(!status.success(), "the program was finished before it was to be killed");
}

pub(crate) fn text(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// `results.json` without wall times, which no two runs share.
pub(crate) fn results(out: &Path) -> Value {
    let text = std::fs::read_to_string(out.join("results.json")).expect("results.json");
    let mut results: Value = serde_json::from_str(&text).expect("JSON");
    for cell in results["cells"].as_array_mut().expect("cells") {
        assert!(cell["seconds"].take().as_f64().expect("seconds") > 0.0);
    }
    results
}

/// Every checkpoint and every saved prediction below `out`, by its path there.
pub(crate) fn tensors(out: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![out.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "safetensors") {
                let place = path.strip_prefix(out).expect("below").to_owned();
                found.insert(place, std::fs::read(&path).expect("a file"));
            }
        }
    }
    found
}

/// Answers of the trained network of a run, as JSON objects.
pub(crate) fn predict(run_folder: &Path, inputs: &[&str]) -> Vec<Value> {
    let output = run(predicting(run_folder, &[inputs, &["--json"]].concat()));
    let lines = String::from_utf8(output.stdout).expect("UTF-8");
    lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

/// The command that asks the trained network of a run.
pub(crate) fn predicting(run_folder: &Path, arguments: &[&str]) -> Command {
    let mut command = program(&["predict", run_folder.to_str().expect("UTF-8"), "--device", "cpu"]);
    command.args(arguments);
    command
}

/// The numbers of a JSON array.
pub(crate) fn numbers(array: &Value) -> Vec<f64> {
    array
        .as_array()
        .expect("an array")
        .iter()
        .map(|number| number.as_f64().expect("a number"))
        .collect()
}

/// Checks that answers to the test part of a run are those that it was measured by: the metrics of
/// their logits have the bits of its result.
pub(crate) fn check_test_metrics(answers: &[Value], labels: &[u32], cell: &Value) {
    let classes = numbers(&answers[0]["logits"]).len();
    let logits: Vec<f32> = answers
        .iter()
        .flat_map(|answer| numbers(&answer["logits"]))
        .map(|logit| logit as f32)
        .collect();
    let temperature = cell["metrics"]["temperature"].as_f64().expect("a temperature");
    for (temperature, names) in
        [(1.0, ["accuracy", "nll", "ece"]), (temperature, ["accuracy", "nll_scaled", "ece_scaled"])]
    {
        let mut metrics = ClassificationMetrics::new(5).expect("bins");
        let predictions = Predictions::from_logits_at(&logits, classes, labels, temperature)
            .expect("predictions");
        metrics.update(&predictions).expect("rows");
        let report = metrics.value().expect("rows");
        for (name, found) in names.iter().zip([report.accuracy, report.nll, report.ece]) {
            assert_eq!(Some(found), cell["metrics"][name].as_f64(), "{name}");
        }
        if temperature != 1.0 {
            for (row, answer) in answers.iter().enumerate() {
                assert_eq!(predictions.probs(row), numbers(&answer["probabilities"]), "row {row}");
            }
        }
    }
}
