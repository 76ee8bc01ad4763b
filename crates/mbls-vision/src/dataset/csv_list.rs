//! Images listed with their labels in a CSV file.

use super::listing::listed;
use crate::{Error, FilesConfig, ImageFiles, Result};
use mbls_io::delimited::{Delimited, Quoting};
use mbls_io::file::read_bounded;
use mbls_io::{Label, LabelColumn, Labels, Reading};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// The maximum size of a list.
const MAX_BYTES: u64 = 256 << 20;

/// Settings for reading a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ListConfig {
    /// Whether fields can be quoted.
    pub quoting: Quoting,
    /// Whether labels are names or positions; by default, whichever fits all of them.
    pub labels: Labels,
}

impl Default for ListConfig {
    fn default() -> Self {
        Self { quoting: Quoting::Double, labels: Labels::Auto }
    }
}

/// The images of a list, and how the list was read.
#[derive(Debug)]
pub struct ListedImages {
    /// The images, in the order of the list.
    pub images: ImageFiles,
    /// The number of records and lines read, the records left out, and the conversion of labels to
    /// classes.
    pub reading: Reading,
}

/// Loads the images in the columns `path` and `label` of a CSV file with a header, in the order of
/// the file; other columns are ignored.
///
/// Paths are relative to the folder of the CSV file. The rules for records are those of
/// [`Delimited`], those for labels are those of [`LabelColumn::classes`]. Without `classes`, the
/// classes are those that occur. With `classes`, such as those of the training part when reading a
/// test part, the classes are the given ones. White space around paths and labels is removed.
/// [`OnError::Skip`](crate::OnError::Skip) leaves out records that are not UTF-8, and images that
/// do not decode.
///
/// # Errors
///
/// If the file is not such a CSV file or has no record, a path is absolute or leads out of the
/// folder, a label is missing, or the labels are ambiguous; the errors of [`ImageFiles::new`].
pub fn load(
    list: impl AsRef<Path>,
    classes: Option<&[String]>,
    config: ListConfig,
    files: FilesConfig,
) -> Result<ListedImages> {
    let path = list.as_ref();
    let (images, labels, mut reading) = columns(path, config.quoting, &files)?;
    let column = LabelColumn { path, name: "label", labels: &labels, items: "images" };
    let classes = column.classes(classes, config.labels)?;
    reading.labels = Some(classes.reading);
    let root = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let images = images.into_iter().zip(classes.labels).collect();
    Ok(ListedImages {
        images: ImageFiles::new("csv", root, images, classes.names, files)?,
        reading,
    })
}

fn columns(
    path: &Path,
    quoting: Quoting,
    files: &FilesConfig,
) -> Result<(Vec<PathBuf>, Vec<Label>, Reading)> {
    let bytes = read_bounded(path, MAX_BYTES)?;
    let mut records = Delimited::new(path, &bytes, b',', quoting, files.on_error)?;
    let (file_column, label_column) = (records.column("path")?, records.column("label")?);
    let (mut images, mut labels) = (Vec::new(), Vec::new());
    while let Some(record) = records.next_record()? {
        let file = record.field(file_column).trim();
        let normalised = listed(file).map_err(|fault| {
            let (field, found) =
                (format!("line {}: path", record.line), format!("{file:?}, {fault}"));
            Error::format(path, field, "one below the folder of the list", found)
        })?;
        labels.push(records.label(&record, label_column)?);
        images.push(normalised);
    }
    let reading = records.finish();
    if images.is_empty() {
        Err(Error::format(path, "number of images", "at least 1", format!("0: {reading}")))
    } else {
        Ok((images, labels, reading))
    }
}
