//! Everything that is saved can be read, including infinities.

use mbls_core::bootstrap::{Interval, PairedDifference};
use mbls_core::metric::{
    ClassificationMetrics, ClassificationReport, LogLossDecomposition, Metric, Predictions,
    Reliability, ReliabilityBins, SegmentationBatch, SegmentationCalibration,
    SegmentationCalibrationReport, SegmentationProtocol,
};
use serde::{Serialize, de::DeserializeOwned};

fn comes_back<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(value: &T) -> String {
    let text = serde_json::to_string(value).unwrap();
    let read: T = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}"));
    assert_eq!(&read, value, "{text}");
    text
}

#[test]
fn a_report_with_an_infinite_likelihood_comes_back() {
    let mut metrics = ClassificationMetrics::new(3).unwrap();
    metrics.update(&Predictions::from_probs(&[0.5, 0.5], 2, &[1]).unwrap()).unwrap();
    let finite = metrics.value().unwrap();
    let text = comes_back(&finite);
    assert!(
        text.contains(r#""nll":0.6931471805599453,"brier""#) && !text.contains("infinite_nll_rows"),
        "{text}"
    );
    metrics.update(&Predictions::from_probs(&[1.0, 0.0], 2, &[1]).unwrap()).unwrap();
    let text = comes_back(&metrics.value().unwrap());
    assert!(text.contains(r#""nll":"inf","infinite_nll_rows":1,"#), "{text}");
    assert!(
        serde_json::from_str::<ClassificationReport>(&text.replace(r#""inf""#, r#""NaN""#))
            .is_err()
    );
    assert!(
        serde_json::from_str::<ClassificationReport>(&text.replace(r#""inf""#, "null")).is_err()
    );
}

#[test]
fn the_other_reports_come_back() {
    let batch = SegmentationBatch::new(&[0.0, f32::NEG_INFINITY], [1, 2, 1, 1], &[1], &[]).unwrap();
    for protocol in [SegmentationProtocol::Pooled, SegmentationProtocol::Reference] {
        let mut calibration = SegmentationCalibration::new(3, protocol).unwrap();
        calibration.update(batch).unwrap();
        let report: SegmentationCalibrationReport = calibration.value().unwrap();
        assert_eq!((report.nll, report.infinite_nll_rows), (f64::INFINITY, 1));
        comes_back(&report);
    }
    // A bin that predicts 1 and is contradicted.
    let mut bins = ReliabilityBins::new(2).unwrap();
    bins.update(&Predictions::from_probs(&[1.0, 0.0], 2, &[1]).unwrap()).unwrap();
    let loss: LogLossDecomposition = Reliability::log_loss_decomposition(&bins.value().unwrap());
    assert_eq!(loss.binned, f64::INFINITY);
    comes_back(&loss);
    let interval = Interval { low: f64::NEG_INFINITY, high: f64::INFINITY, level: 0.95 };
    assert_eq!(comes_back(&interval), r#"{"low":"-inf","high":"inf","level":0.95}"#);
    comes_back(&PairedDifference {
        observed: f64::INFINITY,
        interval,
        fraction_not_positive: 0.5,
        resamples: 10,
        n: 3,
    });
    let undefined = Interval { low: f64::NAN, ..interval };
    let error = serde_json::to_string(&undefined).unwrap_err().to_string();
    assert!(error.starts_with("NaN cannot be written"), "{error}");
}

#[test]
fn collections_of_numbers_come_back() {
    #[derive(Debug, PartialEq, Serialize, serde::Deserialize)]
    struct All {
        #[serde(with = "mbls_core::number::option")]
        option: Option<f64>,
        #[serde(with = "mbls_core::number::list")]
        list: Vec<f64>,
        #[serde(with = "mbls_core::number::by_name")]
        by_name: std::collections::BTreeMap<String, f64>,
    }
    let list = vec![1.5, f64::INFINITY, f64::NEG_INFINITY, 0.1, f64::MAX, 5e-324];
    let all = All {
        option: Some(f64::NEG_INFINITY),
        by_name: [("a".to_owned(), f64::INFINITY)].into(),
        list,
    };
    let text = comes_back(&all);
    let expected = r#"{"option":"-inf","list":[1.5,"inf","-inf",0.1,1.7976931348623157e+308,5e-324],"by_name":{"a":"inf"}}"#;
    assert_eq!(text, expected);
    comes_back(&All { option: None, ..all });
    assert!(serde_json::from_str::<All>(r#"{"option":1,"list":["1.5"],"by_name":{}}"#).is_err());
    // Undefined values are null.
    #[derive(Debug, PartialEq, Serialize, serde::Deserialize)]
    struct Undefined {
        #[serde(with = "mbls_core::number::option::list")]
        list: Vec<Option<f64>>,
        #[serde(with = "mbls_core::number::option::by_name")]
        by_name: std::collections::BTreeMap<String, Option<f64>>,
    }
    let by_name = [("a".to_owned(), None), ("b".to_owned(), Some(f64::NEG_INFINITY))].into();
    let text = comes_back(&Undefined { list: vec![Some(1.0), Some(f64::INFINITY), None], by_name });
    assert_eq!(text, r#"{"list":[1.0,"inf",null],"by_name":{"a":null,"b":"-inf"}}"#);
    for (from, to) in [("[1.0", "[\"NaN\""), ("\"-inf\"", "\"much\"")] {
        assert!(serde_json::from_str::<Undefined>(&text.replace(from, to)).is_err(), "{to}");
    }
    // Integers are valid numbers.
    let read: All = serde_json::from_str(r#"{"option":-1,"list":[2],"by_name":{}}"#).unwrap();
    assert_eq!((read.option, read.list), (Some(-1.0), vec![2.0]));
}
