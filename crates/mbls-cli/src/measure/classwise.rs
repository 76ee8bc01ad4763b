use super::key::Settings;
use crate::input::Scored;
use anyhow::Result;
use mbls_core::metric::{Binning, Metric, TopLabelSamples, TopLabels};

/// The bin and the residual of every probability of every row, for classwise ECE of resamples.
pub(crate) struct Classwise {
    classes: usize,
    bins: usize,
    /// `[rows, classes]`: the cell of a class and bin, and by how much probability and label differ.
    cells: Vec<(u32, f32)>,
    /// The labels, if only the classes up to the largest one count.
    labels: Option<Vec<u32>>,
}

/// Beyond this many probabilities, or this many over all resamples, the interval is left out.
const MOST: usize = 1 << 22;
const MOST_DRAWN: usize = 1 << 31;

impl Classwise {
    /// Returns whether intervals of these rows are affordable.
    pub(crate) fn is_affordable(rows: usize, classes: usize, resamples: usize) -> bool {
        let all = rows.saturating_mul(classes);
        all <= MOST && all.saturating_mul(resamples) <= MOST_DRAWN
    }

    /// Reads the rows that are not ignored.
    pub(crate) fn read(rows: &Scored, settings: &Settings) -> Result<Self> {
        let (classes, bins) = (rows.classes, settings.bins);
        let upper = upper_edges(bins)?;
        let all = 0..rows.rows();
        let block = rows.block(all.clone())?;
        let predictions = rows.labelled(&block, all).predictions()?;
        let mut cells = Vec::with_capacity(predictions.rows() * classes);
        for row in 0..predictions.rows() {
            let label = predictions.label(row) as usize;
            for (class, &probability) in predictions.probs(row).iter().enumerate() {
                let bin = upper.partition_point(|edge| *edge < probability).min(bins - 1);
                let event = if class == label { 1.0 } else { 0.0 };
                // As published code, which drops probabilities that are 0 in f32.
                let counts = !settings.reference || probability as f32 > 0.0;
                let residual = if counts { (event - probability) as f32 } else { 0.0 };
                cells.push(((class * bins + bin) as u32, residual));
            }
        }
        let labels = || (0..predictions.rows()).map(|row| predictions.label(row)).collect();
        Ok(Self { classes, bins, cells, labels: settings.reference.then(labels) })
    }

    /// Returns the classwise ECE of drawn rows.
    pub(crate) fn of(&self, drawn: &[u32]) -> f64 {
        let mut gaps = vec![0.0f64; self.classes * self.bins];
        let mut classes = self.labels.as_ref().map_or(self.classes, |_| 1);
        for &row in drawn {
            let row = row as usize;
            if let Some(labels) = &self.labels {
                classes = classes.max(labels[row] as usize + 1);
            }
            for &(cell, residual) in &self.cells[row * self.classes..][..self.classes] {
                gaps[cell as usize] += f64::from(residual);
            }
        }
        let gaps = &gaps[..classes * self.bins];
        gaps.iter().map(|gap| gap.abs()).sum::<f64>() / (drawn.len() * classes) as f64
    }
}

/// Returns the upper edges of the bins of equal width.
fn upper_edges(bins: usize) -> Result<Vec<f64>> {
    let mut samples = TopLabelSamples::new();
    samples.add(&TopLabels::new(&[1.0], &[true])?)?;
    let Some(sorted) = samples.value() else { return Ok(Vec::new()) };
    let diagram = sorted.reliability(Binning::EqualWidth, bins)?;
    Ok(diagram.bins.iter().map(|bin| bin.upper).collect())
}
