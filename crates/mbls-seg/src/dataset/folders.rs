//! A folder of images and a folder of masks.

use super::{ClassList, PairPaths, SegmentationConfig, SegmentationFiles};
use mbls_data::{Error, Result};
use mbls_vision::dataset::listing::{entries, is_image, real};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// All images in the folder `images`, with the masks in the folder `masks` that have their names
/// and end in `.png`, in the order of the names.
///
/// Entries that [`is_ignored`](mbls_vision::dataset::listing::is_ignored) knows are ignored.
///
/// # Errors
///
/// Where a folder cannot be read, is empty or has anything else in it; where an image has no mask
/// or a mask no image, or two images have one name; what [`SegmentationFiles::new`] reports.
pub fn load(
    images: impl AsRef<Path>,
    masks: impl AsRef<Path>,
    classes: ClassList,
    config: SegmentationConfig,
) -> Result<SegmentationFiles> {
    let (images, masks) = (images.as_ref(), masks.as_ref());
    let is_png =
        |path: &Path| path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("png"));
    let pictures = by_name(images, "pictures", is_image)?;
    let mut left = by_name(masks, "PNG files", is_png)?;
    let mut pairs = Vec::with_capacity(pictures.len());
    for (name, image) in pictures {
        let Some(mask) = left.remove(&name) else {
            let expected = format!("{name}.png, as there is {}", image.display());
            return Err(Error::format(masks, "masks", expected, "no such file"));
        };
        pairs.push(PairPaths { image, mask });
    }
    if let Some(mask) = left.values().next() {
        let expected = format!("a picture for each mask, such as {}", mask.display());
        return Err(Error::format(images, "pictures", expected, "none"));
    }
    SegmentationFiles::new("folders", [images, masks], pairs, classes, config)
}

/// The files of a folder by their names without endings.
fn by_name(
    folder: &Path,
    what: &str,
    fits: impl Fn(&Path) -> bool,
) -> Result<BTreeMap<String, PathBuf>> {
    let mut found = BTreeMap::new();
    for entry in entries(folder, &real(folder)?)? {
        let path = PathBuf::from(entry.name);
        let Some(name) = path
            .file_stem()
            .and_then(|name| name.to_str())
            .filter(|_| !entry.is_folder && fits(&path))
        else {
            return Err(Error::format(folder, "entries", format!("{what} alone"), path.display()));
        };
        if let Some(other) = found.insert(name.to_owned(), path.clone()) {
            let expected = format!("one file called {name}");
            return Err(Error::format(
                folder,
                what,
                expected,
                format!("{} and {}", other.display(), path.display()),
            ));
        }
    }
    if found.is_empty() { Err(Error::format(folder, what, "at least 1", 0)) } else { Ok(found) }
}
