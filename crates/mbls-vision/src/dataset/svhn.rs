//! SVHN, cropped digits: 32x32 house numbers of `train_32x32.mat` and `test_32x32.mat`, MATLAB 5
//! files.
//!
//! # References
//!
//! Netzer, Wang, Coates, Bissacco, Wu, Ng: Reading Digits in Natural Images with Unsupervised
//! Feature Learning (NIPS workshop, 2011).

use super::{DIGITS, Split, mat5};
use crate::{Error, LabelledImages, Result};
use std::path::Path;

const SIDE: usize = 32;
const PIXELS: usize = 3 * SIDE * SIDE;
const CLASSES: usize = 10;
/// The label of the digit 0 in the files.
const ZERO: u8 = 10;

/// Loads one part of SVHN from `dir`: the 73,257 images of `train_32x32.mat` or the 26,032 of
/// `test_32x32.mat`; subsets in the same format are accepted.
///
/// The arrays of the file are `X`, 32 x 32 x 3 x N, and `y`, the digits 1..=9 and 10 for 0, which
/// becomes class 0.
///
/// # Errors
///
/// If the file is missing, is not a MATLAB 5 file or is damaged, does not have these arrays in
/// these sizes, has more images than the official number, or has a label that is not 1..=10.
pub fn load(dir: impl AsRef<Path>, split: Split) -> Result<LabelledImages> {
    let (name, file, max_records) = match split {
        Split::Train => ("svhn-train", "train_32x32.mat", 73_257),
        Split::Test => ("svhn-test", "test_32x32.mat", 26_032),
    };
    let path = dir.as_ref().join(file);
    let wanted = [
        mat5::Wanted { name: "X", max_values: max_records * PIXELS, doubles: false },
        mat5::Wanted { name: "y", max_values: max_records, doubles: true },
    ];
    let [images, labels] = mat5::read(&path, wanted)?;
    // A last dimension of 1 is omitted in the file.
    let (sizes, records) = match images.dimensions[..] {
        [a, b, c] => ([a, b, c], 1),
        [a, b, c, records] => ([a, b, c], records),
        _ => ([0; 3], 0),
    };
    if sizes != [SIDE, SIDE, 3] || records == 0 {
        return Err(Error::format(
            &path,
            "dimensions of X",
            "[32, 32, 3, N]",
            format!("{:?}", images.dimensions),
        ));
    }
    if labels.dimensions != [records, 1] {
        let expected = format!("[{records}, 1], as many as images in X");
        return Err(Error::format(
            &path,
            "dimensions of y",
            expected,
            format!("{:?}", labels.dimensions),
        ));
    }
    if let Some(i) = labels.values.iter().position(|label| !(1..=ZERO).contains(label)) {
        return Err(Error::format(&path, format!("label {i}"), "1..=10", labels.values[i]));
    }
    let labels = labels.values.into_iter().map(|label| u32::from(label % ZERO)).collect();
    let mut pixels = images.values;
    pixels.chunks_exact_mut(SIDE * SIDE).for_each(transpose);
    LabelledImages::new(name, [3, SIDE, SIDE], pixels, labels, CLASSES, u8::MAX)?
        .with_class_names(DIGITS)
}

/// Transposes a plane from column-major to row-major order.
fn transpose(plane: &mut [u8]) {
    for row in 0..SIDE {
        for column in 0..row {
            plane.swap(row * SIDE + column, column * SIDE + row);
        }
    }
}
