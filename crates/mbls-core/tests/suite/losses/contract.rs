//! Valid and invalid batches and settings, and guarantees of the losses.

use super::{Evaluated, flat, has_rows, logits, margin_variants, one_of_each, spatial};
use candle_core::{DType, Device, Tensor};
use mbls_core::Error;
use mbls_core::loss::{
    AlphaSchedule, Anchor, AugmentedPenalty, ClassReduction, LogitBatch, LogitPenalty, LossSpec,
    MarginChoice, MarginLoss, MarginRule, NeighbourNorm, PenaltyShape,
};

const CPU: Device = Device::Cpu;

fn error(logits: &Tensor, labels: &Tensor, ignore: Option<i64>) -> String {
    LogitBatch::new(logits, labels, ignore).expect_err("a wrong batch").to_string()
}

#[test]
fn wrong_batches_are_errors_that_say_what_is_wrong() -> mbls_core::Result<()> {
    let logits = Tensor::zeros((2, 3, 4), DType::F32, &CPU)?;
    let labels = Tensor::zeros((2, 4), DType::U32, &CPU)?;
    let wrong_labels = Tensor::new(&[[0u32, 1, 2, 255], [255, 0, 7, 0]], &CPU)?;
    assert_eq!(
        error(&logits, &wrong_labels, Some(255)),
        "label 7 at row 6 is out of range: the logits have 3 classes"
    );
    let negative = Tensor::new(&[0i64, -100], &CPU)?;
    assert_eq!(
        error(&Tensor::zeros((2, 3), DType::F32, &CPU)?, &negative, None),
        "label -100 at row 1 is out of range: the logits have 3 classes"
    );
    assert_eq!(
        error(&logits, &Tensor::zeros((2, 3), DType::U32, &CPU)?, None),
        "labels: expected [2, 4] for logits of shape [2, 3, 4], found [2, 3]"
    );
    for shape in [&[2][..], &[2, 1], &[]] {
        let found = error(&Tensor::zeros(shape, DType::F32, &CPU)?, &labels, None);
        assert_eq!(
            found,
            format!("logits: expected [N, C, ...] with at least two classes, found {shape:?}")
        );
    }
    assert_eq!(
        error(&logits.to_dtype(DType::U32)?, &labels, None),
        "logits: expected f32, f64, f16 or bf16, found u32"
    );
    assert_eq!(
        error(&logits, &labels.to_dtype(DType::F32)?, None),
        "labels: expected an integer type, found f32"
    );
    Ok(())
}

#[test]
fn no_row_left_is_an_error() -> mbls_core::Result<()> {
    let logits = logits(&[2, 3]);
    let found = LogitBatch::new(&logits, &Tensor::new(&[9u32, 9], &CPU)?, Some(9));
    assert!(matches!(found, Err(Error::AllIgnored { rows: 2 })));
    let none = LogitBatch::new(
        &Tensor::zeros((0, 3), DType::F32, &CPU)?,
        &Tensor::zeros(0, DType::U32, &CPU)?,
        None,
    );
    assert!(matches!(none, Err(Error::AllIgnored { rows: 0 })));
    Ok(())
}

#[test]
fn a_class_can_be_the_ignored_label() -> mbls_core::Result<()> {
    let batch = LogitBatch::new(&logits(&[3, 2]), &Tensor::new(&[0u32, 1, 0], &CPU)?, Some(0))?;
    assert_eq!(batch.labels()?.to_vec1::<u32>()?, [1]);
    assert_eq!(flat(batch.logits()?), flat(&logits(&[3, 2]))[2..4]);
    Ok(())
}

#[test]
fn rows_are_the_positions_of_the_labels_in_order() -> mbls_core::Result<()> {
    let logits = Tensor::arange(0f32, 24., &CPU)?.reshape((2, 3, 2, 2))?;
    let labels = Tensor::new(&[[[0u32, 1], [2, 9]], [[1, 0], [9, 2]]], &CPU)?;
    let batch = LogitBatch::new(&logits, &labels, Some(9))?;
    let values = logits.flatten_all()?.to_vec1::<f32>()?;
    let expected: Vec<Vec<f32>> = [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 3)]
        .iter()
        .map(|(n, d)| (0..3).map(|c| values[(n * 3 + c) * 4 + d]).collect())
        .collect();
    assert_eq!(batch.logits()?.to_vec2::<f32>()?, expected);
    assert_eq!(batch.labels()?.to_vec1::<u32>()?, [0, 1, 2, 1, 0, 2]);
    Ok(())
}

#[test]
fn one_row_and_every_label_type_give_the_same_loss() -> mbls_core::Result<()> {
    let logits = logits(&[4, 3]);
    let labels = Tensor::new(&[9u32, 9, 1, 9], &CPU)?;
    let alone = Tensor::new(&[1u32], &CPU)?;
    for spec in one_of_each() {
        let expected = Evaluated::new(&spec, &logits.narrow(0, 2, 1)?, &alone, None)?.total();
        for dtype in [DType::U8, DType::U32, DType::I16, DType::I32, DType::I64] {
            let found = Evaluated::new(&spec, &logits, &labels.to_dtype(dtype)?, Some(9))?.total();
            assert_eq!(found, expected, "{spec:?} {dtype:?}");
        }
    }
    // Ignored neighbours count as the row itself.
    let (line, labels) = (logits.t()?.contiguous()?.unsqueeze(0)?, labels.unsqueeze(0)?);
    for spec in spatial() {
        let expected =
            Evaluated::new(&spec, &line.narrow(2, 2, 1)?, &alone.unsqueeze(0)?, None)?.total();
        assert_eq!(Evaluated::new(&spec, &line, &labels, Some(9))?.total(), expected, "{spec:?}");
    }
    Ok(())
}

#[test]
fn half_precision_accumulates_in_f32() -> mbls_core::Result<()> {
    // So many rows that a sum in half precision would be inaccurate.
    let labels = Tensor::from_vec((0..4096u32).map(|i| i % 5).collect(), (2, 32, 64), &CPU)?;
    for dtype in [DType::BF16, DType::F16] {
        let half = logits(&[2, 5, 32, 64]).to_dtype(dtype)?;
        for spec in one_of_each().into_iter().chain(margin_variants()).chain(spatial()) {
            // MMCE compares all pairs of rows.
            let rows = if has_rows(&spec) { 32 } else { 4 };
            let (half, labels) = (half.narrow(2, 0, rows)?, labels.narrow(1, 0, rows)?);
            let found = Evaluated::new(&spec, &half, &labels, Some(3))?;
            let expected = Evaluated::new(&spec, &half.to_dtype(DType::F32)?, &labels, Some(3))?;
            assert_eq!(found.output.total.dtype(), DType::F32);
            assert_eq!(found.total(), expected.total(), "{spec:?} {dtype:?}");
            assert_eq!(
                found.gradient(),
                flat(&expected.gradient.to_dtype(dtype)?),
                "{spec:?} {dtype:?}"
            );
        }
    }
    Ok(())
}

#[test]
fn the_total_is_the_weighted_sum_of_the_terms() -> mbls_core::Result<()> {
    let labels = Tensor::new(&[0u32, 2, 1], &CPU)?;
    for spec in one_of_each() {
        let evaluated = Evaluated::new(&spec, &logits(&[3, 4]), &labels, None)?;
        let sum: f64 =
            evaluated.output.terms.iter().zip(evaluated.terms()).map(|(t, v)| t.weight * v).sum();
        assert!((sum - evaluated.total()).abs() < 1e-14, "{spec:?}");
        assert!(
            evaluated.output.terms.iter().all(|t| !t.value.track_op()),
            "{spec:?}: a term can be differentiated"
        );
    }
    Ok(())
}

#[test]
fn margin_zero_is_cross_entropy_and_the_maximum_over_the_mean() -> mbls_core::Result<()> {
    let (logits, labels) = (logits(&[6, 5]), Tensor::new(&[0u32, 1, 2, 3, 4, 0], &CPU)?);
    let evaluated = Evaluated::new(&LossSpec::margin(0.0, 0.7), &logits, &labels, None)?;
    let cross_entropy = Evaluated::new(&LossSpec::CrossEntropy, &logits, &labels, None)?.total();
    let gap = (logits.max(1)?.mean_all()? - logits.mean_all()?)?.to_scalar::<f64>()?;
    assert!((evaluated.total() - (cross_entropy + 0.7 * gap)).abs() < 1e-14);
    Ok(())
}

#[test]
fn focal_at_gamma_zero_is_cross_entropy() -> mbls_core::Result<()> {
    let (logits, labels) = (logits(&[6, 5]), Tensor::new(&[0u32, 1, 2, 3, 4, 0], &CPU)?);
    let focal = Evaluated::new(&LossSpec::Focal { gamma: 0.0 }, &logits, &labels, None)?;
    let cross_entropy = Evaluated::new(&LossSpec::CrossEntropy, &logits, &labels, None)?;
    assert_eq!(focal.total(), cross_entropy.total());
    Ok(())
}

#[test]
fn logits_that_are_not_finite_give_a_loss_that_is_not() -> mbls_core::Result<()> {
    let labels = Tensor::new(&[0u32, 1], &CPU)?;
    for bad in [f32::NAN, f32::INFINITY] {
        for row in [[bad, 0.0, 1.0], [0.0, bad, 1.0], [bad; 3]] {
            let logits = Tensor::new(&[row, [1.0, 2.0, 3.0]], &CPU)?;
            for spec in one_of_each() {
                let evaluated = Evaluated::new(&spec, &logits, &labels, None)?;
                assert!(!evaluated.total().is_finite(), "{spec:?} {row:?}");
            }
            let penalty =
                LogitPenalty::new(1.0)?.per_row(&LogitBatch::new(&logits, &labels, None)?)?;
            assert!(!penalty.sum_all()?.to_scalar::<f32>()?.is_finite(), "{row:?}");
        }
    }
    Ok(())
}

#[test]
fn settings_out_of_range_are_errors() {
    let wrong = |value: f64| {
        vec![
            LossSpec::LabelSmoothing { alpha: value },
            LossSpec::Focal { gamma: value },
            LossSpec::EntropyPenalty { alpha: value },
            LossSpec::margin(value, 0.1),
            LossSpec::margin(6.0, value),
            LossSpec::SampleDependentFocal { gamma: value },
            LossSpec::DualFocal { gamma: value },
            LossSpec::L1Penalty { alpha: value },
            LossSpec::Mmce { lambda: value },
            LossSpec::WeightedMmce { lambda: value },
            LossSpec::Mdca { gamma: value, beta: 1.0 },
            LossSpec::Mdca { gamma: 1.0, beta: value },
            LossSpec::LogitNorm { tau: value },
            LossSpec::Acls { margin: value, alpha: 0.1, pos_lambda: 1.0, neg_lambda: 0.1 },
            LossSpec::Acls { margin: 6.0, alpha: value, pos_lambda: 1.0, neg_lambda: 0.1 },
            LossSpec::Acls { margin: 6.0, alpha: 0.1, pos_lambda: value, neg_lambda: 0.1 },
            LossSpec::Acls { margin: 6.0, alpha: 0.1, pos_lambda: 1.0, neg_lambda: value },
            LossSpec::ClassAdaptive { margin: value, penalty: AugmentedPenalty::Phr },
            LossSpec::SpatialLabelSmoothing { sigma: value },
            LossSpec::NeighbourPenalty { alpha: value, norm: NeighbourNorm::L1 },
        ]
    };
    for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.1] {
        for spec in wrong(value) {
            assert!(matches!(spec.build(), Err(Error::Setting { .. })), "{spec:?}");
        }
    }
    for zero in [
        LossSpec::LogitNorm { tau: 0.0 },
        LossSpec::ClassAdaptive { margin: 0.0, penalty: AugmentedPenalty::Phr },
        LossSpec::SpatialLabelSmoothing { sigma: 0.0 },
    ] {
        assert!(matches!(zero.build(), Err(Error::Setting { .. })), "{zero:?}");
    }
    assert!(matches!(
        LossSpec::LabelSmoothing { alpha: 1.1 }.build(),
        Err(Error::Setting { name: "alpha", .. })
    ));
}

/// A margin rule is read from a word or a table, and written as its table.
#[test]
fn margins_of_rules_are_read_and_written() {
    let read = |margin: &str| {
        serde_json::from_str::<LossSpec>(&format!(
            r#"{{"kind":"margin","margin":{margin},"alpha":0.1}}"#
        ))
    };
    for (written, rule, table, words) in [
        (
            r#""auto""#,
            MarginRule::Confidence { samples: None },
            r#"{"rule":"confidence"}"#,
            "m = auto (confidence 1 \u{2212} 1/n of n training samples), α = 0.1",
        ),
        (
            r#"{"samples":50,"rule":"confidence"}"#,
            MarginRule::Confidence { samples: Some(50) },
            r#"{"rule":"confidence","samples":50}"#,
            "m = auto (confidence 1 \u{2212} 1/50), α = 0.1",
        ),
        (
            r#"{"rule":"largest-distance","quantile":0.5,"epochs":3}"#,
            MarginRule::LargestDistance { quantile: 0.5, epochs: 3 },
            r#"{"rule":"largest-distance","quantile":0.5,"epochs":3}"#,
            "m = auto (quantile 0.5 of the largest distances after 3 epochs), α = 0.1",
        ),
        (
            r#"{"rule":"median-distance","factor":1.5,"epochs":1}"#,
            MarginRule::MedianDistance { factor: 1.5, epochs: 1 },
            r#"{"rule":"median-distance","factor":1.5,"epochs":1}"#,
            "m = auto (1.5 × median distance after 1 epoch), α = 0.1",
        ),
    ] {
        let spec = read(written).expect("a margin");
        assert_eq!(spec, LossSpec::margin(rule, 0.1));
        let json = serde_json::to_string(&spec).expect("a specification can be written");
        assert_eq!(json, format!(r#"{{"kind":"margin","margin":{table},"alpha":0.1}}"#));
        assert_eq!(serde_json::from_str::<LossSpec>(&json).expect("and read"), spec);
        assert_eq!(spec.settings(), words);
        assert_eq!(spec.to_string(), format!("MbLS ({words})"));
    }
    for (written, part) in [
        (r#""automatic""#, "automatic"),
        (r#"{"rule":"confident"}"#, "unknown variant `confident`"),
        (r#"{"rule":"largest-distance","quantile":0.5}"#, "missing field `epochs`"),
        (
            r#"{"rule":"median-distance","factor":2,"epochs":1,"quantile":0.5}"#,
            "unknown field `quantile`",
        ),
        ("true", "a number, \"auto\" or a table with a rule"),
    ] {
        let error = read(written).expect_err("no margin").to_string();
        assert!(error.contains(part), "{written}: {error}");
    }
    for (rule, part) in [
        (MarginRule::Confidence { samples: Some(1) }, "samples = 1: expected 2 or greater"),
        (
            MarginRule::Confidence { samples: None },
            "expected a rule of distances, or the number of classes and samples",
        ),
        (
            MarginRule::LargestDistance { quantile: 1.5, epochs: 1 },
            "quantile = 1.5: expected a number from 0 to 1",
        ),
        (
            MarginRule::LargestDistance { quantile: 0.5, epochs: 0 },
            "epochs = 0: expected 1 or greater",
        ),
        (
            MarginRule::MedianDistance { factor: 0.0, epochs: 1 },
            "factor = 0: expected a finite number greater than 0",
        ),
    ] {
        let error = LossSpec::margin(rule, 0.1).build().err().expect("no loss").to_string();
        assert!(error.contains(part), "{rule:?}: {error}");
    }
    // A margin that follows from the data becomes a number; one that needs distances does not.
    let of_data = LossSpec::margin(MarginRule::default(), 0.1).for_data(2, 1001);
    assert_eq!(of_data, LossSpec::margin(1000f64.ln(), 0.1));
    let distances = LossSpec::margin(MarginRule::MedianDistance { factor: 2.0, epochs: 1 }, 0.1);
    assert_eq!(distances.for_data(2, 1001), distances);
    assert_eq!(LossSpec::CrossEntropy.for_data(2, 1001), LossSpec::CrossEntropy);
    assert_eq!(
        (MarginRule::default().of_data(1, 9), MarginRule::default().of_data(2, 1)),
        (None, None)
    );
}

#[test]
fn specifications_are_read_as_written() {
    for spec in one_of_each().into_iter().chain(margin_variants()).chain(spatial()) {
        let json = serde_json::to_value(&spec).expect("a specification can be written");
        assert_eq!(json["kind"], spec.build().expect("settings are in range").name());
        assert_eq!(serde_json::from_value::<LossSpec>(json).expect("and read"), spec);
    }
    let written = r#"{"kind": "margin", "margin": 10, "alpha": 0.1}"#;
    assert_eq!(
        serde_json::from_str::<LossSpec>(written).expect("whole numbers are numbers"),
        LossSpec::margin(10.0, 0.1)
    );
    let written = r#"{"kind": "margin", "margin": 6, "alpha": 0.1, "anchor": "target", "detached_anchor": true,
        "shape": {"huber": {"delta": 2}}, "class_reduction": "sum", "schedule": {"step": {"mu": 1.5, "step_size": 10}},
        "max_alpha": 0.5}"#;
    let expected = LossSpec::Margin {
        margin: MarginChoice::Fixed(6.0),
        alpha: 0.1,
        anchor: Anchor::Target,
        detached_anchor: true,
        shape: PenaltyShape::Huber { delta: 2.0 },
        class_reduction: ClassReduction::Sum,
        schedule: AlphaSchedule::Step { mu: 1.5, step_size: 10 },
        max_alpha: Some(0.5),
    };
    assert_eq!(
        serde_json::from_str::<LossSpec>(written).expect("all settings are known"),
        expected
    );
    let settings = "m = 6, α = 0.1, from the label, detached, Huber δ = 2, sum over classes, α × 1.5 per 10 epochs up to 0.5";
    assert_eq!(expected.settings(), settings);
    // Omitted settings are not written either.
    let json =
        serde_json::to_string(&LossSpec::margin(6.0, 0.1)).expect("a specification can be written");
    assert_eq!(json, r#"{"kind":"margin","margin":6.0,"alpha":0.1}"#);
    for (written, expected) in [
        (
            r#"{"kind": "acls", "margin": 10, "alpha": 0.1}"#,
            "ACLS (m = 10, α = 0.1, λ₊ = 1, λ₋ = 0.1)",
        ),
        (r#"{"kind": "class-adaptive", "margin": 10}"#, "CALS-ALM (m = 10, PHR)"),
        (r#"{"kind": "neighbour-penalty", "alpha": 0.1}"#, "NACL (α = 0.1, L1)"),
        (r#"{"kind": "brier"}"#, "Brier loss"),
        (r#"{"kind": "cross-entropy"}"#, "cross-entropy"),
    ] {
        let spec =
            serde_json::from_str::<LossSpec>(written).expect("published settings can be left out");
        assert_eq!(spec.to_string(), expected);
    }
    for wrong in [
        r#"{"kind": "brier", "alpha": 0.1}"#,
        r#"{"kind": "margin", "margin": 6, "alpha": 0.1, "shape": "cubic"}"#,
        r#"{"kind": "margin", "margin": 6, "alpha": 0.1, "schedule": {"add": {"mu": 1, "step_size": 2}}}"#,
        r#"{"kind": "margin", "alpha": 0.1}"#,
        r#"{"kind": "margin", "margin": 10, "alpha": 0.1, "alhpa": 0.2}"#,
        r#"{"kind": "cross-entropy", "alpha": 0.1}"#,
        r#"{"kind": "hinge"}"#,
        r#"{"alpha": 0.1}"#,
    ] {
        assert!(serde_json::from_str::<LossSpec>(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn wrong_class_weights_are_errors() -> mbls_core::Result<()> {
    let batch = LogitBatch::new(&logits(&[2, 3]), &Tensor::new(&[0u32, 2], &CPU)?, None)?;
    let error = |weights: &[f64]| {
        batch.clone().with_class_weights(weights).expect_err("wrong weights").to_string()
    };
    assert_eq!(error(&[1.0, 2.0]), "class weights: expected [3], one per class, found [2]");
    assert_eq!(
        error(&[1.0, -0.5, 1.0]),
        "class weights = -0.5: expected a finite number, 0 or greater"
    );
    assert!(error(&[1.0, f64::NAN, 1.0]).starts_with("class weights = NaN"));
    assert!(error(&[1.0, f64::INFINITY, 1.0]).starts_with("class weights = inf"));
    // Only class 1 has a weight, and no row has that label.
    assert_eq!(
        error(&[0.0, 1.0, 0.0]),
        "class weights = 0: expected a positive, finite sum over the rows that are not ignored"
    );
    assert!(batch.with_class_weights(&[0.0, 0.0, 1.0]).is_ok());
    Ok(())
}

#[test]
fn settings_of_a_penalty_out_of_range_are_errors() -> mbls_core::Result<()> {
    let message =
        |result: mbls_core::Result<LogitPenalty>| result.expect_err("a wrong setting").to_string();
    let new = || LogitPenalty::new(1.0);
    assert_eq!(
        message(new()?.with_class_margins(vec![1.0, -2.0])),
        "margin = -2: expected a finite number, 0 or greater"
    );
    assert_eq!(
        message(new()?.with_class_weights(vec![f64::NAN])),
        "class weights = NaN: expected a finite number, 0 or greater"
    );
    for delta in [0.0, -1.0, f64::INFINITY] {
        let error = message(new()?.with_shape(PenaltyShape::Huber { delta }));
        assert_eq!(error, format!("delta = {delta}: expected a finite number greater than 0"));
    }
    let batch = LogitBatch::new(&logits(&[2, 3]), &Tensor::new(&[0u32, 1], &CPU)?, None)?;
    for penalty in
        [new()?.with_class_margins(vec![1.0, 2.0])?, new()?.with_class_weights(vec![1.0; 4])?]
    {
        assert!(matches!(penalty.per_row(&batch), Err(Error::Shape { .. })), "{penalty:?}");
    }
    Ok(())
}

#[test]
fn settings_of_a_schedule_out_of_range_are_errors() -> mbls_core::Result<()> {
    let message = |schedule, max_alpha| {
        let error =
            MarginLoss::new(6.0, 0.2).and_then(|loss| loss.with_schedule(schedule, max_alpha));
        error.expect_err("a wrong setting").to_string()
    };
    assert_eq!(
        message(AlphaSchedule::Add { mu: -0.1 }, 1.0),
        "mu = -0.1: expected a finite number, 0 or greater"
    );
    assert!(message(AlphaSchedule::Multiply { mu: f64::NAN }, 1.0).starts_with("mu = NaN"));
    assert_eq!(
        message(AlphaSchedule::Step { mu: 2.0, step_size: 0 }, 1.0),
        "step_size = 0: expected 1 or greater"
    );
    assert_eq!(
        message(AlphaSchedule::Add { mu: 0.1 }, 0.1),
        "max_alpha = 0.1: expected alpha or greater"
    );
    let unused = r#"{"kind": "margin", "margin": 6, "alpha": 0.1, "max_alpha": 1}"#;
    let unused: LossSpec = serde_json::from_str(unused).expect("the setting is known");
    let error = unused.build().err().map(|error| error.to_string());
    assert_eq!(error.as_deref(), Some("max_alpha = 1: expected none without a schedule"));
    Ok(())
}

/// Metrics of a batch are those of its rows as slices, in every layout and type.
#[test]
fn metrics_of_a_batch_are_those_of_its_rows() -> mbls_core::Result<()> {
    use mbls_core::metric::{ClassificationMetrics, Metric, measure_logits};
    let empty = ClassificationMetrics::new(15)?;
    let labels: Vec<u32> = (0..60).map(|i| if i % 5 == 3 { 9 } else { i % 4 }).collect();
    let kept: Vec<usize> = (0..60).filter(|i| labels[*i] != 9).collect();
    let kept_labels: Vec<u32> = kept.iter().map(|&i| labels[i]).collect();
    for dtype in [DType::F64, DType::F32, DType::BF16] {
        let rows = logits(&[60, 4]).to_dtype(dtype)?;
        let values = flat(&rows);
        let kept_rows: Vec<f64> =
            kept.iter().flat_map(|&i| &values[i * 4..][..4]).copied().collect();
        let expected = measure_logits(&empty, &kept_rows, 4, &kept_labels)?;
        let planes = rows.reshape((3, 20, 4))?.transpose(1, 2)?;
        let layouts = [
            (rows.clone(), Tensor::from_slice(&labels, 60, &CPU)?),
            (planes, Tensor::from_slice(&labels, (3, 20), &CPU)?),
        ];
        for (logits, labels) in layouts {
            let batch = LogitBatch::new(&logits, &labels, Some(9))?;
            assert_eq!(batch.measure(&empty)?, expected);
            let mut updated = empty.clone();
            updated.update(&batch.predictions()?)?;
            assert_eq!(updated, expected);
        }
    }
    Ok(())
}
