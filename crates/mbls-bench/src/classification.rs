//! Cells that classify pictures, and what cells of texts share with them.

use crate::cell::{self, CellPlan, Measured, Place};
use crate::data::{ClassCounts, Sizes, Source};
use crate::learning::Learning;
use crate::predictions::{LabelledLogits, SavedPredictions};
use crate::results::{Cell, measures};
use crate::shift::ShiftSource;
use crate::suite::{Scale, SplitRule, Suite};
use crate::task::{ClassificationTask, LabelledBatch};
use crate::workload::Workload;
use anyhow::{Context, Result};
use candle_core::Device;
use mbls_core::calibration::TemperatureScaling;
use mbls_core::metric::{ClassificationMetrics, Predictions};
use mbls_data::{Batches, Order, Seed};
use mbls_nn::{Dropout, ParamStore};
use mbls_vision::model::Options;
use mbls_vision::{AugmentedImages, ImageBatch, ImageCollate, Mixed};
use std::marker::PhantomData;
use std::path::Path;
use std::sync::Arc;

/// Pictures of classes, and what the networks are tested on besides.
pub(crate) struct Classification<'a> {
    /// The pictures.
    pub(crate) source: Source,
    /// What else is tested, where anything.
    pub(crate) shift: Option<ShiftSource<'a>>,
}

impl Workload for Classification<'_> {
    fn digest(&self) -> u64 {
        self.source.digest()
    }

    fn sizes(&self, scale: &Scale) -> Result<Sizes> {
        self.source.sizes(scale)
    }

    fn class_counts(&self, suite: &Suite, rule: SplitRule, sizes: Sizes, seed: Seed) -> Result<ClassCounts> {
        self.source.class_counts(&suite.data, rule, sizes, seed)
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

/// Trains, measures and writes a cell; goes on where an earlier process stopped.
fn train(plan: &CellPlan, source: &Source, place: Place) -> Result<Cell> {
    let recipe = &plan.suite.recipe;
    let splits = source
        .splits(&plan.suite.data, recipe, plan.scale.split, plan.sizes, Seed(plan.seed))
        .with_context(|| format!("in {}", plan.suite.origin))?;
    let (store, head, mut task) = network(plan, source.classes(), &splits.test, place.device)?;
    if let Some(file) = plan.pretrained {
        file.load(&store, head, plan.console)?;
    }
    let [validation, test] =
        [&splits.validation, &splits.test].map(|part| plan.loader(part, ImageCollate, Order::Sequential));
    let (validation, test) = (validation?, test?);
    let train: Box<dyn Batches<ImageBatch>> = match recipe.mix {
        None => Box::new(plan.loader(&splits.train, ImageCollate, Order::Shuffled)?),
        Some(mix) => Box::new(plan.loader(&Arc::new(Mixed::new(splits.train, mix)?), ImageCollate, Order::Shuffled)?),
    };
    let best_epoch = plan.train(place, &store, &mut task, &*train, &validation)?;

    let predictions = SavedPredictions { validation: predict(&task, &validation)?, test: predict(&task, &test)? };
    let (measured, _) = measure(plan, place, &predictions)?;
    plan.finish(place, best_epoch, measured)
}

/// Saves and measures predictions of a trained network; returns the temperature too, which is fitted to those of the validation data.
///
/// # Errors
///
/// Logits that cannot be measured, files that cannot be written.
pub(crate) fn measure(
    plan: &CellPlan,
    place: Place,
    saved: &SavedPredictions,
) -> Result<(Measured, TemperatureScaling)> {
    saved.save(&place.folder.join("predictions.safetensors"))?;
    let temperature = fit_temperature(saved)?;
    let measured = |split: &LabelledLogits| -> Result<_> {
        let predictions = scaled(split, &temperature)?;
        measures(&predictions, &temperature, plan.suite.recipe.bins)
    };
    let (n, test, validation) = (saved.test.labels.len() as u64, measured(&saved.test)?, measured(&saved.validation)?);
    Ok((Measured { n, test, validation }, temperature))
}

/// The network for pictures like those of `data`, as it is initialised, the name of its classifier, and what it is trained and measured with.
///
/// # Errors
///
/// A network for something else; pictures that come in several sizes, or are too small for the network.
pub(crate) fn network(
    plan: &CellPlan,
    classes: usize,
    data: &AugmentedImages,
    device: &Device,
) -> Result<(ParamStore, &'static str, ClassificationTask<ImageBatch>)> {
    let (seed, recipe) = (Seed(plan.seed), &plan.suite.recipe);
    let shape = data.sample_shape().with_context(|| {
        format!("in {}: the pictures have several sizes, and recipe.test_transforms leave them", plan.suite.origin)
    })?;
    let store = ParamStore::new(seed.derive("parameters").0, recipe.precision.dtype(), device);
    let dropout = recipe.dropout.map(|p| Dropout::new(p, seed.derive("dropout").0)).transpose()?;
    let network = plan.model.classifier()?.network(classes, shape)?;
    let head = network.head();
    let model = network.build(Options { dropout: dropout.clone() }, store.var_builder())?;
    let learning = Learning { loss: plan.loss.spec.build()?, dropout };
    let metrics = ClassificationMetrics::new(recipe.bins)?;
    let (dtype, device) = (recipe.precision.dtype(), device.clone());
    Ok((store, head, ClassificationTask { model, learning, dtype, device, metrics, batch: PhantomData }))
}

/// The temperature with the lowest NLL on the validation data.
///
/// # Errors
///
/// Logits that are not finite.
pub(crate) fn fit_temperature(saved: &SavedPredictions) -> Result<TemperatureScaling> {
    let LabelledLogits { logits, classes, labels } = &saved.validation;
    Ok(TemperatureScaling::fit_logits(logits, *classes, labels)?)
}

/// Predictions before and after temperature scaling.
///
/// # Errors
///
/// Logits that are not finite.
pub(crate) fn scaled<'a>(split: &'a LabelledLogits, temperature: &TemperatureScaling) -> Result<[Predictions<'a>; 2]> {
    let LabelledLogits { logits, classes, labels } = split;
    let after = Predictions::from_logits_at(logits, *classes, labels, temperature.temperature())?;
    Ok([Predictions::from_logits(logits, *classes, labels)?, after])
}

/// The logits of all samples of `data`, in its order.
///
/// # Errors
///
/// Samples that cannot be read, a network that does not take them.
pub(crate) fn predict<B: LabelledBatch>(
    task: &ClassificationTask<B>,
    data: &dyn Batches<B>,
) -> mbls_train::Result<LabelledLogits> {
    let mut all = LabelledLogits::default();
    mbls_train::predict(task, data, |predicted| -> mbls_train::Result<()> {
        all.logits.extend_from_slice(&predicted.logits);
        all.labels.extend_from_slice(&predicted.labels);
        all.classes = predicted.shape.last().copied().unwrap_or(0);
        Ok(())
    })?;
    Ok(all)
}
