//! Texts that a file lists with their labels: comma- or tab-separated values, or one JSON object in each line.

use super::LabelledTexts;
use crate::{Error, Result};
use mbls_data::LabelColumn;
use mbls_data::file::{read_bounded, read_gz};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::path::Path;

/// The largest file that is read, unpacked.
const MAX_BYTES: u64 = 1 << 30;

/// How a file writes its texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// Comma-separated values with a header (RFC 4180).
    Csv,
    /// The same with tabs.
    Tsv,
    /// A JSON object in each line; empty lines are ignored.
    JsonLines,
}

/// What a file's columns are called.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LabelledFileConfig {
    /// The column, or the field, of the text.
    pub text: String,
    /// That of the label.
    pub label: String,
    /// By default what the file's ending says, before a `.gz`: `.csv`, `.tsv`, `.jsonl` or `.ndjson`.
    pub format: Option<Format>,
}

impl Default for LabelledFileConfig {
    fn default() -> Self {
        Self { text: "text".into(), label: "label".into(), format: None }
    }
}

/// Reads the texts of a file, in its order, packed as `.gz` or not.
///
/// Without `classes`, labels that are all whole numbers are the classes themselves, and others are names, numbered in sorted order; every class must
/// occur. With `classes`, those of the training part or of a list ([`class_list`]), a label is one of these names or, where it is none, its place in
/// the list. A text may be empty, a label may not.
///
/// # Errors
///
/// [`Error::Format`] with the line where the file is not of its format or no UTF-8, has not one column of each name, a label is empty or not in the list;
/// [`Error::Value`] for one class alone; [`Error::TooLarge`] above 1 GiB; [`Error::Gzip`]; [`Error::Io`].
pub fn load(path: impl AsRef<Path>, classes: Option<&[String]>, config: &LabelledFileConfig) -> Result<LabelledTexts> {
    let path = path.as_ref();
    let name = path.file_name().map(|name| name.to_string_lossy().to_lowercase()).unwrap_or_default();
    let (stem, packed) = name.strip_suffix(".gz").map_or((name.as_str(), false), |stem| (stem, true));
    let format = match (config.format, stem.rsplit_once('.').map(|(_, ending)| ending)) {
        (Some(format), _) => format,
        (None, Some("csv")) => Format::Csv,
        (None, Some("tsv")) => Format::Tsv,
        (None, Some("jsonl" | "ndjson")) => Format::JsonLines,
        (None, _) => return Err(Error::format(path, "ending", ".csv, .tsv, .jsonl or .ndjson, or a format", name)),
    };
    let bytes = if packed { read_gz(path, MAX_BYTES)? } else { read_bounded(path, MAX_BYTES)? };
    let text = std::str::from_utf8(&bytes).map_err(|error| {
        let line = 1 + bytes[..error.valid_up_to()].iter().filter(|&&byte| byte == b'\n').count();
        Error::format(path, format!("line {line} (byte {})", error.valid_up_to()), "text in UTF-8", "other bytes")
    })?;
    // As editors of some systems begin a file.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let Columns { texts, labels, lines } = match format {
        Format::Csv => separated(path, text, b',', config)?,
        Format::Tsv => separated(path, text, b'\t', config)?,
        Format::JsonLines => json_lines(path, text, config)?,
    };
    if texts.is_empty() {
        return Err(Error::format(path, "number of texts", "at least 1", 0));
    }
    if let Some(i) = labels.iter().position(|label| label.is_empty()) {
        return Err(Error::format(path, format!("line {}: {}", lines[i], config.label), "a name or a number", "\"\""));
    }
    let column = LabelColumn { path, labels: &labels, lines: &lines, items: "texts" };
    let (labels, names) = match classes {
        Some(classes) => (column.of_classes(classes)?, classes.to_vec()),
        None => column.found()?,
    };
    LabelledTexts::new(path.display().to_string(), texts, labels, names)
}

/// Reads a class list: one name in each line.
///
/// # Errors
///
/// What [`names`](mbls_data::listing::names) reports.
pub fn class_list(path: impl AsRef<Path>) -> Result<Vec<String>> {
    mbls_data::listing::names(path.as_ref(), None)
}

#[derive(Default)]
struct Columns {
    texts: Vec<String>,
    labels: Vec<String>,
    lines: Vec<u64>,
}

impl Columns {
    fn push(&mut self, text: &str, label: &str, line: u64) {
        self.texts.push(text.to_owned());
        self.labels.push(label.trim().to_owned());
        self.lines.push(line);
    }
}

fn separated(path: &Path, text: &str, separator: u8, config: &LabelledFileConfig) -> Result<Columns> {
    let mut reader = csv::ReaderBuilder::new().delimiter(separator).from_reader(text.as_bytes());
    let wrong =
        |error: csv::Error| Error::format(path, "content", "as many fields in each line as in the header", error);
    let header = reader.headers().map_err(wrong)?.clone();
    let column = |name: &str| {
        let mut places = header.iter().enumerate().filter(|(_, field)| field.trim() == name);
        match (places.next(), places.next()) {
            (Some((place, _)), None) => Ok(place),
            _ => {
                let found = format!("{:?}", header.iter().collect::<Vec<_>>());
                Err(Error::format(path, "line 1", format!("a header with one column {name:?}"), found))
            }
        }
    };
    let (text_column, label_column) = (column(&config.text)?, column(&config.label)?);
    let mut columns = Columns::default();
    for record in reader.records() {
        let record = record.map_err(wrong)?;
        let line = record.position().map_or(0, csv::Position::line);
        columns.push(&record[text_column], &record[label_column], line);
    }
    Ok(columns)
}

fn json_lines(path: &Path, text: &str, config: &LabelledFileConfig) -> Result<Columns> {
    let mut columns = Columns::default();
    for (content, line) in text.lines().zip(1..).filter(|(content, _)| !content.trim().is_empty()) {
        let object: Map<String, Value> = serde_json::from_str(content)
            .map_err(|error| Error::format(path, format!("line {line}"), "a JSON object", error))?;
        let field = |name: &str, expected: &str, of: fn(&Value) -> Option<String>| {
            let value = object.get(name);
            value.and_then(of).ok_or_else(|| {
                let found = value.map_or("none".to_owned(), Value::to_string);
                Error::format(path, format!("line {line}: {name}"), expected, found)
            })
        };
        let text = field(&config.text, "a text", |value| value.as_str().map(str::to_owned))?;
        let label = field(&config.label, "a name or a whole number", |value| match value {
            Value::String(name) => Some(name.clone()),
            value => value.as_u64().map(|number| number.to_string()),
        })?;
        columns.push(&text, &label, line);
    }
    Ok(columns)
}
