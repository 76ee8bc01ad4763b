//! Any pictures that a CSV file lists with their labels.

use super::listing::listed;
use crate::{Error, FilesConfig, ImageFiles, Result};
use csv::StringRecord;
use mbls_data::LabelColumn;
use mbls_data::file::read_bounded;
use std::path::{Path, PathBuf};

/// The largest list that is read.
const MAX_BYTES: u64 = 256 << 20;

/// The pictures that the columns `path` and `label` of a CSV file with a header list, in the file's order; other columns are ignored.
///
/// Paths are below the folder of the CSV file. Without `classes`, labels that are all whole numbers are the classes themselves,
/// and others are names, numbered in sorted order; every class must occur. With `classes`, such as those of the training part to
/// read a test part, a label is one of these names or, where it is none, its place in the list.
///
/// # Errors
///
/// Where the file is not such a CSV file or has no line, a path is absolute or leads out of the folder, a label is empty or not in the list, a number
/// below the largest does not occur; what [`ImageFiles::new`] reports.
pub fn load(list: impl AsRef<Path>, classes: Option<&[String]>, config: FilesConfig) -> Result<ImageFiles> {
    let path = list.as_ref();
    let (files, labels, places) = columns(path)?;
    let column = LabelColumn { path, labels: &labels, lines: &places, items: "pictures" };
    let (labels, names) = match classes {
        Some(classes) => (column.of_classes(classes)?, classes.to_vec()),
        None => column.found()?,
    };
    let root = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    ImageFiles::new("csv", root, files.into_iter().zip(labels).collect(), names, config)
}

/// Paths, labels and line numbers.
fn columns(path: &Path) -> Result<(Vec<PathBuf>, Vec<String>, Vec<u64>)> {
    let bytes = read_bounded(path, MAX_BYTES)?;
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(bytes.as_slice());
    let wrong =
        |error: csv::Error| Error::format(path, "content", "CSV in UTF-8 with as many fields in each line", error);
    let header = reader.headers().map_err(wrong)?.clone();
    let column = |name: &str| match header.iter().filter(|field| *field == name).count() {
        1 => Ok(header.iter().position(|field| field == name).unwrap_or_default()),
        _ => {
            let found = header.iter().collect::<Vec<_>>().join(",");
            Err(Error::format(path, "line 1", format!("a header with one column {name}"), format!("{found:?}")))
        }
    };
    let (file_column, label_column) = (column("path")?, column("label")?);
    let (mut files, mut labels, mut places) = (Vec::new(), Vec::new(), Vec::new());
    for record in reader.into_records() {
        let record: StringRecord = record.map_err(wrong)?;
        let line = record.position().map_or(0, csv::Position::line);
        let (file, label) = (&record[file_column], &record[label_column]);
        let error = |field: &str, expected: &str, found: &str| {
            Err(Error::format(path, format!("line {line}: {field}"), expected, format!("{found:?}")))
        };
        let normalised = match listed(file) {
            Ok(normalised) => normalised,
            Err(fault) => {
                let expected = "one below the folder of the list";
                let field = format!("line {line}: path");
                return Err(Error::format(path, field, expected, format!("{file:?}, {fault}")));
            }
        };
        if label.is_empty() {
            return error("label", "a name or a number", label);
        }
        files.push(normalised);
        labels.push(label.to_owned());
        places.push(line);
    }
    match files.is_empty() {
        true => Err(Error::format(path, "number of pictures", "at least 1", 0)),
        false => Ok((files, labels, places)),
    }
}
