//! The command line.

use crate::device::DeviceChoice;
use crate::suite::{DEFAULT_PROFILE, ModelName};
use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

/// Trains models with the losses of mbls, measures their calibration, writes results.json and report.html.
#[derive(Debug, Parser)]
#[command(name = "mbls-bench", bin_name = "cargo xtask", disable_help_subcommand = true)]
pub(crate) struct Options {
    /// What to run.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to run.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run every suite of the profile whose data is at hand.
    BenchAll(Selection),
    /// Run one suite.
    Bench {
        /// A suite's name (digits, digits-noisy, mnist, cifar10), or a suite file that ends in .toml.
        suite: String,
        /// What of it.
        #[command(flatten)]
        selection: Selection,
    },
}

/// Which part of the matrix, on what, and where results go.
#[derive(Debug, Args)]
pub(crate) struct Selection {
    /// The model, instead of the suite's own.
    #[arg(long, value_name = "M")]
    pub(crate) model: Option<ModelName>,
    /// A loss of the suite; may be repeated. All where none is given.
    #[arg(long = "loss", value_name = "L")]
    pub(crate) losses: Vec<String>,
    /// Number of seeds, from 0, instead of the profile's.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) seeds: Option<u64>,
    /// Number of epochs, instead of the profile's.
    #[arg(long, value_name = "E", value_parser = positive)]
    pub(crate) epochs: Option<usize>,
    /// Where to train.
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    pub(crate) device: DeviceChoice,
    /// Cells trained side by side; they share the threads. On a CPU as many as threads, at most 4; on a GPU 1.
    #[arg(long, value_name = "N", value_parser = positive)]
    pub(crate) jobs: Option<usize>,
    /// The output folder.
    #[arg(long, value_name = "DIR", default_value = "out/bench")]
    pub(crate) out: PathBuf,
    /// The folder with the data sets that the repository does not carry: DIR/mnist, DIR/cifar-10-batches-bin.
    #[arg(long, value_name = "DIR", env = "MBLS_DATA_DIR")]
    pub(crate) data: Option<PathBuf>,
    /// How much is run: default, local (a size that two cores finish) or paper (published settings).
    #[arg(long, value_name = "P", default_value = DEFAULT_PROFILE)]
    pub(crate) profile: String,
}

fn positive(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|&n| n > 0).ok_or_else(|| "expected a positive whole number".to_owned())
}
