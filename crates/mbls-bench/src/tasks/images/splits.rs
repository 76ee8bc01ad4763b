//! The images of one seed, prepared for the network.

use super::source::{Part, Source};
use crate::data::{ClassCounts, Counted, PartCounts, Sizes, too_small};
use crate::spec::{DataSpec, ImageRecipe, SplitRule};
use anyhow::{Context, Result, bail, ensure};
use mbls_data::{Seed, stratified_split};
use mbls_vision::dataset::{Parts, published_split, published_split_per_class};
use mbls_vision::transform::{Noise, PadCropFlip};
use mbls_vision::{AugmentedImages, ImageSource};
use std::sync::Arc;

/// The seed of the images' noise, which is part of the data set and therefore independent of a
/// run's seed.
const NOISE_SEED: Seed = Seed(2022);

/// Number of validation images per class of Tiny-ImageNet in the published split.
const TINY_VALIDATION: usize = 50;

/// The data of one run.
pub(super) struct Splits {
    /// Training images, augmented by the recipe.
    pub(super) train: Arc<AugmentedImages>,
    /// Validation images, on which the epoch and the temperature are chosen.
    pub(super) validation: Arc<AugmentedImages>,
    /// Test images.
    pub(super) test: Arc<AugmentedImages>,
}

impl Source {
    /// Returns the splits of one seed.
    ///
    /// # Errors
    ///
    /// If the data set has too few images, or transforms do not fit them.
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

    /// Returns the training, validation and test images of one seed.
    ///
    /// # Errors
    ///
    /// If the data set has too few images.
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

    /// Counts the classes in the parts of one seed.
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

    /// Returns training, validation and test images. Parts that the data set lacks are split off
    /// the training part.
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

    /// Returns the splits of the published code, whose seed is this program's seed plus 1.
    fn published(&self, spec: &DataSpec, sizes: Sizes, seed: Seed) -> Result<[Part; 3]> {
        let test = self.test.clone().context("the data set has no test part")?;
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
            // The published code chooses its epoch on the test images.
            DataSpec::Cub => {
                Parts { train: self.train.indices.clone(), validation: test.indices.clone() }
            }
            _ => bail!("split = \"published\": this data set has no published split"),
        };
        let found = Sizes { train: train.len(), validation: validation.len(), test: sizes.test };
        ensure!(found == sizes, "split = \"published\" has {found:?}, but the profile {sizes:?}");
        let part = |indices| Part { indices, ..self.train.clone() };
        Ok([part(train), part(validation), test])
    }
}

/// Returns the images at `indices` of a test part, transformed and normalised by the recipe.
///
/// # Errors
///
/// If transforms do not fit the images.
pub(super) fn for_testing(
    images: &Arc<dyn ImageSource>,
    indices: Vec<usize>,
    spec: &DataSpec,
    recipe: &ImageRecipe,
) -> Result<AugmentedImages> {
    Ok(prepared(&Part { images: images.clone(), indices }, spec)?
        .with_transforms(recipe.test_transforms.clone())?)
}

/// Normalises images, and adds noise if the data set requires it.
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
