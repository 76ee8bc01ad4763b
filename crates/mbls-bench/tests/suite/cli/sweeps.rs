//! Suite settings overridden on the command line, and sweeps.

use crate::support::{fail, program, results, run, tensors, text};
use std::path::Path;
use std::process::Command;

fn bench(out: &Path, arguments: &[&str]) -> Command {
    let out = out.to_str().expect("UTF-8");
    let all = ["bench", "digits", "--seeds", "1", "--epochs", "1", "--device", "cpu", "--out", out];
    program(&[&all[..], arguments].concat())
}

#[test]
fn the_validation_part_chooses_among_the_settings_of_each_loss() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("out");
    let sweep = || {
        let arguments = [
            "--loss",
            "ce",
            "--loss",
            "mbls",
            "--sweep",
            "lr=0.01,0.05,1e30",
            "--sweep",
            "margin=2,4",
        ];
        bench(&out, &arguments)
    };
    let said = text(&run(sweep()));
    let found = results(&out);
    let cells = found["cells"].as_array().expect("cells");
    let sweeps = found["sweeps"].as_array().expect("sweeps");
    assert_eq!((cells.len(), sweeps.len()), (2, 2), "{found}");
    for (cell, (sweep, count)) in cells.iter().zip(sweeps.iter().zip([3, 6])) {
        assert_eq!(
            (sweep["loss"].as_str(), sweep["metric"].as_str()),
            (cell["loss"].as_str(), Some("nll"))
        );
        let candidates = sweep["candidates"].as_array().expect("candidates");
        assert_eq!(candidates.len(), count, "{sweep}");
        let chosen: Vec<_> =
            candidates.iter().filter(|candidate| candidate["chosen"] == true).collect();
        let [chosen] = chosen[..] else { panic!("{sweep}") };
        assert_eq!(chosen["candidate"], cell["candidate"]);
        assert_eq!(chosen["validation"], cell["validation"]["nll"]);
        let best = candidates
            .iter()
            .filter_map(|candidate| candidate["validation"].as_f64())
            .fold(f64::MAX, f64::min);
        assert_eq!(chosen["validation"].as_f64(), Some(best));
        // A learning rate at which values overflow.
        for candidate in candidates
            .iter()
            .filter(|candidate| candidate["candidate"].to_string().contains("lr=1e30"))
        {
            assert!(candidate["validation"].is_null(), "{candidate}");
        }
    }
    assert!(
        said.contains("excluded from the choice: ")
            && said.contains("on the validation part, chosen"),
        "{said}"
    );
    assert!(said.contains("digits, small-cnn, ce, lr=0.01, seed 0: trained; "), "{said}");
    assert!(said.contains("Settings tried"), "{said}");
    // Candidates that were not chosen keep their results in separate folders and are not trained
    // again.
    assert!(out.join("digits/small-cnn/mbls/lr=0.01,margin=4/seed-0/result.json").exists());
    let before = tensors(&out);
    let again = text(&run(sweep()));
    assert_eq!(again.matches("already finished").count(), 6, "{again}");
    assert_eq!(results(&out), found);
    assert!(tensors(&out) == before, "something was trained");
    // A run without a sweep has its own folder.
    run(bench(&out, &["--loss", "ce"]));
    assert!(out.join("digits/small-cnn/ce/seed-0/result.json").exists());
    assert!(results(&out).get("sweeps").is_none());
}

#[test]
fn overrides_make_another_run() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("out");
    run(bench(&out, &["--loss", "mbls"]));
    let changed =
        ["--loss", "mbls", "--lr", "0.01", "--batch-size", "25", "--margin", "3", "--alpha", "0.2"];
    let said = fail(bench(&out, &changed));
    for line in [
        "loss.alpha: 0.2, was",
        "loss.margin: 3.0, was",
        "recipe.batch_size: 25, was 50",
        "recipe.learning_rate: 0.01, was 0.05",
    ] {
        assert!(said.contains(line), "{line} in {said}");
    }
    assert!(said.contains("digits: margin = 3 for the losses mbls"), "{said}");
    for (arguments, part) in [
        (&["--size", "16"][..], "--size 16: no transform of the suite digits"),
        (
            &["--text-column", "review"],
            "--text-column review: expected a suite for user-supplied texts",
        ),
        (
            &["--loss", "ce", "--margin", "3"],
            "--margin 3: none of the losses of the suite digits to run has a margin",
        ),
        (
            &["--loss", "ce", "--sweep", "margin=3,4"],
            "--sweep margin: none of the losses of the suite digits to run has a margin",
        ),
        (&["--lr", "0.1", "--sweep", "lr=0.1,0.2"], "--sweep lr and --lr: expected one of the two"),
        (
            &["--sweep", "lr=0.1,0.2", "--sweep-metric", "temperature"],
            "--sweep-metric temperature: expected one of accuracy, nll",
        ),
        (&["--sweep-metric", "nll"], "--sweep"),
        (&["--lr", "0"], "recipe.learning_rate = 0: expected a positive number"),
    ] {
        let said = fail(bench(&out, arguments));
        assert!(said.contains(part), "{part} in {said}");
    }
}
