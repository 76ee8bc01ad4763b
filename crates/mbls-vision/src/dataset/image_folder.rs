//! Images in folders: one folder per class, with the name of the class.

use super::listing;
use crate::{Error, FilesConfig, ImageFiles, OnError, Result};
use std::path::{Path, PathBuf};

/// Loads the images of `dir/<class>/...`, in the order of classes and paths.
///
/// Without `classes`, the class names are the sorted names of the folders. With `classes`, such as
/// those of the training part when reading a test part, the class names are the given ones, and
/// folders may be missing. Subfolders of a class belong to the class. Entries that
/// [`listing::is_ignored`] matches are ignored, and so are files next to the class folders whose
/// names are not those of images. A folder without images is an error, or a warning if `classes` is
/// given ([`ImageFiles::warnings`]).
///
/// # Errors
///
/// If a folder cannot be read, there is no class or no image at all, a class is not one of
/// `classes`, a class has no image and `classes` is not given, a link leads out of `dir` or back to
/// an enclosing folder, an image is next to the class folders, or, with [`OnError::Fail`], a file
/// in them does not have the name of an image; the errors of [`ImageFiles::new`].
pub fn load(
    dir: impl AsRef<Path>,
    classes: Option<&[String]>,
    config: FilesConfig,
) -> Result<ImageFiles> {
    let dir = dir.as_ref();
    let root = listing::real(dir)?;
    let mut found = Vec::new();
    for entry in listing::entries(dir, &root)? {
        match entry.is_folder {
            true => found.push(entry.name),
            false if listing::is_image(Path::new(&entry.name)) => {
                return Err(Error::format(dir, "images", "only in folders of classes", entry.name));
            }
            false => {}
        }
    }
    if found.is_empty() {
        return Err(Error::format(dir, "folders", "at least 1, one for each class", "none"));
    }
    let names = classes.map_or_else(|| found.clone(), <[String]>::to_vec);
    let (mut images, mut warnings) = (Vec::new(), Vec::new());
    for class in found {
        let Some(label) = names.iter().position(|name| *name == class) else {
            return Err(Error::format(
                dir,
                "folders",
                format!("classes of the list {names:?}"),
                class,
            ));
        };
        let before = images.len();
        let mut walk = Walk {
            dir,
            root: &root,
            above: vec![root.clone()],
            config: &config,
            label: label as u32,
        };
        walk.folder(Path::new(&class), &mut images)?;
        match classes {
            _ if images.len() > before => {}
            None => {
                return Err(Error::format(dir.join(class), "number of images", "at least 1", 0));
            }
            Some(_) => {
                warnings.push(format!(
                    "{}: no image of class {label} ({class})",
                    dir.join(&class).display()
                ));
            }
        }
    }
    if images.is_empty() {
        return Err(Error::format(dir, "number of images", "at least 1", 0));
    }
    Ok(ImageFiles::new("imagefolder", dir, images, names, config)?.with_warnings(warnings))
}

/// Recursive traversal of the folders of one class.
struct Walk<'a> {
    dir: &'a Path,
    root: &'a Path,
    /// The canonical paths of the enclosing folders.
    above: Vec<PathBuf>,
    config: &'a FilesConfig,
    label: u32,
}

impl Walk<'_> {
    fn folder(&mut self, folder: &Path, images: &mut Vec<(PathBuf, u32)>) -> Result<()> {
        let path = self.dir.join(folder);
        let real = listing::real(&path)?;
        if self.above.contains(&real) {
            return Err(Error::format(
                &path,
                "target of the link",
                "not to an enclosing folder",
                real.display(),
            ));
        }
        self.above.push(real);
        for entry in listing::entries(&path, self.root)? {
            let inner = folder.join(&entry.name);
            if entry.is_folder {
                self.folder(&inner, images)?;
            } else if listing::is_image(&inner) || self.config.on_error == OnError::Skip {
                // With `OnError::Skip`, a file that is not an image is skipped and listed like an
                // image that does not decode.
                images.push((inner, self.label));
            } else {
                return Err(Error::format(&path, "entries", "images and folders", entry.name));
            }
        }
        self.above.pop();
        Ok(())
    }
}
