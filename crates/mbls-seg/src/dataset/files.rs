//! Images and masks in files.

use super::mask_values::{ClassCounts, ValueCounts, mapped};
use super::{ClassList, Mask, SegmentationSample, decode_mask};
use mbls_data::{Dataset, Error, Result, Seed};
use mbls_io::{BudgetCache, Fingerprint};
use mbls_vision::dataset::listing::{below, regular_files};
use mbls_vision::{Oriented, decode_oriented, image_header};
use rayon::prelude::*;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// Settings of [`SegmentationFiles`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentationConfig {
    /// Memory for decoded pairs, which take 4 bytes per pixel. Once it is full, further pairs are
    /// not cached; none is evicted.
    pub cache_bytes: u64,
    /// Largest number of pixels of an image or mask that is decoded.
    pub max_pixels: u64,
    /// Size of the largest file that is read.
    pub max_file_bytes: u64,
}

impl Default for SegmentationConfig {
    /// 2 GiB of decoded pairs, which is enough for the training split of VOC 2012; files of up to
    /// 256 MiB; up to 89,478,485 pixels, the limit of [`FilesConfig`](mbls_vision::FilesConfig).
    fn default() -> Self {
        Self { cache_bytes: 2 << 30, max_pixels: 89_478_485, max_file_bytes: 256 << 20 }
    }
}

/// Paths of an image and its mask, relative to their folders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PairPaths {
    /// Path of the image.
    pub image: PathBuf,
    /// Path of the mask.
    pub mask: PathBuf,
}

/// A data set of images of any size with masks, read from files in two folders. Pairs are decoded
/// on access and cached up to a memory budget.
///
/// Any number of threads may read at once. Images are decoded like [`mbls_vision::decode()`], masks
/// like [`decode_mask`].
///
/// ```
/// use mbls_data::{Dataset, Seed};
/// use mbls_seg::dataset::{ClassList, PairPaths, SegmentationFiles};
///
/// # let folder = tempfile::tempdir()?;
/// # let dir = folder.path();
/// // 2 x 1 pixels.
/// std::fs::write(dir.join("a.ppm"), b"P6 2 1 255 abcdef")?;
/// # let mut encoder = png::Encoder::new(std::fs::File::create(dir.join("a.png"))?, 2, 1);
/// # encoder.set_color(png::ColorType::Grayscale);
/// # encoder.write_header()?.write_image_data(&[1, 255])?;
/// let pairs = vec![PairPaths { image: "a.ppm".into(), mask: "a.png".into() }];
/// let files = SegmentationFiles::new("tiny", [dir, dir], pairs, ClassList::voc(), Default::default())?;
/// assert_eq!(files.get(0, Seed(0))?.mask.classes, [1, 255]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct SegmentationFiles {
    name: String,
    /// Folders of the images and of the masks.
    roots: [PathBuf; 2],
    pairs: Vec<PairPaths>,
    classes: ClassList,
    config: SegmentationConfig,
    digest: u64,
    cache: BudgetCache<SegmentationSample>,
    /// Counts of the values of each mask, set when the mask is first decoded.
    values: Vec<OnceLock<ValueCounts>>,
}

impl SegmentationFiles {
    /// Creates a data set of `pairs`, whose paths are relative to the folders `roots` of images and
    /// masks.
    ///
    /// # Errors
    ///
    /// An error if there are no pairs, if a path is absolute or leads out of its folder (by `..` or
    /// through a link), or if a file is missing, empty or not a regular file. The contents of files
    /// are checked on access; [`SegmentationFiles::preload`] reads all that fit in memory.
    pub fn new(
        name: impl Into<String>,
        roots: [&Path; 2],
        mut pairs: Vec<PairPaths>,
        classes: ClassList,
        config: SegmentationConfig,
    ) -> Result<Self> {
        let name = name.into();
        for pair in &mut pairs {
            for (path, root) in [(&mut pair.image, roots[0]), (&mut pair.mask, roots[1])] {
                *path = below(path).map_err(|fault| {
                    let field = format!("data set {name}: path {}", path.display());
                    let found = format!("{}, {fault}", path.display());
                    Error::value(field, format!("one below {}", root.display()), found)
                })?;
            }
        }
        if pairs.is_empty() {
            return Err(Error::value(format!("data set {name}: images"), "at least 1", 0));
        }
        let sizes = |root: &Path, path: fn(&PairPaths) -> &Path| {
            let sizes = regular_files(root, pairs.iter().map(path))?;
            match pairs.iter().zip(&sizes).find(|&(_, &size)| size == 0) {
                Some((pair, _)) => {
                    Err(Error::format(root.join(path(pair)), "size", "at least 1 byte", 0))
                }
                None => Ok(sizes),
            }
        };
        let sizes = [sizes(roots[0], |pair| &pair.image)?, sizes(roots[1], |pair| &pair.mask)?];
        Ok(Self {
            digest: digest(&pairs, &sizes, &classes),
            name,
            roots: roots.map(Path::to_owned),
            cache: BudgetCache::new(pairs.len(), config.cache_bytes),
            values: pairs.iter().map(|_| OnceLock::new()).collect(),
            pairs,
            classes,
            config,
        })
    }

    /// Returns the name of the data set.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the classes of the masks, with their names and values.
    pub fn classes(&self) -> &ClassList {
        &self.classes
    }

    /// Returns the paths of each image and mask, relative to [`roots`](Self::roots).
    pub fn pairs(&self) -> &[PairPaths] {
        &self.pairs
    }

    /// Returns the folders of the images and of the masks.
    pub fn roots(&self) -> [&Path; 2] {
        [&self.roots[0], &self.roots[1]]
    }

    /// Returns a fingerprint of the data set: the 64-bit FNV-1a hash of paths, file sizes and the
    /// number of classes, and of the mask values unless they are the default (0, 1, ... with 255 as
    /// void).
    pub fn digest(&self) -> u64 {
        self.digest
    }

    /// Decodes pairs in parallel until the memory budget is spent, and returns the number of cached
    /// pairs.
    ///
    /// # Errors
    ///
    /// The error of the first pair, by index, that does not decode.
    pub fn preload(&self) -> Result<usize> {
        let failure = (0..self.pairs.len()).into_par_iter().find_map_first(|index| {
            let done = self.cache.is_full() || self.cache.get(index).is_some();
            if done { None } else { self.sample(index).err() }
        });
        match failure {
            Some(error) => Err(error),
            None => Ok(self.cache.len()),
        }
    }

    /// Returns the channels, height and width of image `index` as stored, from the header of its
    /// file.
    ///
    /// # Errors
    ///
    /// [`Error::Index`]; errors of reading the header, with the name of the file.
    pub fn stored_shape(&self, index: usize) -> Result<[usize; 3]> {
        let pair = self.pairs.get(index).ok_or(Error::Index { index, len: self.pairs.len() })?;
        let path = self.roots[0].join(&pair.image);
        let header = image_header(&path, self.config.max_file_bytes, self.config.max_pixels)?;
        Ok([header.channels, header.height, header.width])
    }

    /// Counts the pixels of each class in the masks of the pairs `indices`.
    ///
    /// Masks are decoded in parallel. Each is decoded only once, because its counts are kept.
    ///
    /// # Errors
    ///
    /// [`Error::Index`]; the error of the first mask, in the order of `indices`, that does not
    /// decode or has a value that is not allowed.
    pub fn class_counts(&self, indices: &[usize]) -> Result<ClassCounts> {
        // All results are collected in order, so the first error does not depend on the threads.
        let masks: Vec<Result<&ValueCounts>> =
            indices.par_iter().map(|&index| self.value_counts(index)).collect();
        let mut counts = [0; 256];
        for mask in masks {
            mask?.iter().for_each(|&(value, count)| counts[usize::from(value)] += count);
        }
        Ok(ClassCounts::new(&self.classes, &counts))
    }

    fn value_counts(&self, index: usize) -> Result<&ValueCounts> {
        let counts = self.values.get(index).ok_or(Error::Index { index, len: self.pairs.len() })?;
        if counts.get().is_none() {
            self.mask(index)?;
        }
        // `mask` has set the counts.
        Ok(counts.get_or_init(Vec::new))
    }

    fn mask_path(&self, index: usize) -> PathBuf {
        self.roots[1].join(&self.pairs[index].mask)
    }

    fn mask(&self, index: usize) -> Result<Mask> {
        let path = self.mask_path(index);
        let mask = decode_mask(&path, self.config.max_file_bytes, self.config.max_pixels)?;
        let (mask, counts) = mapped(&path, mask, &self.classes)?;
        // Another thread may have set the same counts already.
        let _ = self.values[index].set(counts);
        Ok(mask)
    }

    fn sample(&self, index: usize) -> Result<SegmentationSample> {
        let path = self.roots[0].join(&self.pairs[index].image);
        let Oriented { image, orientation } =
            decode_oriented(&path, self.config.max_file_bytes, self.config.max_pixels)?;
        let mask = self.mask(index)?;
        let (size, stored) = ([image.height, image.width], [image.width, image.height]);
        if [mask.height, mask.width] != size {
            let mut expected =
                format!("{} x {}, as of {}", image.height, image.width, path.display());
            if orientation >= 5 && [mask.height, mask.width] == stored {
                expected += &format!(" rotated by its EXIF orientation {orientation}");
            }
            let found = format!("{} x {}", mask.height, mask.width);
            return Err(Error::format(self.mask_path(index), "height and width", expected, found));
        }
        let sample = SegmentationSample { image, mask };
        let bytes = sample.image.pixels.len() + sample.mask.classes.len();
        self.cache.keep(index, &sample, bytes as u64);
        Ok(sample)
    }
}

impl Dataset for SegmentationFiles {
    type Item = SegmentationSample;

    fn len(&self) -> usize {
        self.pairs.len()
    }

    fn get(&self, index: usize, _seed: Seed) -> Result<SegmentationSample> {
        if index >= self.pairs.len() {
            return Err(Error::Index { index, len: self.pairs.len() });
        }
        self.cache.get(index).map_or_else(|| self.sample(index), |sample| Ok(sample.clone()))
    }
}

impl std::fmt::Debug for SegmentationFiles {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SegmentationFiles")
            .field("name", &self.name)
            .field("roots", &self.roots)
            .field("pairs", &self.pairs.len())
            .field("classes", &self.classes.len())
            .finish_non_exhaustive()
    }
}

fn digest(pairs: &[PairPaths], sizes: &[Vec<u64>; 2], classes: &ClassList) -> u64 {
    let mut all = Fingerprint::of(&(classes.len() as u64).to_le_bytes());
    for (i, pair) in pairs.iter().enumerate() {
        for (path, size) in [(&pair.image, sizes[0][i]), (&pair.mask, sizes[1][i])] {
            all = all.with_path(path).with(&size.to_le_bytes());
        }
    }
    if !classes.is_default() {
        let marked = |all, mark: u8, values: Vec<u8>| {
            values.into_iter().fold(all, |all: Fingerprint, value| all.with(&[mark, value]))
        };
        all = marked(marked(all, b'c', classes.values()), b'v', classes.void_values());
    }
    all.value()
}
