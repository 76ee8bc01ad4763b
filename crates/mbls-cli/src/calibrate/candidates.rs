//! Methods compared by cross-validated log-loss.

use super::held::Held;
use crate::argument::Intervals;
use anyhow::{Result, ensure};
use mbls_core::bootstrap::{Interval, percentile_interval};
use mbls_core::calibration::{Calibrator, CalibratorSpec};
use std::collections::BTreeMap;

/// A method, and its mean negative log-likelihood on rows that it was not fitted to.
pub(crate) struct Compared {
    pub(crate) spec: CalibratorSpec,
    /// `None` if a fold could not be fitted.
    pub(crate) nll: Option<f64>,
    pub(crate) problem: Option<String>,
    /// The paired bootstrap interval of its log-loss less that of temperature scaling.
    pub(crate) less_temperature: Option<Interval>,
}

const FOLDS: usize = 5;

/// Compares methods, the first of which is temperature scaling.
pub(crate) fn compare(
    rows: &Held,
    specs: &[CalibratorSpec],
    wanted: &Intervals,
) -> Result<Vec<Compared>> {
    ensure!(
        rows.labels.len() >= FOLDS,
        "{} rows: expected at least {FOLDS} to compare methods by cross-validation",
        rows.labels.len()
    );
    let losses: Vec<Result<Vec<f64>, mbls_core::Error>> =
        specs.iter().map(|&spec| held_out_losses(rows, spec)).collect();
    let temperature = losses.first().and_then(|losses| losses.as_ref().ok());
    let compared = losses.iter().enumerate().map(|(index, losses)| {
        let spec = specs[index];
        match losses {
            Err(error) => {
                let problem = Some(error.to_string());
                Compared { spec, nll: None, problem, less_temperature: None }
            }
            Ok(losses) => {
                let nll = Some(losses.iter().sum::<f64>() / losses.len() as f64);
                let less_temperature = temperature.filter(|_| index > 0).and_then(|base| {
                    let difference = |row: &u32| losses[*row as usize] - base[*row as usize];
                    let mean = |drawn: &[u32]| {
                        drawn.iter().map(difference).sum::<f64>() / drawn.len() as f64
                    };
                    let Intervals { resamples, level, seed, .. } = *wanted;
                    percentile_interval(losses.len(), resamples, level, seed, mean)
                });
                Compared { spec, nll, problem: None, less_temperature }
            }
        }
    });
    Ok(compared.collect())
}

/// Returns the loss of each row, predicted by the method fitted without the row's fold.
fn held_out_losses(rows: &Held, spec: CalibratorSpec) -> mbls_core::Result<Vec<f64>> {
    let folds = folds(&rows.labels);
    let mut losses = vec![0.0; rows.labels.len()];
    for fold in 0..FOLDS {
        let (held_out, others): (Vec<usize>, Vec<usize>) =
            (0..losses.len()).partition(|&row| folds[row] == fold);
        let (scores, labels) = rows.select(&others)?;
        let calibrator = spec.fit(&scores, &labels)?;
        let (scores, labels) = rows.select(&held_out)?;
        let predictions = calibrator.predictions(&scores, &labels)?;
        for (place, &row) in held_out.iter().enumerate() {
            losses[row] = -predictions.log_prob_of_label(place);
        }
    }
    Ok(losses)
}

/// Returns the fold of each row. The rows of a class take turns, whatever the order of the rows.
fn folds(labels: &[u32]) -> Vec<usize> {
    let mut next = BTreeMap::<u32, usize>::new();
    let turn = |label: &u32| {
        let next = next.entry(*label).or_default();
        let fold = *next;
        *next = (fold + 1) % FOLDS;
        fold
    };
    labels.iter().map(turn).collect()
}
