//! Continues training from the published code's checkpoints: weights, optimizer state, loss,
//! clipping.
//!
//! In f64 the steps agree with the original's to nine digits. In f32 no such tight bound exists: if
//! the input of a ReLU is within rounding error of 0, its gradient may or may not be 0. PyTorch's
//! own run of `densenet_2222_g8`, started from weights perturbed by a relative 1e-7, ends in one of
//! two states, whose gradient norms in the third step differ by 6.5e-4 (6 and 10 of 16 runs).

use super::named::{classes, network};
use mbls_stepkit::Result;
use mbls_stepkit::published::{Case, Rounding, check_logits, check_three_steps, each_case};
use mbls_vision::model::Options;

/// Runs `test` on every image network, in both types.
fn each(test: impl Fn(&Case) -> Result<()>) -> Result<()> {
    let tested = each_case(
        |name, keys| network(name, classes(keys)),
        |network, vb| Ok(network.build(Options::default(), vb)?),
        test,
    )?;
    assert!(tested > 0, "no model of this crate");
    Ok(())
}

#[test]
fn logits_and_running_statistics_from_checkpoints() -> Result<()> {
    each(check_logits)
}

#[test]
fn three_training_steps_from_checkpoints() -> Result<()> {
    let rounding = Rounding { step: |step| if step == 0 { 2e-5 } else { 1e-3 }, after: 2e-3 };
    each(|case| check_three_steps(case, rounding))
}
