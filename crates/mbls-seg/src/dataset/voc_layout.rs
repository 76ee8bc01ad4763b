//! Data sets in the folder layout of PASCAL VOC.
//!
//! Images are `JPEGImages/<name>.jpg` (or `.jpeg`, `.png`), masks `SegmentationClass/<name>.png`.
//! `ImageSets/Segmentation/<split>.txt` lists one name per line.

use super::{ClassList, PairPaths, SegmentationConfig, SegmentationFiles};
use mbls_data::{Error, Result};
use mbls_vision::dataset::listing::{Endings, below, filled_lines, listed, real};
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

const ENDINGS: [&str; 3] = ["jpg", "jpeg", "png"];

/// Loads the images and masks that `ImageSets/Segmentation/<split>.txt` in `dir` lists, in its
/// order.
///
/// ```no_run
/// use mbls_seg::dataset::{ClassList, voc_layout};
///
/// let classes = ClassList::read("camvid/classes.txt")?;
/// let train = voc_layout::load("camvid", "train", classes, Default::default())?;
/// # Ok::<(), mbls_data::Error>(())
/// ```
///
/// # Errors
///
/// An error if the list is missing or empty; with file and line, if it repeats a name or lists a
/// path out of the folder, a missing image or a missing mask; if several files match a name; the
/// errors of [`SegmentationFiles::new`].
pub fn load(
    dir: impl AsRef<Path>,
    split: &str,
    classes: ClassList,
    config: SegmentationConfig,
) -> Result<SegmentationFiles> {
    let dir = dir.as_ref();
    let split = match below(Path::new(split)) {
        Ok(name) if name.iter().count() == 1 => name.display().to_string(),
        _ => {
            return Err(Error::value(
                "split",
                "the name of a list, such as train",
                format!("{split:?}"),
            ));
        }
    };
    let [images, masks] = ["JPEGImages", "SegmentationClass"].map(|folder| dir.join(folder));
    for folder in [&images, &masks] {
        real(folder)?;
    }
    let lists = dir.join("ImageSets/Segmentation");
    let found = Endings::read(&lists)?.file(&split, &["txt"])?.map(str::to_owned);
    let list = lists.join(found.unwrap_or_else(|| format!("{split}.txt")));
    let (mut image_files, mut mask_files) = (Files::of(&images), Files::of(&masks));
    let mut pairs = Vec::new();
    let mut lines = BTreeMap::new();
    for (line, name) in filled_lines(&list)? {
        let error = |field: &str, expected: String, found: String| {
            Err(Error::format(&list, format!("line {line}{field}"), expected, found))
        };
        let path = match listed(&name) {
            Ok(path) => path,
            Err(fault) => {
                let expected = "one below the folders of images and masks".into();
                return error(": name", expected, format!("{name:?}, {fault}"));
            }
        };
        if let Some(before) = lines.insert(path.clone(), line) {
            return error(
                "",
                "a name not listed before".into(),
                format!("{name}, as in line {before}"),
            );
        }
        let expected =
            |folder: &Path, ending: &str| format!("{}.{ending}", folder.join(&path).display());
        let missing = || match name.split_whitespace().last() {
            // The lists of ImageSets/Main state for each image whether it shows a class.
            Some("1" | "-1" | "0") if name.contains(char::is_whitespace) => {
                format!(
                    "{name:?}, as in a list of ImageSets/Main; a segmentation list has only a name in each line"
                )
            }
            _ => "no such file".to_owned(),
        };
        let Some(image) = image_files.find(&path, &ENDINGS)? else {
            return error(": image", expected(&images, "jpg"), missing());
        };
        let Some(mask) = mask_files.find(&path, &["png"])? else {
            return error(": mask", expected(&masks, "png"), missing());
        };
        pairs.push(PairPaths { image, mask });
    }
    if pairs.is_empty() {
        return Err(Error::format(&list, "number of lines", "at least 1", 0));
    }
    SegmentationFiles::new(format!("voc-layout-{split}"), [&images, &masks], pairs, classes, config)
}

/// The files of a folder and its subfolders; each folder is read once.
struct Files<'a> {
    root: &'a Path,
    folders: HashMap<PathBuf, Endings>,
}

impl<'a> Files<'a> {
    fn of(root: &'a Path) -> Self {
        Self { root, folders: HashMap::new() }
    }

    /// Returns the file whose path without its ending is `path`.
    fn find(&mut self, path: &Path, endings: &[&str]) -> Result<Option<PathBuf>> {
        let (Some(folder), Some(name)) =
            (path.parent(), path.file_name().and_then(|name| name.to_str()))
        else {
            return Ok(None);
        };
        if !self.folders.contains_key(folder) {
            // Joining an empty path would append a separator.
            let whole = if folder.as_os_str().is_empty() {
                self.root.to_owned()
            } else {
                self.root.join(folder)
            };
            self.folders.insert(folder.to_owned(), Endings::read(&whole)?);
        }
        Ok(self.folders[folder].file(name, endings)?.map(|file| folder.join(file)))
    }
}
