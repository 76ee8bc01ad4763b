//! Bootstrap intervals of all metrics, from the same resamples of rows.

use super::classwise::Classwise;
use super::key::{KEYS, Key, Settings, Values};
use super::state::{adaptive, of_diagram};
use super::summary::Summary;
use anyhow::{Context, Result};
use mbls_core::bootstrap::{Interval, resample};
use mbls_core::metric::{AdaptiveEce, Metric, SmoothConvention, TopLabelSamples, TopLabels};

/// Rows from which resamples are drawn.
pub(crate) struct Resampler<'a> {
    summary: &'a Summary,
    settings: &'a Settings,
    /// The rows in ascending order of confidence.
    sorted: TopLabels,
    /// The position in that order of each row.
    position: Vec<u32>,
    labels: usize,
    classwise: Option<Classwise>,
}

impl<'a> Resampler<'a> {
    pub(crate) fn new(
        summary: &'a Summary,
        settings: &'a Settings,
        classwise: Option<Classwise>,
    ) -> Result<Self> {
        let rows = u32::try_from(summary.rows()).context("intervals of 2^32 rows or more")?;
        let mut order: Vec<u32> = (0..rows).collect();
        let confidence = |row: u32| summary.confidences[row as usize];
        order.sort_by(|&a, &b| confidence(a).total_cmp(&confidence(b)));
        let mut position = vec![0; order.len()];
        for (place, &row) in (0..).zip(&order) {
            position[row as usize] = place;
        }
        // They have been checked in the precision of the file.
        let sorted = TopLabels::new(&summary.confidences, &summary.correct)?.select(&order);
        let labels = summary.labels.iter().max().map_or(0, |&label| label as usize + 1);
        Ok(Self { summary, settings, sorted, position, labels, classwise })
    }

    /// Returns the values of all metrics on each resample.
    pub(crate) fn values(&self, resamples: usize, seed: u64) -> Vec<Values> {
        let values = resample(self.summary.rows(), resamples, seed, |drawn| self.of(drawn));
        values.unwrap_or_default()
    }

    /// Returns the values of all metrics on drawn rows.
    pub(crate) fn of(&self, drawn: &[u32]) -> Values {
        let mut values = Values::default();
        let mut set = |key: Key, value: Option<f64>| values[key as usize] = value;
        let n = drawn.len() as f64;
        let Summary { correct, in_top5, nll, brier, .. } = self.summary;
        let share = |of: &[bool]| {
            let count = drawn.iter().filter(|&&row| of[row as usize]).count();
            Some(count as f64 / n)
        };
        let mean = |of: &[f64]| {
            (!of.is_empty()).then(|| drawn.iter().map(|&row| of[row as usize]).sum::<f64>() / n)
        };
        set(Key::Accuracy, share(correct));
        set(Key::Top5, if in_top5.is_empty() { None } else { share(in_top5) });
        set(Key::BalancedAccuracy, self.balanced_accuracy(drawn));
        set(Key::Nll, mean(nll));
        set(Key::Brier, mean(brier));
        set(Key::Cece, self.classwise.as_ref().map(|classwise| classwise.of(drawn)));
        // Errors of sorted rows cannot occur: the rows and settings are those already measured.
        let _ = self.of_confidences(drawn, &mut set);
        values
    }

    fn of_confidences(
        &self,
        drawn: &[u32],
        set: &mut impl FnMut(Key, Option<f64>),
    ) -> mbls_core::Result<()> {
        // The resample in ascending order, without sorting.
        let mut counts = vec![0u32; self.position.len()];
        for &row in drawn {
            counts[self.position[row as usize] as usize] += 1;
        }
        let repeated =
            (0..).zip(&counts).flat_map(|(place, &count)| (0..count).map(move |_| place));
        let rows = self.sorted.select(&repeated.collect::<Vec<u32>>());
        let mut mass = AdaptiveEce::new(self.settings.bins, adaptive(self.settings))?;
        mass.add(&rows)?;
        set(Key::Aece, mass.value());
        let mut samples = TopLabelSamples::new();
        samples.add(&rows)?;
        let Some(sorted) = samples.value() else { return Ok(()) };
        of_diagram(&sorted.reliability(self.settings.binning, self.settings.bins)?, set);
        set(Key::Smece, Some(sorted.smooth_ece(SmoothConvention::default()).value));
        set(Key::Aurc, Some(sorted.risk_coverage().aurc()));
        Ok(())
    }

    fn balanced_accuracy(&self, drawn: &[u32]) -> Option<f64> {
        if self.summary.labels.is_empty() {
            return None;
        }
        let mut counts = vec![(0u32, 0u32); self.labels];
        for &row in drawn {
            let (all, correct) = &mut counts[self.summary.labels[row as usize] as usize];
            *all += 1;
            *correct += u32::from(self.summary.correct[row as usize]);
        }
        let recalls = counts.iter().filter(|(all, _)| *all > 0);
        let sum: f64 =
            recalls.clone().map(|&(all, correct)| f64::from(correct) / f64::from(all)).sum();
        Some(sum / recalls.count() as f64)
    }
}

/// Returns the percentile interval of each metric; `None` if it is undefined.
pub(crate) fn intervals(values: &[Values], level: f64) -> [Option<Interval>; KEYS.len()] {
    KEYS.map(|key| {
        let values: Option<Vec<f64>> = values.iter().map(|values| values[key as usize]).collect();
        Interval::of_values(values?, level)
    })
}
