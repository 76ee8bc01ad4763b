//! Prediction of masks.

use super::answers::{Judge, in_words, ood_cells};
use super::inputs::{self, ImageInput};
use super::options::PredictOptions;
use super::output::{Output, Shown};
use anyhow::{Context, Result, bail};
use mbls_core::calibration::{Abstention, CalibrationRecord};
use mbls_seg::CalibratedSegmenter;
use mbls_seg::segmenter::{Prepared, Segmentation};
use mbls_vision::Image;
use rayon::prelude::*;
use serde_json::json;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// Segments all inputs in batches and writes the output files if a folder is given.
///
/// # Errors
///
/// If there is no input, the output files of two inputs would have the same name, an option does
/// not apply, or files cannot be written.
pub(super) fn run(
    segmenter: &CalibratedSegmenter,
    options: &PredictOptions,
    output: &mut Output,
) -> Result<()> {
    let settings = segmenter.settings();
    let judge = Judge::new(options, &settings.record, "pixels")?;
    let inputs = inputs::images(&options.inputs)?;
    if options.out.is_some() {
        check_names(&inputs)?;
    }
    output.expect(inputs.len());
    for inputs in inputs.chunks(settings.batch) {
        let read = |input: &ImageInput| {
            let image = input.read()?;
            Ok((segmenter.prepare(&image)?, image))
        };
        let prepared: Vec<mbls_vision::Result<(Prepared, Image)>> =
            inputs.par_iter().map(read).collect();
        let images: Vec<Prepared> =
            prepared.iter().flatten().map(|(prepared, _)| prepared.clone()).collect();
        let mut found = segmenter.segment_all(&images, options.role())?.into_iter();
        for (input, prepared) in inputs.iter().zip(prepared) {
            match prepared {
                Err(error) => output.fail(&input.name(), &error)?,
                // There is one result per prepared image.
                Ok((_, image)) => {
                    let Some(found) = found.next() else { continue };
                    let mut shown = shown(&judge, &found, &settings.record);
                    if let Some(folder) = &options.out {
                        let files = write(
                            &found,
                            &image,
                            &folder.join(input.stem()),
                            &settings.values,
                            judge.abstention(),
                        )?;
                        shown.lines.push(format!("written to {}", files.join(", ")));
                        shown.json.insert("files".to_owned(), json!(files));
                        shown
                            .cells
                            .push(("mask".to_owned(), files.first().cloned().unwrap_or_default()));
                    }
                    output.answer(&input.name(), shown)?;
                }
            }
        }
    }
    if let Some(abstention) = judge.abstention() {
        output.note(abstention.to_string().replace("samples", "pixels"));
    }
    Ok(())
}

/// Returns an error if the output files of two images would have the same name.
fn check_names(inputs: &[ImageInput]) -> Result<()> {
    let mut names: HashMap<PathBuf, String> = HashMap::new();
    for input in inputs {
        if let Some(other) = names.insert(input.stem(), input.name()) {
            bail!(
                "--out: the files of {other} and {} would both be called {}",
                input.name(),
                input.stem().display()
            );
        }
    }
    Ok(())
}

fn shown(judge: &Judge, found: &Segmentation, record: &CalibrationRecord) -> Shown {
    let Segmentation { height, width, .. } = found;
    let counts = found.counts(record.classes().len());
    let all = (height * width) as f64;
    let mut shares: Vec<(&String, f64)> = record
        .classes()
        .iter()
        .zip(&counts)
        .map(|(name, &count)| (name, count as f64 / all))
        .collect();
    let withheld = judge.abstention().map(|abstention| {
        found.confidences.iter().filter(|&&p| abstention.withholds(f64::from(p))).count() as f64
            / all
    });
    let verdict = judge.verdict(&found.ood);
    let mean = found.mean_confidence();
    let mut cells = vec![
        ("height".to_owned(), height.to_string()),
        ("width".to_owned(), width.to_string()),
        ("mean_confidence".to_owned(), mean.to_string()),
        ("withheld".to_owned(), withheld.map(|share| share.to_string()).unwrap_or_default()),
    ];
    cells.extend(ood_cells(verdict));
    cells
        .extend(shares.iter().map(|(name, share)| (format!("share of {name}"), share.to_string())));
    let mut fields = serde_json::Map::new();
    let by_class: serde_json::Map<_, _> =
        shares.iter().map(|(name, share)| ((*name).clone(), json!(share))).collect();
    for (name, value) in [
        ("height", json!(height)),
        ("width", json!(width)),
        ("mean_confidence", json!(mean)),
        ("classes", by_class.into()),
        ("ood", json!(found.ood)),
    ] {
        fields.insert(name.to_owned(), value);
    }
    fields.extend(withheld.map(|share| ("withheld".to_owned(), json!(share))));

    shares.retain(|(_, share)| *share > 0.0);
    shares.sort_by(|a, b| b.1.total_cmp(&a.1));
    let parts: Vec<String> =
        shares.iter().map(|(name, share)| format!("{name} {:.1} %", 100.0 * share)).collect();
    let mut lines = vec![format!("{}; mean confidence {mean:.3}", parts.join(", "))];
    lines.extend(withheld.map(|share| format!("{:.1} % of the pixels withheld", 100.0 * share)));
    lines.extend(verdict.map(in_words));
    Shown { lines, json: fields, cells }
}

/// Writes the mask, confidence and overlay of an image; returns the file names.
fn write(
    found: &Segmentation,
    image: &Image,
    stem: &Path,
    values: &[u8],
    abstention: Option<Abstention>,
) -> Result<Vec<String>> {
    if let Some(folder) = stem.parent() {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("cannot create the folder {}", folder.display()))?;
    }
    let files = [
        (
            "png",
            found.mask_png(values, |p| {
                abstention.is_some_and(|abstention| abstention.withholds(f64::from(p)))
            })?,
        ),
        ("confidence.png", found.confidence_png()?),
        ("overlay.png", found.overlay_png(image, values)?),
    ];
    let mut names = Vec::new();
    for (ending, content) in files {
        let mut path = stem.as_os_str().to_owned();
        path.push(format!(".{ending}"));
        mbls_io::atomic::write(Path::new(&path), &content)?;
        names.push(Path::new(&path).display().to_string());
    }
    Ok(names)
}
