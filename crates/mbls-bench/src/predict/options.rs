//! The command line of predictions.

use crate::device::DeviceChoice;
use anyhow::{Result, ensure};
use clap::{Args, ValueEnum};
use mbls_core::calibration::{CalibratorRole, OodDetector};
use std::path::PathBuf;

/// The network, the inputs and the output format.
#[derive(Debug, Args)]
pub struct PredictOptions {
    /// The folder of a finished run, such as out/bench/imagefolder/resnet18/mbls/seed-0, or its
    /// subfolder classifier.
    #[arg(value_name = "RUN")]
    pub(super) run: PathBuf,
    /// Images, or folders that are searched for images. For text networks: .csv, .tsv and .jsonl
    /// files with a text per record, other files with a single text, or a text itself if it
    /// contains a space. `-` reads standard input: one image, or a text per line.
    #[arg(value_name = "INPUT")]
    pub(super) inputs: Vec<String>,
    /// A text to classify; may be repeated.
    #[arg(long = "text", value_name = "TEXT")]
    pub(super) texts: Vec<String>,
    /// The column or field of the text in .csv, .tsv and .jsonl files.
    #[arg(long, value_name = "NAME")]
    pub(super) text_column: Option<String>,
    /// Write a JSON object per input, one per line.
    #[arg(long, conflicts_with = "csv")]
    json: bool,
    /// Write comma-separated values with a header.
    #[arg(long)]
    csv: bool,
    /// For masks: the folder to write the mask, confidence and overlay of each image to, as PNG
    /// files.
    #[arg(long, value_name = "DIR")]
    pub(super) out: Option<PathBuf>,
    /// Withhold predictions with a confidence up to this threshold, which has at most three
    /// decimals; withheld pixels of masks become void (255).
    #[arg(long, value_name = "CONFIDENCE")]
    pub(super) abstain_below: Option<f64>,
    /// The calibrator: the temperature, or the best calibrator on the validation part.
    #[arg(long, value_name = "CALIBRATOR", default_value = "temperature")]
    calibrator: Calibrator,
    /// The score for detecting out-of-distribution inputs.
    #[arg(long, value_name = "SCORE", default_value = "energy")]
    ood: Ood,
    /// The device to compute on.
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    pub(super) device: DeviceChoice,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Calibrator {
    Temperature,
    Best,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Ood {
    Energy,
    Entropy,
    Confidence,
}

/// The output format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// Readable lines.
    Text,
    /// A JSON object per line.
    Json,
    /// Comma-separated values with a header.
    Csv,
}

impl PredictOptions {
    pub(super) fn format(&self) -> Format {
        match (self.json, self.csv) {
            (true, _) => Format::Json,
            (_, true) => Format::Csv,
            _ => Format::Text,
        }
    }

    pub(super) fn role(&self) -> CalibratorRole {
        match self.calibrator {
            Calibrator::Temperature => CalibratorRole::Temperature,
            Calibrator::Best => CalibratorRole::Best,
        }
    }

    pub(super) fn detector(&self) -> OodDetector {
        match self.ood {
            Ood::Energy => OodDetector::Energy,
            Ood::Entropy => OodDetector::Entropy,
            Ood::Confidence => OodDetector::Confidence,
        }
    }

    /// Returns an error if the option is given, because it does not apply to the kind of network.
    pub(super) fn refuse(&self, option: &str, given: bool) -> Result<()> {
        ensure!(!given, "{option}: does not apply to the network in {}", self.run.display());
        Ok(())
    }
}
