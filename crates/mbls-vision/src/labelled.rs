//! Labelled images in memory.

use crate::{Error, Image, ImageSource, Result, Sample};
use mbls_data::{Dataset, Seed};
use mbls_io::Fingerprint;

/// Images of the same shape with their labels, in memory as 8-bit values.
///
/// As a [`Dataset`] it returns each image scaled to 0..1 without further changes; see
/// [`AugmentedImages`](crate::AugmentedImages) for more.
///
/// ```
/// use mbls_data::{Dataset, Seed};
/// use mbls_vision::LabelledImages;
///
/// let images =
///     LabelledImages::new("tiny", [1, 1, 2], vec![0, 255, 51, 0], vec![1, 0], 2, 255)?;
/// assert_eq!(images.len(), 2);
/// assert_eq!(images.get(1, Seed(0))?.pixels, [0.2, 0.0]);
/// assert!(LabelledImages::new("tiny", [1, 1, 2], vec![0, 255], vec![2], 2, 255).is_err());
/// # Ok::<(), mbls_vision::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct LabelledImages {
    name: String,
    shape: [usize; 3],
    pixels: Vec<u8>,
    labels: Vec<u32>,
    classes: usize,
    class_names: Vec<String>,
    full_scale: u8,
}

impl LabelledImages {
    /// Creates a data set of images of `shape` (channels, height, width), concatenated in `pixels`;
    /// the value `full_scale` means 1.
    ///
    /// # Errors
    ///
    /// [`Error::Value`](mbls_io::Error::Value), naming the data set and the field, if a size is 0,
    /// the length of `pixels` is not that of `labels.len()` images, a label is not below `classes`
    /// or a value is above `full_scale`.
    pub fn new(
        name: impl Into<String>,
        shape: [usize; 3],
        pixels: Vec<u8>,
        labels: Vec<u32>,
        classes: usize,
        full_scale: u8,
    ) -> Result<Self> {
        let name = name.into();
        let error = |field: String, expected: String, found: String| {
            Err(Error::value(format!("data set {name}: {field}"), expected, found))
        };
        if shape.contains(&0) {
            return error("shape".into(), "sizes of at least 1".into(), format!("{shape:?}"));
        }
        if classes == 0 || full_scale == 0 {
            return error(
                "classes and full scale".into(),
                "at least 1".into(),
                format!("{classes} and {full_scale}"),
            );
        }
        let bytes = shape.iter().try_fold(labels.len(), |bytes, &size| bytes.checked_mul(size));
        if bytes != Some(pixels.len()) {
            let expected = format!("{} images of shape {shape:?}", labels.len());
            return error("pixels".into(), expected, format!("{} values", pixels.len()));
        }
        if let Some(i) = labels.iter().position(|&label| label as usize >= classes) {
            return error(
                format!("label of image {i}"),
                format!("0..={}", classes - 1),
                labels[i].to_string(),
            );
        }
        if full_scale < u8::MAX
            && let Some(i) = pixels.iter().position(|&value| value > full_scale)
        {
            let image = i / shape.iter().product::<usize>();
            return error(
                format!("value in image {image}"),
                format!("0..={full_scale}"),
                pixels[i].to_string(),
            );
        }
        Ok(Self { name, shape, pixels, labels, classes, class_names: Vec::new(), full_scale })
    }

    /// Sets the names of the classes, in the order of the labels.
    ///
    /// # Errors
    ///
    /// [`Error::Value`](mbls_io::Error::Value) if there is not exactly one name per class.
    pub fn with_class_names<S: Into<String>>(
        self,
        names: impl IntoIterator<Item = S>,
    ) -> Result<Self> {
        let class_names: Vec<String> = names.into_iter().map(Into::into).collect();
        if class_names.len() != self.classes {
            let name = format!("data set {}: class names", self.name);
            return Err(Error::value(name, self.classes, class_names.len()));
        }
        Ok(Self { class_names, ..self })
    }

    /// Returns channels, height and width of each image.
    pub fn shape(&self) -> [usize; 3] {
        self.shape
    }

    /// Returns the values of image `index`, channel by channel.
    ///
    /// # Errors
    ///
    /// [`Error::Index`] past the end.
    pub fn pixels(&self, index: usize) -> Result<&[u8]> {
        let size: usize = self.shape.iter().product();
        if index >= self.labels.len() {
            return Err(Error::Index { index, len: self.labels.len() });
        }
        Ok(&self.pixels[index * size..(index + 1) * size])
    }
}

impl ImageSource for LabelledImages {
    fn name(&self) -> &str {
        &self.name
    }

    fn labels(&self) -> &[u32] {
        &self.labels
    }

    fn classes(&self) -> usize {
        self.classes
    }

    fn class_names(&self) -> &[String] {
        &self.class_names
    }

    fn channels(&self) -> usize {
        self.shape[0]
    }

    fn common_shape(&self) -> Option<[usize; 3]> {
        Some(self.shape)
    }

    fn full_scale(&self) -> u8 {
        self.full_scale
    }

    fn image(&self, index: usize) -> Result<Image> {
        let [channels, height, width] = self.shape;
        Ok(Image { channels, height, width, pixels: self.pixels(index)?.to_vec() })
    }

    /// Returns the 64-bit FNV-1a hash of shape, pixels and labels.
    fn digest(&self) -> u64 {
        let shape = self
            .shape
            .iter()
            .fold(Fingerprint::default(), |all, &size| all.with(&(size as u64).to_le_bytes()));
        let labels = |all: Fingerprint, label: &u32| all.with(&label.to_le_bytes());
        self.labels.iter().fold(shape.with(&self.pixels), labels).value()
    }
}

impl Dataset for LabelledImages {
    type Item = Sample;

    fn len(&self) -> usize {
        self.labels.len()
    }

    fn get(&self, index: usize, _seed: Seed) -> Result<Sample> {
        let pixels = self.image(index)?.scaled(self.full_scale);
        Ok(Sample { pixels, shape: self.shape, label: self.labels[index], partner: None })
    }
}
