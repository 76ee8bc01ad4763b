//! Runs the benchmark program as a user does, and compares its output.

use mbls_core::metric::{ClassificationMetrics, Metric, Predictions};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

/// Returns the command with the environment of these tests.
pub(crate) fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mbls-bench"));
    command.args(arguments).env_remove("MBLS_DATA_DIR");
    command
}

/// Runs a command to its end; on failure shows its output.
pub(crate) fn run(mut command: Command) -> Output {
    let output = command.output().expect("the program starts");
    assert!(output.status.success(), "{}", text(&output));
    output
}

/// Runs a command, expects a failure without a panic, and returns its output.
pub(crate) fn fail(mut command: Command) -> String {
    let output = command.output().expect("the program starts");
    let text = text(&output);
    assert_eq!(output.status.code().map(|code| code != 0 && code != 101), Some(true), "{text}");
    assert!(!text.contains("panicked"), "{text}");
    text
}

/// Runs a command until the event log at `log` has `epochs` epochs, then kills it with SIGKILL.
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
    assert!(!status.success(), "the program finished before it could be killed");
}

pub(crate) fn text(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// Returns `results.json` without wall-clock times, which differ between runs.
pub(crate) fn results(out: &Path) -> Value {
    let text = std::fs::read_to_string(out.join("results.json")).expect("results.json");
    let mut results: Value = serde_json::from_str(&text).expect("JSON");
    for cell in results["cells"].as_array_mut().expect("cells") {
        assert!(cell["seconds"].take().as_f64().expect("seconds") > 0.0);
    }
    results
}

/// Returns every checkpoint and saved prediction below `out` by its relative path.
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

/// Returns the predictions of a run's network as JSON objects.
pub(crate) fn predict(run_folder: &Path, inputs: &[&str]) -> Vec<Value> {
    let output = run(predicting(run_folder, &[inputs, &["--json"]].concat()));
    let lines = String::from_utf8(output.stdout).expect("UTF-8");
    lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

/// Returns the command that predicts with a run's network.
pub(crate) fn predicting(run_folder: &Path, arguments: &[&str]) -> Command {
    let mut command = program(&["predict", run_folder.to_str().expect("UTF-8"), "--device", "cpu"]);
    command.args(arguments);
    command
}

/// Returns the numbers of a JSON array.
pub(crate) fn numbers(array: &Value) -> Vec<f64> {
    array
        .as_array()
        .expect("an array")
        .iter()
        .map(|number| number.as_f64().expect("a number"))
        .collect()
}

/// Checks that predictions for the test part of a run agree with its result: the metrics of their
/// logits are bit-identical.
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
