//! Cells that classify the pixels of pictures.

mod evaluation;
mod network;
mod pictures;
mod pixels;
mod recipe;
mod source;
mod summary;
mod tables;
mod task;

pub(crate) use recipe::SegmentationRecipe;
pub(crate) use source::Segmentation;
pub(crate) use summary::loss_report;
pub(crate) use tables::tables;
pub(crate) use task::SegmentationTask;

use crate::cell::{CellPlan, Measured, Place};
use crate::data::{ClassCounts, Sizes};
use crate::results::{Cell, write_json};
use crate::suite::{Scale, SplitRule, Suite};
use crate::workload::Workload;
use anyhow::{Context, Result};
use evaluation::{EvaluationFile, evaluate};
use mbls_data::{DataLoader, Order, Seed, Subset};
use mbls_seg::dataset::{SegmentationCollate, SegmentationFiles, Transformed};
use mbls_seg::transform::JointTransform;
use network::network;
use recipe::recipe_of;
use std::sync::Arc;

/// Pictures with masks of one split, transformed.
type Pictures = Transformed<Subset<SegmentationFiles>>;
type Loader = DataLoader<Pictures, SegmentationCollate>;

impl Workload for Segmentation {
    fn digest(&self) -> u64 {
        Segmentation::digest(self)
    }

    fn sizes(&self, scale: &Scale) -> Result<Sizes> {
        Segmentation::sizes(self, scale)
    }

    fn class_counts(&self, _: &Suite, rule: SplitRule, sizes: Sizes, seed: Seed) -> Result<ClassCounts> {
        Segmentation::class_counts(self, rule, sizes, seed)
    }

    fn notes(&self) -> &[String] {
        Segmentation::notes(self)
    }

    fn run(&self, plan: &CellPlan, place: Place) -> Result<Cell> {
        let settings = recipe_of(plan.suite)?;
        let seed = Seed(plan.seed);
        let splits =
            self.splits(plan.scale.split, plan.sizes, seed).with_context(|| format!("in {}", plan.suite.origin))?;
        let normalisation = plan.suite.data.normalisation().context("a data set of texts has no pictures")?;
        let collate = SegmentationCollate::new(&normalisation)?;
        let loader = |pictures: Subset<SegmentationFiles>, transforms: &[JointTransform], order| -> Result<Loader> {
            let pictures = Arc::new(Transformed::new(Arc::new(pictures), transforms.to_vec())?);
            plan.loader(&pictures, collate.clone(), order)
        };
        let train = loader(splits.train, &settings.transforms, Order::Shuffled)?;
        let names = splits.test_names;
        let validation = loader(splits.validation, &settings.test_transforms, Order::Sequential)?;
        let test = loader(splits.test, &settings.test_transforms, Order::Sequential)?;

        let (store, mut task) = network(plan, self.classes().len(), place.device)?;
        let best_epoch = plan.train(place, &store, &mut task, &train, &validation)?;

        let bins = plan.suite.recipe.bins;
        let pixels = pixels::sample(&task, &validation, seed.derive("temperature"))?;
        let temperature = pixels.temperature()?;
        let validated = evaluate(&task, &validation, &temperature, bins, None)?;
        let maps = place.folder.join("maps");
        let tested =
            evaluate(&task, &test, &temperature, bins, Some((&maps, &names[..settings.maps.min(names.len())])))?;
        let measured =
            Measured { n: tested.before.pictures, test: tested.measures(), validation: validated.measures() };
        let file = EvaluationFile::new(self.classes().names().to_vec(), names, tested);
        write_json(&place.folder.join("evaluation.json"), &file)?;
        plan.finish(place, best_epoch, measured)
    }
}
