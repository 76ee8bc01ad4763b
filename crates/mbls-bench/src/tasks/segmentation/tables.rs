//! The tables of a segmentation suite: by class, by distance from the class boundaries, by image.
//! Averaged over seeds.

use super::evaluation::{Evaluation, EvaluationFile};
use crate::results::Cell;
use crate::spec::{LossEntry, Suite};
use crate::statistics::mean_of_defined as mean;
use anyhow::Result;
use mbls_report::{FurtherTable, NumberColumn};
use std::path::Path;

/// The losses that were run, with the evaluations of their seeds.
type Evaluated<'a> = Vec<(&'a LossEntry, Vec<Evaluation>)>;

/// Returns tables by class, by distance from the class boundaries, and of the errors of single
/// images.
///
/// # Errors
///
/// If evaluations cannot be read.
pub(super) fn tables(suite: &Suite, cells: &[&Cell], out: &Path) -> Result<Vec<FurtherTable>> {
    let mut classes = Vec::new();
    let mut evaluated: Evaluated = Vec::new();
    for loss in &suite.loss {
        let mut of_loss = Vec::new();
        for cell in cells.iter().filter(|cell| cell.key.loss == loss.id) {
            let file = EvaluationFile::read(&cell.key.folder(out).join("evaluation.json"))?;
            classes = file.classes;
            of_loss.push(file.test);
        }
        if !of_loss.is_empty() {
            evaluated.push((loss, of_loss));
        }
    }
    let mut tables = by_class(&evaluated, &classes);
    tables.extend([by_band(&evaluated), by_image(&evaluated)]);
    Ok(tables)
}

/// Returns one table per metric, with a row per class and a column per loss.
fn by_class(evaluated: &Evaluated, classes: &[String]) -> Vec<FurtherTable> {
    let table = |title: &str, note: &str, value: fn(&Evaluation, usize) -> Option<f64>| {
        let row = |(place, name): (usize, &String)| {
            let share = |e: &Evaluation| {
                Some(e.before.classes.get(place)?.labelled as f64 / e.before.pixels as f64)
            };
            // The share is the same for all losses, which are tested on the same images.
            let first =
                evaluated.first().and_then(|(_, evaluations)| mean(evaluations.iter().map(share)));
            let losses = evaluated
                .iter()
                .map(|(_, evaluations)| mean(evaluations.iter().map(|e| value(e, place))));
            (vec![name.clone()], std::iter::once(first).chain(losses).collect())
        };
        let losses = evaluated.iter().map(|(loss, _)| NumberColumn::percent(loss.heading()));
        FurtherTable {
            title: title.to_owned(),
            note: format!("In percent, averaged over seeds. {note}"),
            names: vec!["Class".to_owned()],
            numbers: std::iter::once(NumberColumn::percent("Share of pixels"))
                .chain(losses)
                .collect(),
            rows: classes.iter().enumerate().map(row).collect(),
            page_only: false,
        }
    };
    const WHERE: &str = "ECE of the pixels predicted as the class.";
    vec![
        table(
            "IoU by class",
            "Intersection over union of predicted and true pixels.",
            |e, class| e.before.classes.get(class)?.iou,
        ),
        table(
            "Accuracy by class",
            "Share of the pixels of the class that are predicted as it.",
            |e, class| e.before.classes.get(class)?.accuracy,
        ),
        table("ECE by class", WHERE, |e, class| e.before.classes.get(class)?.predicted_ece),
        table("ECE by class after scaling", WHERE, |e, class| {
            e.after.classes.get(class)?.predicted_ece
        }),
    ]
}

fn by_band(evaluated: &Evaluated) -> FurtherTable {
    let mut rows = Vec::new();
    for (loss, evaluations) in evaluated {
        let bands =
            evaluations.first().map(|evaluation| &evaluation.before.bands[..]).unwrap_or_default();
        for (place, band) in bands.iter().enumerate() {
            let of = |value: fn(&Evaluation, usize) -> Option<f64>| {
                mean(evaluations.iter().map(|e| value(e, place)))
            };
            let values = vec![
                of(|e, band| {
                    Some(e.before.bands.get(band)?.pixels as f64 / e.before.pixels as f64)
                }),
                of(|e, band| e.before.bands.get(band)?.accuracy),
                of(|e, band| e.before.bands.get(band)?.confidence),
                of(|e, band| e.before.bands.get(band)?.ece),
                of(|e, band| e.after.bands.get(band)?.ece),
                of(|e, band| e.before.bands.get(band)?.mean_iou),
            ];
            rows.push((vec![loss.heading(), band.name.clone()], values));
        }
    }
    let numbers = ["Share of pixels", "Accuracy", "Confidence", "ECE", "ECE after scaling", "mIoU"];
    FurtherTable {
        title: "By distance from the class boundaries".to_owned(),
        note: "In percent, averaged over seeds; distances in pixels.".to_owned(),
        names: ["Loss", "Distance"].map(str::to_owned).to_vec(),
        numbers: numbers.map(NumberColumn::percent).to_vec(),
        rows,
        page_only: false,
    }
}

fn by_image(evaluated: &Evaluated) -> FurtherTable {
    let row = |(loss, evaluations): &(&LossEntry, Vec<Evaluation>)| {
        let of = |value: fn(&mbls_seg::metric::Quantiles) -> f64| {
            mean(evaluations.iter().map(|e| e.before.image_ece.as_ref().map(value)))
        };
        let values = vec![
            of(|q| q.mean),
            of(|q| q.lower_quartile),
            of(|q| q.median),
            of(|q| q.upper_quartile),
            of(|q| q.max),
        ];
        (vec![loss.heading()], values)
    };
    let numbers = ["Mean", "Lower quartile", "Median", "Upper quartile", "Largest"];
    FurtherTable {
        title: "ECE of single images".to_owned(),
        note: "ECE computed for each image, in percent, averaged over seeds.".to_owned(),
        names: vec!["Loss".to_owned()],
        numbers: numbers.map(NumberColumn::percent).to_vec(),
        rows: evaluated.iter().map(row).collect(),
        page_only: false,
    }
}
