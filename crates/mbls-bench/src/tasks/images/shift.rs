//! Tests under distribution shift: corrupted test images, and images of other data sets.

use super::network::network;
use super::source::Source;
use super::splits::for_testing;
use crate::cell::{CellPlan, Place};
use crate::console::Console;
use crate::data::{locate, missing};
use crate::results::{CorruptedTest, OutsideTest, SCHEMA, Shift, ShiftFile, write_json};
use crate::spec::ShiftSpec;
use crate::tasks::labelled::{LabelledLogits, predict, report};
use anyhow::{Context, Result};
use mbls_core::metric::{Metric, OodDetection, OodScore, OodScores, Predictions, UnlabelledRows};
use mbls_data::{Order, Seed};
use mbls_train::RunDirectory;
use mbls_train::checkpoint::Checkpoint;
use mbls_vision::transform::Corruption;
use mbls_vision::{AugmentedImages, Corrupted, FilesConfig, ImageCollate, ImageSource};
use std::path::Path;
use std::sync::Arc;

/// A [`ShiftSpec`] with the images of the available OOD data sets.
pub(super) struct ShiftSource<'a> {
    spec: &'a ShiftSpec,
    outside: Vec<(&'static str, Arc<dyn ImageSource>)>,
}

impl<'a> ShiftSource<'a> {
    /// Reads the OOD data sets and prints which are not available.
    ///
    /// # Errors
    ///
    /// If files are not of the data set.
    pub(super) fn load(
        spec: &'a ShiftSpec,
        suite: &str,
        data: Option<&Path>,
        files: FilesConfig,
        console: &Console,
    ) -> Result<Self> {
        let mut outside = Vec::new();
        for other in &spec.outside {
            match locate(other, data) {
                Some(folder) => {
                    outside.push((other.name(), Source::load_test(other, &folder, files)?));
                }
                None => {
                    console.say(&format!(
                        "{suite}: OOD detection skips {}: {}",
                        other.name(),
                        missing(other, data)
                    ));
                }
            }
        }
        Ok(Self { spec, outside })
    }

    /// Returns everything that determines the results for a run with the given identity.
    fn identity(&self, cell: &str) -> Result<String> {
        let outside: Vec<_> =
            self.outside.iter().map(|(name, images)| (name, images.digest())).collect();
        let ShiftSpec { pictures, corruptions, .. } = self.spec;
        let identity = serde_json::json!({
            "cell": cell, "pictures": pictures, "corruptions": corruptions, "outside": outside,
        });
        serde_json::to_string(&identity).context("cannot encode the identity of a test under shift")
    }

    /// Returns earlier results if they belong to a run with the given identity; otherwise the tests
    /// are repeated.
    ///
    /// # Errors
    ///
    /// If the file is not a result.
    pub(super) fn finished(&self, folder: &Path, cell: &str) -> Result<Option<Shift>> {
        let file = ShiftFile::read(&folder.join("shift.json"))?;
        let identity = self.identity(cell)?;
        Ok(file.filter(|file| file.identity == identity).map(|file| file.shift))
    }

    /// Tests the network of a finished run.
    ///
    /// # Errors
    ///
    /// If the checkpoint is of another training, or images do not have the network's input shape.
    pub(super) fn run(&self, plan: &CellPlan, source: &Source, place: Place) -> Result<Shift> {
        let Place { identity: cell, folder, device } = place;
        let suite = plan.suite;
        let recipe = suite.recipe.images()?;
        let splits =
            source.splits(&suite.data, recipe, plan.scale.split, plan.sizes, Seed(plan.seed))?;
        let (store, _, task) = network(plan, source.classes(), &splits.test, device)?;
        let best = Checkpoint::load(&RunDirectory::create(folder)?.best(), cell, device)?;
        store.load_state(&best.model)?;
        let bins = suite.recipe.bins;
        let indices: Vec<usize> =
            splits.test.indices().iter().copied().take(self.spec.pictures).collect();
        let test = |images: &Arc<dyn ImageSource>, indices: Vec<usize>| {
            let data: AugmentedImages = for_testing(images, indices, &suite.data, recipe)?;
            anyhow::Ok(predict(
                &task,
                &plan.loader(&Arc::new(data), ImageCollate, Order::Sequential)?,
            )?)
        };
        let clean = test(splits.test.images(), indices.clone())?;
        let mut shift = Shift {
            pictures: indices.len(),
            corrupted: vec![corrupted(None, &clean, bins)?],
            outside: vec![],
        };
        for corruption in Corruption::all().filter(|_| self.spec.corruptions) {
            let images: Arc<dyn ImageSource> =
                Arc::new(Corrupted::new(splits.test.images().clone(), corruption)?);
            shift.corrupted.push(corrupted(
                Some(corruption),
                &test(&images, indices.clone())?,
                bins,
            )?);
        }
        for (name, images) in &self.outside {
            let pictures = images.labels().len().min(self.spec.pictures);
            let logits = test(images, (0..pictures).collect())
                .with_context(|| format!("the images of the OOD data set {name}"))?;
            shift.outside.push(outside(name, &clean, &logits)?);
        }
        let file = ShiftFile { schema: SCHEMA, identity: self.identity(cell)?, shift };
        write_json(&folder.join("shift.json"), &file)?;
        Ok(file.shift)
    }
}

fn corrupted(
    corruption: Option<Corruption>,
    found: &LabelledLogits,
    bins: usize,
) -> Result<CorruptedTest> {
    let LabelledLogits { logits, classes, labels } = found;
    let measured = report(&Predictions::from_logits(logits, *classes, labels)?, bins)?;
    Ok(CorruptedTest {
        kind: corruption.map_or("none", |corruption| corruption.kind.name()).to_owned(),
        severity: corruption.map_or(0, |corruption| corruption.severity),
        accuracy: measured.accuracy,
        nll: measured.nll,
        ece: measured.ece,
        aece: measured.aece,
    })
}

/// Evaluates OOD detection by confidence and by entropy.
fn outside(name: &str, inside: &LabelledLogits, outside: &LabelledLogits) -> Result<OutsideTest> {
    let rows = |found: &LabelledLogits| {
        UnlabelledRows::from_logits(&found.logits, found.classes).map(UnlabelledRows::into_owned)
    };
    let [inside, outside] = [rows(inside)?, rows(outside)?];
    let detect = |score: OodScore| {
        let mut detection = OodDetection::new();
        detection.update(OodScores::inside(&score.of(&inside))?)?;
        detection.update(OodScores::outside(&score.of(&outside))?)?;
        detection.value().context("there are no images for OOD detection")
    };
    let (confidence, entropy) =
        (detect(OodScore::Confidence)?, detect(OodScore::EntropyReference)?);
    Ok(OutsideTest {
        data: name.to_owned(),
        pictures: outside.rows(),
        auroc_confidence: confidence.auroc,
        auroc_entropy: entropy.auroc,
        fpr95_confidence: confidence.fpr_at_95_tpr,
        fpr95_entropy: entropy.fpr_at_95_tpr,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(rows: &[[f32; 3]], labels: &[u32]) -> LabelledLogits {
        LabelledLogits { logits: rows.concat(), classes: 3, labels: labels.to_vec() }
    }

    #[test]
    fn confident_predictions_are_in_distribution() {
        let confident = rows(&[[9.0, 0.0, 0.0], [0.0, 8.0, 0.0]], &[0, 1]);
        let uncertain = rows(&[[0.1, 0.0, 0.0], [0.0, 0.0, 0.2], [0.1, 0.1, 0.0]], &[0, 0, 0]);
        let found = outside("other", &confident, &uncertain).unwrap();
        assert_eq!((found.data.as_str(), found.pictures), ("other", 3));
        assert_eq!((found.auroc_confidence, found.auroc_entropy), (1.0, 1.0));
        assert_eq!((found.fpr95_confidence, found.fpr95_entropy), (0.0, 0.0));
        let swapped = outside("other", &uncertain, &confident).unwrap();
        assert_eq!((swapped.auroc_confidence, swapped.fpr95_entropy), (0.0, 1.0));
    }

    #[test]
    fn a_corrupted_test_names_its_corruption() {
        let found = rows(
            &[[9.0, 0.0, 0.0], [0.0, 9.0, 0.0], [0.0, 0.0, 9.0], [9.0, 0.0, 0.0]],
            &[0, 1, 2, 1],
        );
        let clean = corrupted(None, &found, 15).unwrap();
        assert_eq!((clean.kind.as_str(), clean.severity, clean.accuracy), ("none", 0, 0.75));
        // Every row has the confidence of the softmax of (9, 0, 0).
        let confidence = 1.0 / (1.0 + 2.0 * (-9f64).exp());
        assert!((clean.ece - (confidence - 0.75)).abs() < 1e-6, "{}", clean.ece);
        for corruption in Corruption::all() {
            let test = corrupted(Some(corruption), &found, 15).unwrap();
            assert_eq!(
                (test.kind.as_str(), test.severity),
                (corruption.kind.name(), corruption.severity)
            );
        }
    }
}
