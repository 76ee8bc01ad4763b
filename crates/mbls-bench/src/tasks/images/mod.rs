//! Runs that classify images.

mod network;
mod shift;
mod shift_tables;
mod source;
mod splits;

use crate::cell::{self, CellPlan, Place};
use crate::console::Console;
use crate::data::{ClassCounts, Facts, Sizes};
use crate::measure::{Measures, Resampled};
use crate::options::Selection;
use crate::results::Cell;
use crate::run_folder::CLASSIFIER;
use crate::spec::{LossEntry, Scale, SplitRule, Suite};
use crate::tasks::labelled::{self, MEASURES, SavedPredictions, evaluate, predict};
use crate::workload::{TaskFamily, Workload};
use anyhow::{Context, Result};
use mbls_data::{Batches, Order, Seed};
use mbls_report::{FurtherTable, LossReport};
use mbls_vision::classifier::{CalibratedClassifier, ClassifierSettings};
use mbls_vision::{ImageBatch, ImageCollate, Mixed};
use network::{network, sample_shape};
use shift::ShiftSource;
use source::Source;
use std::path::Path;
use std::sync::Arc;

/// The task of images with one class each.
pub(super) struct ImageFamily;

/// The images of a suite, and its tests under distribution shift.
struct Images<'a> {
    suite: &'a Suite,
    source: Source,
    shift: Option<ShiftSource<'a>>,
}

impl TaskFamily for ImageFamily {
    fn measures(&self) -> &'static dyn Measures {
        &MEASURES
    }

    fn load<'a>(
        &self,
        suite: &'a Suite,
        folder: &Path,
        selection: &Selection,
        console: &Console,
    ) -> Result<Box<dyn Workload + 'a>> {
        let files = selection.files();
        let source = Source::load(&suite.data, folder, files)?;
        let shift = match &suite.shift {
            Some(shift) => Some(ShiftSource::load(
                shift,
                &suite.name,
                selection.data.as_deref(),
                files,
                console,
            )?),
            None => None,
        };
        Ok(Box::new(Images { suite, source, shift }))
    }

    fn loss_report(
        &self,
        suite: &Suite,
        loss: &LossEntry,
        cells: &[&Cell],
        out: &Path,
    ) -> Result<(LossReport, Resampled)> {
        labelled::loss_report(suite, loss, cells, out)
    }

    fn tables(
        &self,
        suite: &Suite,
        cells: &[&Cell],
        out: &Path,
        classes: &[String],
    ) -> Result<Vec<FurtherTable>> {
        let mut tables = labelled::class_tables(suite, cells, out, classes)?;
        tables.extend(shift_tables::tables(suite, cells));
        Ok(tables)
    }
}

impl Workload for Images<'_> {
    fn digest(&self) -> u64 {
        self.source.digest()
    }

    fn sizes(&self, scale: &Scale) -> Result<Sizes> {
        self.source.sizes(scale)
    }

    fn class_counts(&self, rule: SplitRule, sizes: Sizes, seed: Seed) -> Result<ClassCounts> {
        self.source.class_counts(&self.suite.data, rule, sizes, seed)
    }

    fn facts(&self) -> Result<Facts> {
        self.source.facts(&self.suite.recipe.images()?.test_transforms)
    }

    fn notes(&self) -> &[String] {
        self.source.notes()
    }

    fn finished(&self, folder: &Path, identity: &str) -> Result<Option<Cell>> {
        let Some(trained) = cell::finished(folder, identity)? else { return Ok(None) };
        let Some(shift) = &self.shift else { return Ok(Some(trained)) };
        let tested = shift.finished(folder, identity)?;
        Ok(tested.map(|tested| Cell { shift: Some(tested), ..trained }))
    }

    fn run(&self, plan: &CellPlan, place: Place) -> Result<Cell> {
        let mut cell = match cell::finished(place.folder, place.identity)? {
            Some(trained) => trained,
            None => train(plan, &self.source, place)?,
        };
        if let Some(shift) = &self.shift {
            cell.shift = Some(shift.run(plan, &self.source, place)?);
        }
        Ok(cell)
    }
}

/// Trains, evaluates and writes a run; resumes where an earlier process stopped.
fn train(plan: &CellPlan, source: &Source, place: Place) -> Result<Cell> {
    let recipe = plan.suite.recipe.images()?;
    let splits = source
        .splits(&plan.suite.data, recipe, plan.scale.split, plan.sizes, Seed(plan.seed))
        .with_context(|| format!("in {}", plan.suite.origin))?;
    let (store, head, mut task) = network(plan, source.classes(), &splits.test, place.device)?;
    if let Some(file) = plan.pretrained {
        file.load(&store, head, plan.console)?;
    }
    let [validation, test] = [&splits.validation, &splits.test]
        .map(|part| plan.loader(part, ImageCollate, Order::Sequential));
    let (validation, test) = (validation?, test?);
    let train: Box<dyn Batches<ImageBatch>> = match recipe.mix {
        None => Box::new(plan.loader(&splits.train, ImageCollate, Order::Shuffled)?),
        Some(mix) => Box::new(plan.loader(
            &Arc::new(Mixed::new(splits.train, mix)?),
            ImageCollate,
            Order::Shuffled,
        )?),
    };
    let trained = plan.train(place, &store, &mut task, &*train, &validation)?;

    let predictions =
        SavedPredictions { validation: predict(&task, &validation)?, test: predict(&task, &test)? };
    let (measured, record) =
        evaluate(plan, place, &predictions, source.class_names(), task.learning.loss.margin())?;
    let settings = ClassifierSettings {
        model: plan.model.to_string(),
        shape: sample_shape(plan, &splits.test)?,
        transforms: recipe.test_transforms.clone(),
        normalisation: plan
            .suite
            .data
            .normalisation()
            .context("a data set of texts has no images")?,
        full_scale: splits.test.images().full_scale(),
        batch: plan.suite.recipe.batch_size,
        record,
        provenance: plan.provenance(trained.best_epoch, place.device),
    };
    // Save the network before the result, which marks the run as finished.
    CalibratedClassifier::new(settings, &store.state(), place.device)?
        .save(place.folder.join(CLASSIFIER))?;
    plan.finish(place, trained, measured)
}
