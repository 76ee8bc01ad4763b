//! Texts that a file lists with their labels: comma- or tab-separated values, or one JSON object in
//! each line.

use super::{LabelledTexts, json_lines};
use crate::{Error, Result};
use mbls_io::delimited::{Delimited, Quoting};
use mbls_io::file::read_bounded;
use mbls_io::{Label, LabelColumn, Labels, OnError, Reading, gzip};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// The largest file that is read, unpacked.
const MAX_BYTES: u64 = 1 << 30;

/// How a file writes its texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// Comma-separated values with a header (RFC 4180).
    Csv,
    /// Tab-separated values with a header.
    Tsv,
    /// A JSON object in each line; empty lines are ignored.
    JsonLines,
}

/// What a file's columns are called, and how they are read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LabelledFileConfig {
    /// The column, or the field, of the text.
    pub text: String,
    /// The column or field of the label.
    pub label: String,
    /// By default what the file's ending says, before a `.gz`: `.csv`, `.tsv`, `.jsonl` or
    /// `.ndjson`.
    pub format: Option<Format>,
    /// Whether fields can be quoted; by default in comma-separated values, not in tab-separated
    /// ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quoting: Option<Quoting>,
    /// Whether labels are names or positions; by default what all of them can be.
    #[serde(skip_serializing_if = "is_auto")]
    pub labels: Labels,
}

impl Default for LabelledFileConfig {
    fn default() -> Self {
        Self {
            text: "text".into(),
            label: "label".into(),
            format: None,
            quoting: None,
            labels: Labels::Auto,
        }
    }
}

/// Suites that say nothing of labels stay as they were saved.
fn is_auto(labels: &Labels) -> bool {
    *labels == Labels::Auto
}

/// The texts of a file, and how it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelledFile {
    /// The texts, in the file's order.
    pub texts: LabelledTexts,
    /// How many records were taken from how many lines, with which quoting, what was left out, and
    /// how labels became classes.
    pub reading: Reading,
}

/// Reads the texts of a file, in its order, packed as `.gz` or not.
///
/// The rules of records are those of [`Delimited`], those of labels [`LabelColumn::classes`]:
/// without `classes`, the classes are those that occur; with `classes`, those of the training part
/// or of a list ([`class_list`]). A text may be empty, a label may not. In JSON lines a label is a
/// string, a whole number, or `true` or `false`, which are names. [`OnError::Skip`] leaves out
/// records that are not UTF-8, lines of JSON with half of a surrogate pair, and what follows the
/// end of a gzip file.
///
/// # Errors
///
/// [`Error::Format`](mbls_io::Error::Format) with the line where the file is not of its format or
/// cannot be decoded, has not one column of each name, a label is missing, or labels cannot be read
/// in one way; [`Error::Value`](mbls_io::Error::Value) for one class alone, and for
/// [`LabelledFileConfig::quoting`] of JSON lines; [`Error::TooLarge`](mbls_io::Error::TooLarge)
/// above 1 GiB; [`Error::Gzip`](mbls_io::Error::Gzip); [`Error::Io`](mbls_io::Error::Io).
pub fn load(
    path: impl AsRef<Path>,
    classes: Option<&[String]>,
    config: &LabelledFileConfig,
    on_error: OnError,
) -> Result<LabelledFile> {
    let path = path.as_ref();
    let Content { texts, labels, mut reading } =
        Content::read(path, config, Some(&config.label), on_error)?;
    let column = LabelColumn { path, name: &config.label, labels: &labels, items: "texts" };
    let classes = column.classes(classes, config.labels)?;
    reading.labels = Some(classes.reading);
    let texts =
        LabelledTexts::new(path.display().to_string(), texts, classes.labels, classes.names)?;
    Ok(LabelledFile { texts, reading })
}

/// Reads the texts of a file that need have no labels, in its order; otherwise as [`load`]. The
/// column of labels is not looked at.
///
/// # Errors
///
/// As [`load`], but for labels.
pub fn texts(
    path: impl AsRef<Path>,
    config: &LabelledFileConfig,
    on_error: OnError,
) -> Result<(Vec<String>, Reading)> {
    let Content { texts, reading, .. } = Content::read(path.as_ref(), config, None, on_error)?;
    Ok((texts, reading))
}

/// What a file holds: texts and, where a column of them is asked for, a label for each.
struct Content {
    texts: Vec<String>,
    labels: Vec<Label>,
    reading: Reading,
}

impl Content {
    fn read(
        path: &Path,
        config: &LabelledFileConfig,
        label: Option<&str>,
        on_error: OnError,
    ) -> Result<Self> {
        let name =
            path.file_name().map(|name| name.to_string_lossy().to_lowercase()).unwrap_or_default();
        let (stem, packed) =
            name.strip_suffix(".gz").map_or((name.as_str(), false), |stem| (stem, true));
        let format = match (config.format, stem.rsplit_once('.').map(|(_, ending)| ending)) {
            (Some(format), _) => format,
            (None, Some("csv")) => Format::Csv,
            (None, Some("tsv")) => Format::Tsv,
            (None, Some("jsonl" | "ndjson")) => Format::JsonLines,
            (None, _) => {
                return Err(Error::format(
                    path,
                    "ending",
                    ".csv, .tsv, .jsonl or .ndjson, or a format",
                    name,
                ));
            }
        };
        let (bytes, ignored_bytes) = if packed {
            gzip::read(path, MAX_BYTES, on_error)?
        } else {
            (read_bounded(path, MAX_BYTES)?, 0)
        };
        let (texts, labels, mut reading) = match (format, config.quoting) {
            (Format::Csv, quoting) => separated(
                path,
                &bytes,
                b',',
                quoting.unwrap_or(Quoting::Double),
                &config.text,
                label,
                on_error,
            )?,
            (Format::Tsv, quoting) => separated(
                path,
                &bytes,
                b'\t',
                quoting.unwrap_or(Quoting::None),
                &config.text,
                label,
                on_error,
            )?,
            (Format::JsonLines, None) => {
                json_lines::read(path, &bytes, &config.text, label, on_error)?
            }
            (Format::JsonLines, Some(quoting)) => {
                return Err(Error::value(
                    "quoting",
                    "none given for JSON lines",
                    format!("{quoting:?}").to_lowercase(),
                ));
            }
        };
        reading.ignored_bytes = ignored_bytes;
        if texts.is_empty() {
            return Err(Error::format(
                path,
                "number of texts",
                "at least 1",
                format!("0: {reading}"),
            ));
        }
        Ok(Self { texts, labels, reading })
    }
}

/// Reads a class list: one name in each line.
///
/// # Errors
///
/// What [`names`](mbls_io::listing::names) reports.
pub fn class_list(path: impl AsRef<Path>) -> Result<Vec<String>> {
    Ok(mbls_io::listing::names(path.as_ref(), None)?)
}

fn separated(
    path: &Path,
    content: &[u8],
    delimiter: u8,
    quoting: Quoting,
    text: &str,
    label: Option<&str>,
    on_error: OnError,
) -> Result<(Vec<String>, Vec<Label>, Reading)> {
    let mut records = Delimited::new(path, content, delimiter, quoting, on_error)?;
    let (text, label) =
        (records.column(text)?, label.map(|label| records.column(label)).transpose()?);
    let (mut texts, mut labels) = (Vec::new(), Vec::new());
    while let Some(record) = records.next_record()? {
        texts.push(record.field(text).to_owned());
        if let Some(label) = label {
            labels.push(records.label(&record, label)?);
        }
    }
    Ok((texts, labels, records.finish()))
}
