//! Transforms of 8-bit images, by name.

use super::step::{Step, checked_len};
use super::{
    CenterCrop, ColourJitter, HorizontalFlip, Pad, RandomCrop, RandomResizedCrop, Resize,
    VerticalFlip,
};
use crate::{Image, Result};
use mbls_data::Seed;
use serde::{Deserialize, Serialize};

/// A transform of an 8-bit image, a pure function of the image and a seed; a list of them is a
/// pipeline.
///
/// In settings, `kind` selects the transform; the other fields are those of the type with the same
/// name:
///
/// ```
/// use mbls_data::Seed;
/// use mbls_vision::Image;
/// use mbls_vision::transform::{ImageTransform, apply_all};
///
/// #[derive(serde::Deserialize)]
/// struct Settings {
///     transforms: Vec<ImageTransform>,
/// }
/// let settings: Settings = toml::from_str(
///     r#"
///     transforms = [
///         { kind = "resize", size = [8, 8] },
///         { kind = "random-crop", size = 6 },
///         { kind = "horizontal-flip" },
///         { kind = "colour-jitter", brightness = 0.4, hue = [-0.1, 0.1] },
///     ]
/// "#,
/// )?;
/// let image = Image { channels: 3, height: 5, width: 7, pixels: vec![100; 3 * 5 * 7] };
/// assert_eq!(apply_all(&settings.transforms, image, Seed(1))?.shape(), [3, 6, 6]);
/// assert!(
///     toml::from_str::<Settings>(r#"transforms = [{ kind = "resize", sise = 8 }]"#).is_err()
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum ImageTransform {
    /// `resize`.
    Resize(Resize),
    /// `center-crop`, also `centre-crop`.
    #[serde(alias = "centre-crop")]
    CenterCrop(CenterCrop),
    /// `random-crop`.
    RandomCrop(RandomCrop),
    /// `pad`.
    Pad(Pad),
    /// `horizontal-flip`.
    HorizontalFlip(HorizontalFlip),
    /// `vertical-flip`.
    VerticalFlip(VerticalFlip),
    /// `random-resized-crop`.
    RandomResizedCrop(RandomResizedCrop),
    /// `colour-jitter`, also `color-jitter`.
    #[serde(alias = "color-jitter")]
    ColourJitter(ColourJitter),
}

impl ImageTransform {
    /// Returns the name in settings.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Resize(_) => "resize",
            Self::CenterCrop(_) => "center-crop",
            Self::RandomCrop(_) => "random-crop",
            Self::Pad(_) => "pad",
            Self::HorizontalFlip(_) => "horizontal-flip",
            Self::VerticalFlip(_) => "vertical-flip",
            Self::RandomResizedCrop(_) => "random-resized-crop",
            Self::ColourJitter(_) => "colour-jitter",
        }
    }

    /// Returns whether the result depends on the seed.
    pub fn is_random(&self) -> bool {
        match self {
            Self::Resize(_) | Self::CenterCrop(_) | Self::Pad(_) => false,
            Self::RandomCrop(_)
            | Self::HorizontalFlip(_)
            | Self::VerticalFlip(_)
            | Self::RandomResizedCrop(_)
            | Self::ColourJitter(_) => true,
        }
    }

    fn step(&self) -> &dyn Step {
        match self {
            Self::Resize(step) => step,
            Self::CenterCrop(step) => step,
            Self::RandomCrop(step) => step,
            Self::Pad(step) => step,
            Self::HorizontalFlip(step) => step,
            Self::VerticalFlip(step) => step,
            Self::RandomResizedCrop(step) => step,
            Self::ColourJitter(step) => step,
        }
    }

    /// Checks the settings.
    ///
    /// # Errors
    ///
    /// [`Error::Value`](mbls_io::Error::Value) that names the transform and the setting.
    pub fn validate(&self) -> Result<()> {
        self.step().validate()
    }

    /// Returns the output shape for an image of `shape` (channels, height, width).
    ///
    /// # Errors
    ///
    /// [`Error::Value`](mbls_io::Error::Value) for invalid settings, for an image that does not
    /// fit, such as one smaller than the crop, and for a result of more than 2^28 values.
    pub fn output_shape(&self, shape: [usize; 3]) -> Result<[usize; 3]> {
        self.validate()?;
        let output = self.step().output_shape(shape)?;
        checked_len(output)?;
        Ok(output)
    }

    /// Returns height and width of the output, if they are the same for all images.
    pub fn fixed_size(&self) -> Option<[usize; 2]> {
        self.step().fixed_size()
    }

    /// Returns the transformed image.
    ///
    /// # Errors
    ///
    /// As for [`ImageTransform::output_shape`]; also if the image's pixels do not fill its shape.
    pub fn apply(&self, image: &Image, seed: Seed) -> Result<Image> {
        image.validate()?;
        let output = self.output_shape(image.shape())?;
        self.step().run(image, output, seed)
    }
}

/// Applies all `transforms` in sequence; each uses the seed
/// `seed.derive(kind).at(its position in the list)`.
///
/// # Errors
///
/// As for [`ImageTransform::apply`].
pub fn apply_all(transforms: &[ImageTransform], image: Image, seed: Seed) -> Result<Image> {
    transforms.iter().zip(0..).try_fold(image, |image, (transform, place)| {
        transform.apply(&image, seed.derive(transform.kind()).at(place))
    })
}

/// Returns the shape of every sample after all `transforms`, if it is known: `shape` is the common
/// shape of the images, if they have one; without it, a transform to a fixed size starts from
/// `channels`.
///
/// # Errors
///
/// As for [`ImageTransform::output_shape`].
pub(crate) fn pipeline_shape(
    transforms: &[ImageTransform],
    channels: usize,
    shape: Option<[usize; 3]>,
) -> Result<Option<[usize; 3]>> {
    transforms.iter().try_fold(shape, |shape, transform| match (shape, transform.fixed_size()) {
        (Some(shape), _) => transform.output_shape(shape).map(Some),
        (None, Some([height, width])) => {
            transform.validate().map(|()| Some([channels, height, width]))
        }
        (None, None) => transform.validate().map(|()| None),
    })
}

macro_rules! from {
    ($($kind:ident),*) => {$(
        impl From<$kind> for ImageTransform {
            fn from(step: $kind) -> Self {
                Self::$kind(step)
            }
        }
    )*};
}

from!(
    Resize,
    CenterCrop,
    RandomCrop,
    Pad,
    HorizontalFlip,
    VerticalFlip,
    RandomResizedCrop,
    ColourJitter
);
