//! Common code of readers of image files: folders of images, and files confined to their folder.
//! Re-exports [`mbls_io::listing`].

use crate::{Error, Result};
pub use mbls_io::listing::{
    Endings, Entry, PathFault, below, entries, filled_lines, is_ignored, lines, listed, names, real,
};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// Extensions of the formats that can be decoded.
const ENDINGS: [&str; 12] =
    ["jpg", "jpeg", "jpe", "jfif", "png", "bmp", "gif", "webp", "pnm", "ppm", "pgm", "pbm"];

/// Returns whether the path has the extension of an image format that can be decoded.
pub fn is_image(path: &Path) -> bool {
    let ending = path.extension().map(|ending| ending.to_string_lossy().to_lowercase());
    ending.is_some_and(|ending| ENDINGS.contains(&ending.as_str()))
}

/// Lists the images in `root/folder`, sorted by name, as paths relative to `root`.
///
/// # Errors
///
/// If the folder contains anything else; as for [`entries`].
pub fn images(root: &Path, folder: &Path) -> Result<Vec<PathBuf>> {
    let (path, real) = (root.join(folder), real(root)?);
    let mut found = Vec::new();
    for entry in entries(&path, &real)? {
        if entry.is_folder || !is_image(Path::new(&entry.name)) {
            return Err(Error::format(&path, "entries", "only images", entry.name));
        }
        found.push(folder.join(entry.name));
    }
    Ok(found)
}

/// Returns the size of every file, given by its path relative to `root`, after checking that it is
/// a regular file in that folder.
///
/// # Errors
///
/// If a file is missing, is not a regular file, or leads out of the folder through a link.
pub fn regular_files<'a>(
    root: &Path,
    paths: impl IntoIterator<Item = &'a Path>,
) -> Result<Vec<u64>> {
    let canonical = |path: &Path| path.canonicalize().map_err(Error::io("open", path));
    let real_root = canonical(root)?;
    let mut folders = HashMap::<PathBuf, PathBuf>::new();
    let size = |relative: &Path| {
        let path = root.join(relative);
        let (Some(folder), Some(file)) = (path.parent(), path.file_name()) else {
            return Err(Error::value("path of an image", "the path of a file", path.display()));
        };
        if !folders.contains_key(folder) {
            folders.insert(folder.to_owned(), canonical(folder)?);
        }
        // Unless the file itself is a link, it is in its real folder.
        let link = path.symlink_metadata().map_err(Error::io("open", &path))?.is_symlink();
        let real = if link { canonical(&path)? } else { folders[folder].join(file) };
        if !real.starts_with(&real_root) {
            return Err(Error::format(
                &path,
                "target of the link",
                format!("below {}", root.display()),
                real.display(),
            ));
        }
        let metadata = path.metadata().map_err(Error::io("open", &path))?;
        if metadata.is_file() {
            Ok(metadata.len())
        } else {
            Err(Error::format(&path, "file type", "a regular file", "another"))
        }
    };
    paths.into_iter().map(size).collect()
}
