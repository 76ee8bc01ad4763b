//! What readers of images in files share beside [`mbls_io::listing`], which is here as well:
//! folders of images, and files that stay in their folder.

use crate::{Error, Result};
pub use mbls_io::listing::{
    Endings, Entry, PathFault, below, entries, filled_lines, is_ignored, lines, listed, names, real,
};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// Endings of the formats that are decoded.
const ENDINGS: [&str; 12] =
    ["jpg", "jpeg", "jpe", "jfif", "png", "bmp", "gif", "webp", "pnm", "ppm", "pgm", "pbm"];

/// Whether the ending is one of an image that can be decoded.
pub fn is_picture(path: &Path) -> bool {
    let ending = path.extension().map(|ending| ending.to_string_lossy().to_lowercase());
    ending.is_some_and(|ending| ENDINGS.contains(&ending.as_str()))
}

/// The images of `root/folder` alone, in the order of their names, as paths below `root`.
///
/// # Errors
///
/// Where anything else is in it; as [`entries`].
pub fn pictures(root: &Path, folder: &Path) -> Result<Vec<PathBuf>> {
    let (path, real) = (root.join(folder), real(root)?);
    let mut found = Vec::new();
    for entry in entries(&path, &real)? {
        if entry.is_folder || !is_picture(Path::new(&entry.name)) {
            return Err(Error::format(&path, "entries", "pictures alone", entry.name));
        }
        found.push(folder.join(entry.name));
    }
    Ok(found)
}

/// The size of every file, given by its path below `root`, once it is known to be a regular one in
/// that folder.
///
/// # Errors
///
/// Where one is missing, is not a regular file, or leads out of the folder through a link.
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
            return Err(Error::value("path of a picture", "a file's", path.display()));
        };
        if !folders.contains_key(folder) {
            folders.insert(folder.to_owned(), canonical(folder)?);
        }
        // As long as the file itself is no link, it is where its folder is.
        let link = path.symlink_metadata().map_err(Error::io("open", &path))?.is_symlink();
        let real = if link { canonical(&path)? } else { folders[folder].join(file) };
        if !real.starts_with(&real_root) {
            return Err(Error::format(
                &path,
                "where the link leads",
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
