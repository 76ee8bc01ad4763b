use crate::argument::{Convention, Metrics};
use mbls_core::metric::Binning;
use serde::{Deserialize, Serialize};

/// The settings that the metrics of a data set depend on.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    pub(crate) bins: usize,
    pub(crate) binning: Binning,
    /// Adaptive and classwise ECE as published code computes them.
    pub(crate) reference: bool,
    pub(crate) nll_epsilon: Option<f64>,
}

impl Settings {
    /// Returns the settings without options.
    pub(crate) fn usual() -> Self {
        Self { bins: 15, binning: Binning::EqualWidth, reference: false, nll_epsilon: None }
    }
}

impl From<&Metrics> for Settings {
    fn from(metrics: &Metrics) -> Self {
        Self {
            bins: metrics.bins,
            binning: metrics.binning.into(),
            reference: metrics.convention == Convention::Reference,
            nll_epsilon: metrics.nll_epsilon,
        }
    }
}

/// The metrics, in the order of the report. Their names are part of the JSON schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    Accuracy,
    Top5,
    BalancedAccuracy,
    Nll,
    Brier,
    Ece,
    Aece,
    Cece,
    Mce,
    EceDebiased,
    Smece,
    Overconfidence,
    Underconfidence,
    Aurc,
}

pub(crate) const KEYS: [Key; 14] = [
    Key::Accuracy,
    Key::Top5,
    Key::BalancedAccuracy,
    Key::Nll,
    Key::Brier,
    Key::Ece,
    Key::Aece,
    Key::Cece,
    Key::Mce,
    Key::EceDebiased,
    Key::Smece,
    Key::Overconfidence,
    Key::Underconfidence,
    Key::Aurc,
];

/// A number for each metric; `None` if it is undefined.
pub(crate) type Values = [Option<f64>; KEYS.len()];

impl Key {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Accuracy => "accuracy",
            Self::Top5 => "top5",
            Self::BalancedAccuracy => "balanced_accuracy",
            Self::Nll => "nll",
            Self::Brier => "brier",
            Self::Ece => "ece",
            Self::Aece => "aece",
            Self::Cece => "cece",
            Self::Mce => "mce",
            Self::EceDebiased => "ece_debiased",
            Self::Smece => "smece",
            Self::Overconfidence => "overconfidence",
            Self::Underconfidence => "underconfidence",
            Self::Aurc => "aurc",
        }
    }

    /// Returns whether a larger value is better.
    pub(crate) fn larger_is_better(self) -> bool {
        matches!(self, Self::Accuracy | Self::Top5 | Self::BalancedAccuracy)
    }

    /// Returns the metric of a name.
    pub(crate) fn of_name(name: &str) -> Option<Self> {
        KEYS.into_iter().find(|key| key.name() == name)
    }

    /// Describes how the metric is computed, where the field has several ways.
    pub(crate) fn convention(self, settings: &Settings) -> String {
        let Settings { bins, binning, reference, nll_epsilon } = settings;
        match self {
            Self::Accuracy => "correct / n, ties to the first class".into(),
            Self::Top5 => "label among the 5 largest scores".into(),
            Self::BalancedAccuracy => "mean recall of the classes with labels".into(),
            Self::Nll => match nll_epsilon {
                Some(epsilon) => format!("natural logarithm, probability at least {epsilon:e}"),
                None => "natural logarithm".into(),
            },
            Self::Brier => "sum over classes, 0 to 2".into(),
            Self::Ece => format!("top label, L1, {bins} {binning}"),
            Self::Aece if *reference => {
                format!(
                    "top label, L1, {bins} bins of equal mass, as published code: without the lowest edge"
                )
            }
            Self::Aece => format!("top label, L1, {bins} bins of equal mass"),
            Self::Cece if *reference => format!(
                "mean over classes up to the largest label, L1, {bins} bins of equal width, \
                 without probabilities of 0"
            ),
            Self::Cece => format!("mean over classes, L1, {bins} bins of equal width"),
            Self::Mce => format!("top label, maximum, {bins} {binning}"),
            Self::EceDebiased => format!("top label, L2, debiased, {bins} {binning}"),
            Self::Smece => "top label, kernel smoothing at its own scale".into(),
            Self::Overconfidence => {
                format!("part of ece, confidence above accuracy, {bins} {binning}")
            }
            Self::Underconfidence => {
                format!("part of ece, confidence below accuracy, {bins} {binning}")
            }
            Self::Aurc => "mean risk over coverages, ties by expectation".into(),
        }
    }
}
