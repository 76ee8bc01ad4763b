//! Corrupted data sets.

use crate::transform::Corruption;
use crate::{Image, ImageSource, Result};
use mbls_data::Seed;
use std::sync::Arc;

/// An [`ImageSource`] whose images are corrupted, deterministically.
///
/// ```
/// use mbls_vision::transform::{Corruption, CorruptionKind};
/// use mbls_vision::{Corrupted, ImageSource, LabelledImages};
/// use std::sync::Arc;
///
/// let clean = Arc::new(LabelledImages::new(
///     "tiny",
///     [1, 1, 2],
///     vec![0, 255, 51, 0],
///     vec![1, 0],
///     2,
///     255,
/// )?);
/// let noisy =
///     Corrupted::new(clean, Corruption { kind: CorruptionKind::GaussianNoise, severity: 3 })?;
/// assert_eq!(noisy.name(), "tiny, gaussian-noise 3");
/// assert_eq!(noisy.image(1)?, noisy.image(1)?);
/// # Ok::<(), mbls_vision::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Corrupted {
    images: Arc<dyn ImageSource>,
    corruption: Corruption,
    name: String,
}

impl Corrupted {
    /// Corrupts the images of `images`.
    ///
    /// # Errors
    ///
    /// [`Error::Value`](mbls_io::Error::Value) for a severity outside of 1..=5.
    pub fn new(images: Arc<dyn ImageSource>, corruption: Corruption) -> Result<Self> {
        corruption.validate()?;
        let name = format!("{}, {} {}", images.name(), corruption.kind.name(), corruption.severity);
        Ok(Self { images, corruption, name })
    }
}

impl ImageSource for Corrupted {
    fn name(&self) -> &str {
        &self.name
    }

    fn labels(&self) -> &[u32] {
        self.images.labels()
    }

    fn classes(&self) -> usize {
        self.images.classes()
    }

    fn class_names(&self) -> &[String] {
        self.images.class_names()
    }

    fn channels(&self) -> usize {
        self.images.channels()
    }

    fn common_shape(&self) -> Option<[usize; 3]> {
        self.images.common_shape()
    }

    fn full_scale(&self) -> u8 {
        self.images.full_scale()
    }

    fn image(&self, index: usize) -> Result<Image> {
        self.corruption.apply(&self.images.image(index)?, self.full_scale(), index)
    }

    /// Returns the digest of the images combined with the corruption.
    fn digest(&self) -> u64 {
        Seed(self.images.digest())
            .derive(self.corruption.kind.name())
            .at(self.corruption.severity.into())
            .0
    }
}
