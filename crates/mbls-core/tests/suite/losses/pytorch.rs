//! Values and gradients computed by PyTorch: `fixtures/losses/generate.py`.

use super::evaluated::{Evaluated, flat};
use candle_core::{DType, Device, Tensor, Var};
use mbls_core::loss::{
    AugmentedPenalty, ClassAdaptive, LogitBatch, LogitPenalty, Loss, LossSpec, MarginChoice,
    MarginLoss, Reduction,
};
use mbls_testkit::golden;
use serde::Deserialize;
use std::collections::BTreeSet;

#[derive(Deserialize)]
struct Fixture {
    cases: Vec<Case>,
    class_adaptive: Vec<Run>,
}

#[derive(Deserialize)]
struct Case {
    spec: LossSpec,
    /// Margins and weights of the classes, which replace the penalty of the specification.
    penalty: Option<Penalty>,
    shape: Vec<usize>,
    logits: Vec<f64>,
    labels: Vec<u32>,
    ignore: Option<i64>,
    class_weights: Option<Vec<f64>>,
    reduction: Reduction,
    total: Vec<f64>,
    gradient: Vec<f64>,
}

#[derive(Deserialize)]
struct Penalty {
    margins: Vec<f64>,
    weights: Vec<f64>,
}

/// A training run with learnt multipliers.
#[derive(Deserialize)]
struct Run {
    penalty: AugmentedPenalty,
    margin: f64,
    classes: usize,
    epochs: Vec<Epoch>,
}

#[derive(Deserialize)]
struct Epoch {
    validation: Vec<Rows>,
    multipliers: Vec<f64>,
    rho: Vec<f64>,
    /// A training batch of the next epoch.
    #[serde(flatten)]
    training: Rows,
    total: Vec<f64>,
    gradient: Vec<f64>,
}

#[derive(Deserialize)]
struct Rows {
    logits: Vec<f64>,
    labels: Vec<u32>,
}

fn fixture() -> Fixture {
    serde_json::from_value(golden::fixture("losses/losses.json")).unwrap()
}

impl Case {
    fn loss(&self) -> mbls_core::Result<Box<dyn Loss>> {
        match (&self.penalty, &self.spec) {
            (
                Some(Penalty { margins, weights }),
                LossSpec::Margin { margin: MarginChoice::Fixed(margin), alpha, .. },
            ) => {
                let penalty = LogitPenalty::new(*margin)?.with_class_margins(margins.clone())?;
                Ok(Box::new(MarginLoss::with_penalty(
                    penalty.with_class_weights(weights.clone())?,
                    *alpha,
                )?))
            }
            (None, spec) => spec.build(),
            (Some(_), spec) => panic!("{spec:?} has no penalty"),
        }
    }

    fn evaluate(&self, dtype: DType) -> mbls_core::Result<Evaluated> {
        let logits = Tensor::from_slice(&self.logits, self.shape.as_slice(), &Device::Cpu)?
            .to_dtype(dtype)?;
        let labels = Tensor::from_slice(
            &self.labels,
            [&self.shape[..1], &self.shape[2..]].concat(),
            &Device::Cpu,
        )?;
        Evaluated::of(self.loss()?.as_ref(), &logits, |logits| {
            let batch =
                LogitBatch::new(logits, &labels, self.ignore)?.with_reduction(self.reduction);
            self.class_weights
                .as_ref()
                .map_or(Ok(batch.clone()), |weights| batch.with_class_weights(weights))
        })
    }
}

/// Relative to the largest entry.
fn close(what: &str, found: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let scale = expected.iter().fold(0f64, |a, x| a.max(x.abs()));
    for (k, (found, expected)) in found.iter().zip(expected).enumerate() {
        let difference = (found - expected).abs();
        assert!(difference <= tolerance * scale, "{what}[{k}]: {found}, expected {expected}");
    }
}

#[test]
fn values_and_gradients_equal_those_of_pytorch() -> mbls_core::Result<()> {
    let mut kinds = BTreeSet::new();
    for case in fixture().cases {
        for (dtype, tolerance) in [(DType::F64, 1e-12), (DType::F32, 1e-5)] {
            let evaluated = case.evaluate(dtype)?;
            let what = format!("{:?} {:?} {:?} {dtype:?}", case.spec, case.shape, case.reduction);
            close(&format!("{what} total"), &flat(&evaluated.output.total), &case.total, tolerance);
            close(&format!("{what} gradient"), &evaluated.gradient(), &case.gradient, tolerance);
        }
        kinds.insert(case.loss()?.name());
    }
    assert!(kinds.len() > 9, "{kinds:?}");
    Ok(())
}

#[test]
fn multipliers_follow_the_published_algorithm() -> mbls_core::Result<()> {
    let batch = |rows: &Rows, classes, logits: &Tensor| {
        let logits = logits.reshape((rows.labels.len(), classes))?;
        LogitBatch::new(&logits, &Tensor::new(rows.labels.as_slice(), &Device::Cpu)?, None)
    };
    for run in fixture().class_adaptive {
        let new = || ClassAdaptive::new(run.margin, run.penalty);
        let mut loss = new()?;
        for (index, epoch) in run.epochs.iter().enumerate() {
            for rows in &epoch.validation {
                loss.observe(&batch(
                    rows,
                    run.classes,
                    &Tensor::new(rows.logits.as_slice(), &Device::Cpu)?,
                )?)?;
            }
            loss.end_epoch(index);
            // As after an interruption between two epochs.
            let mut resumed = new()?;
            resumed.restore(&loss.state())?;
            assert_eq!(resumed, loss);
            loss = resumed;

            let what = format!("{:?}, epoch {index}", run.penalty);
            close(&format!("{what}: multipliers"), loss.multipliers(), &epoch.multipliers, 1e-11);
            close(
                &format!("{what}: rho"),
                &loss.state()[run.classes..2 * run.classes],
                &epoch.rho,
                1e-15,
            );
            let logits = Var::new(epoch.training.logits.as_slice(), &Device::Cpu)?;
            let total = loss.forward(&batch(&epoch.training, run.classes, &logits)?)?.total;
            close(&format!("{what}: total"), &flat(&total), &epoch.total, 1e-11);
            let gradient =
                total.backward()?.get(&logits).expect("the loss depends on the logits").clone();
            close(&format!("{what}: gradient"), &flat(&gradient), &epoch.gradient, 1e-11);
        }
    }
    Ok(())
}
