//! CUB-200-2011: JPEG images of birds of any size, 5,994 for training and 5,794 for testing.
//!
//! # References
//!
//! Wah, Branson, Welinder, Perona, Belongie: The Caltech-UCSD Birds-200-2011 Dataset (2011).

use super::{Parts, listing};
use crate::{Error, FilesConfig, ImageFiles, ImageSource, Result};
use mbls_data::{Seed, stratified_split};
use std::collections::HashSet;
use std::path::{Path, PathBuf};

/// The images on which the best epoch is selected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// As published: training uses the whole training part, and the epoch is selected on the test
    /// part.
    Published,
    /// The epoch is selected on `validation` images taken from the training part, with the same
    /// share of every class.
    Correct {
        /// Number of training images in the validation part.
        validation: usize,
        /// Seed of the split.
        seed: Seed,
    },
}

/// The four lists of the data set, without its images.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lists {
    /// The file of each image, below `images`.
    pub files: Vec<PathBuf>,
    /// The class of each image, from 0.
    pub labels: Vec<u32>,
    /// Whether each image is in the training part.
    pub is_train: Vec<bool>,
    /// The names of the classes, such as `001.Black_footed_Albatross`.
    pub class_names: Vec<String>,
}

impl Lists {
    /// Reads `images.txt`, `image_class_labels.txt`, `train_test_split.txt` and `classes.txt` of
    /// `dir`, or of `dir/CUB_200_2011`.
    ///
    /// # Errors
    ///
    /// If a list is missing or differs from the others in length; if a line is not a value with a
    /// number that counts from 1 without gaps, a class is not in the list or has no image for
    /// training or testing, a path leads out of the folder, or is not in the folder of its class.
    pub fn read(dir: impl AsRef<Path>) -> Result<Self> {
        let dir = folder(dir.as_ref());
        let class_names: Vec<String> = numbered(&dir.join("classes.txt"), None)?;
        let images = dir.join("images.txt");
        let mut files = Vec::new();
        for (i, file) in numbered(&images, None)?.into_iter().enumerate() {
            files.push(listing::listed(&file).map_err(|fault| {
                let expected = "one below the folder images";
                Error::format(
                    &images,
                    format!("line {}: path", i + 1),
                    expected,
                    format!("{file}, {fault}"),
                )
            })?);
        }
        let list = dir.join("image_class_labels.txt");
        let mut labels = Vec::with_capacity(files.len());
        for (i, value) in numbered(&list, Some(files.len()))?.into_iter().enumerate() {
            let label = value.parse::<u32>().ok().and_then(|label| label.checked_sub(1));
            let Some(label) = label.filter(|&label| (label as usize) < class_names.len()) else {
                let expected = format!("1..={}", class_names.len());
                return Err(Error::format(
                    &list,
                    format!("line {}: class", i + 1),
                    expected,
                    format!("{value:?}"),
                ));
            };
            labels.push(label);
        }
        let mut seen = HashSet::new();
        for (i, (file, &label)) in files.iter().zip(&labels).enumerate() {
            let class = &class_names[label as usize];
            let expected = match () {
                () if file.parent() != Some(Path::new(class)) => {
                    format!("one in the folder of its class, {class}")
                }
                () if !seen.insert(file) => "one not listed before".to_owned(),
                () => continue,
            };
            return Err(Error::format(
                &images,
                format!("line {}: path", i + 1),
                expected,
                file.display(),
            ));
        }
        let list = dir.join("train_test_split.txt");
        let mut is_train = Vec::with_capacity(files.len());
        for (i, value) in numbered(&list, Some(files.len()))?.into_iter().enumerate() {
            is_train.push(match value.as_str() {
                "0" => false,
                "1" => true,
                _ => {
                    return Err(Error::format(
                        &list,
                        format!("line {}: part", i + 1),
                        "0 or 1",
                        format!("{value:?}"),
                    ));
                }
            });
        }
        let mut counts = vec![[0; 2]; class_names.len()];
        labels
            .iter()
            .zip(&is_train)
            .for_each(|(&label, &train)| counts[label as usize][usize::from(train)] += 1);
        if let Some(class) = counts.iter().position(|count| count.contains(&0)) {
            let field = format!("images of class {class} ({})", class_names[class]);
            let [test, train] = counts[class];
            let found = format!("{train} for training, {test} for testing");
            return Err(Error::format(
                &list,
                field,
                "at least 1 for training and 1 for testing",
                found,
            ));
        }
        Ok(Self { files, labels, is_train, class_names })
    }
}

/// The data set: all images, and the indices of the training and test parts.
#[derive(Debug)]
pub struct Cub {
    /// The images of both parts.
    pub images: ImageFiles,
    /// The official training part.
    pub train: Vec<usize>,
    /// The official test part.
    pub test: Vec<usize>,
}

/// Loads CUB-200-2011 from `dir`, or from `dir/CUB_200_2011`: the [`Lists`], and the images in
/// `images`.
///
/// # Errors
///
/// The errors of [`Lists::read`] and [`ImageFiles::new`]; if `images` contains files or folders
/// that are not in the lists.
pub fn load(dir: impl AsRef<Path>, config: FilesConfig) -> Result<Cub> {
    let lists = Lists::read(&dir)?;
    let dir = folder(dir.as_ref());
    let root = dir.join("images");
    no_extra_files(&root, &lists)?;
    let labelled = lists.files.into_iter().zip(lists.labels).collect();
    let images = ImageFiles::new("cub", &root, labelled, lists.class_names, config)?;
    let part = |train: bool| {
        let places = images.kept().iter().enumerate();
        places.filter(|&(_, &listed)| lists.is_train[listed] == train).map(|(i, _)| i).collect()
    };
    Ok(Cub { train: part(true), test: part(false), images })
}

impl Cub {
    /// Returns the images for training and those for selecting the epoch.
    ///
    /// # Errors
    ///
    /// [`Error::Split`] if the validation part is too small for one image of each class, or leaves
    /// none for training.
    pub fn parts(&self, protocol: Protocol) -> Result<Parts> {
        match protocol {
            Protocol::Published => {
                Ok(Parts { train: self.train.clone(), validation: self.test.clone() })
            }
            Protocol::Correct { validation, seed } => {
                let labels: Vec<u32> =
                    self.train.iter().map(|&i| self.images.labels()[i]).collect();
                let rest = labels.len().saturating_sub(validation);
                if validation == 0 || rest == 0 {
                    let all = labels.len();
                    return Err(Error::Split(format!(
                        "{validation} of {all} items for validation leave a part empty"
                    )));
                }
                let parts = stratified_split(&labels, &[rest, validation], seed)
                    .map_err(|error| error.with_class_names(self.images.class_names()))?;
                let mut parts =
                    parts.into_iter().map(|part| part.into_iter().map(|i| self.train[i]).collect());
                Ok(Parts {
                    train: parts.next().unwrap_or_default(),
                    validation: parts.next().unwrap_or_default(),
                })
            }
        }
    }
}

fn folder(dir: &Path) -> PathBuf {
    let nested = dir.join("CUB_200_2011");
    if nested.is_dir() { nested } else { dir.to_owned() }
}

/// Reads the values of lines `<number> <value>` with numbers that count from 1.
fn numbered(path: &Path, expected: Option<usize>) -> Result<Vec<String>> {
    let lines = listing::lines(path)?;
    match expected {
        Some(expected) if expected != lines.len() => {
            return Err(Error::format(path, "number of lines", expected, lines.len()));
        }
        _ if lines.is_empty() => {
            return Err(Error::format(path, "number of lines", "at least 1", 0));
        }
        _ => {}
    }
    let value = |(i, line): (usize, &String)| {
        let fields = line.split_once(' ').filter(|(number, value)| {
            number.parse() == Ok(i + 1) && !value.is_empty() && !value.contains(char::is_whitespace)
        });
        match fields {
            Some((_, value)) => Ok(value.to_owned()),
            None => Err(Error::format(
                path,
                format!("line {}", i + 1),
                format!("{} and a value", i + 1),
                format!("{line:?}"),
            )),
        }
    };
    lines.iter().enumerate().map(value).collect()
}

fn no_extra_files(root: &Path, lists: &Lists) -> Result<()> {
    let listed: HashSet<&Path> = lists.files.iter().map(PathBuf::as_path).collect();
    for entry in listing::entries(root, &listing::real(root)?)? {
        if !entry.is_folder || !lists.class_names.contains(&entry.name) {
            return Err(Error::format(root, "entries", "the folders of classes.txt", entry.name));
        }
        for file in listing::images(root, Path::new(&entry.name))? {
            if !listed.contains(file.as_path()) {
                return Err(Error::format(root, "images", "those of images.txt", file.display()));
            }
        }
    }
    Ok(())
}
