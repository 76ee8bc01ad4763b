//! Rows of text as lists of fields: CSV and TSV with a header, and JSON lines.

use super::text_file::TextFile;
use anyhow::{Context, Result, bail, ensure};
use csv::{ReaderBuilder, StringRecord};
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};

/// A line of JSON has the scores of one row.
const LONGEST_LINE: u64 = 1 << 27;

/// The rows of a text file, and the names of their fields.
pub(crate) struct Records<'a> {
    pub(crate) names: Vec<String>,
    rows: Rows<'a>,
}

enum Rows<'a> {
    Csv(csv::Reader<BufReader<Box<dyn Read + 'a>>>),
    Json {
        lines: BufReader<Box<dyn Read + 'a>>,
        first: Option<BTreeMap<String, Value>>,
        line: usize,
    },
}

impl<'a> Records<'a> {
    /// Opens a file: JSON lines begin with a brace, and everything else is delimited text.
    pub(crate) fn open(file: &'a TextFile) -> Result<Self> {
        let head = file.head(1 << 16)?;
        let begin = head.trim_ascii_start();
        if begin.starts_with(b"{") {
            return Self::json(file.reader());
        }
        ensure!(
            !begin.starts_with(b"["),
            "one JSON array: expected JSON lines, an object for each row, such as {{\"logits\": \
             [1.5, -2.0], \"label\": 0}}"
        );
        let mut reader = csv_reader(file, &head, true);
        let header = reader.headers().context("the header")?;
        let names = header.iter().map(|name| name.trim_start_matches('\u{feff}').to_owned());
        Ok(Self { names: names.collect(), rows: Rows::Csv(reader) })
    }

    fn json(mut lines: BufReader<Box<dyn Read + 'a>>) -> Result<Self> {
        let mut line = 0;
        let first = next_object(&mut lines, &mut line)?.context("empty: expected rows")?;
        let mut names = Vec::new();
        for (name, value) in &first {
            match value {
                Value::Array(items) => {
                    names.extend((0..items.len()).map(|index| format!("{name}_{index}")));
                }
                _ => names.push(name.clone()),
            }
        }
        Ok(Self { names, rows: Rows::Json { lines, first: Some(first), line } })
    }

    /// Reads the next row; `false` at the end.
    pub(crate) fn next(&mut self, record: &mut StringRecord) -> Result<bool> {
        match &mut self.rows {
            Rows::Csv(reader) => Ok(reader.read_record(record)?),
            Rows::Json { lines, first, line } => {
                let object = match first.take() {
                    Some(object) => Some(object),
                    None => next_object(lines, line)?,
                };
                let Some(object) = object else { return Ok(false) };
                fill(&object, &self.names, record).with_context(|| format!("line {line}"))?;
                Ok(true)
            }
        }
    }
}

/// Returns a reader of delimited text.
pub(crate) fn csv_reader<'a>(
    file: &'a TextFile,
    head: &[u8],
    header: bool,
) -> csv::Reader<BufReader<Box<dyn Read + 'a>>> {
    ReaderBuilder::new()
        .delimiter(delimiter(head))
        .has_headers(header)
        .trim(csv::Trim::All)
        .from_reader(file.reader())
}

/// Returns the delimiter that the first line has most often.
fn delimiter(head: &[u8]) -> u8 {
    let line = head.split(|&byte| byte == b'\n').next().unwrap_or_default();
    let count = |delimiter: u8| line.iter().filter(|&&byte| byte == delimiter).count();
    // Of equally many the last one of the list is taken.
    [b';', b'\t', b','].into_iter().max_by_key(|&delimiter| count(delimiter)).unwrap_or(b',')
}

/// Reads the next line that is not empty.
fn next_object(
    lines: &mut BufReader<Box<dyn Read + '_>>,
    line: &mut usize,
) -> Result<Option<BTreeMap<String, Value>>> {
    loop {
        let mut text = Vec::new();
        *line += 1;
        let read = lines.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut text)?;
        if read == 0 {
            return Ok(None);
        }
        ensure!((read as u64) < LONGEST_LINE, "line {line} is longer than {LONGEST_LINE} bytes");
        if text.trim_ascii().is_empty() {
            continue;
        }
        return serde_json::from_slice(&text)
            .with_context(|| format!("line {line}: expected a JSON object"))
            .map(Some);
    }
}

/// Fills the record with the fields of an object in the order of the names.
fn fill(
    object: &BTreeMap<String, Value>,
    names: &[String],
    record: &mut StringRecord,
) -> Result<()> {
    record.clear();
    // Objects are sorted by name: the order of fields in a line does not matter.
    for (name, value) in object {
        let items = match value {
            Value::Array(items) => items.as_slice(),
            value => std::slice::from_ref(value),
        };
        for (index, item) in items.iter().enumerate() {
            let whole = matches!(value, Value::Array(_));
            let expected = names.get(record.len()).map(String::as_str).unwrap_or_default();
            let found = if whole { format!("{name}_{index}") } else { name.clone() };
            ensure!(
                found == expected,
                "field {found:?} where the first row has {expected:?}: expected the same fields in \
                 every row"
            );
            match item {
                Value::String(text) => record.push_field(text),
                Value::Number(number) => record.push_field(&number.to_string()),
                Value::Bool(flag) => record.push_field(if *flag { "true" } else { "false" }),
                Value::Null => record.push_field("null"),
                _ => bail!("field {found:?} is nested: expected numbers and texts"),
            }
        }
    }
    ensure!(
        record.len() == names.len(),
        "{} values where the first row has {}: expected the same fields in every row",
        record.len(),
        names.len()
    );
    Ok(())
}
