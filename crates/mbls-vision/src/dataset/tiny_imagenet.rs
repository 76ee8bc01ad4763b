//! Tiny-ImageNet in its official layout: 64x64 JPEG files of 200 classes, 500 per class for
//! training. The official validation part of 50 per class serves as the test part, because the
//! labels of the official test part are not public.
//!
//! # References
//!
//! Le, Yang: Tiny ImageNet Visual Recognition Challenge (Stanford CS 231N, 2015).

use super::{Split, listing};
use crate::{Error, FilesConfig, ImageFiles, Result};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

const SIDE: usize = 64;
const MAX_CLASSES: usize = 200;
const TRAIN_PER_CLASS: usize = 500;
const TEST_PER_CLASS: usize = 50;

/// The order of the classes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClassOrder {
    /// The order of `wnids.txt`.
    Listed,
    /// Sorted by WordNet id, as in the published code, its checkpoints, and readers of class
    /// folders.
    Sorted,
}

/// Loads one part of Tiny-ImageNet from `dir`, or from `dir/tiny-imagenet-200`, in the order of the
/// paths, which is also the order of the published code.
///
/// `wnids.txt` lists the classes; `train/<wnid>/images` contains the training images; `val/images`
/// and `val/val_annotations.txt` contain the test images; `words.txt`, if it exists, contains the
/// names of the classes. A subset is accepted if it has the same number of images in each class of
/// the list. An image that is not 64x64 pixels does not decode.
///
/// # Errors
///
/// If a file or folder is missing or contains something else, a class is not in the list, appears
/// twice or has a different number of images from the first class (or more than 500 or 50), or an
/// image of `val` is in no line or in two; the errors of [`ImageFiles::new`].
pub fn load(
    dir: impl AsRef<Path>,
    split: Split,
    order: ClassOrder,
    config: FilesConfig,
) -> Result<ImageFiles> {
    let nested = dir.as_ref().join("tiny-imagenet-200");
    let root = if nested.is_dir() { nested.as_path() } else { dir.as_ref() };
    let list = root.join("wnids.txt");
    let mut wnids = listing::names(&list, None)?;
    if wnids.len() > MAX_CLASSES {
        return Err(Error::format(
            &list,
            "number of classes",
            format!("at most {MAX_CLASSES}"),
            wnids.len(),
        ));
    }
    if order == ClassOrder::Sorted {
        wnids.sort_unstable();
    }
    let labels: HashMap<&str, u32> =
        wnids.iter().enumerate().map(|(i, wnid)| (wnid.as_str(), i as u32)).collect();
    let (name, images, most) = match split {
        Split::Train => ("tiny-imagenet-train", train(root, &labels)?, TRAIN_PER_CLASS),
        Split::Test => ("tiny-imagenet-test", test(root, &labels)?, TEST_PER_CLASS),
    };
    let mut counts = vec![0; wnids.len()];
    images.iter().for_each(|(_, label)| counts[*label as usize] += 1);
    if let Some(i) =
        counts.iter().position(|&count| count != counts[0] || count == 0 || count > most)
    {
        let field = format!("number of {name} images of {}", wnids[i]);
        let expected = format!("1..={most}, as many as of {}, {}", wnids[0], counts[0]);
        return Err(Error::format(root, field, expected, counts[i]));
    }
    let config = FilesConfig { size: Some([SIDE; 2]), ..config };
    ImageFiles::new(name, root, images, class_names(root, &wnids)?, config)
}

fn train(root: &Path, labels: &HashMap<&str, u32>) -> Result<Vec<(PathBuf, u32)>> {
    let folder = root.join("train");
    let mut images = Vec::new();
    let mut missing = labels.clone();
    for entry in listing::entries(&folder, &listing::real(root)?)? {
        let Some(label) = missing.remove(entry.name.as_str()) else {
            return Err(Error::format(&folder, "folders", "the classes of wnids.txt", entry.name));
        };
        let files = listing::images(root, &Path::new("train").join(entry.name).join("images"))?;
        images.extend(files.into_iter().map(|file| (file, label)));
    }
    match missing.keys().min() {
        Some(wnid) => Err(Error::format(
            &folder,
            "folders",
            format!("one named {wnid}, a class of wnids.txt"),
            "none",
        )),
        None => Ok(images),
    }
}

fn test(root: &Path, labels: &HashMap<&str, u32>) -> Result<Vec<(PathBuf, u32)>> {
    let list = root.join("val/val_annotations.txt");
    let mut annotated = HashMap::new();
    for (number, line) in listing::filled_lines(&list)? {
        let error = |field: &str, expected: &str, found: &str| {
            Err(Error::format(
                &list,
                format!("line {number}: {field}"),
                expected,
                format!("{found:?}"),
            ))
        };
        let mut fields = line.split('\t');
        let (Some(file), Some(wnid)) = (fields.next(), fields.next()) else {
            return error("fields", "a file and a class between tabs", &line);
        };
        let Some(&label) = labels.get(wnid) else {
            return error("class", "one of wnids.txt", wnid);
        };
        if annotated.insert(file.to_owned(), label).is_some() {
            return error("file", "one not listed before", file);
        }
    }
    let folder = Path::new("val/images");
    let mut images = Vec::new();
    for path in listing::images(root, folder)? {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let Some(label) = annotated.remove(name) else {
            return Err(Error::format(
                &list,
                "lines",
                format!("one for each image, also for {name}"),
                "none",
            ));
        };
        images.push((path, label));
    }
    match annotated.keys().min() {
        Some(file) => Err(Error::format(
            root.join(folder),
            "images",
            format!("{file}, which is in val_annotations.txt"),
            "none",
        )),
        None => Ok(images),
    }
}

/// Returns the names of the classes from `words.txt`; their ids if there is no such file.
fn class_names(root: &Path, wnids: &[String]) -> Result<Vec<String>> {
    let path = root.join("words.txt");
    if !path.try_exists().map_err(Error::io("look for", &path))? {
        return Ok(wnids.to_vec());
    }
    let lines = listing::lines(&path)?;
    let words: HashMap<&str, &str> =
        lines.iter().filter_map(|line| line.split_once('\t')).collect();
    let name = |wnid: &String| match words.get(wnid.as_str()) {
        Some(name) => Ok((*name).to_owned()),
        None => Err(Error::format(
            &path,
            "lines",
            format!("one for {wnid}, a class of wnids.txt"),
            "none",
        )),
    };
    wnids.iter().map(name).collect()
}
