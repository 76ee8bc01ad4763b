//! User-supplied texts, from files to report: split, tokenised, trained from given word vectors,
//! evaluated.

use crate::support::{
    check_test_metrics, fail, kill_after, predict, predicting, program, results, run, tensors, text,
};
use candle_core::Device;
use mbls_core::calibration::CalibratorRole;
use mbls_nlp::classifier::CalibratedClassifier;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A text and its class, which its words determine; some words occur in both classes.
fn review(i: usize) -> (&'static str, String) {
    let (label, words) = if i.is_multiple_of(2) {
        ("good", ["fine", "warm", "kind"])
    } else {
        ("bad", ["poor", "cold", "rude"])
    };
    let filler = ["the", "a", "one", "it", "was"][i % 5];
    (label, format!("{filler} {}, {} number {i} and {filler}", words[i % 3], words[(i / 3) % 3]))
}

fn csv(path: &Path, count: usize) {
    let rows = (0..count).map(review).map(|(label, text)| format!("{label},\"{text}\"\n"));
    std::fs::write(path, format!("label,text\n{}", rows.collect::<String>())).expect("a file");
}

/// A suite of such texts, with one change.
fn suite(folder: &Path, from: &str, to: &str) -> PathBuf {
    let path = folder.join("words.toml");
    let text = r#"
        name = "words"
        title = "Words"
        description = "Good and bad."
        model = "text-cnn"
        data = { kind = "textfile" }
        [recipe]
        batch_size = 4
        learning_rate = 0.01
        schedule = { kind = "cosine" }
        optimizer = { kind = "adam" }
        bins = 5
        [recipe.text]
        rule = "unicode"
        num_words = 20
        length = 8
        dimension = 4
        [profile.default]
        epochs = 2
        seeds = 1
        train = 1.0
        validation = 0.25
        test = 0.25
        [[loss]]
        id = "ce"
        title = "Cross-entropy"
        spec = { kind = "cross-entropy" }
        [[loss]]
        id = "mbls"
        title = "MbLS"
        spec = { kind = "margin", margin = 2.0, alpha = 0.1 }
        [[loss]]
        id = "cals"
        title = "CALS-ALM"
        spec = { kind = "class-adaptive", margin = 0.5 }
    "#;
    assert!(text.contains(from), "{from}");
    std::fs::write(&path, text.replacen(from, to, 1)).expect("a file");
    path
}

fn bench(suite: &Path, data: &Path, out: &Path) -> Command {
    let [suite, data, out] = [suite, data, out].map(|path| path.to_str().expect("UTF-8"));
    program(&["bench", suite, "--data", data, "--out", out, "--device", "cpu"])
}

#[test]
fn a_file_becomes_a_report() {
    let folder = tempfile::tempdir().expect("a folder");
    let (data, out) = (folder.path().join("reviews.csv"), folder.path().join("out"));
    csv(&data, 48);
    let suite = suite(folder.path(), "words", "words");
    run(bench(&suite, &data, &out));
    let found = results(&out);
    let cells = found["cells"].as_array().expect("cells");
    assert_eq!(cells.len(), 3);
    for cell in cells {
        assert_eq!(
            (cell["n"].as_u64(), cell["model"].as_str()),
            (Some(12), Some("text-cnn")),
            "{cell}"
        );
        for name in ["accuracy", "nll", "ece", "temperature", "ece_scaled"] {
            assert!(cell["metrics"][name].as_f64().is_some_and(f64::is_finite), "{name}: {cell}");
        }
    }
    // The number of threads does not change the result.
    let other = folder.path().join("other");
    let mut command = bench(&suite, &data, &other);
    command.args(["--workers", "3", "--jobs", "1"]);
    run(command);
    assert_eq!(results(&other), found);
    assert!(tensors(&other) == tensors(&out), "checkpoints or predictions differ");
}

/// The state that a loss has learned from the validation data survives.
#[test]
fn a_killed_run_with_a_loss_that_learns_ends_with_the_same_bytes() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("reviews.csv");
    csv(&data, 48);
    let suite = suite(folder.path(), "epochs = 2", "epochs = 400");
    let [whole, killed] = ["whole", "killed"].map(|name| folder.path().join(name));
    let cals = |out: &Path| {
        let mut command = bench(&suite, &data, out);
        command.args(["--loss", "cals"]);
        command
    };
    run(cals(&whole));
    let cell = Path::new("words/text-cnn/cals/seed-0");
    for epochs in [1, 40, 90] {
        kill_after(cals(&killed), &killed.join(cell).join("events.jsonl"), epochs);
    }
    run(cals(&killed));
    assert_eq!(results(&killed), results(&whole));
    assert!(tensors(&killed) == tensors(&whole), "checkpoints or predictions differ");
    let last =
        candle_core::safetensors::load(whole.join(cell).join("last.safetensors"), &Device::Cpu)
            .expect("tensors");
    // Multipliers, rho and constraints of two classes.
    let state: Vec<f64> = last["loss.state"].to_vec1().expect("numbers");
    assert!(
        state.len() == 6 && state[..2].iter().any(|&multiplier| multiplier > 1e-6),
        "{state:?}"
    );
}

/// The predictions of the saved classifier on the test texts agree with the saved predictions, and
/// so do its reliability bins.
fn check_classifier(folder: &Path, cell: &Value) {
    assert_eq!(
        cell["loss"],
        folder.parent().and_then(Path::file_name).and_then(|name| name.to_str()).expect("a name")
    );
    let classifier =
        CalibratedClassifier::load(folder.join("classifier"), &Device::Cpu).expect("a classifier");
    let predictions =
        candle_core::safetensors::load(folder.join("predictions.safetensors"), &Device::Cpu)
            .expect("tensors");
    let logits: Vec<Vec<f32>> = predictions["test.logits"].to_vec2().expect("logits");
    let labels: Vec<u32> = predictions["test.labels"].to_vec1().expect("labels");
    let temperature = cell["metrics"]["temperature"].as_f64().expect("a temperature");
    let texts: Vec<String> = (0..logits.len()).map(|i| review(i).1).collect();
    let found = classifier.classify_all(&texts, CalibratorRole::Temperature).expect("classes");
    for ((i, found), row) in found.iter().enumerate().zip(&logits) {
        assert_eq!(classifier.settings().record.classes()[labels[i] as usize], review(i).0);
        let max = row[0].max(row[1]);
        let powers: Vec<f64> =
            row.iter().map(|&logit| (f64::from(logit - max) / temperature).exp()).collect();
        let total: f64 = powers.iter().sum();
        for (found, power) in found.answer.probabilities.iter().zip(&powers) {
            // Batches of another size may be summed in another order; a small temperature amplifies
            // the difference.
            assert!(
                (found - power / total).abs() < 1e-6 / temperature.min(1.0),
                "text {i}: {found}, expected {}",
                power / total
            );
        }
        assert_eq!(
            found.answer.name,
            classifier.settings().record.classes()[usize::from(row[1] > row[0])]
        );
        assert!(found.words == 7 && found.known_words > 0, "{found:?}");
    }
    let accuracy = cell["metrics"]["accuracy"].as_f64().expect("an accuracy");
    let reliability = classifier
        .settings()
        .record
        .assessment(CalibratorRole::Temperature)
        .reliability()
        .expect("texts");
    assert_eq!((reliability.n, reliability.bins.len()), (10, 5));
    assert!((reliability.accuracy() - accuracy).abs() < 1e-12);
    let ece = cell["metrics"]["ece_scaled"].as_f64().expect("an ECE");
    assert!((reliability.ece() - ece).abs() < 1e-12);
}

/// Official parts, and frozen pretrained word vectors.
#[test]
fn official_parts_and_word_vectors_are_used_unchanged() {
    let folder = tempfile::tempdir().expect("a folder");
    let (data, out) = (folder.path().join("data"), folder.path().join("out"));
    std::fs::create_dir(&data).expect("a folder");
    for (part, count) in [("train", 24), ("val", 8), ("test", 10)] {
        csv(&data.join(format!("{part}.csv")), count);
    }
    std::fs::write(data.join("vectors.txt"), "fine 1 0 0 0\ncold 0 1 0 0\nelsewhere 5 5 5 5\n")
        .expect("a file");
    let frozen = suite(
        folder.path(),
        "dimension = 4",
        "dimension = 4\nvectors = \"vectors.txt\"\nfrozen = true",
    );
    let said = text(&run(bench(&frozen, &data, &out)));
    assert!(said.contains("vectors.txt: has vectors for 2 of 19 words"), "{said}");
    let found = results(&out);
    assert!(
        found["cells"].as_array().expect("cells").iter().all(|cell| cell["n"] == 10),
        "{found}"
    );
    let checkpoint =
        std::fs::read(out.join("words/text-cnn/ce/seed-0/best.safetensors")).expect("a file");
    assert!(
        !String::from_utf8_lossy(&checkpoint).contains("embedding"),
        "a frozen table is in the checkpoint"
    );
    for (cell, loss) in found["cells"].as_array().expect("cells").iter().zip(["ce", "mbls", "cals"])
    {
        check_classifier(&out.join("words/text-cnn").join(loss).join("seed-0"), cell);
    }
    // Trained vectors are in the checkpoint.
    let trained = suite(folder.path(), "dimension = 4", "dimension = 4\nvectors = \"vectors.txt\"");
    let again = folder.path().join("again");
    run(bench(&trained, &data, &again));
    let checkpoint =
        std::fs::read(again.join("words/text-cnn/ce/seed-0/best.safetensors")).expect("a file");
    assert!(String::from_utf8_lossy(&checkpoint).contains("embedding.weight"));
    assert_ne!(results(&again)["cells"], found["cells"]);
    // A label of the test part that is not in the training part.
    std::fs::write(data.join("test.csv"), "label,text\nugly,words\n").expect("a file");
    let said = fail(bench(&trained, &data, &folder.path().join("third")));
    assert!(said.contains("test.csv") && said.contains("ugly"), "{said}");
}

#[test]
fn errors_name_what_does_not_fit() {
    let folder = tempfile::tempdir().expect("a folder");
    let (data, out) = (folder.path().join("reviews.csv"), folder.path().join("out"));
    csv(&data, 48);
    for (from, to, part) in [
        (
            "\"text-cnn\"",
            "\"resnet20\"",
            "the model resnet20 classifies images: expected one that classifies texts",
        ),
        ("[recipe.text]", "[recipe.texts]", "texts"),
        ("length = 8", "length = 0", "recipe.text.length = 0"),
        ("num_words = 20", "num_words = 1", "recipe.text.num_words = 1"),
        ("dimension = 4", "dimension = 4\nfrozen = true", "recipe.text.frozen: expected vectors"),
        ("dimension = 4", "dimension = 4\nvectors = \"none.txt\"", "none.txt"),
        (
            "dimension = 4",
            "dimension = 4\nmissing_deviation = -1.0",
            "recipe.text.missing_deviation = -1",
        ),
        ("bins = 5", "bins = 5\nflip = true", "recipe.flip: expected only for images with classes"),
        ("kind = \"textfile\"", "kind = \"textfile\", columns = { text = \"body\" }", "body"),
        ("validation = 0.25", "validation = 49", "validation = 49: there are 48 samples"),
        ("test = 0.25", "test = 0.25\nsplit = \"published\"", "a fifth and 900 of 48 texts"),
        ("bins = 5", "bins = 5\n[shift]\npictures = 5", "shift"),
    ] {
        let said = fail(bench(&suite(folder.path(), from, to), &data, &out));
        assert!(said.contains(part), "{to}: {said}");
    }
    let suite = suite(folder.path(), "words", "words");
    std::fs::write(&data, "label,text\ngood,one\ngood,two\n").expect("a file");
    let said = fail(bench(&suite, &data, &out));
    assert!(said.contains("classes") && said.contains("at least 2"), "{said}");
    let said = fail(bench(&suite, &folder.path().join("none.csv"), &out));
    assert!(said.contains("none.csv does not exist"), "{said}");
    let said = fail(bench(&suite, folder.path(), &out));
    assert!(said.contains("expected a file train.csv"), "{said}");
}

/// The console and the report state how a file was read: quotation marks, labels that start at 1,
/// skipped records.
#[test]
fn the_way_a_file_is_read_is_reported() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("out");
    let suite_of = |columns: &str| {
        let data = format!("data = {{ kind = \"textfile\"{columns} }}");
        suite(folder.path(), "data = { kind = \"textfile\" }", &data)
    };
    // Tab-separated texts that start with a quotation mark, with labels 1 and 2.
    let tsv = folder.path().join("news.tsv");
    let row = |i: usize| {
        let (label, text) = review(i);
        let mark = if i.is_multiple_of(5) { "\"" } else { "" };
        format!("{}\t{mark}{text}\n", if label == "good" { 1 } else { 2 })
    };
    std::fs::write(&tsv, format!("label\ttext\n{}", (0..48).map(row).collect::<String>()))
        .expect("a file");
    let once = |mut command: Command| {
        command.args(["--loss", "ce", "--epochs", "1"]);
        command
    };
    let said = text(&run(once(bench(&suite_of(""), &tsv, &out))));
    let reading = "48 records from 49 lines, quoting none, quotation marks kept as text at the beginning of 10 fields; \
                   labels are numbers: 1 is class 0, 2 is class 1";
    assert!(said.contains(reading), "{said}");
    let page = std::fs::read_to_string(out.join("report.html")).expect("a report");
    assert!(page.contains("labels are numbers: 1 is class 0, 2 is class 1"), "{page}");
    assert_eq!(results(&out)["data"][0]["counts"]["names"], serde_json::json!(["1", "2"]));
    // With quoting, these marks would open fields that never close.
    let said = fail(once(bench(&suite_of(", columns = { quoting = \"double\" }"), &tsv, &out)));
    assert!(said.contains("news.tsv: line 2: quotation mark that opens field 2"), "{said}");
    // Half of a surrogate pair in one line.
    let json = folder.path().join("news.jsonl");
    let line = |i: usize| {
        let (label, text) = review(i);
        let half = if i == 7 { "\\ud83d" } else { "" };
        format!("{{\"label\":\"{label}\",\"text\":\"{text}{half}\"}}\n")
    };
    std::fs::write(&json, (0..48).map(line).collect::<String>()).expect("a file");
    let said = fail(once(bench(&suite_of(""), &json, &out)));
    assert!(said.contains("news.jsonl: line 8") && said.contains("--skip-undecodable"), "{said}");
    let mut command = once(bench(&suite_of(""), &json, &folder.path().join("other")));
    command.arg("--skip-undecodable");
    let said = text(&run(command));
    assert!(
        said.contains("47 records from 48 lines") && said.contains("1 record left out"),
        "{said}"
    );
}

/// From files of texts to a network in use: trained, used for predictions on files, columns, words
/// and standard input, exported.
#[test]
fn a_trained_network_classifies_texts() {
    let folder = tempfile::tempdir().expect("a folder");
    let (data, out) = (folder.path().join("data"), folder.path().join("out"));
    std::fs::create_dir(&data).expect("a folder");
    for (part, count) in [("train", 48), ("val", 20), ("test", 23)] {
        csv(&data.join(format!("{part}.csv")), count);
    }
    let suite = suite(folder.path(), "epochs = 2", "epochs = 20");
    run(bench(&suite, &data, &out));
    let cell = out.join("words/text-cnn/mbls/seed-0");
    let result: Value =
        serde_json::from_slice(&std::fs::read(cell.join("result.json")).expect("a file"))
            .expect("JSON");
    let test = data.join("test.csv");
    let answers = predict(&cell, &[test.to_str().expect("UTF-8")]);
    // Names are sorted: "bad" comes before "good".
    let labels: Vec<u32> = (0..23).map(|i| u32::from(review(i).0 == "good")).collect();
    check_test_metrics(&answers, &labels, &result["cell"]);

    let said = text(&run(predicting(&cell, &["a fine and kind day", "--text", "nonsense"])));
    for part in [
        "\"a fine and kind day\": good, confidence",
        "\"nonsense\": ",
        "none of its 1 words is known",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    // Another column, no labels, and lines of standard input.
    let reviews = folder.path().join("reviews.tsv");
    std::fs::write(&reviews, "id\treview\n1\tpoor and cold\n2\tfine and warm\n").expect("a file");
    let reviews = reviews.to_str().expect("UTF-8");
    let answers = predict(&cell, &[reviews, "--text-column", "review"]);
    assert_eq!(
        answers.iter().map(|answer| answer["name"].as_str().expect("a name")).collect::<Vec<_>>(),
        ["bad", "good"]
    );
    let mut piped = predicting(&cell, &["-", "--json"]);
    let mut process = piped
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("it starts");
    std::io::Write::write_all(
        &mut process.stdin.take().expect("a pipe"),
        b"poor and cold\nfine and warm\n",
    )
    .expect("written");
    let output = process.wait_with_output().expect("it ends");
    assert_eq!(String::from_utf8_lossy(&output.stdout).lines().count(), 2);
    for (arguments, part) in [
        (vec![reviews], "--text-column names the column of the text"),
        (
            vec!["nonsense"],
            "nonsense: no such file; to classify the text itself, use --text \"nonsense\"",
        ),
        (vec!["my reviews.csv"], "my reviews.csv: no such file"),
        (vec![folder.path().to_str().expect("UTF-8")], "a folder: expected a file of texts"),
        (vec![], "INPUT: expected texts"),
    ] {
        let said = fail(predicting(&cell, &arguments));
        assert!(said.contains(part), "{part}: {said}");
    }
    let exported = folder.path().join("exported");
    run(program(&[
        "export",
        cell.to_str().expect("UTF-8"),
        "--out",
        exported.to_str().expect("UTF-8"),
    ]));
    let tensors = candle_core::safetensors::load(exported.join("model.safetensors"), &Device::Cpu)
        .expect("tensors");
    assert!(tensors.contains_key("embedding.weight"));
}
