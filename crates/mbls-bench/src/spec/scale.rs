//! The size of a benchmark, and how its data is split.

use super::ModelName;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The size of a benchmark: a profile of a suite.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scale {
    /// Number of epochs.
    pub epochs: usize,
    /// Number of seeds, counted from 0.
    pub seeds: u64,
    /// Number of training samples.
    pub train: Amount,
    /// Number of validation samples.
    pub validation: Amount,
    /// Number of test samples: the first ones of an official test part, or a seeded split.
    pub test: Amount,
    /// The splitting rule.
    #[serde(default)]
    pub split: SplitRule,
    /// The model, if it differs from the suite's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<ModelName>,
}

/// A number of samples, or a fraction of the available ones: `1000` or `0.2`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Amount {
    /// A number of samples.
    Count(usize),
    /// A fraction of the available samples.
    Fraction(f64),
}

impl Amount {
    pub(super) fn is_positive(self) -> bool {
        match self {
            Self::Count(count) => count > 0,
            Self::Fraction(fraction) => fraction > 0.0 && fraction <= 1.0,
        }
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(count) => count.fmt(f),
            Self::Fraction(fraction) => fraction.fmt(f),
        }
    }
}

/// The split of the samples of a data set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SplitRule {
    /// Randomly by the seed, stratified by class; never validates on test samples.
    #[default]
    Stratified,
    /// As the published code, sample by sample; for CUB-200-2011 and VOC 2012 this validates on the
    /// test images.
    Published,
}

impl SplitRule {
    /// Returns whether this is the default, which is not serialised.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}
