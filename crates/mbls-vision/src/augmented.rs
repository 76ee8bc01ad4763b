//! Labelled images as a network takes them.

use crate::transform::{ImageTransform, Noise, Normalise, PadCropFlip, apply_all, pipeline_shape};
use crate::{Error, ImageSource, Result, Sample};
use mbls_data::{Dataset, Seed};
use std::sync::Arc;

/// Some images of an [`ImageSource`], made ready for a network one by one.
///
/// [`ImageTransform`]s change the 8-bit image; it is scaled to 0..1; [`Noise`] is added;
/// [`PadCropFlip`] moves it; [`Normalise`] comes last. Each step is optional. Noise is part of the
/// image: its seed comes from the image's index in the [`ImageSource`], so that it is the same in
/// every epoch and every split, and [`PadCropFlip`] moves it with the image. The transforms come
/// before it and leave it where it is.
///
/// ```
/// use mbls_data::{Dataset, Seed};
/// use mbls_vision::{AugmentedImages, LabelledImages, transform::{Normalise, PadCropFlip}};
/// use std::sync::Arc;
///
/// let images = Arc::new(LabelledImages::new("tiny", [1, 2, 2], vec![255; 12], vec![0, 1, 0], 2, 255)?);
/// let train = AugmentedImages::new(images, vec![2, 1])?
///     .with_augmentation(PadCropFlip { padding: 1, flip: true })
///     .with_normalisation(Normalise::new(vec![0.5], vec![0.5])?)?;
/// assert_eq!(train.len(), 2);
/// let sample = train.get(1, Seed(3))?;
/// assert_eq!((sample.label, sample.shape), (1, [1, 2, 2]));
/// assert!(sample.pixels.iter().all(|&x| x == 1.0 || x == -1.0));
/// # Ok::<(), mbls_vision::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct AugmentedImages {
    images: Arc<dyn ImageSource>,
    indices: Vec<usize>,
    transforms: Vec<ImageTransform>,
    noise: Option<Noise>,
    augmentation: Option<PadCropFlip>,
    normalisation: Option<Normalise>,
}

impl AugmentedImages {
    /// The images at `indices`, with nothing done to them but scaling.
    ///
    /// # Errors
    ///
    /// [`Error::Index`] where an index is past the end.
    pub fn new(images: Arc<dyn ImageSource>, indices: Vec<usize>) -> Result<Self> {
        let len = images.labels().len();
        match indices.iter().find(|&&index| index >= len) {
            Some(&index) => Err(Error::Index { index, len }),
            None => Ok(Self {
                images,
                indices,
                transforms: Vec::new(),
                noise: None,
                augmentation: None,
                normalisation: None,
            }),
        }
    }

    /// Transforms the 8-bit images, in this order, before anything else is done to them.
    ///
    /// Each draws from (the item's seed, its kind, its place in the list). Images of one batch must
    /// get one shape.
    ///
    /// # Errors
    ///
    /// [`Error::Value`](mbls_io::Error::Value) for settings that are not allowed, colours changed
    /// where a value other than 255 means 1, and, where all images have one shape, transforms
    /// that it does not fit.
    pub fn with_transforms(self, transforms: Vec<ImageTransform>) -> Result<Self> {
        pipeline_shape(&transforms, self.images.channels(), self.images.common_shape())?;
        let full_scale = self.images.full_scale();
        let colours =
            |transform: &ImageTransform| matches!(transform, ImageTransform::ColourJitter(_));
        if full_scale != u8::MAX && transforms.iter().any(colours) {
            let name = format!("colour-jitter for data set {}", self.images.name());
            return Err(Error::value(name, "a full scale of 255", full_scale));
        }
        Ok(Self { transforms, ..self })
    }

    /// Adds noise to every image.
    #[must_use]
    pub fn with_noise(self, noise: Noise) -> Self {
        Self { noise: Some(noise), ..self }
    }

    /// Crops and flips at random.
    #[must_use]
    pub fn with_augmentation(self, augmentation: PadCropFlip) -> Self {
        Self { augmentation: Some(augmentation), ..self }
    }

    /// Normalises each channel.
    ///
    /// # Errors
    ///
    /// [`Error::Value`](mbls_io::Error::Value) where `normalisation` is for another number of
    /// channels.
    pub fn with_normalisation(self, normalisation: Normalise) -> Result<Self> {
        let channels = self.images.channels();
        if normalisation.channels() != channels {
            let name = format!("normalisation for data set {}", self.images.name());
            return Err(Error::value(
                name,
                format!("{channels} channels"),
                normalisation.channels(),
            ));
        }
        Ok(Self { normalisation: Some(normalisation), ..self })
    }

    /// Channels, height and width of every sample, where they are all the same whatever the image.
    pub fn sample_shape(&self) -> Option<[usize; 3]> {
        // Checked when the transforms were given.
        pipeline_shape(&self.transforms, self.images.channels(), self.images.common_shape())
            .ok()
            .flatten()
    }

    /// The images' places in the [`ImageSource`].
    pub fn indices(&self) -> &[usize] {
        &self.indices
    }

    /// The label at each place.
    pub fn labels(&self) -> Vec<u32> {
        self.indices.iter().map(|&index| self.images.labels()[index]).collect()
    }

    /// The images it takes from.
    pub fn images(&self) -> &Arc<dyn ImageSource> {
        &self.images
    }
}

impl Dataset for AugmentedImages {
    type Item = Sample;

    fn len(&self) -> usize {
        self.indices.len()
    }

    fn get(&self, index: usize, seed: Seed) -> Result<Sample> {
        let original =
            *self.indices.get(index).ok_or(Error::Index { index, len: self.indices.len() })?;
        let image = apply_all(&self.transforms, self.images.image(original)?, seed)?;
        let shape = image.shape();
        let mut pixels = image.scaled(self.images.full_scale());
        if let Some(noise) = &self.noise {
            noise.apply(&mut pixels, original);
        }
        if let Some(augmentation) = &self.augmentation {
            pixels = augmentation.apply(&pixels, shape, seed)?;
        }
        if let Some(normalisation) = &self.normalisation {
            normalisation.apply(&mut pixels);
        }
        Ok(Sample { pixels, shape, label: self.images.labels()[original], partner: None })
    }
}
