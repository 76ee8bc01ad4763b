//! Runs the examples and compares what they print with what their heads say.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The program that cargo built of an example.
fn program(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("this program has a path");
    let folder = test.ancestors().nth(2).expect("target/debug/deps/suite");
    folder.join("examples").join(name).with_extension(std::env::consts::EXE_EXTENSION)
}

/// The block of printed lines in an example's head, and its lines of code.
fn head_and_code(name: &str) -> (String, usize) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let source = std::fs::read_to_string(folder.join(name).with_extension("rs")).expect(name);
    let head = source.lines().skip_while(|line| *line != "//! ```text").skip(1);
    let printed: Vec<&str> = head
        .take_while(|line| *line != "//! ```")
        .map(|line| line.strip_prefix("//! ").unwrap_or_default())
        .collect();
    let is_code = |line: &&str| {
        let line = line.trim();
        !line.is_empty() && !line.starts_with("//") && !line.starts_with("use ")
    };
    (printed.join("\n") + "\n", source.lines().filter(is_code).count())
}

fn printed(name: &str) -> String {
    let output = Command::new(program(name)).output().unwrap_or_else(|e| {
        panic!("{}: {e}; `cargo test --workspace` builds it", program(name).display())
    });
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name}: {errors}");
    String::from_utf8(output.stdout).expect("examples print UTF-8")
}

/// Leaves digits out: after many steps of a deep network the last bits of f32 sums, which differ
/// between processors, reach the printed digits.
fn without_digits(text: &str) -> String {
    text.chars().filter(|c| !c.is_ascii_digit()).collect()
}

#[track_caller]
fn prints_what_its_head_says(name: &str) {
    let (head, code) = head_and_code(name);
    assert_eq!(printed(name), head, "{name}");
    assert!(code < 60, "{name} has {code} lines of code");
}

#[track_caller]
fn prints_the_words_of_its_head(name: &str) {
    let (head, code) = head_and_code(name);
    assert_eq!(without_digits(&printed(name)), without_digits(&head), "{name}");
    assert!(code < 60, "{name} has {code} lines of code");
}

#[test]
fn measuring() {
    for name in ["measure_logits_file", "compare_two_models", "shards_merge", "custom_metric"] {
        prints_what_its_head_says(name);
    }
}

#[test]
fn calibrating() {
    for name in ["calibrate_and_save", "ood_threshold", "selective_prediction"] {
        prints_what_its_head_says(name);
    }
}

#[test]
fn a_loss() {
    prints_what_its_head_says("custom_loss");
}

#[test]
#[cfg(feature = "train")]
fn the_trainer() {
    prints_what_its_head_says("custom_task");
}

#[test]
#[cfg(feature = "vision")]
fn images() {
    prints_what_its_head_says("use_a_trained_cell");
    for name in ["train_margin_loss", "finetune_resnet"] {
        prints_the_words_of_its_head(name);
    }
}

#[test]
#[cfg(feature = "seg")]
fn masks() {
    prints_the_words_of_its_head("segment_own_images");
}

#[test]
#[cfg(feature = "nlp")]
fn texts() {
    prints_what_its_head_says("classify_texts");
}

#[test]
fn every_example_is_run_by_a_test() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let this = include_str!("main.rs");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).expect("examples") {
        let path = entry.expect("readable").path();
        if path.extension().is_some_and(|ending| ending == "rs") {
            let name = path.file_stem().and_then(|name| name.to_str()).expect("a name");
            assert!(this.contains(&format!("\"{name}\"")), "{name} is run by no test");
            count += 1;
        }
    }
    assert!(count >= 14, "{count} examples");
}
