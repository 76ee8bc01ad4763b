//! Prediction of image classes.

use super::answers::Judge;
use super::inputs::{self, ImageInput};
use super::options::PredictOptions;
use super::output::{Output, Shown};
use anyhow::Result;
use mbls_core::calibration::Classification;
use mbls_vision::classifier::{Adaptation, CalibratedClassifier, Prepared};
use rayon::prelude::*;

/// Classifies all inputs in batches.
///
/// # Errors
///
/// If there is no input, an option does not apply, or the output cannot be written.
pub(super) fn run(
    classifier: &CalibratedClassifier,
    options: &PredictOptions,
    output: &mut Output,
) -> Result<()> {
    let settings = classifier.settings();
    let mut judge = Judge::new(options, &settings.record, "images")?;
    let inputs = inputs::images(&options.inputs)?;
    output.expect(inputs.len());
    let prepare = |inputs: &[ImageInput]| -> Vec<mbls_vision::Result<Prepared>> {
        inputs.par_iter().map(|input| classifier.prepare(&input.read()?, u8::MAX)).collect()
    };
    let mut batches = inputs.chunks(settings.batch).peekable();
    let mut next = batches.peek().map(|first| prepare(first)).unwrap_or_default();
    while let Some(inputs) = batches.next() {
        let prepared = next;
        let images: Vec<Prepared> = prepared.iter().flatten().cloned().collect();
        // Read the files of the next batch while the network computes.
        let following = batches.peek().copied().unwrap_or_default();
        let (answers, read) =
            rayon::join(|| classifier.classify_all(&images, options.role()), || prepare(following));
        next = read;
        let mut answers = answers?.into_iter();
        for (input, prepared) in inputs.iter().zip(prepared) {
            match prepared {
                Err(error) => output.fail(&input.name(), &error)?,
                // There is one answer per prepared image.
                Ok(image) => {
                    let Some(answer) = answers.next() else { continue };
                    output.answer(
                        &input.name(),
                        shown(&mut judge, &answer, image.adaptation, settings.shape)?,
                    )?;
                }
            }
        }
    }
    judge.finish(output);
    Ok(())
}

fn shown(
    judge: &mut Judge,
    answer: &Classification,
    adaptation: Adaptation,
    shape: [usize; 3],
) -> Result<Shown> {
    let mut shown = judge.classification(answer)?;
    let [channels, height, width] = shape;
    let channels = adaptation
        .channels
        .map(|found| format!("its {found} channels were converted to {channels}"));
    let size = adaptation.size.map(|[rows, columns]| {
        format!("it was resized from {rows} x {columns} to {height} x {width}")
    });
    let adapted: Vec<String> = channels.into_iter().chain(size).collect();
    if !adapted.is_empty() {
        shown.lines.push(format!("unlike the training images, {}", adapted.join(", and ")));
        shown.json.insert("adaptation".to_owned(), serde_json::to_value(adaptation)?);
    }
    shown.cells.push(("adaptation".to_owned(), adapted.join("; ")));
    Ok(shown)
}
