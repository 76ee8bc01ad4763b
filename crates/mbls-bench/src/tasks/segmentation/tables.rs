//! The tables of a suite of images with masks: by class, by distance from the boundaries, by image. Means over seeds.

use super::evaluation::{Evaluation, EvaluationFile};
use crate::results::Cell;
use crate::spec::Suite;
use crate::statistics::mean_of_defined as mean;
use anyhow::Result;
use mbls_report::{FurtherTable, NumberColumn};
use std::path::Path;

/// The losses that were run, with what was measured of their seeds.
type Evaluated<'a> = Vec<(&'a str, Vec<Evaluation>)>;

/// One table by class, one by distance from the class boundaries, one of the errors of single images.
///
/// # Errors
///
/// Evaluations that cannot be read.
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
            evaluated.push((&loss.title, of_loss));
        }
    }
    Ok(vec![by_class(&evaluated, &classes), by_band(&evaluated), by_picture(&evaluated)])
}

fn by_class(evaluated: &Evaluated, classes: &[String]) -> FurtherTable {
    let mut rows = Vec::new();
    for (loss, evaluations) in evaluated {
        for (place, name) in classes.iter().enumerate() {
            let of = |value: fn(&Evaluation, usize) -> Option<f64>| mean(evaluations.iter().map(|e| value(e, place)));
            let values = vec![
                of(|e, class| Some(e.before.classes.get(class)?.labelled as f64 / e.before.pixels as f64)),
                of(|e, class| e.before.classes.get(class)?.iou),
                of(|e, class| e.before.classes.get(class)?.accuracy),
                of(|e, class| e.before.classes.get(class)?.predicted_ece),
                of(|e, class| e.after.classes.get(class)?.predicted_ece),
            ];
            rows.push((vec![(*loss).to_owned(), name.clone()], values));
        }
    }
    let numbers = ["Share of pixels", "IoU", "Accuracy", "ECE where predicted", "after scaling"];
    FurtherTable {
        title: "By class".to_owned(),
        note: "In percent, mean over seeds. Accuracy: of the pixels of that class. ECE: of the confidence where the class is predicted."
            .to_owned(),
        names: ["Loss", "Class"].map(str::to_owned).to_vec(),
        numbers: numbers.map(NumberColumn::percent).to_vec(),
        rows,
    }
}

fn by_band(evaluated: &Evaluated) -> FurtherTable {
    let mut rows = Vec::new();
    for (loss, evaluations) in evaluated {
        let bands = evaluations.first().map(|evaluation| &evaluation.before.bands[..]).unwrap_or_default();
        for (place, band) in bands.iter().enumerate() {
            let of = |value: fn(&Evaluation, usize) -> Option<f64>| mean(evaluations.iter().map(|e| value(e, place)));
            let values = vec![
                of(|e, band| Some(e.before.bands.get(band)?.pixels as f64 / e.before.pixels as f64)),
                of(|e, band| e.before.bands.get(band)?.accuracy),
                of(|e, band| e.before.bands.get(band)?.confidence),
                of(|e, band| e.before.bands.get(band)?.ece),
                of(|e, band| e.after.bands.get(band)?.ece),
                of(|e, band| e.before.bands.get(band)?.mean_iou),
            ];
            rows.push((vec![(*loss).to_owned(), band.name.clone()], values));
        }
    }
    let numbers = ["Share of pixels", "Accuracy", "Confidence", "ECE", "ECE after scaling", "mIoU"];
    FurtherTable {
        title: "By distance from the class boundaries".to_owned(),
        note: "In percent, mean over seeds; distances in pixels.".to_owned(),
        names: ["Loss", "Distance"].map(str::to_owned).to_vec(),
        numbers: numbers.map(NumberColumn::percent).to_vec(),
        rows,
    }
}

fn by_picture(evaluated: &Evaluated) -> FurtherTable {
    let row = |(loss, evaluations): &(&str, Vec<Evaluation>)| {
        let of = |value: fn(&mbls_seg::metric::Quantiles) -> f64| {
            mean(evaluations.iter().map(|e| e.before.picture_ece.as_ref().map(value)))
        };
        let values =
            vec![of(|q| q.mean), of(|q| q.lower_quartile), of(|q| q.median), of(|q| q.upper_quartile), of(|q| q.max)];
        (vec![(*loss).to_owned()], values)
    };
    let numbers = ["Mean", "Lower quartile", "Median", "Upper quartile", "Largest"];
    FurtherTable {
        title: "Single images".to_owned(),
        note: "ECE of each image by itself, in percent; mean over seeds.".to_owned(),
        names: vec!["Loss".to_owned()],
        numbers: numbers.map(NumberColumn::percent).to_vec(),
        rows: evaluated.iter().map(row).collect(),
    }
}
