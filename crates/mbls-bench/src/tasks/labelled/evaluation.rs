//! Evaluation of a trained network on its validation and test predictions.

use super::measures::{MEASURES, Scaled};
use super::predictions::{LabelledLogits, SavedPredictions};
use crate::cell::{CellPlan, Measured, Place};
use crate::measure;
use anyhow::Result;
use mbls_core::calibration::CalibrationRecord;

/// Saves and evaluates the predictions of a trained network. Also returns the calibration record:
/// calibrators fitted on the validation part, assessed on the test part. The distances between
/// logits are compared with the margin of the loss, if it has one.
///
/// # Errors
///
/// If logits cannot be evaluated or files cannot be written.
pub(crate) fn evaluate(
    plan: &CellPlan,
    place: Place,
    saved: &SavedPredictions,
    class_names: Vec<String>,
    margin: Option<f64>,
) -> Result<(Measured, CalibrationRecord)> {
    saved.save(&place.folder.join("predictions.safetensors"))?;
    let bins = plan.suite.recipe.bins;
    let LabelledLogits { logits, labels, .. } = &saved.validation;
    let mut record = CalibrationRecord::fit(class_names, logits, labels, bins)?;
    record.assess(&saved.test.logits, &saved.test.labels)?;
    let measured = |split: &LabelledLogits| -> Result<_> {
        let temperature = record.temperature();
        Ok(measure::finished(
            &MEASURES,
            &Scaled::of(&split.scaled(temperature)?, temperature, bins, split.distances(margin)?)?,
        ))
    };
    let (test, validation) = (measured(&saved.test)?, measured(&saved.validation)?);
    let headline = measure::headline(&MEASURES, &test);
    Ok((Measured { n: saved.test.labels.len() as u64, test, validation, headline, margin }, record))
}
