//! A rectangle of an image.

use crate::{Error, Image, Result};

/// A rectangle of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// The first row.
    pub top: usize,
    /// The first column.
    pub left: usize,
    /// Number of rows.
    pub height: usize,
    /// Number of columns.
    pub width: usize,
}

impl Window {
    /// Returns the part of `image` in the rectangle.
    ///
    /// # Errors
    ///
    /// [`Error::Value`](mbls_io::Error::Value) if the rectangle is empty or not inside of the
    /// image, or the image's pixels do not fill its shape.
    pub fn of(&self, image: &Image) -> Result<Image> {
        image.validate()?;
        let inside = |start: usize, len: usize, end| {
            len > 0 && start.checked_add(len).is_some_and(|stop| stop <= end)
        };
        if !(inside(self.top, self.height, image.height)
            && inside(self.left, self.width, image.width))
        {
            let expected = format!("inside an image of {} x {}", image.height, image.width);
            return Err(Error::value("window", expected, format!("{self:?}")));
        }
        let mut pixels = Vec::with_capacity(image.channels * self.height * self.width);
        for plane in image.pixels.chunks(image.height * image.width) {
            for row in plane.chunks(image.width).skip(self.top).take(self.height) {
                pixels.extend_from_slice(&row[self.left..self.left + self.width]);
            }
        }
        Ok(Image { channels: image.channels, height: self.height, width: self.width, pixels })
    }
}
