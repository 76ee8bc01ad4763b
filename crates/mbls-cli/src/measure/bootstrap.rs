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
    classwise: Option<&'a Classwise>,
}

/// The most resamples of smooth ECE, each of which takes as long as all other metrics of some ten
/// thousand rows.
pub(crate) const SMOOTH_RESAMPLES: usize = 200;

impl<'a> Resampler<'a> {
    pub(crate) fn new(
        summary: &'a Summary,
        settings: &'a Settings,
        classwise: Option<&'a Classwise>,
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
        // Resamples are the same for any number of them, so the first ones are computed again.
        let (rows, smooth) = (self.summary.rows(), resamples.min(SMOOTH_RESAMPLES));
        let values = resample(rows, resamples, seed, |drawn| self.of(drawn, false));
        let mut values = values.unwrap_or_default();
        let first = resample(rows, smooth, seed, |drawn| self.smooth_ece(drawn));
        for (values, smooth) in values.iter_mut().zip(first.unwrap_or_default()) {
            values[Key::Smece as usize] = smooth;
        }
        values
    }

    /// Returns the values of all metrics on drawn rows, of smooth ECE only if `smooth`.
    pub(crate) fn of(&self, drawn: &[u32], smooth: bool) -> Values {
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
        set(Key::Cece, self.classwise.map(|classwise| classwise.of(drawn)));
        // Errors of sorted rows cannot occur: the rows and settings are those already measured.
        let _ = self.of_confidences(drawn, &mut set);
        if smooth {
            set(Key::Smece, self.smooth_ece(drawn));
        }
        values
    }

    fn smooth_ece(&self, drawn: &[u32]) -> Option<f64> {
        let mut samples = TopLabelSamples::new();
        samples.add(&self.sorted(drawn)).ok()?;
        Some(samples.value()?.smooth_ece(SmoothConvention::default()).value)
    }

    fn of_confidences(
        &self,
        drawn: &[u32],
        set: &mut impl FnMut(Key, Option<f64>),
    ) -> mbls_core::Result<()> {
        let rows = self.sorted(drawn);
        let mut mass = AdaptiveEce::new(self.settings.bins, adaptive(self.settings))?;
        mass.add(&rows)?;
        set(Key::Aece, mass.value());
        let mut samples = TopLabelSamples::new();
        samples.add(&rows)?;
        let Some(sorted) = samples.value() else { return Ok(()) };
        of_diagram(&sorted.reliability(self.settings.binning, self.settings.bins)?, set);
        set(Key::Aurc, Some(sorted.risk_coverage().aurc()));
        Ok(())
    }

    /// Returns drawn rows in ascending order of confidence, without sorting.
    fn sorted(&self, drawn: &[u32]) -> TopLabels {
        let mut counts = vec![0u32; self.position.len()];
        for &row in drawn {
            counts[self.position[row as usize] as usize] += 1;
        }
        let repeated =
            (0..).zip(&counts).flat_map(|(place, &count)| (0..count).map(move |_| place));
        self.sorted.select(&repeated.collect::<Vec<u32>>())
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
        let count = if key == Key::Smece { SMOOTH_RESAMPLES } else { values.len() };
        let values = values.iter().take(count).map(|values| values[key as usize]);
        Interval::of_values(values.collect::<Option<Vec<f64>>>()?, level)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::state::{State, TopLabelMetrics};
    use mbls_core::metric::Binning;

    /// A resample that draws every row once has the values of the exact states.
    #[test]
    fn a_draw_of_every_row_is_the_state() {
        let confidences: Vec<f64> =
            (0..500).map(|i| 0.5 + f64::from(i * 7919 % 500) / 1000.0).collect();
        let correct: Vec<bool> = (0..500).map(|i| i * 31 % 10 < 7).collect();
        let labels: Vec<i64> = (0..500).map(|i| i % 7 - 2).collect();
        let rows = TopLabels::new(&confidences, &correct).unwrap();
        for (binning, reference) in [(Binning::EqualWidth, false), (Binning::EqualMass, true)] {
            let settings = Settings { bins: 15, binning, reference, nll_epsilon: None };
            let metrics = TopLabelMetrics::measure(&settings, &rows, Some(&labels)).unwrap();
            let expected = State::TopLabels(Box::new(metrics)).values();
            let summary = Summary::of_top_labels(&rows, Some(&labels));
            let resampler = Resampler::new(&summary, &settings, None).unwrap();
            let all: Vec<u32> = (0..500).rev().collect();
            for (key, (ours, expected)) in
                KEYS.iter().zip(resampler.of(&all, true).into_iter().zip(expected))
            {
                let close = match (ours, expected) {
                    (Some(ours), Some(expected)) => (ours - expected).abs() < 1e-12,
                    (ours, expected) => ours == expected,
                };
                assert!(close, "{key:?}: {ours:?}, expected {expected:?}");
            }
        }
    }
}
