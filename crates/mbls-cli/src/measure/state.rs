use super::key::{Key, Settings, Values};
use anyhow::{Result, bail, ensure};
use mbls_core::metric::{
    AdaptiveConvention, AdaptiveEce, Binning, CalibrationBins, ClassificationMetrics,
    ClasswiseConvention, Metric, Reliability, SmoothConvention, SortedTopLabels, Target,
    TopLabelStatistic, TopLabelStatistics, TopLabels,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The metrics of rows with scores of all classes.
pub(crate) type ScoreMetrics = (ClassificationMetrics, CalibrationBins, TopLabelStatistics);

/// The exact state of all metrics of a data set, which merges with that of other rows.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "rows", content = "metrics", rename_all = "kebab-case")]
pub(crate) enum State {
    /// Of rows with scores of all classes.
    Scores(Box<ScoreMetrics>),
    /// Of rows of which only the prediction was saved.
    TopLabels(Box<TopLabelMetrics>),
}

/// The metrics of rows of which only the prediction was saved.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TopLabelMetrics {
    pub(crate) diagram: CalibrationBins,
    adaptive: AdaptiveEce,
    statistics: TopLabelStatistics,
    /// Rows and correct rows of each label; `None` if labels are not known.
    recalls: Option<BTreeMap<i64, (u64, u64)>>,
}

fn diagram(settings: &Settings) -> mbls_core::Result<CalibrationBins> {
    CalibrationBins::new(Target::TopLabel, settings.binning, settings.bins)
}

fn statistics() -> mbls_core::Result<TopLabelStatistics> {
    let smooth = TopLabelStatistic::SmoothEce { convention: SmoothConvention::default() };
    TopLabelStatistics::new(vec![smooth, TopLabelStatistic::Aurc {}])
}

pub(crate) fn adaptive(settings: &Settings) -> AdaptiveConvention {
    if settings.reference { AdaptiveConvention::Reference } else { AdaptiveConvention::Definition }
}

/// Creates the metrics of rows with scores, without rows.
pub(crate) fn score_metrics(settings: &Settings) -> Result<ScoreMetrics> {
    let classwise = if settings.reference {
        ClasswiseConvention::Reference
    } else {
        ClasswiseConvention::Definition
    };
    let mut usual =
        ClassificationMetrics::with_conventions(settings.bins, adaptive(settings), classwise)?;
    if let Some(epsilon) = settings.nll_epsilon {
        usual = usual.with_clipped_nll(epsilon)?;
    }
    Ok((usual, diagram(settings)?, statistics()?))
}

impl TopLabelMetrics {
    /// Measures rows; `labels` are those of the rows, if they are known.
    pub(crate) fn measure(
        settings: &Settings,
        rows: &TopLabels,
        labels: Option<&[i64]>,
    ) -> Result<Self> {
        let mut diagram = diagram(settings)?;
        diagram.add(rows)?;
        let mut adaptive = AdaptiveEce::new(settings.bins, adaptive(settings))?;
        adaptive.add(rows)?;
        let mut statistics = statistics()?;
        statistics.add(rows)?;
        let recalls = labels.map(|labels| {
            let mut recalls = BTreeMap::<i64, (u64, u64)>::new();
            for (row, &label) in labels.iter().enumerate() {
                let (all, correct) = recalls.entry(label).or_default();
                *all += 1;
                *correct += u64::from(rows.correct(row));
            }
            recalls
        });
        Ok(Self { diagram, adaptive, statistics, recalls })
    }

    fn merge(&mut self, other: Self) -> Result<()> {
        ensure!(
            self.recalls.is_some() == other.recalls.is_some(),
            "one has labels and the other has none"
        );
        self.diagram.check_merge(&other.diagram)?;
        self.adaptive.check_merge(&other.adaptive)?;
        self.statistics.merge(other.statistics)?;
        self.diagram.merge(other.diagram)?;
        self.adaptive.merge(other.adaptive)?;
        if let (Some(mine), Some(other)) = (&mut self.recalls, other.recalls) {
            for (label, (all, correct)) in other {
                let sums = mine.entry(label).or_default();
                // Counts of rows are below 2^48.
                *sums = (sums.0.saturating_add(all), sums.1.saturating_add(correct));
            }
        }
        Ok(())
    }

    fn check(&self) -> Result<()> {
        let n = self.diagram.n();
        let recalls = self.recalls.iter().flat_map(BTreeMap::values);
        let rows: u128 = recalls.clone().map(|&(all, _)| u128::from(all)).sum();
        ensure!(
            self.adaptive.n() == n
                && self.statistics.n() == n
                && (self.recalls.is_none() || rows == u128::from(n))
                && recalls.clone().all(|(all, correct)| correct <= all && *all > 0),
            "its metrics have different rows"
        );
        Ok(())
    }
}

impl State {
    /// Returns the number of rows.
    pub(crate) fn n(&self) -> u64 {
        match self {
            Self::Scores(metrics) => metrics.1.n(),
            Self::TopLabels(metrics) => metrics.diagram.n(),
        }
    }

    /// Adds the rows of another state.
    pub(crate) fn merge(&mut self, other: Self) -> Result<()> {
        match (self, other) {
            (Self::Scores(mine), Self::Scores(other)) => mine.merge(*other)?,
            (Self::TopLabels(mine), Self::TopLabels(other)) => mine.merge(*other)?,
            _ => bail!("one is of rows of scores and the other of predictions alone"),
        }
        Ok(())
    }

    /// Checks that a state read from a file is that of some rows and of the settings.
    pub(crate) fn check(&self, settings: &Settings) -> Result<()> {
        let same = match self {
            Self::Scores(metrics) => {
                let expected = score_metrics(settings)?;
                ensure!(
                    metrics.1.n() == metrics.2.n()
                        && metrics.0.value().map_or(0, |report| report.n) == metrics.1.n(),
                    "its metrics have different rows"
                );
                expected.check_merge(metrics).is_ok()
            }
            Self::TopLabels(metrics) => {
                metrics.check()?;
                let none = TopLabels::new::<f64>(&[], &[])?;
                let expected = TopLabelMetrics::measure(settings, &none, None)?;
                expected.diagram.check_merge(&metrics.diagram).is_ok()
                    && expected.adaptive.check_merge(&metrics.adaptive).is_ok()
                    && expected.statistics.check_merge(&metrics.statistics).is_ok()
            }
        };
        ensure!(same, "its metrics do not have the settings that the file names");
        Ok(())
    }

    /// Returns the rows sorted by confidence; `None` without rows.
    pub(crate) fn sorted(&self) -> Option<SortedTopLabels> {
        match self {
            Self::Scores(metrics) => metrics.2.samples().value(),
            Self::TopLabels(metrics) => metrics.statistics.samples().value(),
        }
    }

    /// Returns the reliability diagram; `None` without rows.
    pub(crate) fn diagram(&self) -> Option<Reliability> {
        let diagram = match self {
            Self::Scores(metrics) => &metrics.1,
            Self::TopLabels(metrics) => &metrics.diagram,
        };
        diagram.value()?.curves.into_iter().next().flatten()
    }

    /// Returns the number of rows whose label has probability 0.
    pub(crate) fn infinite_nll_rows(&self) -> u64 {
        match self {
            Self::Scores(metrics) => metrics.0.value().map_or(0, |report| report.infinite_nll_rows),
            Self::TopLabels(_) => 0,
        }
    }

    /// Returns the values of all metrics.
    pub(crate) fn values(&self) -> Values {
        let mut values = Values::default();
        let mut set = |key: Key, value: Option<f64>| values[key as usize] = value;
        let statistics = match self {
            Self::Scores(metrics) => metrics.2.value(),
            Self::TopLabels(metrics) => metrics.statistics.value(),
        };
        if let Some([smooth, aurc]) = statistics.as_deref() {
            set(Key::Smece, smooth.value);
            set(Key::Aurc, aurc.value);
        }
        if let Some(diagram) = self.diagram() {
            of_diagram(&diagram, &mut set);
        }
        match self {
            Self::Scores(metrics) => {
                if let Some(report) = metrics.0.value() {
                    set(Key::Accuracy, Some(report.accuracy));
                    set(Key::Top5, Some(report.top5_accuracy));
                    set(Key::BalancedAccuracy, Some(report.balanced_accuracy));
                    set(Key::Nll, Some(report.clipped_nll.map_or(report.nll, |nll| nll.value)));
                    set(Key::Brier, Some(report.brier));
                    set(Key::Aece, Some(report.aece));
                    set(Key::Cece, Some(report.cece));
                }
            }
            Self::TopLabels(metrics) => {
                set(Key::Accuracy, self.diagram().map(|diagram| diagram.accuracy()));
                set(Key::Aece, metrics.adaptive.value());
                let recalls = metrics.recalls.iter().flat_map(BTreeMap::values);
                let recalls: Vec<f64> =
                    recalls.map(|&(all, correct)| correct as f64 / all as f64).collect();
                let mean = recalls.iter().sum::<f64>() / recalls.len() as f64;
                set(Key::BalancedAccuracy, (!recalls.is_empty()).then_some(mean));
            }
        }
        values
    }
}

/// Sets the metrics that are computed from the bins.
pub(crate) fn of_diagram(diagram: &Reliability, set: &mut impl FnMut(Key, Option<f64>)) {
    set(Key::Ece, Some(diagram.ece()));
    set(Key::Mce, Some(diagram.mce()));
    // The debiased square of a calibrated model is negative half of the time.
    set(Key::EceDebiased, Some(diagram.debiased_squared_error().max(0.0).sqrt()));
    set(Key::Overconfidence, Some(diagram.overconfidence()));
    set(Key::Underconfidence, Some(diagram.underconfidence()));
}

/// Returns the ECE of sorted rows in the settings' bins.
pub(crate) fn ece(rows: &SortedTopLabels, settings: &Settings) -> f64 {
    let diagram = rows.reliability(settings.binning, settings.bins);
    diagram.map_or(f64::NAN, |diagram| diagram.ece())
}

/// Returns the MCE of sorted rows in the settings' bins.
pub(crate) fn mce(rows: &SortedTopLabels, settings: &Settings) -> f64 {
    let diagram = rows.reliability(settings.binning, settings.bins);
    diagram.map_or(f64::NAN, |diagram| diagram.mce())
}

/// Returns the adaptive ECE of sorted rows by definition.
pub(crate) fn aece(rows: &SortedTopLabels, settings: &Settings) -> f64 {
    let diagram = rows.reliability(Binning::EqualMass, settings.bins);
    diagram.map_or(f64::NAN, |diagram| diagram.ece())
}
