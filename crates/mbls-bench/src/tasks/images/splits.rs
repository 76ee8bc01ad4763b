//! The images of one seed, made ready for the network.

use super::source::{Part, Source};
use crate::data::{ClassCounts, Counted, PartCounts, Sizes, too_small};
use crate::spec::{DataSpec, ImageRecipe, SplitRule};
use anyhow::{Context, Result, bail, ensure};
use mbls_data::{Seed, stratified_split};
use mbls_vision::dataset::{Parts, published_split, published_split_per_class};
use mbls_vision::transform::{Noise, PadCropFlip};
use mbls_vision::{AugmentedImages, ImageSource};
use std::sync::Arc;

/// The images' noise is part of the data set: the same for every seed of a training.
const NOISE_SEED: Seed = Seed(2022);

/// Images of each class of Tiny-ImageNet that the published split validates on.
const TINY_VALIDATION: usize = 50;

/// What one training uses.
pub(super) struct Splits {
    /// Images to learn from, augmented as the recipe says.
    pub(super) train: Arc<AugmentedImages>,
    /// Images to choose the epoch and the temperature on.
    pub(super) validation: Arc<AugmentedImages>,
    /// Images to report on.
    pub(super) test: Arc<AugmentedImages>,
}

impl Source {
    /// The splits of one seed.
    ///
    /// # Errors
    ///
    /// Sizes that the data set does not have, transforms that do not fit its images.
    pub(super) fn splits(
        &self,
        spec: &DataSpec,
        recipe: &ImageRecipe,
        rule: SplitRule,
        sizes: Sizes,
        seed: Seed,
    ) -> Result<Splits> {
        let [train, validation, test] = self.parts(spec, rule, sizes, seed)?;
        let mut train = prepared(&train, spec)?.with_transforms(recipe.transforms.clone())?;
        let padding = recipe.crop_padding.unwrap_or(0);
        if padding > 0 || recipe.flip {
            train = train.with_augmentation(PadCropFlip { padding, flip: recipe.flip });
        }
        let held_out = |part: &Part| {
            anyhow::Ok(Arc::new(for_testing(&part.images, part.indices.clone(), spec, recipe)?))
        };
        Ok(Splits {
            train: Arc::new(train),
            validation: held_out(&validation)?,
            test: held_out(&test)?,
        })
    }

    /// The images of one seed for training, validation and tests.
    ///
    /// # Errors
    ///
    /// Sizes that the data set does not have.
    pub(super) fn parts(
        &self,
        spec: &DataSpec,
        rule: SplitRule,
        sizes: Sizes,
        seed: Seed,
    ) -> Result<[Part; 3]> {
        let [train, validation, test] = match rule {
            SplitRule::Stratified => self.stratified(sizes, seed)?,
            SplitRule::Published => self.published(spec, sizes, seed)?,
        };
        let test = match &self.test {
            Some(part) => Part { indices: part.indices[..sizes.test].to_vec(), ..part.clone() },
            None => test,
        };
        Ok([train, validation, test])
    }

    /// How much of each class the parts of one seed have.
    ///
    /// # Errors
    ///
    /// As [`Source::parts`].
    pub(super) fn class_counts(
        &self,
        spec: &DataSpec,
        rule: SplitRule,
        sizes: Sizes,
        seed: Seed,
    ) -> Result<ClassCounts> {
        let names = self.class_names();
        let [train, validation, test] = self.parts(spec, rule, sizes, seed)?.map(|part| {
            let classes = part.images.class_counts(&part.indices)?;
            anyhow::Ok(PartCounts { classes, void: 0 })
        });
        let (train, validation, test) = (train?, validation?, test?);
        Ok(ClassCounts {
            counted: Counted::Images,
            names,
            train,
            validation,
            test,
            void_value: None,
        })
    }

    /// Training, validation and, where there is no part for it, test images; what is missing is
    /// split off the training part.
    fn stratified(&self, sizes: Sizes, seed: Seed) -> Result<[Part; 3]> {
        let of = |part: &Part, sizes: &[usize]| -> Result<Vec<Part>> {
            let parts = stratified_split(&part.labels(), sizes, seed.derive("split"))
                .map_err(|error| too_small(error, Counted::Images, part.images.class_names()))
                .with_context(|| {
                    format!("cannot split {} images into {sizes:?}", part.indices.len())
                })?;
            let indices =
                |places: Vec<usize>| places.into_iter().map(|place| part.indices[place]).collect();
            Ok(parts
                .into_iter()
                .map(|places| Part { indices: indices(places), ..part.clone() })
                .collect())
        };
        let split_off = |missing: bool, size: usize| if missing { size } else { 0 };
        let (validation, test) = (&self.validation, &self.test);
        let mut of_train = vec![sizes.train];
        of_train.push(split_off(validation.is_none(), sizes.validation));
        if test.is_none() {
            of_train.push(sizes.test);
        }
        let mut parts = of(&self.train, &of_train)?.into_iter();
        let mut next = || parts.next().context("a split is missing");
        let (train, split) = (next()?, next()?);
        let validation = match validation {
            Some(part) if sizes.validation == part.indices.len() => part.clone(),
            Some(part) => of(part, &[sizes.validation])?.pop().context("a split is missing")?,
            None => split,
        };
        let test = match test {
            Some(part) => part.clone(),
            None => next()?,
        };
        Ok([train, validation, test])
    }

    /// The splits of the published code, whose seed is 1 for this program's seed 0.
    fn published(&self, spec: &DataSpec, sizes: Sizes, seed: Seed) -> Result<[Part; 3]> {
        let test = self.test.clone().context("the data set has no test part of its own")?;
        let numpy = u32::try_from(seed.0)
            .ok()
            .and_then(|seed| seed.checked_add(1))
            .context("seed: expected below 2^32")?;
        let all = self.train.indices.len();
        let Parts { train, validation } = match spec {
            DataSpec::Cifar10 | DataSpec::Cifar100 | DataSpec::Svhn => published_split(all, numpy)?,
            DataSpec::TinyImagenet => {
                published_split_per_class(&self.train.labels(), TINY_VALIDATION, numpy)?
            }
            // Its epoch was chosen on the test images.
            DataSpec::Cub => {
                Parts { train: self.train.indices.clone(), validation: test.indices.clone() }
            }
            _ => bail!("split = \"published\": there is none for this data set"),
        };
        let found = Sizes { train: train.len(), validation: validation.len(), test: sizes.test };
        ensure!(found == sizes, "split = \"published\" has {found:?}, the profile {sizes:?}");
        let part = |indices| Part { indices, ..self.train.clone() };
        Ok([part(train), part(validation), test])
    }
}

/// The images of a test part at `indices`, as a network of that recipe takes them.
///
/// # Errors
///
/// Transforms that do not fit the images.
pub(super) fn for_testing(
    images: &Arc<dyn ImageSource>,
    indices: Vec<usize>,
    spec: &DataSpec,
    recipe: &ImageRecipe,
) -> Result<AugmentedImages> {
    Ok(prepared(&Part { images: images.clone(), indices }, spec)?
        .with_transforms(recipe.test_transforms.clone())?)
}

/// Normalised images, noisy ones where the data set is made harder.
fn prepared(part: &Part, spec: &DataSpec) -> Result<AugmentedImages> {
    let images = AugmentedImages::new(part.images.clone(), part.indices.clone())?;
    let images = images
        .with_normalisation(spec.normalisation().context("a data set of texts has no images")?)?;
    Ok(match spec {
        DataSpec::Digits { noise } if *noise > 0.0 => {
            images.with_noise(Noise::new(*noise, NOISE_SEED)?)
        }
        _ => images,
    })
}
