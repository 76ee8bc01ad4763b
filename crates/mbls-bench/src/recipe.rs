//! What every loss of a suite is trained with, and what a profile changes in it.

use crate::data::TaskKind;
use crate::precision::Precision;
use crate::segmentation::{SegmentationRecipe, SegmentationTask};
use crate::task;
use crate::texts::TextRecipe;
use anyhow::{Context, Result, bail, ensure};
use mbls_nn::{Ema, EmaConfig, OptimizerConfig, ParamGroup, PlateauMode, ReduceOnPlateau, Schedule};
use mbls_vision::Mix;
use mbls_vision::transform::ImageTransform;
use serde::{Deserialize, Serialize};

/// What every loss of a suite is trained with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Recipe {
    /// Samples a step.
    pub(crate) batch_size: usize,
    /// The learning rate before the schedule.
    pub(crate) learning_rate: f64,
    /// How it falls.
    pub(crate) schedule: RecipeSchedule,
    /// The optimizer.
    pub(crate) optimizer: OptimizerConfig,
    /// Largest gradient norm.
    pub(crate) clip_norm: Option<f64>,
    /// Pad-and-crop augmentation: pixels added on each side; none where absent.
    pub(crate) crop_padding: Option<usize>,
    /// Whether pictures are mirrored at random.
    #[serde(default)]
    pub(crate) flip: bool,
    /// Bins of the calibration errors.
    pub(crate) bins: usize,
    /// What is done to the 8-bit pictures for training, before anything else.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) transforms: Vec<ImageTransform>,
    /// The same for validation and tests.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) test_transforms: Vec<ImageTransform>,
    /// Whether training pictures are mixed in pairs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) mix: Option<Mix>,
    /// The share of its inputs that the classifier loses in training.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) dropout: Option<f64>,
    /// A file of weights in the folder `--data` that training starts from; `--pretrained` names another, an empty name none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) pretrained: Option<String>,
    /// Parameters with a learning rate or a weight decay of their own: `[[recipe.groups]]`, each with a condition (`prefix`,
    /// `suffix`, `max_dims`) and a setting (`learning_rate_factor`, `weight_decay`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) groups: Vec<ParamGroup>,
    /// The average of the weights that is validated and measured in their place (`decay`, `warmup`, `average_buffers`); none where
    /// absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) ema: Option<EmaConfig>,
    /// What is done to pictures with masks, and how it is judged: for such data alone, in place of `transforms` and all that changes pictures alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) segmentation: Option<SegmentationRecipe>,
    /// How texts become sequences of vectors: for such data alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) text: Option<TextRecipe>,
    /// What the network is computed in: `f32`, or on an NVIDIA GPU `tf32` or `bf16`.
    #[serde(default, skip_serializing_if = "Precision::is_default")]
    pub(crate) precision: Precision,
}

impl Recipe {
    /// Checks what reading does not, for data of that kind.
    ///
    /// # Errors
    ///
    /// The field, its value and what was expected.
    pub(crate) fn validate(&self, kind: TaskKind) -> Result<()> {
        ensure!(self.batch_size > 0, "recipe.batch_size = 0: expected a positive number");
        ensure!(self.bins > 0, "recipe.bins = 0: expected a positive number");
        let segmentation = kind == TaskKind::Segmentation;
        let known = if segmentation { &SegmentationTask::SUMMARY } else { &task::SUMMARY };
        self.schedule.validate(known)?;
        match (kind, &self.segmentation, &self.text) {
            (TaskKind::Pictures, None, None) => {}
            (TaskKind::Segmentation, Some(recipe), None) => recipe.validate()?,
            (TaskKind::Texts, None, Some(recipe)) => recipe.validate()?,
            (TaskKind::Pictures, ..) => {
                bail!("recipe: expected neither segmentation nor text for a data set of pictures")
            }
            (TaskKind::Segmentation, ..) => {
                bail!("recipe: expected segmentation, and no text, for pictures with masks")
            }
            (TaskKind::Texts, ..) => bail!("recipe: expected text, and no segmentation, for a data set of texts"),
        }
        let transformed = !(self.transforms.is_empty() && self.test_transforms.is_empty());
        let changed = transformed || self.crop_padding.is_some() || self.flip || self.mix.is_some();
        ensure!(
            kind == TaskKind::Pictures || !changed,
            "recipe: transforms, test_transforms, crop_padding, flip and mix are for pictures with classes: expected none"
        );
        for (name, transforms) in [("transforms", &self.transforms), ("test_transforms", &self.test_transforms)] {
            transforms.iter().try_for_each(ImageTransform::validate).with_context(|| format!("recipe.{name}"))?;
        }
        if let Some(mix) = &self.mix {
            mix.validate().context("recipe.mix")?;
        }
        if let Some(p) = self.dropout {
            ensure!((0.0..1.0).contains(&p), "recipe.dropout = {p}: expected 0 or more and less than 1");
        }
        for group in &self.groups {
            group.validate().context("recipe.groups")?;
        }
        if let Some(ema) = self.ema {
            Ema::of(Vec::new(), Vec::new(), ema).context("recipe.ema")?;
        }
        Ok(())
    }
}

/// A schedule in fractions of the training, so that it means the same for any number of epochs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum RecipeSchedule {
    /// No change.
    Constant,
    /// Half a cosine from the learning rate to 0.
    Cosine,
    /// Multiplied by `gamma` after each fraction of the epochs.
    MultiStep {
        /// Fractions of the number of epochs, increasing.
        fractions: Vec<f64>,
        /// The factor.
        gamma: f64,
    },
    /// Multiplied by a factor whenever a number measured on the validation data has not become better for some epochs.
    ReduceOnPlateau {
        /// The number: `accuracy`, `nll`, `brier` or `ece`; of pictures with masks `miou`, `accuracy`, `nll` or `ece`.
        metric: String,
        /// `mode`, `factor`, `patience` and the other settings; PyTorch's where absent. The mode has to be the metric's.
        #[serde(default)]
        settings: ReduceOnPlateau,
    },
}

impl RecipeSchedule {
    /// The name of what the schedule follows, if it follows anything.
    pub(crate) fn metric(&self) -> Option<&str> {
        match self {
            Self::ReduceOnPlateau { metric, .. } => Some(metric),
            Self::Constant | Self::Cosine | Self::MultiStep { .. } => None,
        }
    }

    /// Checks the settings, and that what is followed is measured and followed in its own direction.
    fn validate(&self, known: &[&str]) -> Result<()> {
        self.for_epochs(1).validate().context("recipe.schedule")?;
        let Self::ReduceOnPlateau { metric, settings } = self else { return Ok(()) };
        ensure!(
            known.contains(&metric.as_str()),
            "recipe.schedule.metric = {metric:?}: expected one of {}",
            known.join(", ")
        );
        // PyTorch's default would take every epoch that classifies better for one that does not.
        let (mode, expected, better) = match metric.as_str() {
            "accuracy" | "miou" => (PlateauMode::Max, "max", "more"),
            _ => (PlateauMode::Min, "min", "less"),
        };
        ensure!(
            settings.mode == mode,
            "recipe.schedule.settings.mode: expected {expected:?}, because {better} {metric} is better"
        );
        Ok(())
    }

    /// The schedule for a number of epochs.
    pub(crate) fn for_epochs(&self, epochs: usize) -> Schedule {
        match self {
            Self::Constant => Schedule::Constant,
            Self::Cosine => Schedule::Cosine { epochs, minimum: 0.0 },
            Self::MultiStep { fractions, gamma } => Schedule::MultiStep {
                milestones: fractions.iter().map(|fraction| (fraction * epochs as f64).round() as usize).collect(),
                gamma: *gamma,
            },
            Self::ReduceOnPlateau { settings, .. } => Schedule::ReduceOnPlateau(*settings),
        }
    }
}
