//! The input images of a command line.

use anyhow::{Context, Result, bail, ensure};
use mbls_io::listing::{entries, real};
use mbls_vision::dataset::listing::is_image;
use mbls_vision::{FilesConfig, Image, decode, decode_bytes};
use std::io::Read;
use std::path::{Path, PathBuf};

/// The argument that stands for standard input.
pub(super) const STANDARD_INPUT: &str = "-";
/// The maximum depth of nested folders that are searched.
const DEEPEST: usize = 64;

/// An image to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ImageInput {
    /// A file.
    File {
        /// The path of the file.
        path: PathBuf,
        /// The path relative to the given folder; the file's name if the file itself was given.
        below: PathBuf,
    },
    /// Standard input.
    Standard,
}

impl ImageInput {
    /// Returns the name used in the output.
    pub(super) fn name(&self) -> String {
        match self {
            Self::File { path, .. } => path.display().to_string(),
            Self::Standard => "standard input".to_owned(),
        }
    }

    /// Returns the path relative to the output folder, without extension.
    pub(super) fn stem(&self) -> PathBuf {
        match self {
            Self::File { below, .. } => below.with_extension(""),
            Self::Standard => PathBuf::from("stdin"),
        }
    }

    /// Reads the image.
    ///
    /// # Errors
    ///
    /// If it cannot be read or decoded.
    pub(super) fn read(&self) -> mbls_vision::Result<Image> {
        let FilesConfig { max_pixels, max_file_bytes, .. } = FilesConfig::default();
        match self {
            Self::File { path, .. } => decode(path, max_file_bytes, max_pixels),
            Self::Standard => {
                let mut bytes = Vec::new();
                let name = Path::new("standard input");
                std::io::stdin()
                    .take(max_file_bytes.saturating_add(1))
                    .read_to_end(&mut bytes)
                    .map_err(mbls_io::Error::io("read", name))?;
                if bytes.len() as u64 > max_file_bytes {
                    let error = mbls_io::Error::TooLarge {
                        path: name.into(),
                        what: "the image",
                        limit: max_file_bytes,
                    };
                    return Err(error.into());
                }
                Ok(decode_bytes(&bytes, name, max_pixels)?.image)
            }
        }
    }
}

/// Finds the images: given files, and all files with an image extension in given folders, ordered
/// by name.
///
/// # Errors
///
/// If there is no input, an input does not exist, or a folder has no images.
pub(super) fn images(inputs: &[String]) -> Result<Vec<ImageInput>> {
    ensure!(
        !inputs.is_empty(),
        "INPUT: expected images, folders of images, or - for standard input"
    );
    let mut found = Vec::new();
    for input in inputs {
        if input == STANDARD_INPUT {
            ensure!(
                !found.contains(&ImageInput::Standard),
                "-: standard input is a single image, but it is given twice"
            );
            found.push(ImageInput::Standard);
            continue;
        }
        let path = Path::new(input);
        if !path.exists() {
            bail!("{input}: no such file or folder");
        }
        if !path.is_dir() {
            let below = path.file_name().map(PathBuf::from).unwrap_or_default();
            found.push(ImageInput::File { path: path.to_owned(), below });
            continue;
        }
        let before = found.len();
        search(path, Path::new(""), &real(path)?, DEEPEST, &mut found)
            .with_context(|| format!("in the folder {input}"))?;
        ensure!(
            found.len() > before,
            "{input}: no images in this folder (jpg, png, bmp, gif, webp, pnm)"
        );
    }
    Ok(found)
}

fn search(
    root: &Path,
    folder: &Path,
    real: &Path,
    depth: usize,
    found: &mut Vec<ImageInput>,
) -> Result<()> {
    for entry in entries(&root.join(folder), real)? {
        let below = folder.join(entry.name);
        if entry.is_folder {
            ensure!(depth > 0, "{}: more than {DEEPEST} nested folders", below.display());
            search(root, &below, real, depth - 1, found)?;
        } else if is_image(&below) {
            found.push(ImageInput::File { path: root.join(&below), below });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_searched_in_order_and_other_files_are_skipped() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b/z.png", "b/a.JPG", "a.txt", "c.png", "b/.hidden.png"] {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "x").unwrap();
        }
        let given = |name: &str| folder.path().join(name).display().to_string();
        let found =
            images(&[given("a.txt"), folder.path().display().to_string(), "-".into()]).unwrap();
        let stems: Vec<String> =
            found.iter().map(|input| input.stem().display().to_string()).collect();
        assert_eq!(stems, ["a", "b/a", "b/z", "c", "stdin"]);
        for (inputs, part) in [
            (vec![], "INPUT: expected images"),
            (vec![given("none")], "no such file or folder"),
            (vec!["-".into(), "-".into()], "it is given twice"),
        ] {
            let error = format!("{:#}", images(&inputs).unwrap_err());
            assert!(error.contains(part), "{error}");
        }
        std::fs::create_dir(folder.path().join("empty")).unwrap();
        assert!(
            images(&[given("empty")]).unwrap_err().to_string().contains("no images in this folder")
        );
    }
}
