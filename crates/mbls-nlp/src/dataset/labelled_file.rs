//! Files of labelled texts: comma- or tab-separated values, or JSON Lines.

use super::{LabelledTexts, json_lines};
use crate::{Error, Result};
use mbls_io::delimited::{Delimited, Quoting};
use mbls_io::file::read_bounded;
use mbls_io::{Label, LabelColumn, Labels, OnError, Reading, gzip};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Largest decompressed size of a file that is read.
const MAX_BYTES: u64 = 1 << 30;

/// Format of a file of texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// Comma-separated values with a header (RFC 4180).
    Csv,
    /// Tab-separated values with a header.
    Tsv,
    /// One JSON object per line; empty lines are ignored.
    JsonLines,
}

/// Columns and format of a file of labelled texts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LabelledFileConfig {
    /// Name of the column or field of the text.
    pub text: String,
    /// Name of the column or field of the label.
    pub label: String,
    /// Format of the file; by default determined by its ending before a `.gz`: `.csv`, `.tsv`,
    /// `.jsonl` or `.ndjson`.
    pub format: Option<Format>,
    /// Whether fields can be quoted; by default they can in comma-separated, but not in
    /// tab-separated values.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quoting: Option<Quoting>,
    /// Whether labels are names or positions; by default determined from all labels.
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

/// Skips the default, so that the saved form of suites without this setting does not change.
fn is_auto(labels: &Labels) -> bool {
    *labels == Labels::Auto
}

/// The texts of a file, and a summary of how it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelledFile {
    /// The texts, in the order of the file.
    pub texts: LabelledTexts,
    /// Numbers of lines and records, the quoting, the skipped records, and how labels were mapped
    /// to classes.
    pub reading: Reading,
}

/// Reads the labelled texts of a file, in its order. The file may be compressed as `.gz`.
///
/// Records are parsed as described in [`Delimited`], and labels as in [`LabelColumn::classes`].
/// Without `classes`, the classes are the labels that occur; otherwise `classes` are those of the
/// training part or of a list ([`class_list`]). A text may be empty, a label may not. In JSON Lines
/// a label is a string, a whole number, or `true` or `false`, which are names. [`OnError::Skip`]
/// skips records that are not UTF-8, lines of JSON with an unpaired surrogate, and bytes after the
/// end of a gzip file.
///
/// # Errors
///
/// [`Error::Format`](mbls_io::Error::Format) with the line if the file does not have its format or
/// cannot be decoded, does not have exactly one column of each name, a label is missing, or the
/// labels cannot be interpreted consistently; [`Error::Value`](mbls_io::Error::Value) for a single
/// class, and for [`LabelledFileConfig::quoting`] with JSON Lines;
/// [`Error::TooLarge`](mbls_io::Error::TooLarge) above 1 GiB;
/// [`Error::Gzip`](mbls_io::Error::Gzip); [`Error::Io`](mbls_io::Error::Io).
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

/// Reads the texts of a file like [`load`], but ignores labels. The file need not have any.
///
/// # Errors
///
/// The errors of [`load`], except for those of labels.
pub fn texts(
    path: impl AsRef<Path>,
    config: &LabelledFileConfig,
    on_error: OnError,
) -> Result<(Vec<String>, Reading)> {
    let Content { texts, reading, .. } = Content::read(path.as_ref(), config, None, on_error)?;
    Ok((texts, reading))
}

/// The contents of a file: texts and, if a label column is requested, a label for each.
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

/// Reads a class list with one name per line.
///
/// # Errors
///
/// The errors of [`names`](mbls_io::listing::names).
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
