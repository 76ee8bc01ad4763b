//! Learning rates on a plateau compared with those of PyTorch's `ReduceLROnPlateau`.

use mbls_nn::{ReduceOnPlateau, Schedule};
use mbls_testkit::golden;

#[test]
fn rates_are_those_of_pytorch() {
    let fixture = golden::fixture("optim/plateau.json");
    let base = fixture["learning_rate"].as_f64().unwrap();
    let cases = fixture["cases"].as_array().unwrap();
    assert!(cases.len() >= 12);
    for case in cases {
        let settings: ReduceOnPlateau = serde_json::from_value(case["config"].clone()).unwrap();
        let schedule = Schedule::ReduceOnPlateau(settings);
        schedule.validate().unwrap();
        let metrics: Vec<f64> = case["metrics"]
            .as_array()
            .unwrap()
            .iter()
            .map(|m| m.as_f64().unwrap_or(f64::NAN))
            .collect();
        let rates: Vec<f64> = serde_json::from_value(case["rates"].clone()).unwrap();
        assert_eq!(rates.len(), metrics.len() + 1);
        let after = Schedule::Warmup { epochs: 2, start: 0.5, then: Box::new(schedule.clone()) };
        for (epoch, &expected) in rates.iter().enumerate() {
            assert_eq!(
                schedule.learning_rate(base, epoch, &metrics[..epoch]),
                expected,
                "{settings:?} epoch {epoch}"
            );
            // The two epochs of a warm-up do not count, however good their metrics are.
            let warm = [&[0.0, -9.0], &metrics[..epoch]].concat();
            assert_eq!(
                after.learning_rate(base, epoch + 2, &warm),
                expected,
                "{settings:?} epoch {epoch} after warm-up"
            );
        }
        assert_eq!(after.learning_rate(base, 1, &[0.0]), 0.75 * base);
    }
}

#[test]
fn settings_are_checked_and_read() {
    let read = |json: &str| serde_json::from_str::<Schedule>(json);
    let plateau = |json: &str| read(&format!(r#"{{"kind": "reduce-on-plateau", {json}}}"#));
    let settings = ReduceOnPlateau { patience: 3, minimum: 1e-5, ..Default::default() };
    let schedule = plateau(r#""patience": 3, "minimum": 1e-5"#).unwrap();
    assert_eq!(schedule, Schedule::ReduceOnPlateau(settings));
    assert_eq!(read(&serde_json::to_string(&schedule).unwrap()).unwrap(), schedule);
    assert!(schedule.follows_metric());
    assert!(Schedule::Warmup { epochs: 1, start: 0.1, then: Box::new(schedule) }.follows_metric());
    assert!(!Schedule::Warmup { epochs: 1, start: 0.1, then: Box::default() }.follows_metric());
    assert!(plateau(r#""min_lr": 0.1"#).is_err());
    assert!(plateau(r#""mode": "lowest""#).is_err());
    for (json, part) in [
        (r#""factor": 1.0"#, "factor = 1: expected at least 0 and less than 1"),
        (r#""factor": -0.5"#, "factor = -0.5"),
        (r#""threshold": -0.5"#, "threshold = -0.5"),
        (r#""minimum": -1"#, "minimum = -1"),
        (r#""eps": -1"#, "eps = -1"),
    ] {
        let then = Box::new(plateau(json).unwrap());
        for schedule in [*then.clone(), Schedule::Warmup { epochs: 1, start: 0.1, then }] {
            let message = schedule.validate().unwrap_err().to_string();
            assert!(message.contains(part), "{message}");
        }
    }
}
