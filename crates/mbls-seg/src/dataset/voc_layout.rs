//! Any data set in the folders and lists of PASCAL VOC.
//!
//! `JPEGImages/<name>.jpg` (or `.jpeg`, `.png`), `SegmentationClass/<name>.png`, `ImageSets/Segmentation/<split>.txt` with one name in each line.

use super::{ClassList, PairPaths, SegmentationConfig, SegmentationFiles};
use mbls_data::{Error, Result};
use mbls_vision::dataset::listing::{is_below, names, real};
use std::path::{Path, PathBuf};

const ENDINGS: [&str; 3] = ["jpg", "jpeg", "png"];

/// The pictures and masks that `ImageSets/Segmentation/<split>.txt` in `dir` names, in its order.
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
/// With file and line, where the list is missing or empty, has an empty line or a name twice, or names what leaves the folder, a
/// missing picture or a missing mask; what [`SegmentationFiles::new`] reports.
pub fn load(
    dir: impl AsRef<Path>,
    split: &str,
    classes: ClassList,
    config: SegmentationConfig,
) -> Result<SegmentationFiles> {
    let dir = dir.as_ref();
    if Path::new(split).components().count() != 1 || !is_below(Path::new(split)) {
        return Err(Error::value("split", "the name of a list, such as train", format!("{split:?}")));
    }
    let [images, masks] = ["JPEGImages", "SegmentationClass"].map(|folder| dir.join(folder));
    for folder in [&images, &masks] {
        real(folder)?;
    }
    let list = dir.join("ImageSets/Segmentation").join(format!("{split}.txt"));
    let mut pairs = Vec::new();
    for (i, name) in names(&list, None)?.iter().enumerate() {
        let error = |field: &str, expected: String, found: &str| {
            Err(Error::format(&list, format!("line {}: {field}", i + 1), expected, found))
        };
        if !is_below(Path::new(name)) {
            return error("name", "one below the folders of pictures and masks".into(), &format!("{name:?}"));
        }
        // A link that leads nowhere is there, and an error later.
        let exists = |path: &Path| path.symlink_metadata().is_ok();
        let file = |ending: &str| PathBuf::from(format!("{name}.{ending}"));
        let Some(image) = ENDINGS.map(file).into_iter().find(|file| exists(&images.join(file))) else {
            return error("picture", images.join(file("jpg")).display().to_string(), "no such file");
        };
        let mask = file("png");
        if !exists(&masks.join(&mask)) {
            return error("mask", masks.join(&mask).display().to_string(), "no such file");
        }
        pairs.push(PairPaths { image, mask });
    }
    SegmentationFiles::new(format!("voc-layout-{split}"), [&images, &masks], pairs, classes, config)
}
