//! The command line.

use crate::device::DeviceChoice;
use crate::export::ExportOptions;
use crate::overrides::Overrides;
use crate::predict::PredictOptions;
use crate::spec::Precision;
use crate::sweep::SweepOptions;
use clap::{Args, Parser, Subcommand};
use mbls_io::OnError;
use mbls_seg::dataset::SegmentationConfig;
use mbls_vision::FilesConfig;
use std::path::PathBuf;
use std::time::Duration;

/// Trains models with the losses of mbls, measures their calibration, writes results.json and
/// report.html.
#[derive(Debug, Parser)]
#[command(name = "mbls-bench", bin_name = "cargo xtask", disable_help_subcommand = true)]
pub struct Options {
    /// What to run.
    #[command(subcommand)]
    pub command: Command,
}

/// What to run.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run every suite of the profile whose data is available.
    BenchAll(Selection),
    /// Run one suite.
    Bench {
        /// A suite's name, or a suite file that ends in .toml.
        #[arg(required_unless_present = "list")]
        suite: Option<String>,
        /// List the suites, the data they need and whether it is available, models and losses.
        #[arg(long)]
        list: bool,
        /// What of it.
        #[command(flatten)]
        selection: Selection,
    },
    /// Answer with the trained network of a finished run: classes of images or texts, masks of
    /// images.
    Predict(PredictOptions),
    /// Write the trained network of a finished run for PyTorch, with its classes, normalisation and
    /// temperature.
    Export(ExportOptions),
}

/// Which part of the matrix, on what, and where results go.
#[derive(Debug, Args)]
pub struct Selection {
    /// The model, instead of the suite's own.
    #[arg(long, value_name = "M")]
    pub(crate) model: Option<String>,
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
    /// What the network is computed in, instead of the recipe's; tf32 and bf16 are for NVIDIA's
    /// GPUs.
    #[arg(long, value_name = "P")]
    pub(crate) precision: Option<Precision>,
    /// Cells trained side by side; they share the threads. On a CPU as many as threads, at most 4;
    /// on a GPU 1.
    #[arg(long, value_name = "N", value_parser = positive)]
    pub(crate) jobs: Option<usize>,
    /// The output folder.
    #[arg(long, value_name = "DIR", default_value = "out/bench")]
    pub(crate) out: PathBuf,
    /// The folder with the data sets that the repository does not carry: DIR/mnist,
    /// DIR/cifar-10-batches-bin; for imagefolder, that of the images: a folder per class, or
    /// train, val and test with a folder per class in each; for vocfolder, that of JPEGImages,
    /// SegmentationClass, ImageSets and classes.txt; for textfile, the file, or the folder of
    /// train, val and test.
    #[arg(long, value_name = "DIR", env = "MBLS_DATA_DIR", hide_env_values = true)]
    pub(crate) data: Option<PathBuf>,
    /// How much is run: default, local (a size that two cores finish), paper (published settings)
    /// or another of the suite's. Where none is given, default, or local of a suite named on
    /// the command line that has no default.
    #[arg(long, value_name = "P")]
    pub(crate) profile: Option<String>,
    /// Weights that training starts from: a .pth or .safetensors file with the model's parameter
    /// names. A classifier of another number of classes stays as initialised.
    #[arg(long, value_name = "FILE")]
    pub(crate) pretrained: Option<PathBuf>,
    /// Threads of each training that prepare images; 1, or as many as threads where images have to
    /// be decoded.
    #[arg(long, value_name = "N", value_parser = positive)]
    pub(crate) workers: Option<usize>,
    /// Mebibytes of decoded images that are kept in memory.
    #[arg(long, value_name = "N", default_value_t = 2048)]
    pub(crate) cache_mib: u64,
    /// Leave out images, records and words that do not decode, and say how many, instead of
    /// stopping at the first.
    #[arg(long)]
    pub(crate) skip_undecodable: bool,
    /// Start runs again whose folder holds a run of other settings or data. The old one is kept:
    /// seed-0 is renamed to seed-0.old-1.
    #[arg(long)]
    pub(crate) fresh: bool,
    /// What of the suite is changed.
    #[command(flatten)]
    pub(crate) overrides: Overrides,
    /// What is tried at several values.
    #[command(flatten)]
    pub(crate) sweep: SweepOptions,
    /// How trainings are run.
    #[command(flatten)]
    pub(crate) training: TrainingOptions,
}

/// What of a training is written besides its result, and how often: nothing of it changes a result.
#[derive(Clone, Copy, Debug, Args)]
pub struct TrainingOptions {
    /// Minutes after which a checkpoint is written within an epoch too: a process that is killed
    /// loses no more.
    #[arg(long, value_name = "N", default_value = "10", value_parser = minutes)]
    pub(crate) checkpoint_minutes: Duration,
    /// Measure the training samples too, as they pass, for the event log.
    #[arg(long)]
    pub(crate) train_metrics: bool,
    /// Write losses and metrics for TensorBoard, into the folder tensorboard of each cell.
    #[arg(long)]
    pub(crate) tensorboard: bool,
}

impl Selection {
    /// Whether the loss called `id` is run.
    pub(crate) fn runs(&self, id: &str) -> bool {
        self.losses.is_empty() || self.losses.iter().any(|loss| loss == id)
    }

    /// How images with masks are read.
    pub(crate) fn pairs(&self) -> SegmentationConfig {
        SegmentationConfig {
            cache_bytes: self.cache_mib.saturating_mul(1 << 20),
            ..SegmentationConfig::default()
        }
    }

    /// What happens to what cannot be decoded.
    pub(crate) fn on_error(&self) -> OnError {
        if self.skip_undecodable { OnError::Skip } else { OnError::Fail }
    }

    /// How images in files of their own are read.
    pub(crate) fn files(&self) -> FilesConfig {
        FilesConfig {
            cache_bytes: self.cache_mib.saturating_mul(1 << 20),
            on_error: self.on_error(),
            ..FilesConfig::default()
        }
    }
}

fn minutes(text: &str) -> Result<Duration, String> {
    let minutes =
        text.parse::<f64>().ok().map(|minutes| Duration::try_from_secs_f64(60.0 * minutes));
    minutes.and_then(Result::ok).ok_or_else(|| "expected a number of minutes, 0 or more".to_owned())
}

fn positive(text: &str) -> Result<usize, String> {
    text.parse()
        .ok()
        .filter(|&n| n > 0)
        .ok_or_else(|| "expected a positive whole number".to_owned())
}
