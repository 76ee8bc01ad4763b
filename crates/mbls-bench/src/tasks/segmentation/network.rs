//! The network of a segmentation run.

use super::task::SegmentationTask;
use crate::cell::CellPlan;
use crate::learning::Learning;
use anyhow::{Context, Result};
use candle_core::Device;
use mbls_data::Seed;
use mbls_nn::{Dropout, ParamStore};
use mbls_seg::model::Options;

/// Number of colour channels of an image.
const CHANNELS: usize = 3;

/// Builds the network, initialised randomly or with pretrained weights, and its task. The dropout
/// is the recipe's, or by default the architecture's.
///
/// # Errors
///
/// If the network is for another task, or the weights do not fit.
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
