//! Predictions of a trained network: `cargo xtask predict RUN INPUT...`.

mod answers;
mod images;
mod inputs;
mod masks;
mod options;
mod output;
mod texts;

pub use options::PredictOptions;

use crate::run_folder;
use anyhow::{Result, bail};
use mbls_nlp::classifier as text;
use mbls_nn::saved_model::{self, ModelSettings};
use mbls_seg::segmenter::SegmenterSettings;
use mbls_vision::classifier as image;
use output::Output;

/// Writes predictions for all inputs, in order.
///
/// # Errors
///
/// If the folder has no network, an option does not apply to it, or the output cannot be written.
/// Unreadable inputs are reported and skipped; the final error counts them.
pub(crate) fn run(options: &PredictOptions) -> Result<()> {
    let folder = run_folder::classifier(&options.run)?;
    let kind = saved_model::kind(&folder)
        .map_err(|error| anyhow::anyhow!(mbls_io::with_causes(&error)))?;
    let (device, _) = options.device.open()?;
    let mut output = Output::new(options.format());
    match kind.as_str() {
        image::ClassifierSettings::KIND => {
            options.refuse(
                "--text and --text-column",
                !options.texts.is_empty() || options.text_column.is_some(),
            )?;
            options.refuse("--out", options.out.is_some())?;
            let classifier = image::CalibratedClassifier::load(&folder, &device)?;
            images::run(&classifier, options, &mut output)?;
        }
        SegmenterSettings::KIND => {
            options.refuse(
                "--text and --text-column",
                !options.texts.is_empty() || options.text_column.is_some(),
            )?;
            let segmenter = mbls_seg::CalibratedSegmenter::load(&folder, &device)?;
            masks::run(&segmenter, options, &mut output)?;
        }
        text::ClassifierSettings::KIND => {
            options.refuse("--out", options.out.is_some())?;
            let classifier = text::CalibratedClassifier::load(&folder, &device)?;
            texts::run(&classifier, options, &mut output)?;
        }
        other => bail!(
            "{}: kind: expected a classifier or a segmenter, found {other:?}",
            folder.display()
        ),
    }
    output.finish()
}
