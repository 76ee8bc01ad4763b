//! Any images that a CSV file lists with their labels.

use super::listing::listed;
use crate::{Error, FilesConfig, ImageFiles, Result};
use mbls_io::delimited::{Delimited, Quoting};
use mbls_io::file::read_bounded;
use mbls_io::{Label, LabelColumn, Labels, Reading};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// The largest list that is read.
const MAX_BYTES: u64 = 256 << 20;

/// How a list is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ListConfig {
    /// Whether fields can be quoted.
    pub quoting: Quoting,
    /// Whether labels are names or positions; by default what all of them can be.
    pub labels: Labels,
}

impl Default for ListConfig {
    fn default() -> Self {
        Self { quoting: Quoting::Double, labels: Labels::Auto }
    }
}

/// The images of a list, and how it was read.
#[derive(Debug)]
pub struct ListedImages {
    /// The images, in the list's order.
    pub images: ImageFiles,
    /// How many records were taken from how many lines, what was left out, and how labels became
    /// classes.
    pub reading: Reading,
}

/// The images that the columns `path` and `label` of a CSV file with a header list, in the file's
/// order; other columns are ignored.
///
/// Paths are below the folder of the CSV file. The rules of records are those of [`Delimited`],
/// those of labels [`LabelColumn::classes`]: without `classes`, the classes are those that occur; with `classes`, such as
/// those of the training part to read a test part, they are these. White space around paths and
/// labels is dropped. [`OnError::Skip`](crate::OnError::Skip) leaves out records that are not
/// UTF-8, as it does images that do not decode.
///
/// # Errors
///
/// Where the file is not such a CSV file or has no record, a path is absolute or leads out of the
/// folder, a label is missing, or labels cannot be read in one way; what [`ImageFiles::new`]
/// reports.
pub fn load(
    list: impl AsRef<Path>,
    classes: Option<&[String]>,
    config: ListConfig,
    files: FilesConfig,
) -> Result<ListedImages> {
    let path = list.as_ref();
    let (pictures, labels, mut reading) = columns(path, config.quoting, &files)?;
    let column = LabelColumn { path, name: "label", labels: &labels, items: "pictures" };
    let classes = column.classes(classes, config.labels)?;
    reading.labels = Some(classes.reading);
    let root = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let pictures = pictures.into_iter().zip(classes.labels).collect();
    Ok(ListedImages {
        images: ImageFiles::new("csv", root, pictures, classes.names, files)?,
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
    let (mut pictures, mut labels) = (Vec::new(), Vec::new());
    while let Some(record) = records.next_record()? {
        let file = record.field(file_column).trim();
        let normalised = listed(file).map_err(|fault| {
            let (field, found) =
                (format!("line {}: path", record.line), format!("{file:?}, {fault}"));
            Error::format(path, field, "one below the folder of the list", found)
        })?;
        labels.push(records.label(&record, label_column)?);
        pictures.push(normalised);
    }
    let reading = records.finish();
    if pictures.is_empty() {
        Err(Error::format(path, "number of pictures", "at least 1", format!("0: {reading}")))
    } else {
        Ok((pictures, labels, reading))
    }
}
