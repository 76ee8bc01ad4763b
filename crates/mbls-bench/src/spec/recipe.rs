//! The training settings shared by all losses of a suite.

use super::{
    ClassWeights, ImageRecipe, Precision, RecipeSchedule, SegmentationRecipe, StoppingRecipe,
    TaskKind, TextRecipe,
};
use anyhow::{Context, Result, bail, ensure};
use mbls_nn::{Ema, EmaConfig, OptimizerConfig, ParamGroup};
use mbls_vision::Mix;
use mbls_vision::transform::ImageTransform;
use serde::{Deserialize, Serialize};

/// The training settings shared by all losses of a suite: those of all tasks, and those of the
/// suite's task.
///
/// Serialised as the table `[recipe]` of a suite file.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(into = "RecipeTable")]
pub struct Recipe {
    /// Number of samples per batch.
    pub batch_size: usize,
    /// The base learning rate of the schedule.
    pub learning_rate: f64,
    /// The learning rate schedule.
    pub schedule: RecipeSchedule,
    /// The optimizer and its settings.
    pub optimizer: OptimizerConfig,
    /// The largest norm of the gradient; absent to disable clipping.
    pub clip_norm: Option<f64>,
    /// Number of bins of the calibration errors.
    pub bins: usize,
    /// The dropout probability.
    pub dropout: Option<f64>,
    /// A file of pretrained weights in the folder `--data`. `--pretrained` overrides it; an empty
    /// name means none.
    pub pretrained: Option<String>,
    /// Parameter groups with their own learning rate or weight decay: `[[recipe.groups]]`, each
    /// with a condition (`prefix`, `suffix`, `max_dims`) and a setting (`learning_rate_factor`,
    /// `weight_decay`).
    pub groups: Vec<ParamGroup>,
    /// The exponential moving average of the weights, which is validated and evaluated in their
    /// place (`decay`, `warmup`, `average_buffers`); absent for none.
    pub ema: Option<EmaConfig>,
    /// The precision of the computation: `f32`, or on an NVIDIA GPU `tf32` or `bf16`.
    pub precision: Precision,
    /// The class weights of the loss; absent to weight all classes equally.
    pub class_weights: Option<ClassWeights>,
    /// Early stopping; absent to train all epochs.
    pub early_stopping: Option<StoppingRecipe>,
    /// Number of batches accumulated per optimizer step.
    pub accumulate: usize,
    /// The settings specific to the suite's task.
    pub task: TaskRecipe,
}

/// Settings that are specific to a task.
#[derive(Clone, Debug, PartialEq)]
pub enum TaskRecipe {
    /// Images with one class each.
    Images(ImageRecipe),
    /// Images with masks: `[recipe.segmentation]`.
    Segmentation(SegmentationRecipe),
    /// Texts with one class each: `[recipe.text]`.
    Texts(TextRecipe),
}

impl Recipe {
    /// Returns the settings for images with one class each.
    ///
    /// # Errors
    ///
    /// If the recipe is for another task. This cannot happen for a suite that was read.
    pub fn images(&self) -> Result<&ImageRecipe> {
        match &self.task {
            TaskRecipe::Images(recipe) => Ok(recipe),
            other => bail!(
                "recipe: expected one for {}, found one for {}",
                TaskKind::Images,
                other.kind()
            ),
        }
    }

    /// Returns the settings for images with masks.
    ///
    /// # Errors
    ///
    /// As [`Recipe::images`].
    pub fn segmentation(&self) -> Result<&SegmentationRecipe> {
        match &self.task {
            TaskRecipe::Segmentation(recipe) => Ok(recipe),
            other => bail!(
                "recipe: expected one for {}, found one for {}",
                TaskKind::Segmentation,
                other.kind()
            ),
        }
    }

    /// Returns the settings for texts.
    ///
    /// # Errors
    ///
    /// As [`Recipe::images`].
    pub fn texts(&self) -> Result<&TextRecipe> {
        match &self.task {
            TaskRecipe::Texts(recipe) => Ok(recipe),
            other => bail!(
                "recipe: expected one for {}, found one for {}",
                TaskKind::Texts,
                other.kind()
            ),
        }
    }

    /// Checks what deserialisation does not.
    ///
    /// # Errors
    ///
    /// Names the field, its value and what was expected.
    pub(super) fn validate(&self) -> Result<()> {
        ensure!(self.batch_size > 0, "recipe.batch_size = 0: expected a positive number");
        ensure!(
            self.learning_rate.is_finite() && self.learning_rate > 0.0,
            "recipe.learning_rate = {}: expected a positive number",
            self.learning_rate
        );
        ensure!(self.accumulate > 0, "recipe.accumulate = 0: expected a positive number");
        self.class_weights.as_ref().map_or(Ok(()), ClassWeights::validate)?;
        self.early_stopping.as_ref().map_or(Ok(()), StoppingRecipe::validate)?;
        ensure!(self.bins > 0, "recipe.bins = 0: expected a positive number");
        self.schedule.validate()?;
        if let Some(p) = self.dropout {
            ensure!(
                (0.0..1.0).contains(&p),
                "recipe.dropout = {p}: expected 0 or more and less than 1"
            );
        }
        for group in &self.groups {
            group.validate().context("recipe.groups")?;
        }
        if let Some(ema) = self.ema {
            Ema::of(Vec::new(), Vec::new(), ema).context("recipe.ema")?;
        }
        match &self.task {
            TaskRecipe::Images(recipe) => recipe.validate(),
            TaskRecipe::Segmentation(recipe) => recipe.validate(),
            TaskRecipe::Texts(recipe) => recipe.validate(),
        }
    }
}

impl TaskRecipe {
    fn kind(&self) -> TaskKind {
        match self {
            Self::Images(_) => TaskKind::Images,
            Self::Segmentation(_) => TaskKind::Segmentation,
            Self::Texts(_) => TaskKind::Texts,
        }
    }
}

/// The table `[recipe]` of suite files and identities: the fields of all tasks together. Their
/// order is part of the identities in checkpoints and results.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RecipeTable {
    batch_size: usize,
    learning_rate: f64,
    schedule: RecipeSchedule,
    optimizer: OptimizerConfig,
    clip_norm: Option<f64>,
    crop_padding: Option<usize>,
    flip: Option<bool>,
    bins: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    transforms: Option<Vec<ImageTransform>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    test_transforms: Option<Vec<ImageTransform>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mix: Option<Mix>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dropout: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pretrained: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    groups: Vec<ParamGroup>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ema: Option<EmaConfig>,
    #[serde(skip_serializing_if = "Option::is_none")]
    segmentation: Option<SegmentationRecipe>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<TextRecipe>,
    #[serde(default, skip_serializing_if = "Precision::is_default")]
    precision: Precision,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    class_weights: Option<ClassWeights>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    early_stopping: Option<StoppingRecipe>,
    #[serde(default = "one", skip_serializing_if = "is_one")]
    accumulate: usize,
}

fn one() -> usize {
    1
}

fn is_one(count: &usize) -> bool {
    *count == 1
}

impl RecipeTable {
    /// Converts the table to the recipe of a task.
    ///
    /// # Errors
    ///
    /// Names a field of another task, or one that is missing.
    pub(super) fn for_task(self, kind: TaskKind) -> Result<Recipe> {
        let fields = [
            ("crop_padding", TaskKind::Images, self.crop_padding.is_some()),
            ("flip", TaskKind::Images, self.flip.is_some()),
            ("transforms", TaskKind::Images, self.transforms.is_some()),
            ("test_transforms", TaskKind::Images, self.test_transforms.is_some()),
            ("mix", TaskKind::Images, self.mix.is_some()),
            ("segmentation", TaskKind::Segmentation, self.segmentation.is_some()),
            ("text", TaskKind::Texts, self.text.is_some()),
        ];
        for (field, owner, given) in fields {
            ensure!(
                !given || owner == kind,
                "recipe.{field}: expected only for {owner}, but the data are {kind}"
            );
        }
        let task = match kind {
            TaskKind::Images => TaskRecipe::Images(ImageRecipe {
                crop_padding: self.crop_padding,
                flip: self.flip.unwrap_or_default(),
                transforms: self.transforms.unwrap_or_default(),
                test_transforms: self.test_transforms.unwrap_or_default(),
                mix: self.mix,
            }),
            TaskKind::Segmentation => TaskRecipe::Segmentation(
                self.segmentation
                    .with_context(|| format!("recipe.segmentation: expected for {kind}"))?,
            ),
            TaskKind::Texts => TaskRecipe::Texts(
                self.text.with_context(|| format!("recipe.text: expected for {kind}"))?,
            ),
        };
        let Self { batch_size, learning_rate, schedule, optimizer, clip_norm, bins, .. } = self;
        let Self {
            dropout,
            pretrained,
            groups,
            ema,
            precision,
            class_weights,
            early_stopping,
            accumulate,
            ..
        } = self;
        Ok(Recipe {
            batch_size,
            learning_rate,
            schedule,
            optimizer,
            clip_norm,
            bins,
            dropout,
            pretrained,
            groups,
            ema,
            precision,
            class_weights,
            early_stopping,
            accumulate,
            task,
        })
    }
}

impl From<Recipe> for RecipeTable {
    fn from(recipe: Recipe) -> Self {
        let Recipe { batch_size, learning_rate, schedule, optimizer, clip_norm, bins, .. } = recipe;
        let Recipe {
            dropout,
            pretrained,
            groups,
            ema,
            precision,
            class_weights,
            early_stopping,
            accumulate,
            task,
            ..
        } = recipe;
        let (images, segmentation, text) = match task {
            TaskRecipe::Images(images) => (images, None, None),
            TaskRecipe::Segmentation(segmentation) => {
                (ImageRecipe::default(), Some(segmentation), None)
            }
            TaskRecipe::Texts(text) => (ImageRecipe::default(), None, Some(text)),
        };
        let ImageRecipe { crop_padding, flip, transforms, test_transforms, mix } = images;
        let given =
            |transforms: Vec<_>| Some(transforms).filter(|transforms| !transforms.is_empty());
        Self {
            batch_size,
            learning_rate,
            schedule,
            optimizer,
            clip_norm,
            crop_padding,
            // Identities of every task contain this field.
            flip: Some(flip),
            bins,
            transforms: given(transforms),
            test_transforms: given(test_transforms),
            mix,
            dropout,
            pretrained,
            groups,
            ema,
            segmentation,
            text,
            precision,
            class_weights,
            early_stopping,
            accumulate,
        }
    }
}
