//! A suite's images, and the sizes of its parts.

use crate::data::{Facts, Sizes, stored_images, unused};
use crate::spec::{CandleOrigin, CandleSet, DataSpec, FolderParts, Scale};
use anyhow::{Context, Result, bail};
use mbls_data::Seed;
use mbls_io::PartEntries;
use mbls_io::listing::{entries, real};
use mbls_vision::dataset::tiny_imagenet::ClassOrder;
use mbls_vision::dataset::{
    Split, cifar10, cifar100, cub, digits, fashion_mnist, image_folder, mnist, svhn, tiny_imagenet,
};
use mbls_vision::transform::ImageTransform;
use mbls_vision::{FilesConfig, ImageFiles, ImageSource};
use std::path::Path;
use std::sync::Arc;

/// A subset of an [`ImageSource`].
#[derive(Clone, Debug)]
pub(super) struct Part {
    /// The source.
    pub(super) images: Arc<dyn ImageSource>,
    /// The indices of the subset.
    pub(super) indices: Vec<usize>,
}

/// The images of a suite by official part.
pub(super) struct Source {
    /// The training part, from which missing parts are split off.
    pub(super) train: Part,
    /// The validation part, if the data set has one.
    pub(super) validation: Option<Part>,
    /// The test part, if the data set has one.
    pub(super) test: Option<Part>,
    /// Notes for the report, such as unused data.
    pub(super) notes: Vec<String>,
}

impl Part {
    fn whole(images: impl ImageSource + 'static) -> Self {
        let indices = (0..images.labels().len()).collect();
        Self { images: Arc::new(images), indices }
    }

    /// Returns the labels of the images.
    pub(super) fn labels(&self) -> Vec<u32> {
        self.indices.iter().map(|&index| self.images.labels()[index]).collect()
    }
}

impl Source {
    /// Reads the images, or finds their files.
    ///
    /// # Errors
    ///
    /// Files that are missing, truncated, oversized or contain labels out of range, with their
    /// names.
    pub(super) fn load(spec: &DataSpec, folder: &Path, files: FilesConfig) -> Result<Self> {
        let official = |train: Part, test: Part| Self {
            train,
            validation: None,
            test: Some(test),
            notes: Vec::new(),
        };
        Ok(match spec {
            DataSpec::Digits { .. } => Self {
                train: Part::whole(digits::load(folder.join("digits.csv.gz"))?),
                validation: None,
                test: None,
                notes: Vec::new(),
            },
            DataSpec::Mnist => official(
                Part::whole(mnist::load(folder, Split::Train)?),
                Part::whole(mnist::load(folder, Split::Test)?),
            ),
            DataSpec::FashionMnist => official(
                Part::whole(fashion_mnist::load(folder, Split::Train)?),
                Part::whole(fashion_mnist::load(folder, Split::Test)?),
            ),
            DataSpec::Cifar10 => official(
                Part::whole(cifar10::load(folder, Split::Train)?),
                Part::whole(cifar10::load(folder, Split::Test)?),
            ),
            DataSpec::Cifar100 => official(
                Part::whole(cifar100::load(folder, Split::Train, cifar100::Labels::Fine)?),
                Part::whole(cifar100::load(folder, Split::Test, cifar100::Labels::Fine)?),
            ),
            DataSpec::Svhn => official(
                Part::whole(svhn::load(folder, Split::Train)?),
                Part::whole(svhn::load(folder, Split::Test)?),
            ),
            DataSpec::TinyImagenet => {
                let part = |split| {
                    tiny_imagenet::load(folder, split, ClassOrder::Sorted, files).map(Part::whole)
                };
                official(part(Split::Train)?, part(Split::Test)?)
            }
            DataSpec::Cub => {
                let cub::Cub { images, train, test } = cub::load(folder, files)?;
                let images: Arc<dyn ImageSource> = Arc::new(images);
                official(
                    Part { images: images.clone(), indices: train },
                    Part { images, indices: test },
                )
            }
            &DataSpec::CandleDatasets { set, from } => Self::candle(set, from, folder)?,
            &DataSpec::Imagefolder { parts } => Self::folders(folder, parts, files)?,
            DataSpec::Voc2012
            | DataSpec::Camvid
            | DataSpec::Vocfolder { .. }
            | DataSpec::Newsgroups
            | DataSpec::Textfile { .. } => {
                bail!("{}: expected a data set of images with classes", spec.name())
            }
        })
    }

    /// Reads only the test images, for an OOD data set.
    ///
    /// # Errors
    ///
    /// As [`Source::load`]; if the data set has no test part.
    pub(super) fn load_test(
        spec: &DataSpec,
        folder: &Path,
        files: FilesConfig,
    ) -> Result<Arc<dyn ImageSource>> {
        // Do not read the large training parts of these data sets.
        Ok(match spec {
            DataSpec::Svhn => Arc::new(svhn::load(folder, Split::Test)?),
            DataSpec::Cifar10 => Arc::new(cifar10::load(folder, Split::Test)?),
            DataSpec::Cifar100 => {
                Arc::new(cifar100::load(folder, Split::Test, cifar100::Labels::Fine)?)
            }
            other => {
                Self::load(other, folder, files)?
                    .test
                    .context("the data set has no test part")?
                    .images
            }
        })
    }

    #[cfg(feature = "candle-datasets")]
    fn candle(set: CandleSet, from: CandleOrigin, folder: &Path) -> Result<Self> {
        use mbls_vision::candle_datasets::CandleSet as Set;
        let set = match set {
            CandleSet::Mnist => Set::Mnist,
            CandleSet::FashionMnist => Set::FashionMnist,
            CandleSet::Cifar10 => Set::Cifar10,
        };
        let (train, test) = match from {
            CandleOrigin::Folder => set.load_dir(folder)?,
            CandleOrigin::Hub => set.load_hub()?,
        };
        Ok(Self {
            train: Part::whole(train),
            validation: None,
            test: Some(Part::whole(test)),
            notes: Vec::new(),
        })
    }

    #[cfg(not(feature = "candle-datasets"))]
    fn candle(_: CandleSet, _: CandleOrigin, _: &Path) -> Result<Self> {
        bail!(
            "data.kind = \"candle-datasets\": this program was built without the feature candle-datasets"
        )
    }

    /// Reads a folder of classes, or of parts with such folders.
    fn folders(folder: &Path, parts: FolderParts, files: FilesConfig) -> Result<Self> {
        let (folders, others): (Vec<_>, Vec<_>) =
            entries(folder, &real(folder)?)?.into_iter().partition(|entry| entry.is_folder);
        let others = others.into_iter().map(|entry| entry.name);
        let folders = folders.into_iter().map(|entry| entry.name);
        let found = match parts {
            FolderParts::ByName => PartEntries::find(folder, folders, |name| Some(name)).context(
                "data.parts: \"none\" in the suite file reads every folder as a class, whatever it is called",
            )?,
            FolderParts::None => PartEntries { others: folders.collect(), ..PartEntries::default() },
        };
        let Some(train) = &found.train else {
            if let Some(part) = found.validation.or(found.test) {
                bail!(
                    "{}: the folder {part} looks like a part, but there is no training part: expected a folder train next to it, or \
                     data.parts = \"none\" in the suite file if it is a class",
                    folder.display()
                );
            }
            let train = image_folder::load(folder, None, files)?;
            let mut notes = notes_of(&train);
            notes.extend(unused(folder, others));
            return Ok(Self { train: Part::whole(train), validation: None, test: None, notes });
        };
        let train = image_folder::load(folder.join(train), None, files).with_context(|| {
            format!(
                "{} is read as the training part (data.parts = \"none\" in the suite file reads it as a class)",
                train
            )
        })?;
        let names = train.class_names().to_vec();
        let mut notes = notes_of(&train);
        let mut part = |name: &Option<String>| -> Result<Option<Part>> {
            let Some(name) = name else { return Ok(None) };
            let images = image_folder::load(folder.join(name), Some(&names), files)?;
            notes.extend(notes_of(&images));
            Ok(Some(Part::whole(images)))
        };
        let (validation, test) = (part(&found.validation)?, part(&found.test)?);
        notes.extend(unused(folder, found.others.into_iter().chain(others)));
        Ok(Self { train: Part::whole(train), validation, test, notes })
    }

    /// Returns facts from the headers of the images, given the test transforms.
    ///
    /// # Errors
    ///
    /// Files that are not images, with their names.
    pub(super) fn facts(&self, transforms: &[ImageTransform]) -> Result<Facts> {
        let parts: Vec<&Part> = [Some(&self.train), self.validation.as_ref(), self.test.as_ref()]
            .into_iter()
            .flatten()
            .collect();
        let all: Vec<(&Part, usize)> = parts
            .iter()
            .flat_map(|part| part.indices.iter().map(|&index| (*part, index)))
            .collect();
        stored_images(
            all.len(),
            |place| all[place].0.images.stored_shape(all[place].1),
            |size| enlargement(transforms, size),
        )
    }

    /// Returns notes on the data for the report.
    pub(super) fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Returns the number of classes.
    pub(super) fn classes(&self) -> usize {
        self.train.images.classes()
    }

    /// Returns the names of the classes, or their numbers if the data set has no names.
    pub(super) fn class_names(&self) -> Vec<String> {
        match self.train.images.class_names() {
            [] => (0..self.classes()).map(|class| class.to_string()).collect(),
            names => names.to_vec(),
        }
    }

    /// Returns a hash that identifies the data set. It changes with any pixel or label; for images
    /// in separate files, with any path, file size or label.
    pub(super) fn digest(&self) -> u64 {
        let parts = [Some(&self.train), self.validation.as_ref(), self.test.as_ref()];
        parts.into_iter().flatten().fold(0, |digest, part| Seed(digest).at(part.images.digest()).0)
    }

    /// Returns the number of images of each split.
    ///
    /// # Errors
    ///
    /// If a split is empty or larger than the available data.
    pub(super) fn sizes(&self, scale: &Scale) -> Result<Sizes> {
        let len = |part: &Option<Part>| part.as_ref().map(|part| part.indices.len());
        Sizes::of(scale, self.train.indices.len(), len(&self.validation), len(&self.test))
    }
}

/// Returns the factor by which resizing enlarges an image of the given height and width.
fn enlargement(transforms: &[ImageTransform], [height, width]: [usize; 2]) -> f64 {
    let (mut shape, mut factor) = ([3, height, width], 1.0);
    for transform in transforms {
        // Training reports an image that does not fit a transform.
        let Ok(output) = transform.output_shape(shape) else { break };
        if matches!(transform, ImageTransform::Resize(_)) {
            factor *= (output[1] as f64 / shape[1] as f64).max(output[2] as f64 / shape[2] as f64);
        }
        shape = output;
    }
    factor
}

/// Returns notes on the skipped images, the first ones by name, and the reader's warnings.
fn notes_of(images: &ImageFiles) -> Vec<String> {
    const SHOWN: usize = 10;
    let mut notes = images.warnings().to_vec();
    let skipped = images.skipped();
    if !skipped.is_empty() {
        let names = skipped
            .iter()
            .take(SHOWN)
            .map(|image| format!("{}: {}", image.path.display(), image.reason));
        let more = if skipped.len() > SHOWN { "; ..." } else { "" };
        let (name, names) = (images.name(), names.collect::<Vec<_>>().join("; "));
        notes.push(format!(
            "{name}: {} images cannot be decoded and are skipped ({names}{more})",
            skipped.len()
        ));
    }
    notes
}
