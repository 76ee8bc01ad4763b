//! Options that several commands share.

use clap::{Args, ValueEnum};
use mbls_core::metric::{AdaptiveConvention, Binning, ClasswiseConvention, Precision};
use std::path::PathBuf;

/// How a file is read.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Input")]
pub(crate) struct Input {
    /// The array of scores, or the prefix of their columns [default: by convention]
    #[arg(long, value_name = "NAME")]
    pub(crate) scores: Option<String>,
    /// The array or column of labels [default: by convention]
    #[arg(long, value_name = "NAME")]
    pub(crate) labels: Option<String>,
    /// The file of labels, if they are not in the file of scores
    #[arg(long, value_name = "FILE")]
    pub(crate) labels_file: Option<PathBuf>,
    /// Scores are logits [default: found from their name and values]
    #[arg(long, conflicts_with = "probs")]
    pub(crate) logits: bool,
    /// Scores are probabilities [default: found from their name and values]
    #[arg(long)]
    pub(crate) probs: bool,
    /// Rows with this label are left out; may be repeated
    #[arg(long, value_name = "LABEL", allow_negative_numbers = true)]
    pub(crate) ignore_index: Vec<i64>,
    /// Labels count classes from 1
    #[arg(long)]
    pub(crate) one_based: bool,
    /// The type in which probabilities were computed, if the file has a longer one
    #[arg(long, value_enum, value_name = "TYPE")]
    pub(crate) precision: Option<PrecisionName>,
}

/// Settings of the metrics.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Metrics")]
pub(crate) struct Metrics {
    /// The number of bins of all binned errors
    #[arg(long, default_value_t = 15)]
    pub(crate) bins: usize,
    /// The bins of ECE, MCE and the errors derived from them
    #[arg(long, value_enum, default_value_t = BinningName::EqualWidth)]
    pub(crate) binning: BinningName,
    /// Adaptive and classwise ECE by definition, or as published code computes them
    #[arg(long, value_enum, default_value_t = Convention::Definition)]
    pub(crate) convention: Convention,
    /// Clip the label's probability from below in the negative log-likelihood
    #[arg(long, value_name = "EPSILON")]
    pub(crate) nll_epsilon: Option<f64>,
}

/// Settings of the bootstrap.
#[derive(Args, Clone, Copy, Debug)]
#[command(next_help_heading = "Intervals")]
pub(crate) struct Intervals {
    /// Leave out intervals and the range of a calibrated model: faster
    #[arg(long)]
    pub(crate) no_intervals: bool,
    /// The number of bootstrap resamples; smece, which is slow, has at most 200
    #[arg(long, default_value_t = 1000)]
    pub(crate) resamples: usize,
    /// The coverage of the intervals
    #[arg(long, default_value_t = 0.95)]
    pub(crate) level: f64,
    /// The seed of the resamples
    #[arg(long, default_value_t = 0)]
    pub(crate) seed: u64,
}

/// What is printed.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Output")]
pub(crate) struct Report {
    /// The form of the results
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub(crate) format: Format,
    /// Exit with 1 if a metric compares so, such as 'ece>0.05' or 'accuracy.low<0.9'; may be repeated
    #[arg(long, value_name = "CHECK")]
    pub(crate) fail_if: Vec<crate::check::Check>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    Table,
    Json,
    Csv,
    Markdown,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum BinningName {
    EqualWidth,
    EqualMass,
}

impl From<BinningName> for Binning {
    fn from(name: BinningName) -> Self {
        match name {
            BinningName::EqualWidth => Self::EqualWidth,
            BinningName::EqualMass => Self::EqualMass,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Convention {
    Definition,
    Reference,
}

impl From<Convention> for AdaptiveConvention {
    fn from(convention: Convention) -> Self {
        match convention {
            Convention::Definition => Self::Definition,
            Convention::Reference => Self::Reference,
        }
    }
}

impl From<Convention> for ClasswiseConvention {
    fn from(convention: Convention) -> Self {
        match convention {
            Convention::Definition => Self::Definition,
            Convention::Reference => Self::Reference,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum PrecisionName {
    Bf16,
    F16,
    F32,
    F64,
}

impl From<PrecisionName> for Precision {
    fn from(name: PrecisionName) -> Self {
        match name {
            PrecisionName::Bf16 => Self::Bf16,
            PrecisionName::F16 => Self::F16,
            PrecisionName::F32 => Self::F32,
            PrecisionName::F64 => Self::F64,
        }
    }
}
