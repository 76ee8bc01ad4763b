use crate::program::{f32s, folder, i64s, mbls, npz, rows, value, write};
use mbls_cli::Exit;
use mbls_core::calibration::{Calibrator, CalibratorSpec, Scores};

#[test]
fn a_calibrator_is_that_of_the_library() {
    let folder = folder();
    let (logits, labels) = rows();
    let labels: Vec<u32> = labels.iter().map(|&label| label as u32).collect();
    let scores = Scores::from_logits(&logits, 3).unwrap();
    let expected =
        CalibratorSpec::Temperature.fit(&scores, &labels).unwrap().probs(&scores).unwrap();
    let json =
        mbls(&folder, "calibrate --fit @/rows.npz --save @/t.json --out @/p.npy --format json")
            .json();
    assert!(value(&json["after"], "nll") < value(&json["before"], "nll"));
    assert_eq!(json["measured_on_fitted_rows"], true);
    let written = |name: &str| -> Vec<f64> {
        let file = std::fs::read(folder.path().join(name)).unwrap();
        let (numbers, []) = file[file.len() - 60 * 3 * 8..].as_chunks::<8>() else { panic!() };
        numbers.iter().map(|bytes| f64::from_le_bytes(*bytes)).collect()
    };
    assert_eq!(written("p.npy"), expected);

    // Applied to the scores alone, and read by the program itself.
    write(&folder, "scores.npz", npz(&[("logits", f32s("(60, 3)", &logits))], false));
    let ran = mbls(&folder, "apply @/t.json @/scores.npz --out @/q.npy");
    assert_eq!((ran.exit, &*ran.out), (Exit::Fine, ""), "{}", ran.messages);
    assert_eq!(written("q.npy"), expected);
    write(
        &folder,
        "labels.txt",
        labels.iter().map(|label| format!("{label}\n")).collect::<String>(),
    );
    let again =
        mbls(&folder, "eval @/q.npy --labels-file @/labels.txt --no-intervals --format json")
            .json();
    assert_eq!(value(&again, "nll"), value(&json["after"], "nll"));
}

#[test]
fn every_method_fits_and_all_compares_them() {
    let folder = folder();
    let (logits, labels) = rows();
    let half = |range: std::ops::Range<usize>| {
        let logits = f32s("(30, 3)", &logits[range.start * 3..range.end * 3]);
        npz(&[("logits", logits), ("labels", i64s("(30,)", &labels[range]))], false)
    };
    write(&folder, "val.npz", half(0..30));
    write(&folder, "test.npz", half(30..60));
    let run = |options: &str| {
        mbls(
            &folder,
            &format!("calibrate --fit @/val.npz --apply @/test.npz --resamples 50 {options}"),
        )
    };
    for method in
        ["temperature", "vector", "matrix", "dirichlet", "beta", "platt", "isotonic", "histogram"]
    {
        let json = run(&format!("--method {method} --bins 5 --format json")).json();
        assert_eq!(
            (&json["method"]["kind"], &json["after"]["samples"]),
            (&method.into(), &30.into())
        );
    }
    let all = run("--method all --bins 5 --format json").json();
    let candidates = all["candidates"].as_array().unwrap();
    assert_eq!(candidates.len(), 8);
    let losses = candidates.iter().filter_map(|one| one["nll"].as_f64());
    let least = losses.fold(f64::INFINITY, f64::min);
    let best = candidates.iter().find(|one| one["nll"].as_f64() == Some(least)).unwrap();
    assert_eq!(best["method"], all["method"]);
    let table = run("--method all --bins 5").out;
    assert!(table.contains("is the best of them"), "{table}");
}

#[test]
fn what_does_not_fit_is_refused() {
    let folder = folder();
    let two =
        [("logits", f32s("(2, 2)", &[1.0, 0.0, 0.5, 2.0])), ("labels", i64s("(2,)", &[0, 1]))];
    write(&folder, "two.npz", npz(&two, false));
    write(&folder, "top.csv", "true_label,pred_label,confidence\n0,0,0.9\n");
    write(&folder, "broken.json", "{\"version\":1,\"calibrator\":{\"kind\":\"temperature\"}}");
    for (arguments, part) in [
        ("calibrate --fit @/rows.npz --apply @/two.npz", "3 classes and"),
        ("calibrate --fit @/top.csv", "confidences alone"),
        ("calibrate --fit @/two.npz --method all", "2 rows: expected at least 5"),
        ("calibrate --fit @/rows.npz --out @/p.csv", "ends with .npy"),
        ("apply @/broken.json @/rows.npz --out @/p.npy", "broken.json"),
        ("apply @/rows.npz @/rows.npz --out @/p.npy", "rows.npz: expected a calibrator"),
    ] {
        let ran = mbls(&folder, &format!("{arguments} --quiet"));
        assert_eq!((ran.exit, &*ran.out), (Exit::BadInput, ""), "{arguments}");
        assert!(
            ran.messages.contains(part) && ran.messages.lines().count() == 1,
            "{}",
            ran.messages
        );
    }
}
