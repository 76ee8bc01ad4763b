//! The network of a run on images.

use crate::cell::CellPlan;
use crate::learning::Learning;
use crate::tasks::labelled::ClassificationTask;
use anyhow::{Context, Result};
use candle_core::Device;
use mbls_core::metric::ClassificationMetrics;
use mbls_data::Seed;
use mbls_nn::{Dropout, ParamStore};
use mbls_vision::model::Options;
use mbls_vision::{AugmentedImages, ImageBatch};
use std::marker::PhantomData;

/// Builds the initialised network for images like those of `data`. Returns its parameters, the name
/// of its classification layer, and the task.
///
/// # Errors
///
/// If the network is for another task, or the images have several sizes or are too small for it.
pub(super) fn network(
    plan: &CellPlan,
    classes: usize,
    data: &AugmentedImages,
    device: &Device,
) -> Result<(ParamStore, &'static str, ClassificationTask<ImageBatch>)> {
    let (seed, recipe) = (Seed(plan.seed), &plan.suite.recipe);
    let shape = sample_shape(plan, data)?;
    let store = ParamStore::new(seed.derive("parameters").0, recipe.precision.dtype(), device);
    let dropout = recipe.dropout.map(|p| Dropout::new(p, seed.derive("dropout").0)).transpose()?;
    let network = plan.model.classifier()?.network(classes, shape)?;
    let head = network.head();
    let model = network.build(Options { dropout: dropout.clone() }, store.var_builder())?;
    let learning = Learning {
        loss: plan.build_loss(classes)?,
        dropout,
        class_weights: plan.class_weights.clone(),
    };
    let metrics = ClassificationMetrics::new(recipe.bins)?;
    let (dtype, device) = (recipe.precision.dtype(), device.clone());
    Ok((
        store,
        head,
        ClassificationTask { model, learning, dtype, device, metrics, batch: PhantomData },
    ))
}

/// Returns the channels, height and width of the images of `data`.
///
/// # Errors
///
/// If the images have several sizes.
pub(super) fn sample_shape(plan: &CellPlan, data: &AugmentedImages) -> Result<[usize; 3]> {
    data.sample_shape().with_context(|| {
        format!(
            "in {}: the images have several sizes, which recipe.test_transforms do not change",
            plan.suite.origin
        )
    })
}
