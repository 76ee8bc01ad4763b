//! Common code of the CIFAR readers. A record is one or more labels of one byte each and 32x32
//! pixels: all red values, then all green ones, then all blue ones.

use crate::{Error, LabelledImages, Result};
use mbls_io::file::{read_bounded, read_exact_size};
use std::path::Path;

const SHAPE: [usize; 3] = [3, 32, 32];
const PIXELS: usize = 3 * 32 * 32;
/// The maximum number of records of a file: a whole data set in one file.
const MAX_RECORDS: usize = 60_000;

/// A label at the start of each record.
pub(super) struct Head {
    pub(super) field: &'static str,
    pub(super) classes: u8,
}

/// The records of one or more files.
#[derive(Default)]
pub(super) struct Records {
    pixels: Vec<u8>,
    labels: Vec<u32>,
}

impl Records {
    /// Appends the records of one file: at least one, or exactly `expected` if given. Their label
    /// is number `take` of `heads`.
    pub(super) fn read(
        &mut self,
        path: &Path,
        expected: Option<usize>,
        heads: &[Head],
        take: usize,
    ) -> Result<()> {
        let record = heads.len() + PIXELS;
        let bytes = match expected {
            Some(records) => read_exact_size(path, (records as u64).saturating_mul(record as u64))?,
            None => read_bounded(path, (MAX_RECORDS * record) as u64)?,
        };
        if bytes.is_empty() || bytes.len() % record != 0 {
            let expected = format!("a multiple of {record} bytes, at least one record");
            return Err(Error::format(path, "size", expected, format!("{} bytes", bytes.len())));
        }
        self.pixels.reserve_exact(bytes.len() / record * PIXELS);
        for (number, bytes) in bytes.chunks_exact(record).enumerate() {
            let (labels, pixels) = bytes.split_at(heads.len());
            for (Head { field, classes }, &label) in heads.iter().zip(labels) {
                if label >= *classes {
                    let field = format!("{field} of record {number}");
                    return Err(Error::format(path, field, format!("0..={}", classes - 1), label));
                }
            }
            self.labels.push(u32::from(labels[take]));
            self.pixels.extend_from_slice(pixels);
        }
        Ok(())
    }

    /// Checks that all classes have the same number of images, as in the official data set; `names`
    /// has a name for each class or is empty.
    pub(super) fn check_counts(
        &self,
        files: &Path,
        classes: usize,
        names: Option<&[String]>,
    ) -> Result<()> {
        let (mut counts, expected) = (vec![0; classes], self.labels.len() / classes);
        self.labels.iter().for_each(|&label| counts[label as usize] += 1);
        match counts.iter().position(|&count| count != expected) {
            Some(class) => {
                let name = names.map_or_else(String::new, |names| format!(" ({})", names[class]));
                Err(Error::format(
                    files,
                    format!("images of class {class}{name}"),
                    expected,
                    counts[class],
                ))
            }
            None => Ok(()),
        }
    }

    pub(super) fn images(self, name: &str, classes: usize) -> Result<LabelledImages> {
        LabelledImages::new(name, SHAPE, self.pixels, self.labels, classes, u8::MAX)
    }
}
