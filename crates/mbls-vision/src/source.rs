//! Labelled images, wherever they are.

use crate::{Error, Image, Result};

/// Labelled images that can be had one by one: in memory, of one size
/// ([`LabelledImages`](crate::LabelledImages)), or in files, of any size.
///
/// What is random has no place here: `image(i)` is the same image every time.
pub trait ImageSource: Send + Sync + std::fmt::Debug {
    /// The data set's name.
    fn name(&self) -> &str;

    /// The class of each image.
    fn labels(&self) -> &[u32];

    /// Number of classes; every label is below it.
    fn classes(&self) -> usize;

    /// The classes' names in the order of the labels; empty where the data set has none.
    fn class_names(&self) -> &[String] {
        &[]
    }

    /// Counts the images of each class among `indices`.
    ///
    /// # Errors
    ///
    /// [`Error::Index`] past the end.
    fn class_counts(&self, indices: &[usize]) -> Result<Vec<u64>> {
        let (labels, mut counts) = (self.labels(), vec![0; self.classes()]);
        for &index in indices {
            let label = labels.get(index).ok_or(Error::Index { index, len: labels.len() })?;
            counts[*label as usize] += 1;
        }
        Ok(counts)
    }

    /// Number of channels of every image.
    fn channels(&self) -> usize;

    /// Channels, height and width, where all images have the same.
    fn common_shape(&self) -> Option<[usize; 3]>;

    /// Channels, height and width of image `index` as it is stored, before it became RGB. Nothing
    /// is decoded where a header says it.
    ///
    /// # Errors
    ///
    /// As [`image`](Self::image).
    fn stored_shape(&self, index: usize) -> Result<[usize; 3]> {
        match self.common_shape() {
            Some(shape) if index < self.labels().len() => Ok(shape),
            _ => Ok(self.image(index)?.shape()),
        }
    }

    /// The value that means 1: 255 for most data sets, 16 for the digits of 8x8 pixels.
    fn full_scale(&self) -> u8 {
        u8::MAX
    }

    /// Image `index`.
    ///
    /// # Errors
    ///
    /// [`Error::Index`](crate::Error::Index) past the end; what reading and decoding report, with
    /// the file's name.
    fn image(&self, index: usize) -> Result<Image>;

    /// A number that tells data sets apart: of images and labels in memory, of paths, sizes and
    /// labels of files.
    fn digest(&self) -> u64;
}
