//! State that losses learn over epochs, and how it is saved.

use super::{logits, one_of_each, spatial};
use candle_core::{DType, Device, Tensor};
use mbls_core::Error;
use mbls_core::loss::{
    AlphaSchedule, AugmentedPenalty, AutoMargin, ClassAdaptive, LogitBatch, Loss, LossSpec,
    MarginLoss, MarginRule,
};

const CPU: Device = Device::Cpu;

fn batch(rows: usize, classes: usize) -> mbls_core::Result<LogitBatch> {
    LogitBatch::new(&logits(&[rows, classes]), &Tensor::zeros(rows, DType::U32, &CPU)?, None)
}

fn adaptive() -> mbls_core::Result<ClassAdaptive> {
    ClassAdaptive::new(2.0, AugmentedPenalty::Phr)
}

#[test]
fn losses_of_settings_alone_have_no_state() -> mbls_core::Result<()> {
    for spec in one_of_each().into_iter().chain(spatial()) {
        let mut loss = spec.build()?;
        assert!(loss.state().is_empty(), "{spec:?}");
        loss.restore(&[])?;
        assert!(matches!(loss.restore(&[0.5]), Err(Error::State { .. })), "{spec:?}");
        let image =
            LogitBatch::new(&logits(&[1, 4, 3]), &Tensor::new(&[[0u32, 2, 1]], &CPU)?, None)?;
        let before = loss.forward(&image)?.total.to_scalar::<f64>()?;
        // Without validation data multipliers do not change.
        loss.end_epoch(9);
        assert_eq!(loss.forward(&image)?.total.to_scalar::<f64>()?, before, "{spec:?}");
    }
    Ok(())
}

#[test]
fn a_state_of_another_schedule_is_an_error() -> mbls_core::Result<()> {
    let mut loss = MarginLoss::new(6.0, 0.1)?.with_schedule(AlphaSchedule::Add { mu: 0.1 }, 0.5)?;
    loss.end_epoch(0);
    assert_eq!(loss.state(), [0.2]);
    for wrong in [&[][..], &[0.1, 0.2], &[f64::NAN], &[-0.1], &[0.6]] {
        let error = loss.restore(wrong).expect_err("no state of this loss").to_string();
        let expected = "state of margin: expected alpha alone, from 0 to max_alpha, found";
        assert_eq!(error, format!("{expected} {} numbers", wrong.len()));
        assert_eq!(loss.alpha(), 0.2);
    }
    Ok(())
}

/// Cross-entropy until the margin is chosen, then MbLS with that margin, and the same after saving
/// and restoring.
#[test]
fn a_rule_chooses_the_margin_at_the_end_of_its_epochs() -> mbls_core::Result<()> {
    let rule = MarginRule::LargestDistance { quantile: 1.0, epochs: 2 };
    let mut loss = LossSpec::margin(rule, 0.1).build()?;
    let rows = batch(6, 4)?;
    let total =
        |loss: &dyn Loss| -> mbls_core::Result<f64> { Ok(loss.forward(&rows)?.total.to_scalar()?) };
    let cross_entropy = LossSpec::CrossEntropy.build()?;
    let restored = |state: &[f64]| -> mbls_core::Result<Box<dyn Loss>> {
        let mut loss = LossSpec::margin(rule, 0.1).build()?;
        loss.restore(state)?;
        Ok(loss)
    };
    for epoch in 0..2 {
        assert_eq!((loss.margin(), total(loss.as_ref())?), (None, total(cross_entropy.as_ref())?));
        // Distances of earlier epochs are ignored.
        if epoch == 0 {
            let large = Tensor::new(&[[100.0, 0.0, 0.0, 0.0]], &CPU)?;
            loss.observe(&LogitBatch::new(&large, &Tensor::zeros(1, DType::U32, &CPU)?, None)?)?;
        } else {
            loss.observe(&rows)?;
        }
        let before = loss.state();
        assert_eq!(before, [-1.0]);
        loss.end_epoch(epoch);
        if epoch == 0 {
            assert_eq!(restored(&loss.state())?.margin(), None);
        }
    }
    let margin = loss.margin().expect("two epochs have passed");
    let logits: Vec<Vec<f64>> = rows.logits()?.to_vec2()?;
    let range = |row: &Vec<f64>| {
        row.iter().copied().fold(f64::MIN, f64::max) - row.iter().copied().fold(f64::MAX, f64::min)
    };
    let largest = logits.iter().map(range).fold(0.0, f64::max);
    assert!((margin / largest - 1.0).abs() < 0.004 && margin <= largest, "{margin} of {largest}");
    // A lower margin has an effect.
    let lower = restored(&[2.0])?;
    assert_eq!(total(lower.as_ref())?, total(&MarginLoss::new(2.0, 0.1)?)?);
    assert!(total(lower.as_ref())? > total(cross_entropy.as_ref())?);
    // The margin is fixed.
    loss.observe(&batch(2, 4)?)?;
    loss.end_epoch(2);
    assert_eq!((loss.margin(), loss.state()), (Some(margin), vec![margin]));
    assert_eq!(restored(&loss.state())?.margin(), Some(margin));
    for wrong in [&[][..], &[f64::NAN], &[-0.5], &[f64::INFINITY], &[1.0, 2.0]] {
        assert!(matches!(loss.restore(wrong), Err(Error::State { .. })), "{wrong:?}");
        assert_eq!(loss.margin(), Some(margin));
    }
    // Without validation data no margin can be chosen.
    let mut unseen = LossSpec::margin(rule, 0.1).build()?;
    (0..3).for_each(|epoch| unseen.end_epoch(epoch));
    assert_eq!(unseen.margin(), None);
    // The state of a schedule of alpha follows the margin.
    let scheduled =
        MarginLoss::new(0.0, 0.1)?.with_schedule(AlphaSchedule::Add { mu: 0.1 }, 0.5)?;
    let mut scheduled = AutoMargin::new(rule, scheduled)?;
    scheduled.end_epoch(0);
    scheduled.observe(&rows)?;
    scheduled.end_epoch(1);
    assert_eq!(scheduled.state().len(), 2);
    assert!((scheduled.state()[1] - 0.3).abs() < 1e-12);
    Ok(())
}

#[test]
fn multipliers_do_not_depend_on_the_batches() -> mbls_core::Result<()> {
    let all = logits(&[6, 4]);
    let labels = Tensor::zeros(6, DType::U32, &CPU)?;
    let learnt = |cuts: &[usize]| -> mbls_core::Result<Vec<f64>> {
        let mut loss = adaptive()?;
        let mut start = 0;
        for &rows in cuts {
            let part = LogitBatch::new(
                &all.narrow(0, start, rows)?,
                &labels.narrow(0, start, rows)?,
                None,
            )?;
            loss.observe(&part)?;
            start += rows;
        }
        loss.end_epoch(0);
        Ok(loss.state())
    };
    let whole = learnt(&[6])?;
    for (cut, whole) in learnt(&[1, 3, 2])?.iter().zip(&whole) {
        assert!((cut - whole).abs() <= 1e-14 * whole.abs(), "{cut}, {whole}");
    }
    Ok(())
}

/// More rows than are observed at once, with weights and ignored rows.
#[test]
fn pixels_of_large_images_are_observed_block_by_block() -> mbls_core::Result<()> {
    let side = 300;
    let values: Vec<f32> =
        (0..3 * side * side).map(|i| ((i * 7919) % 1009) as f32 / 100.0).collect();
    let labels: Vec<u32> =
        (0..side * side).map(|i| if i % 11 == 0 { 255 } else { (i % 3) as u32 }).collect();
    let logits = Tensor::from_slice(&values, (1, 3, side, side), &CPU)?;
    let targets = Tensor::from_slice(&labels, (1, side, side), &CPU)?;
    let weights = [1.0, 0.5, 2.0];
    let mut loss = adaptive()?;
    loss.observe(&LogitBatch::new(&logits, &targets, Some(255))?.with_class_weights(&weights)?)?;
    loss.end_epoch(0);
    let (mut total, mut multipliers, mut constraints) = (0.0, [0.0; 3], [0.0; 3]);
    for (pixel, &label) in labels.iter().enumerate().filter(|(_, label)| **label != 255) {
        let row = [0, 1, 2].map(|class| f64::from(values[class * side * side + pixel]));
        let max = row.iter().copied().fold(f64::MIN, f64::max);
        total += weights[label as usize];
        for (class, logit) in row.into_iter().enumerate() {
            let h = (max - logit) / 2.0 - 1.0;
            constraints[class] += weights[label as usize] * h;
            multipliers[class] += weights[label as usize] * (1e-6 + h).clamp(1e-6, 1e6);
        }
    }
    let expected =
        multipliers.into_iter().chain([total; 3]).chain(constraints).map(|sum| sum / total);
    for (found, expected) in loss.state().iter().zip(expected) {
        // The constraints of a row are f32.
        assert!((found - expected).abs() <= 1e-6 * expected.abs(), "{found}, {expected}");
    }
    Ok(())
}

#[test]
fn class_weights_and_ignored_rows_count_in_multipliers() -> mbls_core::Result<()> {
    let (logits, labels) = (logits(&[3, 4]), Tensor::new(&[1u32, 9, 2], &CPU)?);
    let state = |batch: LogitBatch| -> mbls_core::Result<Vec<f64>> {
        let mut loss = adaptive()?;
        loss.observe(&batch)?;
        loss.end_epoch(0);
        Ok(loss.state())
    };
    let weighted =
        LogitBatch::new(&logits, &labels, Some(9))?.with_class_weights(&[1.0, 3.0, 0.0, 1.0])?;
    let alone = LogitBatch::new(&logits.narrow(0, 0, 1)?, &labels.narrow(0, 0, 1)?, None)?;
    for (weighted, alone) in state(weighted)?.iter().zip(state(alone)?) {
        assert!((weighted - alone).abs() <= 1e-14 * alone.abs(), "{weighted}, {alone}");
    }
    Ok(())
}

#[test]
fn invalid_validation_data_are_errors_and_change_nothing() -> mbls_core::Result<()> {
    let mut loss = adaptive()?;
    loss.observe(&batch(3, 4)?)?;
    let before = loss.clone();
    let broken = Tensor::new(&[[1f32, f32::NAN, 0.0, 0.0]], &CPU)?;
    let broken = LogitBatch::new(&broken, &Tensor::new(&[0u32], &CPU)?, None)?;
    assert!(matches!(loss.observe(&broken), Err(Error::Accumulator { .. })));
    assert!(matches!(loss.observe(&batch(3, 5)?), Err(Error::Shape { .. })));
    assert_eq!(loss, before);
    loss.end_epoch(0);
    assert_eq!(loss.multipliers().len(), 4);
    assert!(matches!(loss.forward(&batch(3, 5)?), Err(Error::Shape { .. })));
    Ok(())
}

#[test]
fn invalid_multipliers_are_errors() -> mbls_core::Result<()> {
    let mut loss = adaptive()?;
    loss.observe(&batch(3, 2)?)?;
    loss.end_epoch(0);
    let before = loss.clone();
    let state = [1.0, 2.0, 1.0, 10.0, -0.5, 0.5];
    let wrong = |index: usize, value: f64| {
        let mut wrong = state.to_vec();
        wrong[index] = value;
        wrong
    };
    for wrong in [
        state[..5].to_vec(),
        state[..4].to_vec(),
        wrong(0, 0.0),
        wrong(1, 1e7),
        wrong(2, 0.5),
        wrong(3, 11.0),
        wrong(4, f64::NAN),
        wrong(0, f64::NAN),
    ] {
        let error = loss.restore(&wrong).expect_err("no state of this loss");
        assert!(
            error.to_string().starts_with("state of class-adaptive: expected multipliers"),
            "{error}"
        );
        assert_eq!(loss, before);
    }
    loss.restore(&state)?;
    assert_eq!(loss.multipliers(), [1.0, 2.0]);
    loss.restore(&[])?;
    assert_eq!(loss, adaptive()?);
    Ok(())
}
