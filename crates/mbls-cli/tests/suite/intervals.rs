use crate::program::{folder, mbls, rows};
use mbls_core::metric::{EceInterval, Predictions, ece_with_interval};

#[test]
fn the_interval_of_ece_is_that_of_the_library() {
    let folder = folder();
    let (logits, labels) = rows();
    let predictions = Predictions::from_logits(&logits, 3, &labels).unwrap();
    let settings = EceInterval { bins: 15, resamples: 300, level: 0.9, seed: 7 };
    let expected = ece_with_interval(&predictions, settings).unwrap();
    let options = "--resamples 300 --level 0.9 --seed 7 --format json";
    let json = mbls(&folder, &format!("eval @/rows.npz {options}")).json();
    let ece = &json["metrics"]["ece"];
    let close = |ours: &serde_json::Value, expected: f64| {
        assert!((ours.as_f64().unwrap() - expected).abs() < 1e-12, "{ours}, expected {expected}");
    };
    close(&ece["value"], expected.ece);
    close(&ece["low"], expected.interval.low);
    close(&ece["high"], expected.interval.high);
    assert_eq!(json["level"], 0.9);
    assert!(json["if_calibrated"]["ece"]["p_value"].is_number());
    // Every metric of these rows has an interval, and the same one again.
    for (key, metric) in json["metrics"].as_object().unwrap() {
        assert!(metric["low"].as_f64().unwrap() <= metric["high"].as_f64().unwrap(), "{key}");
    }
    assert_eq!(mbls(&folder, &format!("eval @/rows.npz {options}")).json(), json);
}
