//! The interface of labelled image data sets.

use crate::{Error, Image, Result};

/// A data set of labelled images with access by index: in memory, of one size
/// ([`LabelledImages`](crate::LabelledImages)), or in files, of any size.
///
/// Nothing here is random: `image(i)` returns the same image every time.
pub trait ImageSource: Send + Sync + std::fmt::Debug {
    /// Returns the name of the data set.
    fn name(&self) -> &str;

    /// Returns the class of each image.
    fn labels(&self) -> &[u32];

    /// Returns the number of classes; every label is below it.
    fn classes(&self) -> usize;

    /// Returns the names of the classes in the order of the labels; empty if the data set has none.
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

    /// Returns the number of channels of every image.
    fn channels(&self) -> usize;

    /// Returns channels, height and width, if all images have the same.
    fn common_shape(&self) -> Option<[usize; 3]>;

    /// Returns channels, height and width of image `index` as stored, before conversion to RGB.
    /// Nothing is decoded if a header contains them.
    ///
    /// # Errors
    ///
    /// As for [`image`](Self::image).
    fn stored_shape(&self, index: usize) -> Result<[usize; 3]> {
        match self.common_shape() {
            Some(shape) if index < self.labels().len() => Ok(shape),
            _ => Ok(self.image(index)?.shape()),
        }
    }

    /// Returns the value that means 1: 255 for most data sets, 16 for the digits of 8x8 pixels.
    fn full_scale(&self) -> u8 {
        u8::MAX
    }

    /// Returns image `index`.
    ///
    /// # Errors
    ///
    /// [`Error::Index`](crate::Error::Index) past the end; errors of reading and decoding, with the
    /// name of the file.
    fn image(&self, index: usize) -> Result<Image>;

    /// Returns a number that identifies the data set: a hash of images and labels in memory, or of
    /// paths, sizes and labels of files.
    fn digest(&self) -> u64;
}
