//! Any images in folders: one folder per class, named as the class.

use super::listing;
use crate::{Error, FilesConfig, ImageFiles, OnError, Result};
use std::path::{Path, PathBuf};

/// The images of `dir/<class>/...`, in the order of classes and paths.
///
/// Without `classes` the class names are those of the folders, sorted; with it they are given, such
/// as those of the training part to read a test part, which may then lack some. Folders within a
/// class belong to it. Entries that [`listing::is_ignored`] knows are ignored, and so are
/// files beside the folders of the classes that are not named like images. A folder without images
/// is an error, with `classes` given a warning ([`ImageFiles::warnings`]).
///
/// # Errors
///
/// Where a folder cannot be read, there is no class or no image at all, a class is not one of
/// `classes`, a class without them given has no image, a link leads out of `dir` or back to
/// a folder around it, an image is beside the folders of the classes, or, with [`OnError::Fail`], a
/// file in them is not named like a image; what [`ImageFiles::new`] reports.
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
            false if listing::is_picture(Path::new(&entry.name)) => {
                return Err(Error::format(
                    dir,
                    "pictures",
                    "in folders of classes alone",
                    entry.name,
                ));
            }
            false => {}
        }
    }
    if found.is_empty() {
        return Err(Error::format(dir, "folders", "at least 1, one for each class", "none"));
    }
    let names = classes.map_or_else(|| found.clone(), <[String]>::to_vec);
    let (mut pictures, mut warnings) = (Vec::new(), Vec::new());
    for class in found {
        let Some(label) = names.iter().position(|name| *name == class) else {
            return Err(Error::format(
                dir,
                "folders",
                format!("classes of the list {names:?}"),
                class,
            ));
        };
        let before = pictures.len();
        let mut walk = Walk {
            dir,
            root: &root,
            above: vec![root.clone()],
            config: &config,
            label: label as u32,
        };
        walk.folder(Path::new(&class), &mut pictures)?;
        match classes {
            _ if pictures.len() > before => {}
            None => {
                return Err(Error::format(dir.join(class), "number of pictures", "at least 1", 0));
            }
            Some(_) => {
                warnings.push(format!(
                    "{}: no image of class {label} ({class})",
                    dir.join(&class).display()
                ));
            }
        }
    }
    if pictures.is_empty() {
        return Err(Error::format(dir, "number of pictures", "at least 1", 0));
    }
    Ok(ImageFiles::new("imagefolder", dir, pictures, names, config)?.with_warnings(warnings))
}

/// A way through the folders of one class.
struct Walk<'a> {
    dir: &'a Path,
    root: &'a Path,
    /// The real paths of the folders that it is in.
    above: Vec<PathBuf>,
    config: &'a FilesConfig,
    label: u32,
}

impl Walk<'_> {
    fn folder(&mut self, folder: &Path, pictures: &mut Vec<(PathBuf, u32)>) -> Result<()> {
        let path = self.dir.join(folder);
        let real = listing::real(&path)?;
        if self.above.contains(&real) {
            return Err(Error::format(
                &path,
                "where the link leads",
                "not to a folder around it",
                real.display(),
            ));
        }
        self.above.push(real);
        for entry in listing::entries(&path, self.root)? {
            let inner = folder.join(&entry.name);
            if entry.is_folder {
                self.folder(&inner, pictures)?;
            } else if listing::is_picture(&inner) || self.config.on_error == OnError::Skip {
                // Where asked to, what is not an image is skipped and listed like one that does not
                // decode.
                pictures.push((inner, self.label));
            } else {
                return Err(Error::format(&path, "entries", "pictures and folders", entry.name));
            }
        }
        self.above.pop();
        Ok(())
    }
}
