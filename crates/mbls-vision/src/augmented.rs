//! Labelled images, augmented for training.

use crate::transform::{ImageTransform, Noise, Normalise, PadCropFlip, apply_all, pipeline_shape};
use crate::{Error, ImageSource, Result, Sample};
use mbls_data::{Dataset, Seed};
use std::sync::Arc;

/// Selected images of an [`ImageSource`], transformed one by one into samples for a network.
///
/// The steps, all optional, are applied in this order: [`ImageTransform`]s change the 8-bit image;
/// it is scaled to 0..1; [`Noise`] is added; [`PadCropFlip`] shifts and flips it; [`Normalise`]
/// comes last. Noise is part of the image: its seed comes from the image's index in the
/// [`ImageSource`], so it is the same in every epoch and every split, and [`PadCropFlip`] moves it
/// with the image. The transforms run before the noise and do not move it.
///
/// ```
/// use mbls_data::{Dataset, Seed};
/// use mbls_vision::{
///     AugmentedImages, LabelledImages,
///     transform::{Normalise, PadCropFlip},
/// };
/// use std::sync::Arc;
///
/// let images =
///     Arc::new(LabelledImages::new("tiny", [1, 2, 2], vec![255; 12], vec![0, 1, 0], 2, 255)?);
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
    /// Creates a data set of the images at `indices`, with no step except scaling.
    ///
    /// # Errors
    ///
    /// [`Error::Index`] if an index is past the end.
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

    /// Sets transforms of the 8-bit images, applied in this order before all other steps.
    ///
    /// Each uses a seed derived from (the item's seed, its kind, its position in the list). The
    /// images of one batch must have the same shape after the transforms.
    ///
    /// # Errors
    ///
    /// [`Error::Value`](mbls_io::Error::Value) for invalid settings, for colour changes if the full
    /// scale is not 255, and, if all images have the same shape, for transforms that do not fit it.
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

    /// Sets random cropping and flipping.
    #[must_use]
    pub fn with_augmentation(self, augmentation: PadCropFlip) -> Self {
        Self { augmentation: Some(augmentation), ..self }
    }

    /// Sets the normalisation of each channel.
    ///
    /// # Errors
    ///
    /// [`Error::Value`](mbls_io::Error::Value) if `normalisation` is for a different number of
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

    /// Returns channels, height and width of the samples, if they are the same for all images.
    pub fn sample_shape(&self) -> Option<[usize; 3]> {
        // The transforms were checked when they were set.
        pipeline_shape(&self.transforms, self.images.channels(), self.images.common_shape())
            .ok()
            .flatten()
    }

    /// Returns the indices of the images in the [`ImageSource`].
    pub fn indices(&self) -> &[usize] {
        &self.indices
    }

    /// Returns the label of each sample.
    pub fn labels(&self) -> Vec<u32> {
        self.indices.iter().map(|&index| self.images.labels()[index]).collect()
    }

    /// Returns the underlying images.
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
