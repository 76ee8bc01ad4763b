//! Where a suite's data comes from, and its splits.

use crate::recipe::Recipe;
use crate::suite::{DataSpec, Scale};
use anyhow::{Context, Result, ensure};
use mbls_data::{Dataset, Seed, stratified_split};
use mbls_vision::dataset::{Split, cifar10, digits, mnist};
use mbls_vision::transform::{Noise, Normalise, PadCropFlip};
use mbls_vision::{AugmentedImages, ImageSource, LabelledImages};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The pictures' noise is part of the data set: the same for every seed of a training.
const NOISE_SEED: Seed = Seed(2022);

/// A suite's pictures in memory.
pub(crate) struct Source {
    train: Arc<LabelledImages>,
    /// The official test part; `None` where the suite splits one set.
    test: Option<Arc<LabelledImages>>,
}

/// What one training uses.
pub(crate) struct Splits {
    /// Pictures to learn from, augmented as the recipe says.
    pub(crate) train: Arc<AugmentedImages>,
    /// Pictures to choose the epoch and the temperature on.
    pub(crate) validation: Arc<AugmentedImages>,
    /// Pictures to report on.
    pub(crate) test: Arc<AugmentedImages>,
}

/// The folder that holds a data set's files, where it is at hand.
///
/// The digits are the repository's own. Others are looked for in `data`.
pub(crate) fn locate(spec: &DataSpec, data: Option<&Path>) -> Option<PathBuf> {
    match spec {
        DataSpec::Digits { .. } => Some(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/digits")),
        DataSpec::Mnist => data.map(|data| data.join("mnist")).filter(|folder| folder.is_dir()),
        DataSpec::Cifar10 => data.map(|data| data.join("cifar-10-batches-bin")).filter(|folder| folder.is_dir()),
    }
}

/// What to say where [`locate`] finds nothing.
pub(crate) fn missing(spec: &DataSpec, data: Option<&Path>) -> String {
    let folder = match spec {
        DataSpec::Digits { .. } => "fixtures/digits",
        DataSpec::Mnist => "mnist",
        DataSpec::Cifar10 => "cifar-10-batches-bin",
    };
    match data {
        Some(data) => format!("the folder {} does not exist", data.join(folder).display()),
        None => format!("its folder {folder} is looked for in --data DIR or MBLS_DATA_DIR, and neither is given"),
    }
}

impl Source {
    /// Reads the pictures.
    ///
    /// # Errors
    ///
    /// Files that are missing, truncated, oversized or hold labels out of range, each named.
    pub(crate) fn load(spec: &DataSpec, folder: &Path) -> Result<Self> {
        let (train, test) = match spec {
            DataSpec::Digits { .. } => (digits::load(folder.join("digits.csv.gz"))?, None),
            DataSpec::Mnist => (mnist::load(folder, Split::Train)?, Some(mnist::load(folder, Split::Test)?)),
            DataSpec::Cifar10 => (cifar10::load(folder, Split::Train)?, Some(cifar10::load(folder, Split::Test)?)),
        };
        Ok(Self { train: Arc::new(train), test: test.map(Arc::new) })
    }

    /// Number of classes.
    pub(crate) fn classes(&self) -> usize {
        self.train.classes()
    }

    /// Channels, height and width of every picture.
    pub(crate) fn shape(&self) -> [usize; 3] {
        self.train.shape()
    }

    /// A number that changes with any pixel or label, to tell data sets apart.
    pub(crate) fn digest(&self) -> u64 {
        let parts = [Some(&self.train), self.test.as_ref()];
        parts.into_iter().flatten().fold(0, |digest, part| Seed(digest).at(part.digest()).0)
    }

    /// The splits of one seed.
    ///
    /// # Errors
    ///
    /// Sizes that the data set does not have.
    pub(crate) fn splits(&self, spec: &DataSpec, recipe: &Recipe, scale: Scale, seed: Seed) -> Result<Splits> {
        let sizes = match &self.test {
            None => vec![scale.train, scale.validation, scale.test],
            Some(test) => {
                ensure!(scale.test <= test.len(), "test = {}: the test part has {} pictures", scale.test, test.len());
                vec![scale.train, scale.validation]
            }
        };
        let mut parts = stratified_split(self.train.labels(), &sizes, seed.derive("split"))
            .with_context(|| format!("cannot split {} pictures into {sizes:?}", self.train.len()))?
            .into_iter();
        let mut next = || parts.next().context("a split is missing");
        let plain = |images: &Arc<LabelledImages>, indices| {
            let dataset = AugmentedImages::new(images.clone(), indices)?.with_normalisation(match spec {
                DataSpec::Digits { .. } => Normalise::digits(),
                DataSpec::Mnist => Normalise::mnist(),
                DataSpec::Cifar10 => Normalise::cifar10(),
            })?;
            anyhow::Ok(match spec {
                DataSpec::Digits { noise } if *noise > 0.0 => dataset.with_noise(Noise::new(*noise, NOISE_SEED)?),
                _ => dataset,
            })
        };
        let mut train = plain(&self.train, next()?)?;
        let padding = recipe.crop_padding.unwrap_or(0);
        if padding > 0 || recipe.flip {
            train = train.with_augmentation(PadCropFlip { padding, flip: recipe.flip });
        }
        let validation = plain(&self.train, next()?)?;
        let test = match &self.test {
            None => plain(&self.train, next()?)?,
            Some(test) => plain(test, (0..scale.test).collect())?,
        };
        Ok(Splits { train: Arc::new(train), validation: Arc::new(validation), test: Arc::new(test) })
    }
}
