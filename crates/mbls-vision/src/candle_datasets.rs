//! Conversion to and from the data sets of candle-datasets.
//!
//! `candle_datasets::vision::Dataset` contains floats in 0..1; [`LabelledImages`] contains the
//! original 8-bit values. A data set that candle-datasets loads, from a folder or from the hub, is
//! converted without loss, and back to the same floats.
//!
//! candle-datasets trusts the sizes that a file claims, and panics on an image that does not
//! decode, which is an error here. For files of unknown origin, use the readers in
//! [`dataset`](crate::dataset).
//!
//! ```
//! use candle_core::{Device, Tensor};
//! use mbls_vision::candle_datasets::{Layout, from_candle, to_candle};
//!
//! // MNIST as candle-datasets returns it: each image is a flat row of values.
//! let images = Tensor::new(&[[0f32, 1.0, 51.0 / 255.0, 0.0]], &Device::Cpu)?;
//! let labels = Tensor::new(&[3u8], &Device::Cpu)?;
//! let loaded = candle_datasets::vision::Dataset {
//!     train_images: images.clone(),
//!     train_labels: labels.clone(),
//!     test_images: images,
//!     test_labels: labels,
//!     labels: 10,
//! };
//! let (train, test) = from_candle("tiny", &loaded, [1, 2, 2], Layout::Usual)?;
//! assert_eq!(train.pixels(0)?, [0, 255, 51, 0]);
//! assert_eq!(to_candle(&train, &test)?.train_images.dims(), [1, 1, 2, 2]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use crate::dataset::{DIGITS, cifar10, fashion_mnist};
use crate::{Error, ImageSource, LabelledImages, Result};
use ::candle_datasets::vision::{self, Dataset};
use candle_core::{DType, Device, Tensor};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

/// An image data set that candle-datasets can load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CandleSet {
    /// `candle_datasets::vision::mnist`.
    Mnist,
    /// `candle_datasets::vision::fashion_mnist`, whose files in a folder have MNIST's format.
    FashionMnist,
    /// `candle_datasets::vision::cifar`.
    Cifar10,
}

impl CandleSet {
    /// Loads the training and test parts from the files in `folder`, which have the names of our
    /// own readers; `.gz` files are not read.
    ///
    /// # Errors
    ///
    /// [`Error::Io`](mbls_io::Error::Io) if a file is missing; the errors of candle-datasets, with
    /// the folder; [`Error::Value`](mbls_io::Error::Value) as for [`from_candle`].
    pub fn load_dir(self, folder: &Path) -> Result<(LabelledImages, LabelledImages)> {
        for name in self.files() {
            let path = folder.join(name);
            std::fs::metadata(&path).map_err(Error::io("read", &path))?;
        }
        let loaded =
            caught(&format!("{} from {}", self.name(), folder.display()), || match self {
                Self::Mnist | Self::FashionMnist => vision::mnist::load_dir(folder),
                Self::Cifar10 => vision::cifar::load_dir(folder),
            })?;
        self.named(&loaded, Layout::Usual)
    }

    /// Loads the training and test parts from the hub, over the network unless the files are
    /// cached.
    ///
    /// # Errors
    ///
    /// The errors of candle-datasets; [`Error::Panic`] if it panics, for example on an image that
    /// does not decode; [`Error::Value`](mbls_io::Error::Value) as for [`from_candle`].
    pub fn load_hub(self) -> Result<(LabelledImages, LabelledImages)> {
        let loaded = caught(&format!("{} from the hub", self.name()), || match self {
            Self::Mnist => vision::mnist::load(),
            Self::FashionMnist => vision::fashion_mnist::load(),
            Self::Cifar10 => vision::cifar::load(),
        })?;
        self.named(&loaded, if self == Self::Cifar10 { Layout::Transposed } else { Layout::Usual })
    }

    fn named(self, loaded: &Dataset, layout: Layout) -> Result<(LabelledImages, LabelledImages)> {
        let (shape, classes) = match self {
            Self::Mnist => ([1, 28, 28], DIGITS),
            Self::FashionMnist => ([1, 28, 28], fashion_mnist::CLASS_NAMES),
            Self::Cifar10 => ([3, 32, 32], cifar10::CLASS_NAMES),
        };
        let (train, test) = from_candle(self.name(), loaded, shape, layout)?;
        Ok((train.with_class_names(classes)?, test.with_class_names(classes)?))
    }

    fn name(self) -> &'static str {
        match self {
            Self::Mnist => "mnist",
            Self::FashionMnist => "fashion-mnist",
            Self::Cifar10 => "cifar10",
        }
    }

    fn files(self) -> &'static [&'static str] {
        match self {
            Self::Mnist | Self::FashionMnist => &[
                "train-images-idx3-ubyte",
                "train-labels-idx1-ubyte",
                "t10k-images-idx3-ubyte",
                "t10k-labels-idx1-ubyte",
            ],
            Self::Cifar10 => &[
                "data_batch_1.bin",
                "data_batch_2.bin",
                "data_batch_3.bin",
                "data_batch_4.bin",
                "data_batch_5.bin",
                "test_batch.bin",
            ],
        }
    }
}

/// The order in which a data set stores the pixels of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// Row by row, as in all data sets except one.
    Usual,
    /// Column by column, as `candle_datasets::vision::cifar::load` returns it, because that
    /// function reads the hub's images with width before height. The images are transposed.
    Transposed,
}

/// Tolerance for a float times 255 to be an integer: the error of scaling in f32 is below 1e-4.
const TOLERANCE: f32 = 1e-3;

/// Converts the training and test parts of a data set whose images have `shape` (channels, height,
/// width).
///
/// # Shapes
///
/// Images `[N, C, H, W]`, or `[N, C * H * W]`; labels `[N]` of any integer type.
///
/// # Errors
///
/// [`Error::Value`](mbls_io::Error::Value) for other shapes, a value that is not a multiple of
/// 1/255 in 0..=1, or a label that is not below `labels`; errors of candle.
pub fn from_candle(
    name: &str,
    dataset: &Dataset,
    shape: [usize; 3],
    layout: Layout,
) -> Result<(LabelledImages, LabelledImages)> {
    let part = |part: &str, images: &Tensor, labels: &Tensor| {
        let name = format!("{name}-{part}");
        let pixels = pixels(&name, images, shape, layout)?;
        let labels = labels
            .to_dtype(DType::U32)
            .and_then(|labels| labels.flatten_all()?.to_vec1())
            .map_err(other)?;
        LabelledImages::new(name, shape, pixels, labels, dataset.labels, u8::MAX)
    };
    let train = part("train", &dataset.train_images, &dataset.train_labels)?;
    Ok((train, part("test", &dataset.test_images, &dataset.test_labels)?))
}

/// Converts the two parts to the tensors that candle-datasets would return: images `[N, C, H, W]`
/// of 0..1 in f32, labels `[N]` in u8 or, from 257 classes on, u32.
///
/// # Errors
///
/// [`Error::Value`](mbls_io::Error::Value) if the parts have different shapes or numbers of
/// classes; errors of candle.
pub fn to_candle(train: &LabelledImages, test: &LabelledImages) -> Result<Dataset> {
    if (train.shape(), train.classes()) != (test.shape(), test.classes()) {
        let of = |part: &LabelledImages| {
            format!("images of shape {:?} in {} classes", part.shape(), part.classes())
        };
        return Err(Error::value("test part", of(train), of(test)));
    }
    let ((train_images, train_labels), (test_images, test_labels)) =
        (tensors(train)?, tensors(test)?);
    Ok(Dataset { train_images, train_labels, test_images, test_labels, labels: train.classes() })
}

/// Returns images and labels.
fn tensors(images: &LabelledImages) -> Result<(Tensor, Tensor)> {
    let (n, [channels, height, width]) = (images.labels().len(), images.shape());
    let mut pixels = Vec::with_capacity(n * channels * height * width);
    for index in 0..n {
        pixels.extend_from_slice(images.pixels(index)?);
    }
    let tensors = || {
        let pixels = Tensor::from_vec(pixels, (n, channels, height, width), &Device::Cpu)?
            .to_dtype(DType::F32)?;
        let labels = Tensor::from_slice(images.labels(), n, &Device::Cpu)?;
        // Multiplies by the inverse as candle and candle-datasets do; a division would differ in
        // the last bit.
        let pixels = (pixels / f64::from(images.full_scale()))?;
        candle_core::Result::Ok((
            pixels,
            labels.to_dtype(if images.classes() <= 256 { DType::U8 } else { DType::U32 })?,
        ))
    };
    tensors().map_err(other)
}

/// Returns the 8-bit values of all images, row by row.
fn pixels(name: &str, images: &Tensor, shape: [usize; 3], layout: Layout) -> Result<Vec<u8>> {
    let [channels, height, width] = shape;
    let size = channels * height * width;
    let stored = match layout {
        Layout::Usual => [channels, height, width],
        Layout::Transposed => [channels, width, height],
    };
    let fits = match images.dims() {
        [_, line] => *line == size,
        [_, image @ ..] => image == stored,
        [] => false,
    };
    if !fits {
        let expected = format!("[N, {}, {}, {}] or [N, {size}]", stored[0], stored[1], stored[2]);
        return Err(Error::value(
            format!("data set {name}: images"),
            expected,
            format!("{:?}", images.dims()),
        ));
    }
    // One image at a time: converting all at once would hold several copies, which takes gigabytes.
    let image = |index: usize| -> candle_core::Result<Vec<f32>> {
        let values = images.get(index)?.to_dtype(DType::F32)?;
        match layout {
            Layout::Usual => values.flatten_all()?.to_vec1(),
            Layout::Transposed => {
                values.reshape(&stored)?.transpose(1, 2)?.flatten_all()?.to_vec1()
            }
        }
    };
    let mut pixels = Vec::with_capacity(images.elem_count());
    for index in 0..images.dims()[0] {
        for value in image(index).map_err(other)? {
            let scaled = value * 255.0;
            let whole = scaled.round();
            // False if the value is NaN.
            if !((scaled - whole).abs() <= TOLERANCE && (0.0..=255.0).contains(&whole)) {
                let field = format!("data set {name}: value in image {index}");
                return Err(Error::value(field, "a whole number of 0..=255, over 255", value));
            }
            pixels.push(whole as u8);
        }
    }
    Ok(pixels)
}

/// Loads a data set and catches panics, because candle-datasets unwraps the result of decoding an
/// image.
fn caught(what: &str, load: impl FnOnce() -> candle_core::Result<Dataset>) -> Result<Dataset> {
    // Nothing that `load` touched is used again.
    match catch_unwind(AssertUnwindSafe(load)) {
        Ok(loaded) => loaded.map_err(|error| Error::Other(format!("{what}: {error}").into())),
        Err(payload) => {
            let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
            let text =
                text.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_default();
            Err(Error::Panic(format!("{what}: {text}")))
        }
    }
}

fn other(error: candle_core::Error) -> Error {
    Error::Other(Box::new(error))
}
