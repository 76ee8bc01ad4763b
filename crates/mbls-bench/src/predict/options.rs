//! The command line of predictions.

use crate::device::DeviceChoice;
use anyhow::{Result, ensure};
use clap::{Args, ValueEnum};
use mbls_core::calibration::{CalibratorRole, OodDetector};
use std::path::PathBuf;

/// Which network answers, what for, and how.
#[derive(Debug, Args)]
pub struct PredictOptions {
    /// The folder of a finished run, such as out/bench/imagefolder/resnet18/mbls/seed-0, or its
    /// folder classifier.
    #[arg(value_name = "RUN")]
    pub(super) run: PathBuf,
    /// Images, or folders that are searched for images; for texts, files: .csv, .tsv and .jsonl
    /// have a text in each record, any other is one text. Words with a space between are a
    /// text themselves. `-` is standard input: one image, or a text in each line.
    #[arg(value_name = "INPUT")]
    pub(super) inputs: Vec<String>,
    /// A text; may be repeated.
    #[arg(long = "text", value_name = "TEXT")]
    pub(super) texts: Vec<String>,
    /// The column, or the field, of the text in files of records.
    #[arg(long, value_name = "NAME")]
    pub(super) text_column: Option<String>,
    /// Write a JSON object for each input, one in each line.
    #[arg(long, conflicts_with = "csv")]
    json: bool,
    /// Write comma-separated values with a header.
    #[arg(long)]
    csv: bool,
    /// For masks: the folder that mask, confidence and overlay of each image are written to, as
    /// PNG files.
    #[arg(long, value_name = "DIR")]
    pub(super) out: Option<PathBuf>,
    /// Withhold answers of a confidence up to this, a number of at most three decimals; pixels of
    /// masks become void (255).
    #[arg(long, value_name = "CONFIDENCE")]
    pub(super) abstain_below: Option<f64>,
    /// What calibrates: the temperature, or the best calibrator of the validation part.
    #[arg(long, value_name = "CALIBRATOR", default_value = "temperature")]
    calibrator: Calibrator,
    /// The score that out-of-distribution inputs are detected by.
    #[arg(long, value_name = "SCORE", default_value = "energy")]
    ood: Ood,
    /// Where to compute.
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

/// How answers are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// Sentences.
    Text,
    /// A JSON object in each line.
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

    /// An error where an option is given that the network's kind does not have.
    pub(super) fn refuse(&self, option: &str, given: bool) -> Result<()> {
        ensure!(!given, "{option}: not for the network in {}", self.run.display());
        Ok(())
    }
}
