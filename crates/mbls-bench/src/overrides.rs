//! Suite settings that the command line overrides.

use crate::spec::{DataSpec, LossEntry, Recipe, Suite, TaskRecipe};
use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use mbls_core::loss::{LossSpec, MarginChoice};
use mbls_seg::transform::JointTransform;
use mbls_vision::transform::{ImageTransform, Size};

/// With margin 0 MbLS is another loss, MaxSup, which suites list separately.
const MAX_SUP: MarginChoice = MarginChoice::Fixed(0.0);

/// Overridden settings of a suite. Runs with them are different runs than the suite's and are
/// distinguished from them.
#[derive(Clone, Debug, Default, Args)]
pub struct Overrides {
    /// The learning rate, instead of the recipe's.
    #[arg(long, value_name = "X")]
    pub(crate) lr: Option<f64>,
    /// Number of samples in a batch, instead of the recipe's.
    #[arg(long, value_name = "N")]
    pub(crate) batch_size: Option<usize>,
    /// Side length in pixels of the images that a network is trained on: all sizes in the recipe's
    /// transforms are scaled by the same factor. For suites whose transforms resize or crop, such
    /// as imagefolder and vocfolder.
    #[arg(long, value_name = "N")]
    pub(crate) size: Option<usize>,
    /// The text column in user-supplied files, instead of text.
    #[arg(long, value_name = "NAME")]
    pub(crate) text_column: Option<String>,
    /// The label column in user-supplied files, instead of label.
    #[arg(long, value_name = "NAME")]
    pub(crate) label_column: Option<String>,
    /// The margin of the losses whose margin is greater than 0, instead of the suite's.
    #[arg(long, value_name = "X")]
    pub(crate) margin: Option<f64>,
    /// The weight of the penalty of the losses whose margin is greater than 0, instead of the
    /// suite's.
    #[arg(long, value_name = "X")]
    pub(crate) alpha: Option<f64>,
}

/// A numeric setting of a suite that can be overridden or swept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Knob {
    /// The learning rate.
    LearningRate,
    /// Number of samples in a batch.
    BatchSize,
    /// The margin of a loss.
    Margin,
    /// The weight of the penalty of a loss with a margin.
    Alpha,
}

impl Knob {
    /// All settings.
    pub(crate) const ALL: [Self; 4] =
        [Self::LearningRate, Self::BatchSize, Self::Margin, Self::Alpha];

    /// Returns the name on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::LearningRate => "lr",
            Self::BatchSize => "batch-size",
            Self::Margin => "margin",
            Self::Alpha => "alpha",
        }
    }

    /// Sets the value and returns whether the recipe or the loss has the setting.
    ///
    /// # Errors
    ///
    /// If a number of samples is not whole.
    pub(crate) fn set(self, value: f64, recipe: &mut Recipe, loss: &mut LossSpec) -> Result<bool> {
        match self {
            Self::LearningRate => recipe.learning_rate = value,
            Self::BatchSize => {
                ensure!(
                    value.fract() == 0.0 && (1.0..=9e15).contains(&value),
                    "batch-size = {value}: expected a positive whole number"
                );
                recipe.batch_size = value as usize;
            }
            Self::Margin => match loss {
                LossSpec::Margin { margin, .. } if *margin != MAX_SUP => {
                    *margin = MarginChoice::Fixed(value);
                }
                LossSpec::Acls { margin, .. } | LossSpec::ClassAdaptive { margin, .. } => {
                    *margin = value;
                }
                _ => return Ok(false),
            },
            Self::Alpha => match loss {
                LossSpec::Margin { margin, alpha, .. } if *margin != MAX_SUP => *alpha = value,
                LossSpec::Acls { alpha, .. } => *alpha = value,
                _ => return Ok(false),
            },
        }
        Ok(true)
    }
}

impl Overrides {
    /// Returns the overriding value of a setting, if any.
    pub(crate) fn value(&self, knob: Knob) -> Option<f64> {
        match knob {
            Knob::LearningRate => self.lr,
            Knob::BatchSize => self.batch_size.map(|size| size as f64),
            Knob::Margin => self.margin,
            Knob::Alpha => self.alpha,
        }
    }

    /// Applies the overrides to a suite and returns one line per change. Only losses for which
    /// `run` is true count.
    ///
    /// # Errors
    ///
    /// If nothing in the suite has a setting, or a value is out of range.
    pub(crate) fn apply(
        &self,
        suite: &mut Suite,
        run: impl Fn(&LossEntry) -> bool,
    ) -> Result<Vec<String>> {
        let (name, mut said) = (suite.name.clone(), Vec::new());
        for knob in Knob::ALL {
            let Some(value) = self.value(knob) else { continue };
            let mut of = Vec::new();
            for loss in suite.loss.iter_mut().filter(|loss| run(loss)) {
                if knob.set(value, &mut suite.recipe, &mut loss.spec)? {
                    of.push(loss.id.as_str());
                }
            }
            let option = knob.name();
            ensure!(
                !of.is_empty(),
                "--{option} {value}: none of the losses of the suite {name} to run has a margin greater than 0"
            );
            said.push(match knob {
                Knob::LearningRate | Knob::BatchSize => format!("{name}: {option} = {value}"),
                Knob::Margin | Knob::Alpha => {
                    format!("{name}: {option} = {value} for the losses {}", of.join(", "))
                }
            });
        }
        if let Some(size) = self.size {
            said.push(format!("{name}: {}", resize(suite, size)?));
        }
        for (option, column) in [("text", &self.text_column), ("label", &self.label_column)] {
            let Some(column) = column else { continue };
            let DataSpec::Textfile { columns } = &mut suite.data else {
                bail!(
                    "--{option}-column {column}: expected a suite for user-supplied texts, such as textfile, found {name}"
                );
            };
            *(if option == "text" { &mut columns.text } else { &mut columns.label }) =
                column.clone();
            said.push(format!("{name}: the {option} column is {column:?}"));
        }
        Ok(said)
    }
}

/// Scales the sizes in the transforms of a recipe so that the network is trained on images with a
/// side of `side` pixels.
fn resize(suite: &mut Suite, side: usize) -> Result<String> {
    ensure!(side > 0, "--size 0: expected a positive number");
    let none =
        format!("--size {side}: no transform of the suite {} resizes or crops images", suite.name);
    match &mut suite.recipe.task {
        TaskRecipe::Images(recipe) => {
            let mut all = [&mut recipe.transforms, &mut recipe.test_transforms];
            let last = all.iter_mut().find_map(|list| {
                list.iter_mut().rev().find_map(image_size).map(|size| largest(*size))
            });
            let last = last.context(none)?;
            for size in all.into_iter().flatten().filter_map(image_size) {
                *size = match *size {
                    Size::Side(of) => Size::Side(scaled(of, side, last)),
                    Size::HeightWidth(of) => Size::HeightWidth(of.map(|of| scaled(of, side, last))),
                };
            }
        }
        TaskRecipe::Segmentation(recipe) => {
            let mut all = [&mut recipe.transforms, &mut recipe.test_transforms];
            let last = all
                .iter_mut()
                .find_map(|list| list.iter_mut().rev().find_map(joint_size).map(|size| *size));
            let last = last.context(none)?;
            for size in all.into_iter().flatten().filter_map(joint_size) {
                *size = scaled(*size, side, last);
            }
        }
        TaskRecipe::Texts(_) => {
            bail!("--size {side}: expected an image suite, found {}, a text suite", suite.name)
        }
    }
    Ok(format!("training image size {side}x{side}"))
}

/// Scales a size by the factor that maps `last` to `side`, to at least 1.
fn scaled(size: usize, side: usize, last: usize) -> usize {
    ((size as f64 * side as f64 / last as f64).round() as usize).max(1)
}

fn largest(size: Size) -> usize {
    match size {
        Size::Side(side) => side,
        Size::HeightWidth([height, width]) => height.max(width),
    }
}

/// Returns the output size of a transform, if it determines one.
fn image_size(transform: &mut ImageTransform) -> Option<&mut Size> {
    match transform {
        ImageTransform::Resize(step) => Some(&mut step.size),
        ImageTransform::CenterCrop(step) => Some(&mut step.size),
        ImageTransform::RandomCrop(step) => Some(&mut step.size),
        ImageTransform::RandomResizedCrop(step) => Some(&mut step.size),
        ImageTransform::Pad(_)
        | ImageTransform::HorizontalFlip(_)
        | ImageTransform::VerticalFlip(_)
        | ImageTransform::ColourJitter(_) => None,
    }
}

/// Returns the output size of a transform of an image and its mask, if it determines one.
fn joint_size(transform: &mut JointTransform) -> Option<&mut usize> {
    match transform {
        JointTransform::LongestSide(step) => Some(&mut step.size),
        JointTransform::Pad(step) => Some(&mut step.size),
        JointTransform::RandomCrop(step) => Some(&mut step.size),
        JointTransform::HorizontalFlip(_)
        | JointTransform::BrightnessContrast(_)
        | JointTransform::HueSaturationValue(_)
        | JointTransform::ScaleJitter(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(suite: &str, overrides: &Overrides) -> Result<(Suite, Vec<String>), String> {
        let mut suite = Suite::find(suite).unwrap();
        let said = overrides.apply(&mut suite, |_| true).map_err(|error| format!("{error:#}"))?;
        let suite = suite.checked().map_err(|error| format!("{error:#}"))?;
        Ok((suite, said))
    }

    #[test]
    fn overrides_change_the_recipe_and_the_losses_with_a_margin() {
        let overrides = Overrides {
            lr: Some(0.2),
            batch_size: Some(7),
            margin: Some(3.0),
            alpha: Some(0.7),
            ..Overrides::default()
        };
        let (suite, said) = changed("digits", &overrides).unwrap();
        assert_eq!((suite.recipe.learning_rate, suite.recipe.batch_size), (0.2, 7));
        let plain = Suite::find("digits").unwrap();
        for (loss, before) in suite.loss.iter().zip(&plain.loss) {
            match loss.id.as_str() {
                "mbls" => assert_eq!(loss.spec, LossSpec::margin(3.0, 0.7)),
                "cals" => assert!(matches!(loss.spec, LossSpec::ClassAdaptive { margin: 3.0, .. })),
                _ => assert_eq!(loss, before),
            }
        }
        let expected = [
            "lr = 0.2",
            "batch-size = 7",
            "margin = 3 for the losses mbls, cals",
            "alpha = 0.7 for the losses mbls",
        ];
        assert_eq!(said, expected.map(|line| format!("digits: {line}")));
        let mut own = Suite::find("digits").unwrap();
        let none = Overrides { margin: Some(3.0), ..Overrides::default() };
        let error = none
            .apply(&mut own, |loss| loss.id == "ce" || loss.id == "m0")
            .unwrap_err()
            .to_string();
        assert!(
            error
                .contains("--margin 3: none of the losses of the suite digits to run has a margin"),
            "{error}"
        );
    }

    #[test]
    fn all_sizes_of_the_transforms_are_scaled() {
        let size = |side| Overrides { size: Some(side), ..Overrides::default() };
        let of_images = |name: &str, side| {
            let (mut suite, _) = changed(name, &size(side)).unwrap();
            let TaskRecipe::Images(recipe) = &mut suite.recipe.task else { panic!("{name}") };
            let mut sizes = Vec::new();
            for step in recipe.transforms.iter_mut().chain(&mut recipe.test_transforms) {
                sizes.extend(image_size(step).map(|size| *size));
            }
            sizes
        };
        assert_eq!(of_images("imagefolder", 112), [112, 128, 112].map(Size::Side));
        let (mut suite, said) = changed("vocfolder", &size(128)).unwrap();
        let TaskRecipe::Segmentation(recipe) = &mut suite.recipe.task else { panic!("of images") };
        let steps = recipe.transforms.iter_mut().chain(&mut recipe.test_transforms);
        let sizes: Vec<usize> = steps.filter_map(joint_size).map(|size| *size).collect();
        assert_eq!(sizes, [160, 128, 128, 160, 160]);
        assert_eq!(said, ["vocfolder: training image size 128x128"]);
    }

    #[test]
    fn unused_settings_and_values_out_of_range_are_errors() {
        let text = |name: &str| Some(name.to_owned());
        let (suite, _) =
            changed("textfile", &Overrides { text_column: text("review"), ..Overrides::default() })
                .unwrap();
        assert!(
            matches!(&suite.data, DataSpec::Textfile { columns } if columns.text == "review" && columns.label == "label")
        );
        for (suite, overrides, part) in [
            (
                "digits",
                Overrides { size: Some(32), ..Overrides::default() },
                "--size 32: no transform of the suite digits",
            ),
            (
                "textfile",
                Overrides { size: Some(32), ..Overrides::default() },
                "--size 32: expected an image suite",
            ),
            (
                "vocfolder",
                Overrides { size: Some(0), ..Overrides::default() },
                "--size 0: expected a positive number",
            ),
            (
                "digits",
                Overrides { label_column: text("stars"), ..Overrides::default() },
                "--label-column stars: expected a suite",
            ),
            (
                "digits",
                Overrides { lr: Some(-1.0), ..Overrides::default() },
                "recipe.learning_rate = -1: expected a positive",
            ),
            (
                "digits",
                Overrides { batch_size: Some(0), ..Overrides::default() },
                "batch-size = 0: expected a positive whole",
            ),
            (
                "digits",
                Overrides { margin: Some(-1.0), ..Overrides::default() },
                "loss \"mbls\": margin = -1",
            ),
        ] {
            let error = changed(suite, &overrides).unwrap_err();
            assert!(error.contains(part), "{part}: {error}");
        }
    }
}
