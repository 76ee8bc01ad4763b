use crate::program::{f32s, folder, i64s, mbls, npz, rows, write};
use mbls_cli::Exit;
use mbls_core::metric::{EceInterval, Predictions, ece_difference};

#[test]
fn the_difference_of_ece_is_that_of_the_library() {
    let folder = folder();
    let (logits, labels) = rows();
    let sharper: Vec<f32> = logits.iter().map(|logit| logit * 3.0).collect();
    let arrays = [("logits", f32s("(60, 3)", &sharper)), ("labels", i64s("(60,)", &labels))];
    write(&folder, "b.npz", npz(&arrays, false));
    let json = mbls(&folder, "compare @/rows.npz @/b.npz --resamples 200 --format json").json();
    let a = Predictions::from_logits(&logits, 3, &labels).unwrap();
    let b = Predictions::from_logits(&sharper, 3, &labels).unwrap();
    let settings = EceInterval { resamples: 200, ..EceInterval::default() };
    let expected = ece_difference(&a, &b, settings).unwrap();
    let found = &json["metrics"]["ece"];
    for (key, expected) in [
        ("difference", expected.observed),
        ("low", expected.interval.low),
        ("high", expected.interval.high),
    ] {
        assert!((found[key].as_f64().unwrap() - expected).abs() < 1e-12, "{key}: {found}");
    }
    // A positive factor changes no prediction, and three times the logits are worse probabilities.
    assert_eq!(json["metrics"]["accuracy"]["difference"], 0.0);
    assert!(json["metrics"]["accuracy"]["better"].is_null());
    assert_eq!(json["metrics"]["nll"]["better"], "a");
    let turned = mbls(&folder, "compare @/b.npz @/rows.npz --resamples 200 --format json").json();
    assert_eq!(turned["metrics"]["nll"]["better"], "b");
    for format in ["table", "csv", "markdown"] {
        let ran =
            mbls(&folder, &format!("compare @/rows.npz @/b.npz --resamples 20 --format {format}"));
        assert!(ran.exit == Exit::Fine && ran.out.contains("nll"), "{}", ran.out);
    }
}

#[test]
fn other_rows_are_refused() {
    let folder = folder();
    let (logits, mut labels) = rows();
    labels[4] = (labels[4] + 1) % 3;
    let arrays = [("logits", f32s("(60, 3)", &logits)), ("labels", i64s("(60,)", &labels))];
    write(&folder, "other.npz", npz(&arrays, false));
    let arrays =
        [("logits", f32s("(59, 3)", &logits[..177])), ("labels", i64s("(59,)", &labels[..59]))];
    write(&folder, "few.npz", npz(&arrays, false));
    for (file, part) in [("other", "row 4 has label"), ("few", "60 rows")] {
        let ran = mbls(&folder, &format!("compare @/rows.npz @/{file}.npz --quiet"));
        assert_eq!((ran.exit, &*ran.out), (Exit::BadInput, ""));
        assert!(ran.messages.contains(part), "{}", ran.messages);
    }
}
