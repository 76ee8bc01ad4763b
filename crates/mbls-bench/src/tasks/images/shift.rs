//! Networks under shift: their test images corrupted, and images of other data sets.

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

/// A [`ShiftSpec`] with the images of other data sets that are available.
pub(super) struct ShiftSource<'a> {
    spec: &'a ShiftSpec,
    outside: Vec<(&'static str, Arc<dyn ImageSource>)>,
}

impl<'a> ShiftSource<'a> {
    /// Reads the other data sets; says which are not available.
    ///
    /// # Errors
    ///
    /// Files that are no such data set.
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
                    outside.push((other.name(), Source::load_test(other, &folder, files)?))
                }
                None => {
                    console.say(&format!(
                        "{suite}: OOD detection leaves out {}: {}",
                        other.name(),
                        missing(other, data)
                    ));
                }
            }
        }
        Ok(Self { spec, outside })
    }

    /// Everything that decides the results of a cell of that identity.
    fn identity(&self, cell: &str) -> Result<String> {
        let outside: Vec<_> =
            self.outside.iter().map(|(name, images)| (name, images.digest())).collect();
        let ShiftSpec { pictures, corruptions, .. } = self.spec;
        let identity = serde_json::json!({
            "cell": cell, "pictures": pictures, "corruptions": corruptions, "outside": outside,
        });
        serde_json::to_string(&identity).context("cannot encode the identity of a test under shift")
    }

    /// What was measured before, if it is that of a cell of that identity; other tests are made
    /// again.
    ///
    /// # Errors
    ///
    /// A file that is not a result.
    pub(super) fn finished(&self, folder: &Path, cell: &str) -> Result<Option<Shift>> {
        let file = ShiftFile::read(&folder.join("shift.json"))?;
        let identity = self.identity(cell)?;
        Ok(file.filter(|file| file.identity == identity).map(|file| file.shift))
    }

    /// Tests the network of a finished cell.
    ///
    /// # Errors
    ///
    /// A checkpoint of another training, images of another shape than the network takes.
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
                .with_context(|| format!("the images of {name}, the OOD data set"))?;
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

/// How well confidence and entropy tell the rows of both.
fn outside(name: &str, inside: &LabelledLogits, outside: &LabelledLogits) -> Result<OutsideTest> {
    let rows = |found: &LabelledLogits| {
        UnlabelledRows::from_logits(&found.logits, found.classes).map(UnlabelledRows::into_owned)
    };
    let [inside, outside] = [rows(inside)?, rows(outside)?];
    let detect = |score: OodScore| {
        let mut detection = OodDetection::new();
        detection.update(OodScores::inside(&score.of(&inside))?)?;
        detection.update(OodScores::outside(&score.of(&outside))?)?;
        detection.value().context("there are no images to tell apart")
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
    fn pictures_that_the_network_is_sure_of_are_its_own() {
        let sure = rows(&[[9.0, 0.0, 0.0], [0.0, 8.0, 0.0]], &[0, 1]);
        let unsure = rows(&[[0.1, 0.0, 0.0], [0.0, 0.0, 0.2], [0.1, 0.1, 0.0]], &[0, 0, 0]);
        let found = outside("other", &sure, &unsure).unwrap();
        assert_eq!((found.data.as_str(), found.pictures), ("other", 3));
        assert_eq!((found.auroc_confidence, found.auroc_entropy), (1.0, 1.0));
        assert_eq!((found.fpr95_confidence, found.fpr95_entropy), (0.0, 0.0));
        let turned = outside("other", &unsure, &sure).unwrap();
        assert_eq!((turned.auroc_confidence, turned.fpr95_entropy), (0.0, 1.0));
    }

    #[test]
    fn a_corrupted_test_says_what_it_was() {
        let found = rows(
            &[[9.0, 0.0, 0.0], [0.0, 9.0, 0.0], [0.0, 0.0, 9.0], [9.0, 0.0, 0.0]],
            &[0, 1, 2, 1],
        );
        let clean = corrupted(None, &found, 15).unwrap();
        assert_eq!((clean.kind.as_str(), clean.severity, clean.accuracy), ("none", 0, 0.75));
        // All are as sure as the softmax of 9 to 0 and 0.
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
