//! How much of a suite is run, and how its data is split.

use super::ModelName;
use serde::{Deserialize, Serialize};
use std::fmt;

/// How much of a suite is run.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scale {
    /// Number of epochs.
    pub epochs: usize,
    /// Number of seeds, from 0.
    pub seeds: u64,
    /// Training images.
    pub train: Amount,
    /// Validation images.
    pub validation: Amount,
    /// Test images: the first ones of an official test part, or that many of a seeded split.
    pub test: Amount,
    /// Whose split it is.
    #[serde(default)]
    pub split: SplitRule,
    /// The model, where it is not the suite's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<ModelName>,
}

/// A number of images, or a fraction of those that there are: `1000` or `0.2`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Amount {
    /// So many.
    Count(usize),
    /// That part of all.
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

/// How the images of a data set are split.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SplitRule {
    /// By the seed, with the same share of every class; tests are never validated on.
    #[default]
    Stratified,
    /// As the published code splits them, image by image; for CUB-200-2011 and VOC 2012 that
    /// validates on the test images.
    Published,
}

impl SplitRule {
    /// Whether it is the one that is not mentioned.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}
