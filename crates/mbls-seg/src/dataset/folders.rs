//! Data sets in a folder of images and a folder of masks.

use super::{ClassList, PairPaths, SegmentationConfig, SegmentationFiles};
use mbls_data::{Error, Result};
use mbls_vision::dataset::listing::{entries, is_image, real};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Loads all images in the folder `images`, in the order of their names. The mask of `images/a.jpg`
/// is `masks/a.png`.
///
/// Entries that match [`is_ignored`](mbls_vision::dataset::listing::is_ignored) are skipped.
///
/// # Errors
///
/// An error if a folder cannot be read, is empty or contains anything else, if an image has no mask
/// or a mask no image, or if two images have the same name without ending; the errors of
/// [`SegmentationFiles::new`].
pub fn load(
    images: impl AsRef<Path>,
    masks: impl AsRef<Path>,
    classes: ClassList,
    config: SegmentationConfig,
) -> Result<SegmentationFiles> {
    let (images, masks) = (images.as_ref(), masks.as_ref());
    let is_png =
        |path: &Path| path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("png"));
    let image_files = by_name(images, "images", is_image)?;
    let mut left = by_name(masks, "PNG files", is_png)?;
    let mut pairs = Vec::with_capacity(image_files.len());
    for (name, image) in image_files {
        let Some(mask) = left.remove(&name) else {
            let expected = format!("{name}.png, as there is {}", image.display());
            return Err(Error::format(masks, "masks", expected, "no such file"));
        };
        pairs.push(PairPaths { image, mask });
    }
    if let Some(mask) = left.values().next() {
        let expected = format!("an image for each mask, such as {}", mask.display());
        return Err(Error::format(images, "images", expected, "none"));
    }
    SegmentationFiles::new("folders", [images, masks], pairs, classes, config)
}

/// Returns the files of a folder by their names without endings.
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
            return Err(Error::format(folder, "entries", format!("only {what}"), path.display()));
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
