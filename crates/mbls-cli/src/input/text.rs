//! Tables in text: CSV and TSV with a header, JSON lines.

use super::array::Array;
use super::columns::{Columns, ScoreColumns, index_of};
use super::labels::whole;
use super::records::{Records, csv_reader};
use super::text_file::TextFile;
use anyhow::{Context, Result, bail, ensure};
use csv::StringRecord;

/// The columns of a text file that were asked for.
#[derive(Debug, Default)]
pub(crate) struct Table {
    /// The scores `[rows, columns]`, and the name of their columns.
    pub(crate) scores: Option<(String, Array)>,
    pub(crate) labels: Vec<i64>,
    pub(crate) top_labels: Option<TopLabelColumns>,
    pub(crate) groups: Vec<String>,
    pub(crate) rows: usize,
    /// How the columns were chosen.
    pub(crate) note: String,
}

/// Rows of which only the prediction was saved.
#[derive(Debug, Default)]
pub(crate) struct TopLabelColumns {
    pub(crate) confidences: Vec<f64>,
    pub(crate) correct: Vec<bool>,
}

/// Which columns to read, where the user says it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Wanted<'a> {
    pub(crate) scores: Option<&'a str>,
    pub(crate) labels: Option<&'a str>,
    pub(crate) group_by: Option<&'a str>,
    /// Whether labels may be elsewhere.
    pub(crate) without_labels: bool,
}

/// Returns whether the first bytes of a file are text.
pub(crate) fn is(head: &[u8]) -> bool {
    let end = head.len().saturating_sub(3);
    // The last character may be cut.
    let valid = match std::str::from_utf8(head) {
        Ok(_) => true,
        Err(error) => error.valid_up_to() >= end,
    };
    valid && !head.iter().any(|&byte| byte < b' ' && !matches!(byte, b'\t' | b'\n' | b'\r'))
}

/// Reads the columns that [`Columns`] finds in the header.
pub(crate) fn read(file: &TextFile, wanted: Wanted<'_>) -> Result<Table> {
    let mut records = Records::open(file)?;
    let names = records.names.clone();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    ensure!(!names.is_empty(), "empty: expected a header and rows");
    let columns = Columns::find(&names, wanted)?;
    let mut table = Table { note: columns.describe(&names), ..Table::default() };
    let mut scores = Vec::new();
    let mut top_labels = TopLabelColumns::default();
    let mut record = StringRecord::new();
    while records.next(&mut record).with_context(|| format!("row {}", table.rows))? {
        let row = table.rows;
        let place = |column: usize| format!("row {row}, column {:?}", names[column]);
        let number = |column: usize| {
            let text = &record[column];
            text.parse::<f64>()
                .map_err(|_| anyhow::anyhow!("{}: {text:?}: expected a number", place(column)))
        };
        if let Some(column) = columns.labels {
            if let Some(label) = integer(&record[column]) {
                table.labels.push(label);
            } else if !matches!(columns.scores, ScoreColumns::Prediction { .. }) {
                bail!("{}: label {:?}: expected an integer", place(column), &record[column]);
            }
        }
        match &columns.scores {
            ScoreColumns::None => {}
            ScoreColumns::Classes { columns, .. } => {
                for &column in columns {
                    scores.push(number(column)?);
                }
            }
            ScoreColumns::Prediction { confidence, predicted } => {
                top_labels.confidences.push(number(*confidence)?);
                let label = columns.labels.map(|column| &record[column]).unwrap_or_default();
                top_labels.correct.push(same(&record[*predicted], label));
            }
            ScoreColumns::Correct { confidence, correct } => {
                top_labels.confidences.push(number(*confidence)?);
                let correct = boolean(&record[*correct]).with_context(|| place(*correct))?;
                top_labels.correct.push(correct);
            }
        }
        if let Some(column) = columns.groups {
            table.groups.push(record[column].to_owned());
        }
        table.rows += 1;
    }
    ensure!(table.rows > 0, "empty: a header and no rows");
    match columns.scores {
        ScoreColumns::None => {}
        ScoreColumns::Classes { name, columns } => {
            let shape = vec![table.rows, columns.len()];
            table.scores = Some((name, Array::of_numbers(&scores, shape)?));
        }
        ScoreColumns::Prediction { .. } | ScoreColumns::Correct { .. } => {
            // Labels that are texts, such as names of classes, say only what is correct.
            if table.labels.len() != table.rows {
                table.labels.clear();
            }
            table.top_labels = Some(top_labels);
        }
    }
    Ok(table)
}

/// Reads the labels of a text file: the column `name`, one by convention, or lines of integers.
pub(crate) fn read_labels(file: &TextFile, name: Option<&str>) -> Result<Vec<i64>> {
    let mut reader = csv_reader(file, &file.head(1 << 16)?, false);
    let mut labels = Vec::new();
    let mut column = 0;
    for (line, record) in reader.records().enumerate() {
        let record = record.with_context(|| format!("line {}", line + 1))?;
        let text = record.get(column).unwrap_or_default();
        if line == 0 && (record.len() > 1 || integer(text).is_none()) {
            let names: Vec<&str> = record.iter().collect();
            column = index_of(&names, name)?;
            continue;
        }
        let label = integer(record.get(column).unwrap_or_default());
        labels.push(label.with_context(|| {
            format!("line {}: label {:?}: expected an integer", line + 1, &record[column])
        })?);
    }
    Ok(labels)
}

fn integer(text: &str) -> Option<i64> {
    text.parse().ok().or_else(|| whole(text.parse().ok()?).ok())
}

/// Compares a prediction with a label, as integers if both are.
fn same(predicted: &str, label: &str) -> bool {
    match (integer(predicted), integer(label)) {
        (Some(predicted), Some(label)) => predicted == label,
        _ => predicted == label,
    }
}

fn boolean(text: &str) -> Result<bool> {
    match text.to_ascii_lowercase().as_str() {
        "1" | "true" | "1.0" => Ok(true),
        "0" | "false" | "0.0" => Ok(false),
        _ => bail!("{text:?}: expected 0, 1, true or false"),
    }
}
