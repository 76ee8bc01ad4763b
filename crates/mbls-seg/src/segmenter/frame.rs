//! Position of an image in the network input.

use crate::dataset::VOID;

/// The rectangle of the network input that contains the image; the rest is padding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    /// Height and width of the original image.
    original: [usize; 2],
    /// First row and column of the rectangle.
    start: [usize; 2],
    /// Height and width of the rectangle.
    size: [usize; 2],
}

impl Frame {
    /// Returns the bounding rectangle of the labelled pixels in the transformed mask of a fully
    /// labelled image; `None` if no pixel is labelled.
    pub(super) fn find(original: [usize; 2], mask: &[u8], width: usize) -> Option<Self> {
        let is_image = |row: &&[u8]| row.iter().any(|&class| class != VOID);
        let rows: Vec<&[u8]> = mask.chunks(width).collect();
        let top = rows.iter().position(&is_image)?;
        let bottom = rows.iter().rposition(&is_image)?;
        let columns = |column: &usize| rows[top..=bottom].iter().any(|row| row[*column] != VOID);
        let left = (0..width).find(columns)?;
        let right = (0..width).rev().find(columns)?;
        Some(Self { original, start: [top, left], size: [bottom + 1 - top, right + 1 - left] })
    }

    /// Returns the height and width of the original image.
    pub(super) fn original(&self) -> [usize; 2] {
        self.original
    }

    /// Returns the index of each pixel of the rectangle in an image with rows of `width` pixels.
    pub(super) fn places(&self, width: usize) -> impl Iterator<Item = usize> {
        let ([top, left], [height, columns]) = (self.start, self.size);
        (top..top + height)
            .flat_map(move |row| (left..left + columns).map(move |column| row * width + column))
    }

    /// Resizes the values of the rectangle to the size of the original image. Each pixel gets the
    /// value of the pixel with the nearest centre.
    pub(super) fn restore<T: Copy>(&self, values: &[T]) -> Vec<T> {
        let ([height, width], [rows, columns]) = (self.original, self.size);
        // The centre `i + 1/2` of pixel `i` of `to`, in units of `from` pixels.
        let nearest =
            |i: usize, from: usize, to: usize| ((2 * i + 1) * from / (2 * to)).min(from - 1);
        let columns_of: Vec<usize> =
            (0..width).map(|column| nearest(column, columns, width)).collect();
        let row = |i: usize| &values[nearest(i, rows, height) * columns..][..columns];
        (0..height).flat_map(|i| columns_of.iter().map(move |&column| row(i)[column])).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_is_removed_and_the_original_size_restored() {
        let mask = [VOID, VOID, VOID, VOID, VOID, 0, 0, VOID, VOID, 0, 0, VOID];
        let frame = Frame::find([4, 2], &mask, 4).unwrap();
        assert_eq!(frame, Frame { original: [4, 2], start: [1, 1], size: [2, 2] });
        assert_eq!(frame.places(4).collect::<Vec<_>>(), [5, 6, 9, 10]);
        assert_eq!(frame.restore(&['a', 'b', 'c', 'd']), ['a', 'b', 'a', 'b', 'c', 'd', 'c', 'd']);
        assert_eq!(Frame::find([1, 1], &[VOID; 4], 2), None);
        // The centre pixel of 3 x 3.
        let frame = Frame::find([1, 1], &[0; 9], 3).unwrap();
        assert_eq!(frame.restore(&[0, 1, 2, 3, 4, 5, 6, 7, 8]), [4]);
    }
}
