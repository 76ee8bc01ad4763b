use crate::program::{folder, mbls, value};
use mbls_cli::Exit;

#[test]
fn a_failed_check_has_exit_code_1() {
    let folder = folder();
    let run =
        |check: &str| mbls(&folder, &format!("eval @/rows.npz --no-intervals --fail-if {check}"));
    for (check, exit) in [
        ("ece>0.05", Exit::CheckFailed),
        ("ece>0.95", Exit::Fine),
        ("accuracy<0.9", Exit::CheckFailed),
        ("accuracy<=0.0", Exit::Fine),
        ("accuracy>=0", Exit::CheckFailed),
        // Undefined without intervals: neither fine nor failed.
        ("ece.high>0.5", Exit::BadInput),
        ("eec>0.5", Exit::BadInput),
        ("ece>NaN", Exit::BadInput),
    ] {
        let ran = run(check);
        assert_eq!(ran.exit, exit, "{check}: {}", ran.messages);
    }
    let failed = run("ece>0.05");
    assert!(failed.messages.contains("ece>0.05 holds: 0."), "{}", failed.messages);
    assert!(failed.out.contains("balanced_accuracy"), "the results are printed all the same");
    assert_eq!(Exit::CheckFailed.code(), 1);
}

#[test]
fn help_has_examples() {
    let folder = folder();
    for command in ["eval", "merge", "compare", "calibrate", "apply", "ood", "select"] {
        let ran = mbls(&folder, &format!("{command} --help"));
        assert_eq!((ran.exit, &*ran.messages), (Exit::Fine, ""));
        assert!(ran.out.contains("Examples:") && ran.out.contains(&format!("mbls {command} ")));
    }
}

#[test]
fn labels_that_count_from_1_are_suspected() {
    use crate::program::{f32s, i64s, npz, write};
    let folder = folder();
    // Ten classes, of which the last never occurs: no label is out of range.
    let labels: Vec<i64> = (0..50).map(|row| row % 9).collect();
    let logit = |i: i64| if labels[(i / 10) as usize] == i % 10 { 5.0 } else { 0.0 };
    let logits: Vec<f32> = (0..500).map(logit).collect();
    let from_1: Vec<i64> = labels.iter().map(|label| label + 1).collect();
    let arrays = [("logits", f32s("(50, 10)", &logits)), ("labels", i64s("(50,)", &from_1))];
    write(&folder, "from1.npz", npz(&arrays, false));
    let ran = mbls(&folder, "eval @/from1.npz --no-intervals --quiet");
    assert!(
        ran.messages.contains("100.0 % of the labels are the prediction + 1"),
        "{}",
        ran.messages
    );
    let ran = mbls(&folder, "eval @/from1.npz --no-intervals --one-based --format json --quiet");
    assert_eq!((value(&ran.json(), "accuracy"), &*ran.messages), (1.0, ""));
}
