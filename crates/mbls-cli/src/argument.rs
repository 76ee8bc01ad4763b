//! The command line.

use crate::calibrate::MethodName;
use clap::{Args, Parser, Subcommand, ValueEnum};
use mbls_core::metric::{AdaptiveConvention, Binning, ClasswiseConvention, Precision};
use std::path::PathBuf;

/// Is a classifier calibrated? Measures it from a file of its predictions.
#[derive(Debug, Parser)]
#[command(name = "mbls", version, after_help = EXIT_CODES)]
pub(crate) struct Program {
    #[command(subcommand)]
    pub(crate) command: Command,
    /// Leave out the notes on standard error about how a file was read
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,
}

const EXIT_CODES: &str = "\
Exit codes:
  0  fine
  1  a check of --fail-if failed
  2  an argument or a file is wrong; one line on standard error says what and where";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Measures accuracy, proper scores and calibration errors of files of predictions
    #[command(after_help = EVAL_EXAMPLES)]
    Eval(Eval),
    /// Fits a calibrator to validation rows, and measures what it changes on test rows
    #[command(after_help = CALIBRATE_EXAMPLES)]
    Calibrate(Calibrate),
    /// Applies a saved calibrator to a file of scores, which needs no labels
    #[command(after_help = APPLY_EXAMPLES)]
    Apply(Apply),
    /// Compares two models on the same rows: the difference of every metric, and whether it is noise
    #[command(after_help = COMPARE_EXAMPLES)]
    Compare(Compare),
    /// Measures whether scores tell out-of-distribution rows from others
    #[command(after_help = OOD_EXAMPLES)]
    Ood(Ood),
    /// Finds the confidence below which a model should not answer, with a guarantee
    #[command(after_help = SELECT_EXAMPLES)]
    Select(Select),
    /// Merges states that `mbls eval --save-state` wrote, and reports them as one data set
    #[command(after_help = MERGE_EXAMPLES)]
    Merge(Merge),
}

const EVAL_EXAMPLES: &str = "\
Examples:
  mbls eval predictions.npz                       arrays `logits` (or `probs`) and `labels`
  mbls eval logits.npy --labels-file labels.npy   scores and labels in two files
  mbls eval before.npz after.npz                  two models side by side
  mbls eval test.csv --group-by hospital          each group, and the worst one
  mbls eval test.npz --format json --no-intervals
  mbls eval test.npz --fail-if 'ece>0.05'         exit code 1 for a CI pipeline
  mbls eval masks.npz --ignore-index 255          logits [N, C, H, W], labels [N, H, W]

Files are .npy, .npz, .safetensors, .pt and .pth, pickles of NumPy arrays, CSV and TSV with a header,
or JSON lines, the text forms also compressed by gzip, recognised by their content.
Scores are an array `logits`, `probs`, `scores` or `predictions` (see --scores for others), or
columns such as prob_0, prob_1, .. ; labels are `labels`, `targets` or `y`. A text file may have
the columns true_label, pred_label and confidence instead.

Exit codes:
  0  fine
  1  a check of --fail-if failed
  2  an argument or a file is wrong";

const CALIBRATE_EXAMPLES: &str = "\
Examples:
  mbls calibrate --fit val.npz --apply test.npz
  mbls calibrate --fit val.npz --apply test.npz --method all
  mbls calibrate --fit val.npz --save calibrator.json
  mbls calibrate --fit val.npz --apply test.npz --out calibrated.npy

The method `all` compares every method by cross-validated log-loss on the rows of --fit, and says
whether the best one is better than temperature scaling by more than noise. Rows are held in memory.";

const APPLY_EXAMPLES: &str = "\
Examples:
  mbls calibrate --fit val.npz --save calibrator.json
  mbls apply calibrator.json new.npz --out calibrated.npy";

const COMPARE_EXAMPLES: &str = "\
Examples:
  mbls compare before.npz after.npz
  mbls compare a.csv b.csv --format json

Both files have the same rows in the same order. A verdict is given where the paired bootstrap
interval of the difference excludes 0. Fourteen metrics are compared: a single interval that
excludes 0 narrowly is weak evidence.";

const OOD_EXAMPLES: &str = "\
Examples:
  mbls ood test.npz other-dataset.npz
  mbls ood test.npy other.npy --logits --format json

Neither file needs labels. AUROC, average precision of either side and the share of
out-of-distribution rows that pass where 95 % of the others do, by confidence, entropy, margin and,
for logits, energy.";

const SELECT_EXAMPLES: &str = "\
Examples:
  mbls select val.npz                   risks of usual coverages
  mbls select val.npz --risk 0.01       at most 1 % wrong answers, with 95 % probability
  mbls select val.npz --coverage 0.8    the threshold that answers 80 %

The guarantee is for new rows of the same distribution as those of the file. For --risk, coverages of
1 %, 2 % .. 100 % are tried, with bounds that hold for all of them together.";

const MERGE_EXAMPLES: &str = "\
Examples:
  mbls eval shard0.npz --save-state shard0.json   on one machine
  mbls eval shard1.npz --save-state shard1.json   on another
  mbls merge shard0.json shard1.json              the same numbers as one pass over all rows

States keep no single rows of scores, so merged results have no bootstrap intervals.";

#[derive(Args, Debug)]
pub(crate) struct Eval {
    /// The files of predictions; - is standard input
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) input: Input,
    #[command(flatten)]
    pub(crate) metrics: Metrics,
    #[command(flatten)]
    pub(crate) intervals: Intervals,
    /// Also measure each group of rows with the same value in this array or column
    #[arg(long, value_name = "NAME")]
    pub(crate) group_by: Option<String>,
    #[command(flatten)]
    pub(crate) report: Report,
    /// Save the exact state of the metrics for `mbls merge`; for a single file
    #[arg(long, value_name = "STATE")]
    pub(crate) save_state: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub(crate) struct Calibrate {
    /// The rows that the calibrator is fitted to
    #[arg(long, value_name = "VAL")]
    pub(crate) fit: PathBuf,
    /// The rows that it is applied to and measured on [default: those of --fit]
    #[arg(long, value_name = "TEST")]
    pub(crate) apply: Option<PathBuf>,
    /// The calibrator
    #[arg(long, value_enum, default_value_t = MethodName::Temperature)]
    pub(crate) method: MethodName,
    /// Save the calibrator for `mbls apply`
    #[arg(long, value_name = "JSON")]
    pub(crate) save: Option<PathBuf>,
    /// Write the calibrated probabilities as .npy of f64
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) input: Input,
    #[command(flatten)]
    pub(crate) metrics: Metrics,
    #[command(flatten)]
    pub(crate) intervals: Intervals,
    /// The form of the results
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub(crate) format: Format,
}

#[derive(Args, Debug)]
pub(crate) struct Apply {
    /// The calibrator, saved by `mbls calibrate --save`
    #[arg(value_name = "CALIBRATOR")]
    pub(crate) calibrator: PathBuf,
    /// The scores
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// The calibrated probabilities, .npy of f64
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
    #[command(flatten)]
    pub(crate) input: Input,
}

#[derive(Args, Debug)]
pub(crate) struct Compare {
    /// The predictions of the first model, A
    #[arg(value_name = "A")]
    pub(crate) first: PathBuf,
    /// The predictions of the second model, B
    #[arg(value_name = "B")]
    pub(crate) second: PathBuf,
    #[command(flatten)]
    pub(crate) input: Input,
    #[command(flatten)]
    pub(crate) metrics: Metrics,
    #[command(flatten)]
    pub(crate) intervals: Intervals,
    /// The form of the results
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub(crate) format: Format,
}

#[derive(Args, Debug)]
pub(crate) struct Ood {
    /// Scores of in-distribution rows
    #[arg(value_name = "IN")]
    pub(crate) inside: PathBuf,
    /// Scores of out-of-distribution rows
    #[arg(value_name = "OUT")]
    pub(crate) outside: PathBuf,
    #[command(flatten)]
    pub(crate) input: Input,
    #[command(flatten)]
    pub(crate) intervals: Intervals,
    /// The form of the results
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub(crate) format: Format,
}

#[derive(Args, Debug)]
pub(crate) struct Select {
    /// The predictions, of rows that the model was not trained on
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// The largest share of wrong answers
    #[arg(long, conflicts_with = "coverage")]
    pub(crate) risk: Option<f64>,
    /// The smallest share of rows that are answered
    #[arg(long)]
    pub(crate) coverage: Option<f64>,
    /// The probability with which the guarantee holds
    #[arg(long, default_value_t = 0.95)]
    pub(crate) level: f64,
    #[command(flatten)]
    pub(crate) input: Input,
    /// The form of the results
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub(crate) format: Format,
}

impl Select {
    /// Returns settings that leave out intervals.
    pub(crate) fn without_intervals(&self) -> Intervals {
        Intervals { no_intervals: true, resamples: 1, level: self.level, seed: 0 }
    }
}

#[derive(Args, Debug)]
pub(crate) struct Merge {
    /// The states
    #[arg(required = true, value_name = "STATE")]
    pub(crate) states: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) report: Report,
    /// Save the merged state
    #[arg(long, value_name = "STATE")]
    pub(crate) save_state: Option<PathBuf>,
}

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
