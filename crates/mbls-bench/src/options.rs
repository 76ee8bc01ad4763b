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
        /// A suite's name, or the path of a suite file ending in .toml.
        #[arg(required_unless_present = "list")]
        suite: Option<String>,
        /// List the suites, their models, losses and data, and whether the data is available.
        #[arg(long)]
        list: bool,
        /// The part of the suite to run.
        #[command(flatten)]
        selection: Selection,
    },
    /// Predict with the trained network of a finished run: classes of images or texts, masks of
    /// images.
    Predict(PredictOptions),
    /// Export the trained network of a finished run for PyTorch, with its classes, normalisation
    /// and temperature.
    Export(ExportOptions),
}

/// Which part of the matrix to run, on which device and data, and where results are written.
#[derive(Debug, Args)]
pub struct Selection {
    /// The model, instead of the suite's.
    #[arg(long, value_name = "M")]
    pub(crate) model: Option<String>,
    /// A loss of the suite; may be repeated. All losses if none is given.
    #[arg(long = "loss", value_name = "L")]
    pub(crate) losses: Vec<String>,
    /// Number of seeds, counted from 0, instead of the profile's.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) seeds: Option<u64>,
    /// Number of epochs, instead of the profile's.
    #[arg(long, value_name = "E", value_parser = positive)]
    pub(crate) epochs: Option<usize>,
    /// The device to train on.
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    pub(crate) device: DeviceChoice,
    /// The precision of the computation, instead of the recipe's; tf32 and bf16 require an NVIDIA
    /// GPU.
    #[arg(long, value_name = "P")]
    pub(crate) precision: Option<Precision>,
    /// Number of runs trained in parallel, which share the threads. Default: on a CPU the number of
    /// threads, at most 4; on a GPU 1.
    #[arg(long, value_name = "N", value_parser = positive)]
    pub(crate) jobs: Option<usize>,
    /// The output folder.
    #[arg(long, value_name = "DIR", default_value = "out/bench")]
    pub(crate) out: PathBuf,
    /// The folder of the data sets that are not part of the repository, such as DIR/mnist and
    /// DIR/cifar-10-batches-bin. For imagefolder: the folder of images, with a subfolder per class,
    /// or with train, val and test that each have a subfolder per class. For vocfolder: the folder
    /// with JPEGImages, SegmentationClass, ImageSets and classes.txt. For textfile: the file, or a
    /// folder with train, val and test.
    #[arg(long, value_name = "DIR", env = "MBLS_DATA_DIR", hide_env_values = true)]
    pub(crate) data: Option<PathBuf>,
    /// The size of the benchmark: default, local (finishes on two cores), paper (published
    /// settings) or another profile of the suite. If not given: default, or local for a suite named
    /// on the command line that has no default.
    #[arg(long, value_name = "P")]
    pub(crate) profile: Option<String>,
    /// Pretrained weights: a .pth or .safetensors file with the model's parameter names. A
    /// classification layer for another number of classes stays randomly initialised.
    #[arg(long, value_name = "FILE")]
    pub(crate) pretrained: Option<PathBuf>,
    /// Threads per run that prepare images. Default: 1, or the number of threads if images must be
    /// decoded.
    #[arg(long, value_name = "N", value_parser = positive)]
    pub(crate) workers: Option<usize>,
    /// Size of the cache of decoded images, in MiB.
    #[arg(long, value_name = "N", default_value_t = 2048)]
    pub(crate) cache_mib: u64,
    /// Skip images, records and words that cannot be decoded and print how many, instead of
    /// stopping at the first.
    #[arg(long)]
    pub(crate) skip_undecodable: bool,
    /// Restart runs whose folder contains a run with other settings or data. The old run is kept:
    /// seed-0 is renamed to seed-0.old-1.
    #[arg(long)]
    pub(crate) fresh: bool,
    /// Changes to the suite's settings.
    #[command(flatten)]
    pub(crate) overrides: Overrides,
    /// Settings to try at several values.
    #[command(flatten)]
    pub(crate) sweep: SweepOptions,
    /// How runs are trained.
    #[command(flatten)]
    pub(crate) training: TrainingOptions,
}

/// What a training writes besides its result, and how often. None of it affects the result.
#[derive(Clone, Copy, Debug, Args)]
pub struct TrainingOptions {
    /// Minutes between checkpoints within an epoch, which limit what is lost if the process is
    /// killed.
    #[arg(long, value_name = "N", default_value = "10", value_parser = minutes)]
    pub(crate) checkpoint_minutes: Duration,
    /// Also measure metrics on the training batches, for the event log.
    #[arg(long)]
    pub(crate) train_metrics: bool,
    /// Write losses and metrics for TensorBoard to the folder tensorboard of each run.
    #[arg(long)]
    pub(crate) tensorboard: bool,
}

impl Selection {
    /// Returns whether the loss called `id` is run.
    pub(crate) fn runs(&self, id: &str) -> bool {
        self.losses.is_empty() || self.losses.iter().any(|loss| loss == id)
    }

    /// Returns how images with masks are read.
    pub(crate) fn pairs(&self) -> SegmentationConfig {
        SegmentationConfig {
            cache_bytes: self.cache_mib.saturating_mul(1 << 20),
            ..SegmentationConfig::default()
        }
    }

    /// Returns how undecodable inputs are handled.
    pub(crate) fn on_error(&self) -> OnError {
        if self.skip_undecodable { OnError::Skip } else { OnError::Fail }
    }

    /// Returns how image files are read.
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
