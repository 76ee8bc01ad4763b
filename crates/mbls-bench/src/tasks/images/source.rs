//! A suite's images, and how many of them each part takes.

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

/// Some images of an [`ImageSource`].
#[derive(Clone, Debug)]
pub(super) struct Part {
    /// Where they are.
    pub(super) images: Arc<dyn ImageSource>,
    /// Which.
    pub(super) indices: Vec<usize>,
}

/// The images that a suite has, in the parts in which they come.
pub(super) struct Source {
    /// What is trained on, and split where another part is missing.
    pub(super) train: Part,
    /// The part for validation, where the data set has one of its own.
    pub(super) validation: Option<Part>,
    /// The part for testing, where the data set has one of its own.
    pub(super) test: Option<Part>,
    /// What a reader of the results has to know of the data: what of it is not used.
    pub(super) notes: Vec<String>,
}

impl Part {
    fn whole(images: impl ImageSource + 'static) -> Self {
        let indices = (0..images.labels().len()).collect();
        Self { images: Arc::new(images), indices }
    }

    /// The classes of its images.
    pub(super) fn labels(&self) -> Vec<u32> {
        self.indices.iter().map(|&index| self.images.labels()[index]).collect()
    }
}

impl Source {
    /// Reads the images, or where they are in files of their own finds them.
    ///
    /// # Errors
    ///
    /// Files that are missing, truncated, oversized or hold labels out of range, each named.
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

    /// The test images alone, for a data set that only tests.
    ///
    /// # Errors
    ///
    /// As [`Source::load`]; a data set without a test part.
    pub(super) fn load_test(
        spec: &DataSpec,
        folder: &Path,
        files: FilesConfig,
    ) -> Result<Arc<dyn ImageSource>> {
        // Those whose training part is large and of no use here.
        Ok(match spec {
            DataSpec::Svhn => Arc::new(svhn::load(folder, Split::Test)?),
            DataSpec::Cifar10 => Arc::new(cifar10::load(folder, Split::Test)?),
            DataSpec::Cifar100 => {
                Arc::new(cifar100::load(folder, Split::Test, cifar100::Labels::Fine)?)
            }
            other => {
                Self::load(other, folder, files)?
                    .test
                    .context("the data set has no test part of its own")?
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

    /// A folder of classes, or of parts with such folders.
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
                    "{}: the folder {part} looks like a part, and there is none for training: expected train beside it, or \
                     data.parts = \"none\" in the suite file where it is a class",
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

    /// What the headers of the images say, with these transforms of tests.
    ///
    /// # Errors
    ///
    /// Files that are no images, each named.
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

    /// What a reader of the results has to know of the data.
    pub(super) fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Number of classes.
    pub(super) fn classes(&self) -> usize {
        self.train.images.classes()
    }

    /// Returns the names of the classes; their numbers where the data set has no names.
    pub(super) fn class_names(&self) -> Vec<String> {
        match self.train.images.class_names() {
            [] => (0..self.classes()).map(|class| class.to_string()).collect(),
            names => names.to_vec(),
        }
    }

    /// A number that changes with any pixel or label, or where images are in files of their own
    /// with any path, size or label, to tell data sets apart.
    pub(super) fn digest(&self) -> u64 {
        let parts = [Some(&self.train), self.validation.as_ref(), self.test.as_ref()];
        parts.into_iter().flatten().fold(0, |digest, part| Seed(digest).at(part.images.digest()).0)
    }

    /// How many images each split takes.
    ///
    /// # Errors
    ///
    /// More than there are, or none.
    pub(super) fn sizes(&self, scale: &Scale) -> Result<Sizes> {
        let len = |part: &Option<Part>| part.as_ref().map(|part| part.indices.len());
        Sizes::of(scale, self.train.indices.len(), len(&self.validation), len(&self.test))
    }
}

/// How many times its size resizing makes an image of that height and width.
fn enlargement(transforms: &[ImageTransform], [height, width]: [usize; 2]) -> f64 {
    let (mut shape, mut factor) = ([3, height, width], 1.0);
    for transform in transforms {
        // An image that a transform does not fit is an error of the training, which names it.
        let Ok(output) = transform.output_shape(shape) else { break };
        if matches!(transform, ImageTransform::Resize(_)) {
            factor *= (output[1] as f64 / shape[1] as f64).max(output[2] as f64 / shape[2] as f64);
        }
        shape = output;
    }
    factor
}

/// Returns what a reader has to know: images that are left out, up to a number by name, and what
/// their reader noticed.
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
            "{name}: {} images do not decode and are left out ({names}{more})",
            skipped.len()
        ));
    }
    notes
}
