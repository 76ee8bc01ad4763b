//! A trained network measured on its validation and test predictions.

use super::measures::{MEASURES, Scaled};
use super::predictions::{LabelledLogits, SavedPredictions};
use crate::cell::{CellPlan, Measured, Place};
use crate::measure;
use anyhow::Result;
use mbls_core::calibration::TemperatureScaling;

/// Saves and measures the predictions of a trained network; returns the temperature too, which is fitted to those of the
/// validation part. The distances between logits are compared with the margin of the loss, where it has one.
///
/// # Errors
///
/// Logits that cannot be measured, files that cannot be written.
pub(crate) fn evaluate(
    plan: &CellPlan,
    place: Place,
    saved: &SavedPredictions,
    margin: Option<f64>,
) -> Result<(Measured, TemperatureScaling)> {
    saved.save(&place.folder.join("predictions.safetensors"))?;
    let temperature = saved.fit_temperature()?;
    let measured = |split: &LabelledLogits| -> Result<_> {
        let scaled =
            Scaled::of(&split.scaled(&temperature)?, &temperature, plan.suite.recipe.bins, split.distances(margin)?)?;
        Ok(measure::finished(&MEASURES, &scaled))
    };
    let (test, validation) = (measured(&saved.test)?, measured(&saved.validation)?);
    let headline = measure::headline(&MEASURES, &test);
    Ok((Measured { n: saved.test.labels.len() as u64, test, validation, headline, margin }, temperature))
}
