//! The enum of all joint transforms.

use super::step::{Sides, Step};
use super::{
    BrightnessContrast, HorizontalFlip, HueSaturationValue, LongestSide, PadTo, RandomCrop,
    ScaleJitter,
};
use crate::dataset::SegmentationSample;
use mbls_data::{Result, Seed};
use serde::{Deserialize, Serialize};

/// A transform of an image and its mask: a pure function of the sample and a seed. A list of
/// transforms is a pipeline.
///
/// In settings, `kind` selects the transform and the other keys are its fields:
///
/// ```
/// use mbls_data::Seed;
/// use mbls_seg::dataset::{Mask, SegmentationSample, VOID};
/// use mbls_seg::transform::{JointTransform, apply_all, common_size};
/// use mbls_vision::Image;
///
/// #[derive(serde::Deserialize)]
/// struct Settings {
///     transforms: Vec<JointTransform>,
/// }
/// let settings: Settings = toml::from_str(
///     r#"
///     transforms = [
///         { kind = "longest-side", size = 6 },
///         { kind = "pad", size = 8 },
///         { kind = "horizontal-flip" },
///     ]
/// "#,
/// )?;
/// let image = Image { channels: 3, height: 2, width: 3, pixels: vec![100; 3 * 2 * 3] };
/// let sample =
///     SegmentationSample { image, mask: Mask { height: 2, width: 3, classes: vec![1; 6] } };
/// let sample = apply_all(&settings.transforms, sample, Seed(1))?;
/// assert_eq!(sample.size(), [8, 8]);
/// assert_eq!(common_size(&settings.transforms), Some([8, 8]));
/// // The image is resized to 4 x 6 and padded.
/// assert_eq!(sample.mask.valid_pixels(), 24);
/// assert_eq!((sample.image.pixels[0], sample.mask.classes[0]), (0, VOID));
/// assert!(
///     toml::from_str::<Settings>(r#"transforms = [{ kind = "pad", sise = 8 }]"#).is_err()
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum JointTransform {
    /// `longest-side`.
    LongestSide(LongestSide),
    /// `pad`.
    Pad(PadTo),
    /// `random-crop`.
    RandomCrop(RandomCrop),
    /// `horizontal-flip`.
    HorizontalFlip(HorizontalFlip),
    /// `brightness-contrast`.
    BrightnessContrast(BrightnessContrast),
    /// `hue-saturation-value`.
    HueSaturationValue(HueSaturationValue),
    /// `scale-jitter`.
    ScaleJitter(ScaleJitter),
}

impl JointTransform {
    /// Returns the paper's transforms for the training split of VOC 2012. Samples are 512x512.
    pub fn voc_train() -> Vec<Self> {
        vec![
            Self::LongestSide(LongestSide { size: 640 }),
            Self::Pad(PadTo { size: 512, value: 0 }),
            Self::RandomCrop(RandomCrop { size: 512 }),
            Self::HorizontalFlip(HorizontalFlip { probability: 0.5 }),
            Self::BrightnessContrast(BrightnessContrast {
                brightness: 0.3,
                contrast: 0.3,
                probability: 0.5,
            }),
            Self::HueSaturationValue(HueSaturationValue {
                hue: 20.0,
                saturation: 30.0,
                value: 20.0,
                probability: 0.5,
            }),
        ]
    }

    /// Returns the paper's transforms for the validation split of VOC 2012. Samples are 480x480,
    /// and nothing is random.
    pub fn voc_validation() -> Vec<Self> {
        vec![Self::LongestSide(LongestSide { size: 480 }), Self::Pad(PadTo { size: 480, value: 0 })]
    }

    /// Returns the name of the transform in settings.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::LongestSide(_) => "longest-side",
            Self::Pad(_) => "pad",
            Self::RandomCrop(_) => "random-crop",
            Self::HorizontalFlip(_) => "horizontal-flip",
            Self::BrightnessContrast(_) => "brightness-contrast",
            Self::HueSaturationValue(_) => "hue-saturation-value",
            Self::ScaleJitter(_) => "scale-jitter",
        }
    }

    /// Returns whether the result depends on the seed.
    pub fn is_random(&self) -> bool {
        match self {
            Self::LongestSide(_) | Self::Pad(_) => false,
            Self::RandomCrop(_)
            | Self::HorizontalFlip(_)
            | Self::BrightnessContrast(_)
            | Self::HueSaturationValue(_)
            | Self::ScaleJitter(_) => true,
        }
    }

    fn step(&self) -> &dyn Step {
        match self {
            Self::LongestSide(step) => step,
            Self::Pad(step) => step,
            Self::RandomCrop(step) => step,
            Self::HorizontalFlip(step) => step,
            Self::BrightnessContrast(step) => step,
            Self::HueSaturationValue(step) => step,
            Self::ScaleJitter(step) => step,
        }
    }

    /// Checks the settings.
    ///
    /// # Errors
    ///
    /// [`Error::Value`](mbls_io::Error::Value) with the name of the transform and the invalid
    /// setting.
    pub fn validate(&self) -> Result<()> {
        self.step().validate()
    }

    /// Returns the transformed sample.
    ///
    /// # Errors
    ///
    /// [`Error::Value`](mbls_io::Error::Value) for invalid settings, a sample whose mask and image
    /// differ in size, a sample that is too small for the transform (such as a crop), and a result
    /// of more than 89,478,485 pixels.
    pub fn apply(&self, sample: SegmentationSample, seed: Seed) -> Result<SegmentationSample> {
        self.validate()?;
        sample.validate()?;
        self.step().run(sample, seed)
    }
}

/// Applies all `transforms` to a sample, in order. The seed of each is `seed.derive(kind).at(i)`
/// with its index `i` in the list.
///
/// # Errors
///
/// The errors of [`JointTransform::apply`].
pub fn apply_all(
    transforms: &[JointTransform],
    sample: SegmentationSample,
    seed: Seed,
) -> Result<SegmentationSample> {
    transforms.iter().zip(0..).try_fold(sample, |sample, (transform, place)| {
        transform.apply(sample, seed.derive(transform.kind()).at(place))
    })
}

/// Returns the height and width of every sample after all `transforms`, if they are the same for
/// samples of any size.
pub fn common_size(transforms: &[JointTransform]) -> Option<[usize; 2]> {
    // Transforms treat height and width alike, and a sample can have any size.
    let any = Sides { least: 1, most: usize::MAX };
    let Sides { least, most } =
        transforms.iter().fold(any, |sides, transform| transform.step().side(sides));
    (least == most).then_some([least, least])
}

macro_rules! from {
    ($($kind:ident($step:ident)),*) => {$(
        impl From<$step> for JointTransform {
            fn from(step: $step) -> Self {
                Self::$kind(step)
            }
        }
    )*};
}

from!(
    LongestSide(LongestSide),
    Pad(PadTo),
    RandomCrop(RandomCrop),
    HorizontalFlip(HorizontalFlip),
    BrightnessContrast(BrightnessContrast),
    HueSaturationValue(HueSaturationValue),
    ScaleJitter(ScaleJitter)
);
