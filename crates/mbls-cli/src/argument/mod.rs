//! The command line.

mod help;
mod settings;

pub(crate) use settings::{Convention, Format, Input, Intervals, Metrics, Report};

use crate::calibrate::MethodName;
use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

/// Is a classifier calibrated? Measures it from a file of its predictions.
#[derive(Debug, Parser)]
#[command(name = "mbls", version, after_help = help::EXIT_CODES)]
pub(crate) struct Program {
    #[command(subcommand)]
    pub(crate) command: Command,
    /// Leave out the notes on standard error about how a file was read
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Measures accuracy, proper scores and calibration errors of files of predictions
    #[command(after_help = help::EVAL_EXAMPLES)]
    Eval(Eval),
    /// Fits a calibrator to validation rows, and measures what it changes on test rows
    #[command(after_help = help::CALIBRATE_EXAMPLES)]
    Calibrate(Calibrate),
    /// Applies a saved calibrator to a file of scores, which needs no labels
    #[command(after_help = help::APPLY_EXAMPLES)]
    Apply(Apply),
    /// Compares two models on the same rows: the difference of every metric, and whether it is noise
    #[command(after_help = help::COMPARE_EXAMPLES)]
    Compare(Compare),
    /// Measures whether scores tell out-of-distribution rows from others
    #[command(after_help = help::OOD_EXAMPLES)]
    Ood(Ood),
    /// Finds the confidence below which a model should not answer, with a guarantee
    #[command(after_help = help::SELECT_EXAMPLES)]
    Select(Select),
    /// Merges states that `mbls eval --save-state` wrote, and reports them as one data set
    #[command(after_help = help::MERGE_EXAMPLES)]
    Merge(Merge),
}

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
