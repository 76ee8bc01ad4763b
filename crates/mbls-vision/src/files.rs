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
    /// The budget for decoded images cached in memory, at 3 bytes per pixel. Nothing is evicted: an
    /// epoch requests every image once, so a new image is worth no more than a cached one.
    pub cache_bytes: u64,
    /// The maximum number of pixels of an image; larger images do not decode.
    pub max_pixels: u64,
    /// The maximum size of a file in bytes.
    pub max_file_bytes: u64,
    /// Height and width of every image, if the data set has a fixed size; an image of another size
    /// does not decode.
    pub size: Option<[usize; 2]>,
    /// Handling of images that do not decode.
    pub on_error: OnError,
}

impl Default for FilesConfig {
    /// Returns a cache of 2 GiB of decoded images, which holds Tiny-ImageNet; files of up to 256
    /// MiB; images of up to 89,478,485 pixels, above which the Python library PIL warns; any size;
    /// images that do not decode are errors.
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
    /// The file, relative to the data set's folder.
    pub path: PathBuf,
    /// The class.
    pub label: u32,
    /// The reason why it does not decode.
    pub reason: String,
}

/// Labelled images in the files of one folder, of any size and format. They are decoded to RGB on
/// demand and cached in memory within a budget.
///
/// Any number of threads may access the images concurrently. Grey images get three equal channels,
/// transparency is dropped, CMYK becomes RGB, and 16-bit values become 8-bit values, as in PIL's
/// `convert("RGB")` and thus torchvision's loader. The EXIF orientation is applied, which
/// torchvision's loader leaves to its caller.
///
/// ```
/// use mbls_vision::{FilesConfig, ImageFiles, ImageSource};
///
/// let folder = tempfile::tempdir()?;
/// // 2 x 1 grey pixels in the PGM format.
/// std::fs::write(folder.path().join("a.pgm"), b"P5 2 1 255 \x07\x09")?;
/// let files = vec![("a.pgm".into(), 1)];
/// let names = vec!["cat".to_owned(), "dog".to_owned()];
/// let images = ImageFiles::new("pets", folder.path(), files, names, FilesConfig::default())?;
/// assert_eq!(images.image(0)?.pixels, [7, 9, 7, 9, 7, 9]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct ImageFiles {
    name: String,
    root: PathBuf,
    /// Paths relative to `root`.
    paths: Vec<PathBuf>,
    labels: Vec<u32>,
    class_names: Vec<String>,
    config: FilesConfig,
    digest: u64,
    cache: BudgetCache<Image>,
    skipped: Vec<Skipped>,
    warnings: Vec<String>,
    /// The index of each image in the list that the data set was created from.
    kept: Vec<usize>,
}

impl ImageFiles {
    /// Creates a data set of `images`, files with their labels, whose paths are relative to the
    /// folder `root`; `class_names` has one name per class.
    ///
    /// # Errors
    ///
    /// If there is no image or no class, a label has no name, a path is absolute or leads out of
    /// the folder, by its text or through a link, or a file is missing or is not a regular file.
    /// With [`OnError::Skip`], also if no image of a class is left.
    pub fn new(
        name: impl Into<String>,
        root: impl AsRef<Path>,
        mut images: Vec<(PathBuf, u32)>,
        class_names: Vec<String>,
        config: FilesConfig,
    ) -> Result<Self> {
        let (name, root) = (name.into(), root.as_ref().to_owned());
        let error = |field: String, expected: String, found: String| {
            Err(Error::value(format!("data set {name}: {field}"), expected, found))
        };
        if images.is_empty() || class_names.is_empty() {
            let found = format!("{} and {}", images.len(), class_names.len());
            return error("images and classes".into(), "at least 1".into(), found);
        }
        let classes = class_names.len();
        for (path, label) in &mut images {
            let field = |what: &str| format!("{what} of image {}", path.display());
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
        let sizes = listing::regular_files(&root, images.iter().map(|(path, _)| path.as_path()))?;
        let (paths, labels): (Vec<PathBuf>, Vec<u32>) = images.into_iter().unzip();
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

    /// Decodes every image, in parallel, and removes those that fail.
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
        Err(Error::value(class, "at least 1 image that decodes", found))
    }

    /// Decodes images in parallel until the cache budget is used up. Returns the number of cached
    /// images.
    ///
    /// # Errors
    ///
    /// The error of the first image, by index, that does not decode.
    pub fn preload(&self) -> Result<usize> {
        let failure = (0..self.paths.len()).into_par_iter().find_map_first(|index| {
            if self.cache.is_full() { None } else { self.fill(index).err() }
        });
        match failure {
            Some(error) => Err(error),
            None => Ok(self.cache.len()),
        }
    }

    /// Returns warnings about the data set, one sentence each, such as an empty class folder of a
    /// test part.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Sets the warnings of a reader.
    pub(crate) fn with_warnings(self, warnings: Vec<String>) -> Self {
        Self { warnings, ..self }
    }

    /// Returns the images that were left out.
    pub fn skipped(&self) -> &[Skipped] {
        &self.skipped
    }

    /// Returns the index of each image in the list that the data set was created from. These differ
    /// from 0, 1, ... if some images were left out.
    pub fn kept(&self) -> &[usize] {
        &self.kept
    }

    /// Returns the file of each image, relative to [`root`](Self::root).
    pub fn paths(&self) -> &[PathBuf] {
        &self.paths
    }

    /// Returns the folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Checks that an image decodes, and caches it if the budget allows.
    fn fill(&self, index: usize) -> Result<()> {
        if self.cache.get(index).is_none() {
            let image = self.decode(index)?;
            self.keep(index, &image);
        }
        Ok(())
    }

    fn decode(&self, index: usize) -> Result<Image> {
        let path = self.root.join(&self.paths[index]);
        let image = decode(&path, self.config.max_file_bytes, self.config.max_pixels)?;
        match self.config.size {
            Some([height, width]) if [height, width] != [image.height, image.width] => {
                let found = format!("{} x {}", image.height, image.width);
                Err(Error::format(&path, "height and width", format!("{height} x {width}"), found))
            }
            _ => Ok(image),
        }
    }

    fn keep(&self, index: usize, image: &Image) {
        self.cache.keep(index, image, image.pixels.len() as u64);
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

    /// Returns the shape that [`FilesConfig::size`] implies.
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
        if let Some(image) = self.cache.get(index) {
            return Ok(image.clone());
        }
        let image = self.decode(index)?;
        self.keep(index, &image);
        Ok(image)
    }

    /// Returns the 64-bit FNV-1a hash of paths, file sizes and labels.
    fn digest(&self) -> u64 {
        self.digest
    }
}

impl std::fmt::Debug for ImageFiles {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ImageFiles")
            .field("name", &self.name)
            .field("root", &self.root)
            .field("images", &self.paths.len())
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

/// Keeps the items without a failure.
fn retain<T>(items: &mut Vec<T>, failures: &[Option<String>]) {
    let mut failures = failures.iter();
    items.retain(|_| failures.next().is_some_and(Option::is_none));
}
