//! A suite's images with masks, and their splits.

use crate::data::{ClassCounts, Counted, Facts, PartCounts, Sizes, stored_images, unused};
use crate::spec::{DataSpec, Scale, SplitRule, Suite};
use anyhow::{Context, Result, bail, ensure};
use mbls_data::{DataLoader, Seed, Subset, random_split};
use mbls_io::PartEntries;
use mbls_io::listing::{entries, real};
use mbls_seg::dataset::{
    ClassList, SegmentationCollate, SegmentationConfig, SegmentationFiles, Transformed, voc,
    voc_layout,
};
use mbls_seg::transform::JointTransform;
use std::path::Path;
use std::sync::Arc;

/// A loader of the transformed images and masks of one split.
pub(super) type Loader = DataLoader<Transformed<Subset<SegmentationFiles>>, SegmentationCollate>;

/// The images and masks of a suite by official part.
pub(super) struct Segmentation {
    /// The training part, from which missing parts are split off.
    train: Arc<SegmentationFiles>,
    /// The validation part, if the data set has one.
    validation: Option<Arc<SegmentationFiles>>,
    /// The test part, if the data set has one.
    test: Option<Arc<SegmentationFiles>>,
    /// Notes on the data for the report.
    notes: Vec<String>,
    /// The test transforms.
    test_transforms: Vec<JointTransform>,
}

/// The data of one run.
pub(super) struct Splits {
    pub(super) train: Subset<SegmentationFiles>,
    pub(super) validation: Subset<SegmentationFiles>,
    pub(super) test: Subset<SegmentationFiles>,
    /// The names of the test images' files.
    pub(super) test_names: Vec<String>,
}

impl Segmentation {
    /// Finds the images and masks.
    ///
    /// # Errors
    ///
    /// Lists, images or masks that are missing, with their names.
    pub(super) fn load(suite: &Suite, folder: &Path, config: SegmentationConfig) -> Result<Self> {
        let test_transforms = suite.recipe.segmentation()?.test_transforms.clone();
        Ok(Self { test_transforms, ..Self::read(&suite.data, folder, config)? })
    }

    fn read(spec: &DataSpec, folder: &Path, config: SegmentationConfig) -> Result<Self> {
        let test_transforms = Vec::new();
        match spec {
            DataSpec::Voc2012 => {
                let part = |split| voc::load(folder, split, config).map(Arc::new);
                // The official test masks are not public: published results were measured on the
                // validation part.
                let (train, test, notes) = (part("train")?, Some(part("val")?), Vec::new());
                Ok(Self { train, validation: None, test, notes, test_transforms })
            }
            DataSpec::Camvid | DataSpec::Vocfolder { .. } => {
                let classes = classes(spec, folder)?;
                let part = |split: &str| {
                    voc_layout::load(folder, split, classes.clone(), config).map(Arc::new)
                };
                let lists = folder.join("ImageSets/Segmentation");
                let names = entries(&lists, &real(&lists)?)?.into_iter().map(|entry| entry.name);
                let found = PartEntries::find(&lists, names, list_name)?;
                // If it is missing, the error names the usual list.
                let train = part(found.train.as_deref().and_then(list_name).unwrap_or("train"))?;
                let optional = |list: &Option<String>| {
                    list.as_deref().and_then(list_name).map(part).transpose()
                };
                let (validation, test) = (optional(&found.validation)?, optional(&found.test)?);
                let mut notes = unused(&lists, found.others);
                if !classes.is_default() {
                    let (values, void) = (classes.values(), classes.void_values());
                    notes.push(format!(
                        "masks: the values {values:?} are the classes in order, the values {void:?} are void"
                    ));
                }
                Ok(Self { train, validation, test, notes, test_transforms })
            }
            other => {
                bail!("{}: expected a data set of images with masks", other.name())
            }
        }
    }

    /// Returns the classes.
    pub(super) fn classes(&self) -> &ClassList {
        self.train.classes()
    }

    /// Returns facts from the headers of the images.
    ///
    /// # Errors
    ///
    /// Files that are not images, with their names.
    pub(super) fn facts(&self) -> Result<Facts> {
        let parts =
            [Some(&self.train), self.validation.as_ref(), self.test.as_ref()].into_iter().flatten();
        let all: Vec<(&SegmentationFiles, usize)> = parts
            .flat_map(|part| (0..part.pairs().len()).map(move |index| (&**part, index)))
            .collect();
        stored_images(
            all.len(),
            |place| all[place].0.stored_shape(all[place].1),
            |size| self.enlargement(size),
        )
    }

    /// Returns the factor by which resizing enlarges an image of the given height and width.
    fn enlargement(&self, size: [usize; 2]) -> f64 {
        let (mut size, mut factor) = (size, 1.0);
        for transform in &self.test_transforms {
            if let JointTransform::LongestSide(longest) = transform {
                let output = longest.output_size(size);
                factor *=
                    (output[0] as f64 / size[0] as f64).max(output[1] as f64 / size[1] as f64);
                size = output;
            }
        }
        factor
    }

    /// Returns notes on the data for the report.
    pub(super) fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Counts the pixels of each class in the parts of one seed.
    ///
    /// # Errors
    ///
    /// As [`Segmentation::splits`]; if masks cannot be decoded.
    pub(super) fn class_counts(
        &self,
        rule: SplitRule,
        sizes: Sizes,
        seed: Seed,
    ) -> Result<ClassCounts> {
        let Splits { train, validation, test, .. } = self.splits(rule, sizes, seed)?;
        let of = |part: &Subset<SegmentationFiles>| part.dataset().class_counts(part.indices());
        let parts = [of(&train)?, of(&validation)?, of(&test)?];
        let void_value = parts.iter().max_by_key(|part| part.void).and_then(|part| part.most_void);
        let [train, validation, test] =
            parts.map(|mbls_seg::dataset::ClassCounts { classes, void, .. }| PartCounts {
                classes,
                void,
            });
        Ok(ClassCounts {
            counted: Counted::Pixels,
            names: self.classes().names().to_vec(),
            train,
            validation,
            test,
            void_value,
        })
    }

    /// Returns a hash that identifies the data set. It changes with any path or size of a file.
    pub(super) fn digest(&self) -> u64 {
        let parts = [Some(&self.train), self.validation.as_ref(), self.test.as_ref()];
        parts.into_iter().flatten().fold(0, |digest, part| Seed(digest).at(part.digest()).0)
    }

    /// Returns the number of images of each split.
    ///
    /// # Errors
    ///
    /// If a split is empty or larger than the available data.
    pub(super) fn sizes(&self, scale: &Scale) -> Result<Sizes> {
        let len =
            |part: &Option<Arc<SegmentationFiles>>| part.as_ref().map(|part| part.pairs().len());
        Sizes::of(scale, self.train.pairs().len(), len(&self.validation), len(&self.test))
    }

    /// Returns the splits of one seed. Training images, and parts that the data set lacks, are
    /// sampled from the training part; of official validation and test parts the first images are
    /// used. The published split validates on the test images.
    ///
    /// # Errors
    ///
    /// If the data set has too few images.
    pub(super) fn splits(&self, rule: SplitRule, sizes: Sizes, seed: Seed) -> Result<Splits> {
        let first = |part: &Arc<SegmentationFiles>, size: usize| {
            Subset::new(part.clone(), (0..size).collect())
        };
        let published = rule == SplitRule::Published;
        let validation = if published { self.test.as_ref() } else { self.validation.as_ref() };
        if published {
            ensure!(validation.is_some(), "split = \"published\": the data set has no test part");
            let (validation, test) = (sizes.validation, sizes.test);
            ensure!(
                validation == test,
                "split = \"published\" validates on the {test} test images, but the profile on {validation}"
            );
        }
        let split_off = |part: Option<&Arc<SegmentationFiles>>, size: usize| {
            if part.is_none() { size } else { 0 }
        };
        let parts = [
            sizes.train,
            split_off(validation, sizes.validation),
            split_off(self.test.as_ref(), sizes.test),
        ];
        let all = self.train.pairs().len();
        let mut of_train = random_split(all, &parts, seed.derive("split"))
            .with_context(|| format!("cannot split {all} images into {parts:?}"))?
            .into_iter();
        let mut next = || of_train.next().context("a split is missing");
        let (train, split_validation, split_test) = (next()?, next()?, next()?);
        let held_out = |part: Option<&Arc<SegmentationFiles>>, size, split| match part {
            Some(part) => first(part, size),
            None => Subset::new(self.train.clone(), split),
        };
        let test = held_out(self.test.as_ref(), sizes.test, split_test)?;
        let files = self.test.as_ref().unwrap_or(&self.train);
        let name =
            |&index: &usize| files.pairs()[index].image.with_extension("").display().to_string();
        let test_names = test.indices().iter().map(name).collect();
        let validation = held_out(validation, sizes.validation, split_validation)?;
        Ok(Splits { train: Subset::new(self.train.clone(), train)?, validation, test, test_names })
    }
}

/// Returns the classes of a folder in the VOC layout: those of the suite, or of `classes.txt`.
fn classes(spec: &DataSpec, folder: &Path) -> Result<ClassList> {
    let values = match spec {
        DataSpec::Vocfolder { values } if !values.is_empty() => values,
        _ => return Ok(ClassList::read(folder.join("classes.txt"))?),
    };
    let value = |(value, name): (&String, _)| {
        let number = value.parse::<u8>().ok().filter(|number| number.to_string() == *value);
        anyhow::Ok((
            number
                .with_context(|| format!("data.values: {value:?}: expected a value of 0 to 255"))?,
            name,
        ))
    };
    let values =
        values.iter().map(|(key, name)| value((key, name.as_str()))).collect::<Result<Vec<_>>>()?;
    ClassList::with_values(&values, &[]).context("data.values")
}

/// Returns the name of a list of images without its extension.
fn list_name(file: &str) -> Option<&str> {
    let (name, ending) = file.rsplit_once('.')?;
    ending.eq_ignore_ascii_case("txt").then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    /// Creates a folder with lists of the given numbers of images. The images are not valid,
    /// because these tests do not read them.
    fn folder(lists: &[(&str, usize)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: String| folder.path().join(name);
        for part in ["JPEGImages", "SegmentationClass", "ImageSets/Segmentation"] {
            std::fs::create_dir_all(path(part.to_owned())).unwrap();
        }
        std::fs::write(path("classes.txt".to_owned()), "0 ground\n1 thing\n").unwrap();
        for &(list, count) in lists {
            let names: Vec<String> = (0..count).map(|i| format!("{list}{i}")).collect();
            std::fs::write(
                path(format!("ImageSets/Segmentation/{list}.txt")),
                names.join("\n") + "\n",
            )
            .unwrap();
            for name in names {
                std::fs::write(path(format!("JPEGImages/{name}.jpg")), "picture").unwrap();
                std::fs::write(path(format!("SegmentationClass/{name}.png")), "mask").unwrap();
            }
        }
        folder
    }

    fn load(folder: &tempfile::TempDir) -> Segmentation {
        Segmentation::read(
            &DataSpec::Vocfolder { values: BTreeMap::new() },
            folder.path(),
            SegmentationConfig::default(),
        )
        .unwrap()
    }

    fn sizes(train: usize, validation: usize, test: usize) -> Sizes {
        Sizes { train, validation, test }
    }

    #[test]
    fn parts_are_disjoint_and_determined_by_the_seed() {
        let folder = folder(&[("train", 20)]);
        let source = load(&folder);
        let of = |seed| source.splits(SplitRule::Stratified, sizes(10, 4, 6), Seed(seed)).unwrap();
        let (one, again, other) = (of(1), of(1), of(2));
        let all = |splits: &Splits| {
            [&splits.train, &splits.validation, &splits.test].map(|part| part.indices().to_vec())
        };
        assert_eq!(all(&one), all(&again));
        assert_ne!(all(&one), all(&other));
        let mut together = all(&one).concat();
        together.sort_unstable();
        assert_eq!(together, (0..20).collect::<Vec<_>>());
        let names: Vec<String> =
            one.test.indices().iter().map(|index| format!("train{index}")).collect();
        assert_eq!(one.test_names, names);
        assert!(source.splits(SplitRule::Stratified, sizes(11, 4, 6), Seed(1)).is_err());
    }

    #[test]
    fn official_parts_are_used_from_the_start() {
        let folder = folder(&[("train", 6), ("val", 5), ("test", 4)]);
        let source = load(&folder);
        let splits = source.splits(SplitRule::Stratified, sizes(6, 3, 2), Seed(1)).unwrap();
        assert_eq!(
            (splits.train.indices(), splits.validation.indices()),
            (&[0, 1, 2, 3, 4, 5][..], &[0, 1, 2][..])
        );
        assert_eq!(splits.test_names, ["test0", "test1"]);
        let published = source.splits(SplitRule::Published, sizes(6, 4, 4), Seed(1)).unwrap();
        let file = |part: &Subset<SegmentationFiles>| {
            part.dataset().pairs()[0].image.display().to_string()
        };
        assert_eq!(
            (file(&published.validation), published.validation.indices().len()),
            ("test0.jpg".to_owned(), 4)
        );
        assert_eq!(file(&splits.validation), "val0.jpg");
        assert!(source.splits(SplitRule::Published, sizes(6, 3, 4), Seed(1)).is_err());
    }
}
