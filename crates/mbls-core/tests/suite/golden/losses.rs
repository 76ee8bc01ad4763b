//! The losses, their gradients and the schedules of alpha compared with the golden values of the
//! published PyTorch code.
//!
//! Every case and every loss of the file is compared. If the published code returns no number (it
//! raises, or returns NaN for finite logits), or if it includes ignored rows in a term, the slow
//! formulas are the reference.

use crate::losses::evaluated::{Evaluated, flat};
use crate::losses::slow;
use candle_core::{DType, Tensor};
use mbls_core::Error;
use mbls_core::loss::{AlphaSchedule, Loss, LossSpec, MarginLoss, SampleDependentFocal};
use mbls_testkit::golden;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Relative to the value in f32, and to the largest entry or the norm of the gradient: the files
/// store gradients in f32.
const TOLERANCE: f64 = 1e-5;

/// Returns the loss for a name in the files; the part before the first `_` is its kind.
fn spec(name: &str, params: &Value) -> LossSpec {
    let number =
        |key: &str| params[key].as_f64().unwrap_or_else(|| panic!("{name}: {key} is no number"));
    match name.split('_').next() {
        Some("ce") => LossSpec::CrossEntropy,
        Some("ls") => LossSpec::LabelSmoothing { alpha: number("alpha") },
        Some("focal") => LossSpec::Focal { gamma: number("gamma") },
        Some("ecp") => LossSpec::EntropyPenalty { alpha: number("alpha") },
        Some("margin") => LossSpec::margin(number("margin"), number("alpha")),
        Some("flsd") => LossSpec::SampleDependentFocal { gamma: number("gamma") },
        Some("pl1") => LossSpec::L1Penalty { alpha: number("alpha") },
        Some("brier") => LossSpec::Brier,
        Some("mmce") => LossSpec::Mmce { lambda: number("lamda") },
        Some("mmcew") => LossSpec::WeightedMmce { lambda: number("lamda") },
        _ => panic!("{name}: a loss that this test does not know"),
    }
}

/// Non-finite numbers are strings in the files.
fn numbers(values: &Value) -> Vec<f64> {
    let number = |v: &Value| v.as_f64().or_else(|| v.as_str()?.parse().ok());
    let list = values.as_array().unwrap_or_else(|| panic!("no list of numbers: {values}"));
    list.iter().map(|v| number(v).unwrap_or_else(|| panic!("no number: {v}"))).collect()
}

/// The input of one case.
struct Case {
    name: String,
    logits: Tensor,
    labels: Tensor,
    ignore: i64,
    /// The rows that are not ignored, in f64.
    rows: Vec<(Vec<f64>, usize)>,
    ignored: usize,
    finite: bool,
}

impl Case {
    fn new(
        name: &str,
        logits: &Tensor,
        labels: &Tensor,
        ignore_index: i64,
    ) -> candle_core::Result<Self> {
        let values: Vec<i64> = labels.flatten_all()?.to_vec1()?;
        let classes = logits.dims()[1];
        let flattened = logits.to_dtype(DType::F64)?.reshape((logits.dims()[0], classes, ()))?;
        let flattened =
            flattened.transpose(1, 2)?.contiguous()?.reshape(((), classes))?.to_vec2::<f64>()?;
        let rows: Vec<_> = flattened
            .into_iter()
            .zip(&values)
            .filter(|(_, label)| **label != ignore_index)
            .collect();
        Ok(Self {
            name: name.into(),
            logits: logits.clone(),
            labels: labels.clone(),
            ignore: ignore_index,
            ignored: values.len() - rows.len(),
            finite: rows.iter().all(|(row, _)| row.iter().all(|l| l.is_finite())),
            rows: rows.into_iter().map(|(row, &label)| (row, label as usize)).collect(),
        })
    }

    fn evaluate(&self, spec: &LossSpec, dtype: DType) -> mbls_core::Result<Evaluated> {
        Evaluated::new(spec, &self.logits.to_dtype(dtype)?, &self.labels, Some(self.ignore))
    }

    /// Whether two different rows are equally confident at the precision of f32.
    fn confidences_tie(&self) -> bool {
        let confident = |(logits, _): &slow::Row| {
            let max = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let shifted: Vec<f64> = logits.iter().map(|l| l - max).collect();
            (1.0 / shifted.iter().map(|l| l.exp()).sum::<f64>(), shifted)
        };
        let mut rows: Vec<_> = self.rows.iter().map(confident).collect();
        rows.sort_by(|(a, _), (b, _)| a.total_cmp(b));
        rows.windows(2).any(|pair| pair[1].0 - pair[0].0 < 3e-7 && pair[0].1 != pair[1].1)
    }

    /// Compares a loss with its formula.
    fn check_slow(&self, spec: &LossSpec, evaluated: &Evaluated, dtype: DType) {
        let expected = slow::terms(spec, &self.rows);
        let at = format!("{} {spec:?} {dtype:?}", self.name);
        assert_eq!(evaluated.output.terms.len(), expected.len(), "{at}");
        let weighted: f64 = expected.iter().map(|(w, v)| w * v).sum();
        for (term, (weight, value)) in evaluated.output.terms.iter().zip(&expected) {
            assert!((term.weight - weight).abs() < 1e-15, "{at}: weight of {}", term.name);
            close(&format!("{at} {}", term.name), flat(&term.value)[0], *value, dtype);
        }
        close(&format!("{at} total"), evaluated.total(), weighted, dtype);
    }
}

/// Compares with a value computed in f64. Near 0 a log-sum-exp resolves no finer than the spacing
/// of numbers near 1.
fn close(what: &str, found: f64, expected: f64, dtype: DType) {
    let (tolerance, resolution) =
        if dtype == DType::F64 { (1e-9, 1e-15) } else { (TOLERANCE, f64::from(f32::EPSILON)) };
    let difference = (found - expected).abs();
    assert!(
        difference <= tolerance * expected.abs() + resolution,
        "{what}: {found}, expected {expected}"
    );
}

/// Compares with the stored f32 gradient, or with its `dot_cos` if the gradient is not stored.
fn check_gradient(
    what: &str,
    found: &[f64],
    stored: Option<&Tensor>,
    statistics: &Value,
    rows: usize,
) {
    let statistic = |key: &str| {
        statistics[key].as_f64().unwrap_or_else(|| panic!("{what}: grad.{key} is no number"))
    };
    // A row's gradient is a difference of numbers of the size 1 / rows.
    let resolution = f64::from(f32::EPSILON) / rows as f64;
    if let Some(stored) = stored {
        let stored = flat(stored);
        assert_eq!(found.len(), stored.len(), "{what}");
        let bound = 1e-5 * stored.iter().fold(0f64, |a, g| a.max(g.abs())) + resolution;
        for (k, (found, stored)) in found.iter().zip(&stored).enumerate() {
            assert!(
                (found - stored).abs() <= bound,
                "{what}: gradient[{k}] = {found}, expected {stored}"
            );
        }
    } else {
        let dot: f64 = found.iter().enumerate().map(|(k, g)| g * (0.37 * k as f64).cos()).sum();
        let (expected, bound) = (statistic("dot_cos"), TOLERANCE * statistic("l2") + resolution);
        assert!(
            (dot - expected).abs() <= bound,
            "{what}: gradient's dot_cos = {dot}, expected {expected}"
        );
    }
    let norm = found.iter().map(|g| g * g).sum::<f64>().sqrt();
    let expected = statistic("l2_f64");
    assert!(
        (norm - expected).abs() <= TOLERANCE * expected + resolution,
        "{what}: norm {norm}, expected {expected}"
    );
}

#[test]
fn losses_equal_the_reference() -> mbls_core::Result<()> {
    let (json, tensors) = (golden::json("losses.json"), golden::tensors("losses.safetensors"));
    // The number of cases compared with the reference, per kind of loss.
    let (mut compared, mut seen) = (BTreeMap::<&str, usize>::new(), BTreeSet::<&str>::new());
    for (name, values) in json["cases"].as_object().expect("losses.json holds cases") {
        for (loss, entry) in values["losses"].as_object().expect("a case holds losses") {
            let spec = spec(loss, &entry["params"]);
            // Losses without such a parameter pass -100 to their cross-entropy.
            let ignore_index = entry["params"]["ignore_index"].as_i64().unwrap_or(-100);
            let tensor = |key: &str| &tensors[&format!("{name}/{key}")];
            seen.insert(spec.build()?.name());
            let case = Case::new(name, tensor("logits"), tensor("labels"), ignore_index)?;
            if case.rows.is_empty() {
                // The reference returns NaN.
                let error = case.evaluate(&spec, DType::F32).err();
                assert!(
                    matches!(error, Some(Error::AllIgnored { rows }) if rows == case.ignored),
                    "{name} {loss}"
                );
                continue;
            }
            let single = case.evaluate(&spec, DType::F32)?;
            let double = case.evaluate(&spec, DType::F64)?;
            // The f64 entries; f32 results are compared with them too.
            let reference = entry.get("f64").map(numbers);
            if !case.finite {
                // No number to compare with: if the reference reports a value that is not finite,
                // this loss must not be finite either.
                for evaluated in [single, double] {
                    let ours = [vec![evaluated.total()], evaluated.terms()].concat();
                    // The reference raises, or its result is not finite either.
                    let Some(reference) = &reference else {
                        assert!(!ours[0].is_finite(), "{name} {loss}: {ours:?}");
                        continue;
                    };
                    let agree =
                        reference.iter().zip(&ours).all(|(r, o)| r.is_finite() || !o.is_finite());
                    assert!(agree, "{name} {loss}: {ours:?}, reference {reference:?}");
                }
                continue;
            }

            case.check_slow(&spec, &single, DType::F32);
            case.check_slow(&spec, &double, DType::F64);

            let Some(reference) = reference.filter(|r| r.iter().all(|v| v.is_finite())) else {
                continue;
            };
            // Rows labelled with a negative index are excluded from the cross-entropy of the
            // reference only, and from all terms here.
            if ignore_index < 0 && case.ignored > 0 && spec != LossSpec::CrossEntropy {
                continue;
            }
            if let (LossSpec::SampleDependentFocal { gamma }, Some(probabilities)) =
                (&spec, values.get("p_f32"))
            {
                // Probabilities on the thresholds: the last bit of a softmax decides which gamma
                // applies, so only the gamma of each stored probability can be compared.
                let loss = SampleDependentFocal::new(*gamma)?;
                let ours: Vec<f64> =
                    numbers(probabilities).into_iter().map(|p| loss.gamma_at(p)).collect();
                assert_eq!(ours, numbers(&values["gamma_f32"]), "{name} {loss:?}");
                continue;
            }
            let stored = tensors.get(&format!("{name}/grad/{loss}"));
            for (evaluated, dtype) in [(&single, DType::F32), (&double, DType::F64)] {
                let what = format!("{name} {loss} {dtype:?}");
                let ours = [vec![evaluated.total()], evaluated.terms()].concat();
                // If the reference returns terms, they are the same, in the same order.
                for (found, expected) in ours.iter().zip(&reference) {
                    match (&spec, dtype) {
                        // The reference counts hits and misses in f32 there.
                        (LossSpec::WeightedMmce { .. }, DType::F64) => {
                            let difference = (found - expected).abs();
                            assert!(
                                difference <= 1e-7 * expected.abs(),
                                "{what}: {found}, expected {expected}"
                            );
                        }
                        _ => close(&what, *found, *expected, dtype),
                    }
                }
                // If different rows are equally confident, the last bit decides the sign in the
                // derivative of the kernel.
                let kernel = matches!(spec, LossSpec::Mmce { .. } | LossSpec::WeightedMmce { .. });
                if !(kernel && case.confidences_tie()) {
                    check_gradient(
                        &what,
                        &evaluated.gradient(),
                        stored,
                        &entry["grad"],
                        case.rows.len(),
                    );
                }
            }
            *compared.entry(spec.build()?.name()).or_default() += 1;
        }
    }
    let skipped: Vec<_> = seen.iter().filter(|kind| !compared.contains_key(*kind)).collect();
    assert!(
        !compared.is_empty() && skipped.is_empty(),
        "not compared: {skipped:?}; compared: {compared:?}"
    );
    Ok(())
}

#[test]
fn alpha_follows_the_published_schedules() -> mbls_core::Result<()> {
    let json = golden::json("losses.json");
    let schedules =
        json["alpha_schedules"].as_object().expect("losses.json holds schedules of alpha");
    assert!(!schedules.is_empty());
    for (name, entry) in schedules {
        let number =
            |key: &str| entry[key].as_f64().unwrap_or_else(|| panic!("{name}: {key} is no number"));
        let (mu, step_size) = (number("mu"), number("step_size") as usize);
        let schedule = match name.as_str() {
            "none" => AlphaSchedule::None,
            "add" => AlphaSchedule::Add { mu },
            "multiply" => AlphaSchedule::Multiply { mu },
            "step" => AlphaSchedule::Step { mu, step_size },
            _ => panic!("{name}: a schedule that this test does not know"),
        };
        let new =
            || MarginLoss::new(6.0, number("alpha0"))?.with_schedule(schedule, number("max_alpha"));
        let mut loss = new()?;
        for (epoch, expected) in numbers(&entry["alpha_after_epoch"]).into_iter().enumerate() {
            // As after an interruption between two epochs.
            let mut resumed = new()?;
            resumed.restore(&loss.state())?;
            loss = resumed;
            loss.end_epoch(epoch);
            let difference = (loss.alpha() - expected).abs();
            assert!(
                difference <= 1e-12,
                "{name}, epoch {epoch}: {}, expected {expected}",
                loss.alpha()
            );
        }
    }
    Ok(())
}
