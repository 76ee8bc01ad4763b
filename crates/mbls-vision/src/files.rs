//! Labelled images in files.

use crate::dataset::listing;
use crate::decode::{ImageHeader, decode, image_header};
use crate::{Error, Image, ImageSource, Result};
pub use mbls_io::OnError;
use mbls_io::{BudgetCache, Fingerprint};
use rayon::prelude::*;
use std::path::{Path, PathBuf};

/// Settings of [`ImageFiles`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FilesConfig {
    /// Decoded images are kept in memory while they take no more than this, 3 bytes per pixel.
    /// There is no replacement: an epoch asks for every image once, so one that would come in
    /// is worth no more than one that would go.
    pub cache_bytes: u64,
    /// The largest image that is decoded.
    pub max_pixels: u64,
    /// The largest file that is read.
    pub max_file_bytes: u64,
    /// Height and width of every image, where the data set has only one; any other does not
    /// decode.
    pub size: Option<[usize; 2]>,
    /// What becomes of an image that does not decode.
    pub on_error: OnError,
}

impl Default for FilesConfig {
    /// 2 GiB of decoded images, which holds Tiny-ImageNet; files of up to 256 MiB; images of up to
    /// 89,478,485 pixels, above which the Python library PIL warns; any size; errors fail.
    fn default() -> Self {
        Self {
            cache_bytes: 2 << 30,
            max_pixels: 89_478_485,
            max_file_bytes: 256 << 20,
            size: None,
            on_error: OnError::Fail,
        }
    }
}

/// An image that was left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// Its file, in the data set's folder.
    pub path: PathBuf,
    /// Its class.
    pub label: u32,
    /// Why it does not decode.
    pub reason: String,
}

/// Labelled images in the files of one folder, of any size and format, decoded to RGB when they are
/// asked for and kept in memory as far as a budget allows.
///
/// Any number of threads may ask at once. Grey images get three equal channels, transparency is
/// dropped, CMYK becomes RGB, 16-bit values become 8-bit ones: what PIL's `convert("RGB")` does,
/// and with it torchvision's loader. The EXIF orientation is applied, which torchvision's loader
/// leaves to its caller.
///
/// ```
/// use mbls_vision::{FilesConfig, ImageFiles, ImageSource};
///
/// let folder = tempfile::tempdir()?;
/// // 2 x 1 grey pixels in the PGM format.
/// std::fs::write(folder.path().join("a.pgm"), b"P5 2 1 255 \x07\x09")?;
/// let pictures = vec![("a.pgm".into(), 1)];
/// let names = vec!["cat".to_owned(), "dog".to_owned()];
/// let images = ImageFiles::new("pets", folder.path(), pictures, names, FilesConfig::default())?;
/// assert_eq!(images.image(0)?.pixels, [7, 9, 7, 9, 7, 9]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct ImageFiles {
    name: String,
    root: PathBuf,
    /// Paths below `root`.
    paths: Vec<PathBuf>,
    labels: Vec<u32>,
    class_names: Vec<String>,
    config: FilesConfig,
    digest: u64,
    cache: BudgetCache<Image>,
    skipped: Vec<Skipped>,
    warnings: Vec<String>,
    /// Which of the images given are these.
    kept: Vec<usize>,
}

impl ImageFiles {
    /// The `pictures`, files with their labels, whose paths are below the folder `root`; one name
    /// for each class.
    ///
    /// # Errors
    ///
    /// Where there is no image or no class, a label has no name, a path is absolute or leads out of
    /// the folder, by its words or through a link, a file is missing or is not a regular file.
    /// With [`OnError::Skip`] also where nothing of a class is left.
    pub fn new(
        name: impl Into<String>,
        root: impl AsRef<Path>,
        mut pictures: Vec<(PathBuf, u32)>,
        class_names: Vec<String>,
        config: FilesConfig,
    ) -> Result<Self> {
        let (name, root) = (name.into(), root.as_ref().to_owned());
        let error = |field: String, expected: String, found: String| {
            Err(Error::value(format!("data set {name}: {field}"), expected, found))
        };
        if pictures.is_empty() || class_names.is_empty() {
            let found = format!("{} and {}", pictures.len(), class_names.len());
            return error("pictures and classes".into(), "at least 1".into(), found);
        }
        let classes = class_names.len();
        for (path, label) in &mut pictures {
            let field = |what: &str| format!("{what} of picture {}", path.display());
            if *label as usize >= classes {
                return error(field("label"), format!("0..={}", classes - 1), label.to_string());
            }
            match listing::below(path) {
                Ok(normalised) => *path = normalised,
                Err(fault) => {
                    let found = format!("{}, {fault}", path.display());
                    return error(field("path"), format!("one below {}", root.display()), found);
                }
            }
        }
        let sizes = listing::regular_files(&root, pictures.iter().map(|(path, _)| path.as_path()))?;
        let (paths, labels): (Vec<PathBuf>, Vec<u32>) = pictures.into_iter().unzip();
        let cache = BudgetCache::new(paths.len(), config.cache_bytes);
        let mut images = Self {
            kept: (0..paths.len()).collect(),
            digest: digest(&paths, &sizes, &labels),
            name,
            root,
            paths,
            labels,
            class_names,
            config,
            cache,
            skipped: Vec::new(),
            warnings: Vec::new(),
        };
        if config.on_error == OnError::Skip {
            images.skip_undecodable(&sizes)?;
        }
        Ok(images)
    }

    /// Decodes every image, in parallel, and drops those that fail.
    fn skip_undecodable(&mut self, sizes: &[u64]) -> Result<()> {
        let failures: Vec<Option<String>> = (0..self.paths.len())
            .into_par_iter()
            .map(|i| self.fill(i).err().map(|error| mbls_io::with_causes(&error)))
            .collect();
        let mut sizes = sizes.to_vec();
        for (i, reason) in failures.iter().enumerate() {
            if let Some(reason) = reason {
                let reason = reason.clone();
                self.skipped.push(Skipped {
                    path: self.paths[i].clone(),
                    label: self.labels[i],
                    reason,
                });
            }
        }
        retain(&mut self.paths, &failures);
        retain(&mut self.labels, &failures);
        retain(&mut self.kept, &failures);
        self.cache.retain(|index| failures[index].is_none());
        retain(&mut sizes, &failures);
        self.digest = digest(&self.paths, &sizes, &self.labels);
        let lost = self.skipped.iter().find(|skipped| !self.labels.contains(&skipped.label));
        let Some(Skipped { path, label, reason }) = lost else { return Ok(()) };
        let class = format!(
            "data set {}: class {label} ({})",
            self.name, self.class_names[*label as usize]
        );
        let found = format!("none; among those left out, {}: {reason}", path.display());
        Err(Error::value(class, "at least 1 picture that decodes", found))
    }

    /// Decodes images in parallel until the budget for decoded ones is spent; the number of those
    /// in memory.
    ///
    /// # Errors
    ///
    /// That of the first image, by index, that does not decode.
    pub fn preload(&self) -> Result<usize> {
        let failure = (0..self.paths.len()).into_par_iter().find_map_first(|index| {
            if self.cache.is_full() { None } else { self.fill(index).err() }
        });
        match failure {
            Some(error) => Err(error),
            None => Ok(self.cache.len()),
        }
    }

    /// What a user should know though it is not an error, such as a class of a test part whose
    /// folder is empty: a sentence each.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Adds what a reader noticed.
    pub(crate) fn with_warnings(self, warnings: Vec<String>) -> Self {
        Self { warnings, ..self }
    }

    /// The images that were left out.
    pub fn skipped(&self) -> &[Skipped] {
        &self.skipped
    }

    /// Where each image was among those that the data set was made of; they differ where some were
    /// left out.
    pub fn kept(&self) -> &[usize] {
        &self.kept
    }

    /// The file of each image, below [`root`](Self::root).
    pub fn paths(&self) -> &[PathBuf] {
        &self.paths
    }

    /// The folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Makes sure that an image decodes, and keeps it where the budget allows.
    fn fill(&self, index: usize) -> Result<()> {
        if self.cache.get(index).is_none() {
            let picture = self.decode(index)?;
            self.keep(index, &picture);
        }
        Ok(())
    }

    fn decode(&self, index: usize) -> Result<Image> {
        let path = self.root.join(&self.paths[index]);
        let picture = decode(&path, self.config.max_file_bytes, self.config.max_pixels)?;
        match self.config.size {
            Some([height, width]) if [height, width] != [picture.height, picture.width] => {
                let found = format!("{} x {}", picture.height, picture.width);
                Err(Error::format(&path, "height and width", format!("{height} x {width}"), found))
            }
            _ => Ok(picture),
        }
    }

    fn keep(&self, index: usize, picture: &Image) {
        self.cache.keep(index, picture, picture.pixels.len() as u64);
    }
}

impl ImageSource for ImageFiles {
    fn name(&self) -> &str {
        &self.name
    }

    fn labels(&self) -> &[u32] {
        &self.labels
    }

    fn classes(&self) -> usize {
        self.class_names.len()
    }

    fn class_names(&self) -> &[String] {
        &self.class_names
    }

    fn channels(&self) -> usize {
        3
    }

    /// What [`FilesConfig::size`] says.
    fn common_shape(&self) -> Option<[usize; 3]> {
        self.config.size.map(|[height, width]| [3, height, width])
    }

    fn stored_shape(&self, index: usize) -> Result<[usize; 3]> {
        let path = self.paths.get(index).ok_or(Error::Index { index, len: self.paths.len() })?;
        let FilesConfig { max_file_bytes, max_pixels, .. } = self.config;
        let ImageHeader { channels, height, width } =
            image_header(&self.root.join(path), max_file_bytes, max_pixels)?;
        Ok([channels, height, width])
    }

    fn image(&self, index: usize) -> Result<Image> {
        if index >= self.paths.len() {
            return Err(Error::Index { index, len: self.paths.len() });
        }
        if let Some(picture) = self.cache.get(index) {
            return Ok(picture.clone());
        }
        let picture = self.decode(index)?;
        self.keep(index, &picture);
        Ok(picture)
    }

    /// The 64-bit FNV-1a hash of paths, sizes of files and labels.
    fn digest(&self) -> u64 {
        self.digest
    }
}

impl std::fmt::Debug for ImageFiles {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ImageFiles")
            .field("name", &self.name)
            .field("root", &self.root)
            .field("pictures", &self.paths.len())
            .field("classes", &self.class_names.len())
            .field("skipped", &self.skipped.len())
            .finish_non_exhaustive()
    }
}

fn digest(paths: &[PathBuf], sizes: &[u64], labels: &[u32]) -> u64 {
    let files = paths.iter().zip(sizes).zip(labels);
    let one = |all: Fingerprint, ((path, size), label): ((&PathBuf, &u64), &u32)| {
        all.with_path(path).with(&size.to_le_bytes()).with(&label.to_le_bytes())
    };
    files.fold(Fingerprint::default(), one).value()
}

/// Keeps the items that have no failure.
fn retain<T>(items: &mut Vec<T>, failures: &[Option<String>]) {
    let mut failures = failures.iter();
    items.retain(|_| failures.next().is_some_and(Option::is_none));
}
