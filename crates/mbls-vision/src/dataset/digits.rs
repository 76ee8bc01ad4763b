//! The handwritten digits of 8x8 pixels (UCI "Optical Recognition of Handwritten Digits", test
//! part).
//!
//! The file is gzip-compressed text. A line has 65 comma-separated numbers: 64 values 0..=16, row
//! by row, and the label 0..=9.
//!
//! # References
//!
//! Alpaydin, Kaynak: Optical Recognition of Handwritten Digits (UCI Machine Learning Repository,
//! 1998).

use super::DIGITS;
use crate::{Error, LabelledImages, Result};
use mbls_io::gzip::read_strict;
use std::path::Path;

const SIDE: usize = 8;
const PIXELS: usize = SIDE * SIDE;
const FULL_SCALE: u8 = 16;
const CLASSES: usize = 10;
/// Number of images of the published file.
const COUNT: usize = 1797;
/// Several times the unpacked size of the published file.
const MAX_BYTES: u64 = 1 << 20;

/// Loads the 1,797 digits.
///
/// # Errors
///
/// If the file cannot be read, is not gzip, unpacks to more than 1 MiB, has a different number of
/// lines, or has a line that is not 65 numbers in their ranges.
pub fn load(path: impl AsRef<Path>) -> Result<LabelledImages> {
    load_file(path, Some(COUNT))
}

/// Loads digits in the same format: at least one, or exactly `expected` if given.
///
/// # Errors
///
/// As for [`load`].
pub fn load_file(path: impl AsRef<Path>, expected: Option<usize>) -> Result<LabelledImages> {
    let path = path.as_ref();
    let content = read_strict(path, MAX_BYTES)?;
    let text = std::str::from_utf8(&content).map_err(|error| {
        Error::format(path, format!("byte {}", error.valid_up_to()), "text", "no UTF-8")
    })?;
    let (mut pixels, mut labels) = (Vec::new(), Vec::new());
    for (number, line) in text.lines().enumerate() {
        let number = number + 1;
        let found = line.split(',').count();
        if found != PIXELS + 1 {
            return Err(Error::format(
                path,
                format!("line {number}"),
                format!("{} fields", PIXELS + 1),
                found,
            ));
        }
        for (i, field) in line.split(',').enumerate() {
            let (what, largest) =
                if i < PIXELS { ("value", FULL_SCALE) } else { ("label", CLASSES as u8 - 1) };
            let Some(value) = field.trim().parse::<u8>().ok().filter(|&value| value <= largest)
            else {
                let place = format!("line {number}, field {} ({what})", i + 1);
                return Err(Error::format(
                    path,
                    place,
                    format!("0..={largest}"),
                    format!("{field:?}"),
                ));
            };
            if i < PIXELS { pixels.push(value) } else { labels.push(u32::from(value)) }
        }
    }
    match expected {
        Some(expected) if expected != labels.len() => {
            return Err(Error::format(path, "number of lines", expected, labels.len()));
        }
        None if labels.is_empty() => {
            return Err(Error::format(path, "number of lines", "at least 1", 0));
        }
        _ => {}
    }
    LabelledImages::new("digits", [1, SIDE, SIDE], pixels, labels, CLASSES, FULL_SCALE)?
        .with_class_names(DIGITS)
}
