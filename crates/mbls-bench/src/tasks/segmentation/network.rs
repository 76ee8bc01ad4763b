//! The network of a cell.

use super::task::SegmentationTask;
use crate::cell::CellPlan;
use crate::learning::Learning;
use anyhow::{Context, Result};
use candle_core::Device;
use mbls_data::Seed;
use mbls_nn::{Dropout, ParamStore};
use mbls_seg::model::Options;

/// Colours of a image.
const CHANNELS: usize = 3;

/// The network as it is initialised, or with weights that others have trained, with what it is
/// trained and measured with. Its dropout is the recipe's, or where that says nothing the
/// original's.
///
/// # Errors
///
/// A network for something else, weights that do not fit.
pub(super) fn network(
    plan: &CellPlan,
    classes: usize,
    device: &Device,
) -> Result<(ParamStore, SegmentationTask)> {
    let (seed, recipe) = (Seed(plan.seed), &plan.suite.recipe);
    let dtype = recipe.precision.dtype();
    let store = ParamStore::new(seed.derive("parameters").0, dtype, device);
    let network = plan.model.segmentation()?.network(classes, CHANNELS)?;
    let dropout = recipe.dropout.or(network.dropout());
    let dropout = dropout.map(|p| Dropout::new(p, seed.derive("dropout").0)).transpose()?;
    let model = network
        .clone()
        .build(Options { dropout: dropout.clone() }, store.var_builder())
        .with_context(|| format!("the model {}", plan.model))?;
    if let Some(file) = plan.pretrained {
        file.load_segmentation(&store, &network, plan.console)?;
    }
    let task = SegmentationTask {
        model,
        learning: Learning {
            loss: plan.build_loss(classes)?,
            dropout,
            class_weights: plan.class_weights.clone(),
        },
        dtype,
        device: device.clone(),
        classes,
        metrics: SegmentationTask::epoch_metrics(classes, recipe.bins)?,
        score: recipe.segmentation()?.score,
    };
    Ok((store, task))
}
