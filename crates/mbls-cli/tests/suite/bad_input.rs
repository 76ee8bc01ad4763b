//! Bad input ends with exit code 2 and one line that says what is wrong and where.

use crate::program::{f32s, folder, i64s, mbls, npy, npz, probs, rows, write};
use mbls_cli::Exit;
use tempfile::TempDir;

/// Expects exit code 2, and one line with all the parts.
#[track_caller]
fn refused(folder: &TempDir, arguments: &str, parts: &[&str]) {
    let ran = mbls(folder, &format!("eval --quiet {arguments}"));
    assert_eq!((ran.exit, &*ran.out), (Exit::BadInput, ""), "{}", ran.messages);
    assert_eq!(ran.messages.lines().count(), 1, "{}", ran.messages);
    for part in parts {
        assert!(ran.messages.contains(part), "{part:?} is not in {}", ran.messages);
    }
}

fn pair(folder: &TempDir, name: &str, scores: (&str, Vec<u8>), labels: Vec<u8>) {
    write(folder, name, npz(&[scores, ("labels", labels)], false));
}

#[test]
fn files_that_are_not_predictions() {
    let folder = folder();
    refused(&folder, "@/absent.npz", &["absent.npz", "cannot open"]);
    refused(&folder, "@", &["a folder"]);
    write(&folder, "empty", "");
    refused(&folder, "@/empty", &["empty: 0 bytes"]);
    write(&folder, "magic", [1u8, 2, 3, 200, 0, 9, 9, 9, 9]);
    refused(&folder, "@/magic", &["01, 02, 03", "expected .npy"]);
    write(&folder, "p.pkl", b"\x80\x04cos\nsystem\n(S'touch ran'\ntR.");
    refused(&folder, "@/p.pkl", &["p.pkl", "pickle opcode STRING"]);
    write(&folder, "q.pkl", b"\x80\x04cos\nsystem\nX\x09\x00\x00\x00touch ran\x85R.");
    refused(&folder, "@/q.pkl", &["without NumPy arrays", "nothing in a pickle is run"]);
    assert!(!std::path::Path::new("ran").exists());
    let object = npy("|O", false, "(3,)", [b"cos\nsystem\n".to_vec()]);
    pair(&folder, "object.npz", ("logits", object), i64s("(3,)", &[0, 1, 2]));
    refused(&folder, "@/object.npz", &["\"logits\"", "pickled Python objects", "never run"]);
    write(&folder, "header.csv", "prob_0,prob_1,label\n");
    refused(&folder, "@/header.csv", &["a header and no rows"]);
    write(&folder, "numbers.csv", "0.1,0.9,1\n0.2,0.8,1\n");
    refused(&folder, "@/numbers.csv", &["no column of labels", "--labels"]);
}

#[test]
fn truncated_files() {
    let folder = folder();
    let (logits, labels) = rows();
    let whole = f32s("(60, 3)", &logits);
    write(&folder, "labels.npy", i64s("(60,)", &labels));
    for length in [3, 9, 40, 127, 200, whole.len() - 1] {
        write(&folder, "cut.npy", &whole[..length]);
        refused(&folder, "@/cut.npy --labels-file @/labels.npy", &["cut.npy"]);
    }
    write(&folder, "cut.npy", &whole[..whole.len() - 1]);
    refused(&folder, "@/cut.npy --labels-file @/labels.npy", &["truncated", "720 bytes", "719"]);
    let archive = std::fs::read(folder.path().join("rows.npz")).unwrap();
    for length in [4, 100, archive.len() / 2, archive.len() - 30] {
        write(&folder, "cut.npz", &archive[..length]);
        refused(&folder, "@/cut.npz", &["truncated or damaged zip"]);
    }
    let huge = npy("<f4", false, "(4611686018427387904, 8)", []);
    write(&folder, "huge.npy", huge);
    refused(&folder, "@/huge.npy --labels-file @/labels.npy", &["too large"]);
}

#[test]
fn scores_that_are_not_numbers_are_counted_and_named() {
    let folder = folder();
    let (mut logits, labels) = rows();
    logits[17 * 3 + 1] = f32::NAN;
    logits[40 * 3] = f32::INFINITY;
    pair(&folder, "nan.npz", ("logits", f32s("(60, 3)", &logits)), i64s("(60,)", &labels));
    let parts = ["nan.npz", "logit NaN at row 17, class 1", "2 of 60 rows", "row 17; row 40"];
    refused(&folder, "@/nan.npz", &parts);
    // A class that is masked in some row has minus infinity.
    logits[17 * 3 + 1] = f32::NEG_INFINITY;
    logits[40 * 3] = 0.5;
    pair(&folder, "masked.npz", ("logits", f32s("(60, 3)", &logits)), i64s("(60,)", &labels));
    assert_eq!(mbls(&folder, "eval @/masked.npz --no-intervals").exit, Exit::Fine);
    write(&folder, "text.csv", "logit_0,logit_1,label\n1,2,0\n1,two,1\n");
    refused(&folder, "@/text.csv", &["row 1, column \"logit_1\"", "\"two\"", "a number"]);
}

#[test]
fn labels_that_are_not_classes() {
    let folder = folder();
    let (logits, mut labels) = rows();
    let scores = || ("logits", f32s("(60, 3)", &logits));
    labels[5] = 7;
    labels[9] = -1;
    pair(&folder, "range.npz", scores(), i64s("(60,)", &labels));
    refused(&folder, "@/range.npz", &["label 7 at row 5", "0 to 2", "2 of 60 labels"]);
    let from_1: Vec<i64> = rows().1.iter().map(|label| label + 1).collect();
    pair(&folder, "from1.npz", scores(), i64s("(60,)", &from_1));
    refused(&folder, "@/from1.npz", &["label 3", "run from 1", "--one-based"]);
    pair(&folder, "few.npz", scores(), i64s("(59,)", &labels[..59]));
    refused(&folder, "@/few.npz", &["labels of shape [59]", "60"]);
    let halves =
        npy("<f8", false, "(60,)", (0..60).map(|i| (f64::from(i) / 2.0).to_le_bytes().to_vec()));
    pair(&folder, "halves.npz", scores(), halves);
    refused(&folder, "@/halves.npz", &["row 1: label 0.5", "whole number"]);
    let two = npy("|u1", false, "(60, 3)", (0..180).map(|i| vec![u8::from(i == 4 || i % 3 == 0)]));
    pair(&folder, "two.npz", scores(), two);
    refused(&folder, "@/two.npz", &["one-hot labels of row 1 have 2 ones"]);
    write(&folder, "alone.npy", f32s("(60, 3)", &logits));
    refused(&folder, "@/alone.npy", &["no labels", "--labels-file"]);
    write(&folder, "text.csv", "logit_0,logit_1,label\n1,2,cat\n");
    refused(&folder, "@/text.csv", &["row 0, column \"label\"", "\"cat\"", "an integer"]);
    refused(
        &folder,
        "@/rows.npz --ignore-index 0 --ignore-index 1 --ignore-index 2",
        &["all 60 rows"],
    );
}

#[test]
fn logits_and_probabilities_are_never_mixed_up() {
    let folder = folder();
    let (logits, labels) = rows();
    let labels = || i64s("(60,)", &labels);
    let of = |name: &'static str, numbers: &[f32]| (name, f32s("(60, 3)", numbers));
    pair(&folder, "a.npz", of("probs", &logits), labels());
    refused(&folder, "@/a.npz", &["the name says probabilities", "row 0", "--logits"]);
    assert_eq!(mbls(&folder, "eval @/a.npz --logits --no-intervals").exit, Exit::Fine);
    pair(&folder, "b.npz", of("logits", &probs()), labels());
    refused(&folder, "@/b.npz", &["the name says logits", "--probs"]);
    let mut wrong = probs();
    wrong[3..6].copy_from_slice(&[0.5, 0.25, 0.5]);
    pair(&folder, "c.npz", of("scores", &wrong), labels());
    refused(&folder, "@/c.npz", &["row 1 sum to 1.25", "--logits"]);
    // Rows that were not looked at are checked too, wherever they stand.
    let (mut many, ones) = ([0.75f32, 0.25].repeat(5000), vec![0i64; 5000]);
    many[2 * 777] = 0.5;
    let (scores, labels) = (f32s("(5000, 2)", &many), i64s("(5000,)", &ones));
    pair(&folder, "d.npz", ("scores", scores), labels);
    refused(&folder, "@/d.npz", &["row 777 sum to 0.75", "expected 1", "--logits"]);
}

#[test]
fn fewer_than_two_classes() {
    let folder = TempDir::new().unwrap();
    pair(&folder, "one.npz", ("probs", f32s("(3, 1)", &[1.0; 3])), i64s("(3,)", &[0; 3]));
    refused(&folder, "@/one.npz", &["one.npz", "one class", "two classes or more"]);
    pair(&folder, "raw.npz", ("scores", f32s("(3, 1)", &[1.0, -3.0, 2.0])), i64s("(3,)", &[0; 3]));
    refused(&folder, "@/raw.npz", &["-3 at row 1", "probabilities of class 1"]);
    pair(&folder, "none.npz", ("probs", f32s("(0, 3)", &[])), i64s("(0,)", &[]));
    refused(&folder, "@/none.npz", &["empty"]);
    pair(&folder, "cube.npz", ("logits", f32s("(2, 2, 2)", &[0.0; 8])), i64s("(2,)", &[0; 2]));
    refused(&folder, "@/cube.npz", &["[2, 2, 2]", "[N, C]"]);
}

#[test]
fn arguments() {
    let folder = folder();
    refused(&folder, "@/rows.npz --scores nothing", &["\"nothing\"", "\"logits\"", "\"labels\""]);
    refused(&folder, "@/rows.npz --bins 0", &["bins = 0"]);
    refused(&folder, "@/rows.npz --resamples 0", &["--resamples 0"]);
    refused(&folder, "@/rows.npz --level 1", &["--level 1"]);
    refused(&folder, "@/rows.npz --group-by nothing", &["\"nothing\""]);
    for wrong in
        ["eval", "eval @/rows.npz --logits --probs", "nothing", "eval @/rows.npz --fail-if ece"]
    {
        let ran = mbls(&folder, wrong);
        assert_eq!((ran.exit, &*ran.out), (Exit::BadInput, ""), "{wrong}");
    }
}
