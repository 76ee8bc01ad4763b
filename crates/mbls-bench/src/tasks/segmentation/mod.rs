//! Runs that classify the pixels of images.

mod evaluate;
mod evaluation;
mod gallery;
mod host_batch;
mod loss_report;
mod measures;
mod network;
mod pictures;
mod pixels;
mod source;
mod tables;
mod task;

pub(super) use measures::MEASURES;

use crate::cell::{CellPlan, Measured, Place};
use crate::console::Console;
use crate::data::{ClassCounts, Facts, Sizes};
use crate::measure::{self, Measures, Resampled};
use crate::options::Selection;
use crate::results::{Cell, write_json};
use crate::run_folder::CLASSIFIER;
use crate::spec::{LossEntry, Scale, SplitRule, Suite};
use crate::workload::{TaskFamily, Workload};
use anyhow::{Context, Result};
use evaluate::evaluate;
use evaluation::EvaluationFile;
use host_batch::LabelledPixels;
use mbls_data::{Order, Seed, Subset};
use mbls_report::{FurtherTable, Gallery, LossReport};
use mbls_seg::dataset::{SegmentationCollate, SegmentationFiles, Transformed};
use mbls_seg::segmenter::{CalibratedSegmenter, ImageScores, SegmenterSettings};
use mbls_seg::transform::JointTransform;
use network::network;
use source::{Loader, Segmentation};
use std::path::Path;
use std::sync::Arc;

/// The task of images with masks.
pub(super) struct SegmentationFamily;

impl TaskFamily for SegmentationFamily {
    fn measures(&self) -> &'static dyn Measures {
        &MEASURES
    }

    fn load<'a>(
        &self,
        suite: &'a Suite,
        folder: &Path,
        selection: &Selection,
        _console: &Console,
    ) -> Result<Box<dyn Workload + 'a>> {
        Ok(Box::new(Segmentation::load(suite, folder, selection.pairs())?))
    }

    fn loss_report(
        &self,
        _suite: &Suite,
        loss: &LossEntry,
        cells: &[&Cell],
        out: &Path,
    ) -> Result<(LossReport, Resampled)> {
        loss_report::loss_report(loss, cells, out)
    }

    fn tables(
        &self,
        suite: &Suite,
        cells: &[&Cell],
        out: &Path,
        _classes: &[String],
    ) -> Result<Vec<FurtherTable>> {
        tables::tables(suite, cells, out)
    }

    fn galleries(&self, suite: &Suite, cells: &[&Cell], out: &Path) -> Result<Vec<Gallery>> {
        Ok(gallery::gallery(suite, cells, out)?.into_iter().collect())
    }
}

impl Workload for Segmentation {
    fn digest(&self) -> u64 {
        Segmentation::digest(self)
    }

    fn sizes(&self, scale: &Scale) -> Result<Sizes> {
        Segmentation::sizes(self, scale)
    }

    fn class_counts(&self, rule: SplitRule, sizes: Sizes, seed: Seed) -> Result<ClassCounts> {
        Segmentation::class_counts(self, rule, sizes, seed)
    }

    fn facts(&self) -> Result<Facts> {
        Segmentation::facts(self)
    }

    fn notes(&self) -> &[String] {
        Segmentation::notes(self)
    }

    fn run(&self, plan: &CellPlan, place: Place) -> Result<Cell> {
        let settings = plan.suite.recipe.segmentation()?;
        let seed = Seed(plan.seed);
        let splits = self
            .splits(plan.scale.split, plan.sizes, seed)
            .with_context(|| format!("in {}", plan.suite.origin))?;
        let normalisation =
            plan.suite.data.normalisation().context("a data set of texts has no images")?;
        let collate = SegmentationCollate::new(&normalisation)?;
        let loader = |images: Subset<SegmentationFiles>,
                      transforms: &[JointTransform],
                      order|
         -> Result<Loader> {
            let images = Arc::new(Transformed::new(Arc::new(images), transforms.to_vec())?);
            plan.loader(&images, collate.clone(), order)
        };
        let train = loader(splits.train, &settings.transforms, Order::Shuffled)?;
        let names = splits.test_names;
        let validation = loader(splits.validation, &settings.test_transforms, Order::Sequential)?;
        let test = loader(splits.test, &settings.test_transforms, Order::Sequential)?;

        let (store, mut task) = network(plan, self.classes().len(), place.device)?;
        let trained = plan.train(place, &store, &mut task, &train, &validation)?;

        let bins = plan.suite.recipe.bins;
        let pixels = pixels::sample(&task, &validation, seed.derive("temperature"))?;
        let mut record = pixels.record(self.classes().names().to_vec(), bins)?;
        let temperature = *record.temperature();
        let mut scores = ImageScores::new(self.classes().len());
        let validated = evaluate(&task, &validation, &temperature, bins, None, |rows| {
            Ok(scores.push(&rows.logits)?)
        })?;
        record = record.with_ood(scores.thresholds()?);
        let maps = place.folder.join("maps");
        let maps = Some((maps.as_path(), &names[..settings.maps.min(names.len())]));
        let assess = |rows: LabelledPixels| Ok(record.assess(&rows.logits, &rows.labels)?);
        let tested = evaluate(&task, &test, &temperature, bins, maps, assess)?;
        let test = measure::finished(&MEASURES, &tested);
        let measured = Measured {
            n: tested.before.images,
            headline: measure::headline(&MEASURES, &test),
            validation: measure::finished(&MEASURES, &validated),
            margin: task.learning.loss.margin(),
            test,
        };
        let file = EvaluationFile::new(self.classes().names().to_vec(), names, tested);
        write_json(&place.folder.join("evaluation.json"), &file)?;
        let settings = SegmenterSettings {
            model: plan.model.to_string(),
            values: self.classes().values(),
            transforms: settings.test_transforms.clone(),
            normalisation,
            batch: plan.suite.recipe.batch_size,
            record,
            provenance: plan.provenance(trained.best_epoch, place.device),
        };
        // Save the network before the result, which marks the run as finished.
        CalibratedSegmenter::new(settings, &store.state(), place.device)?
            .save(place.folder.join(CLASSIFIER))?;
        plan.finish(place, trained, measured)
    }
}
