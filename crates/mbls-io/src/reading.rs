//! Statistics of a file of records.

use crate::LabelReading;
use crate::delimited::Quoting;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Maximum number of places kept for omitted records.
const PLACES: usize = 10;

/// Statistics that a reader collects about a file of records, shown to the user and kept in the
/// report.
///
/// [`Display`](fmt::Display) writes one sentence without a full stop.
///
/// ```
/// use mbls_io::delimited::{Delimited, Quoting};
/// use mbls_io::OnError;
///
/// let content = b"label,text\na,\"two\nlines\"\n\nb,one\n";
/// let mut records = Delimited::new("a.csv".as_ref(), content, b',', Quoting::Double, OnError::Fail)?;
/// while records.next_record()?.is_some() {}
/// assert_eq!(
///     records.finish().to_string(),
///     "2 records from 5 lines, quoting double, 1 blank line, 1 record of several lines (line 2 to 3)",
/// );
/// # Ok::<(), mbls_io::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reading {
    /// Number of records read, without the header.
    pub records: u64,
    /// Number of lines of the file, including the header.
    pub lines: u64,
    /// Number of skipped lines, which are empty or contain only spaces.
    pub blank: u64,
    /// Whether fields could be quoted, for delimited files.
    pub quoting: Option<Quoting>,
    /// Records that span several lines, which is only possible within quotation marks.
    pub multi_line: MultiLine,
    /// Number of fields that begin with a literal quotation mark.
    pub literal_quotes: u64,
    /// Records that cannot be decoded and were left out.
    pub left_out: LeftOut,
    /// Number of bytes after the end of a gzip file, which were ignored.
    pub ignored_bytes: u64,
    /// The interpretation of the label column, if the file has one.
    pub labels: Option<LabelReading>,
}

/// Records that span several lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MultiLine {
    /// Number of such records.
    pub records: u64,
    /// First and last line of the record with the most lines; the first one if several have the
    /// same number.
    pub longest: Option<[u64; 2]>,
}

/// Records that could not be decoded.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    /// Number of records left out.
    pub records: u64,
    /// Place and reason of the first ten.
    pub first: Vec<String>,
}

impl MultiLine {
    /// Counts a record that spans the lines from `first` to `last`.
    pub(crate) fn count(&mut self, first: u64, last: u64) {
        if last == first {
            return;
        }
        self.records += 1;
        if self.longest.is_none_or(|[from, to]| to - from < last - first) {
            self.longest = Some([first, last]);
        }
    }
}

impl LeftOut {
    /// Counts a record, and keeps its place if it is among the first.
    pub fn count(&mut self, line: u64, reason: impl fmt::Display) {
        self.records += 1;
        if self.first.len() < PLACES {
            self.first.push(format!("line {line}: {reason}"));
        }
    }
}

impl fmt::Display for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let many = |count: u64, one: &str| match count {
            1 => format!("1 {one}"),
            _ => format!("{count} {one}s"),
        };
        write!(f, "{} from {}", many(self.records, "record"), many(self.lines, "line"))?;
        match self.quoting {
            Some(Quoting::None) => f.write_str(", quoting none")?,
            Some(Quoting::Double) => f.write_str(", quoting double")?,
            None => {}
        }
        if self.blank > 0 {
            write!(f, ", {}", many(self.blank, "blank line"))?;
        }
        if let MultiLine { records, longest: Some([first, last]) } = self.multi_line {
            let longest = if records == 1 { "" } else { "the longest " };
            write!(
                f,
                ", {} of several lines ({longest}line {first} to {last})",
                many(records, "record")
            )?;
        }
        if self.literal_quotes > 0 {
            let fields = many(self.literal_quotes, "field");
            write!(f, ", quotation marks kept as text at the beginning of {fields}")?;
        }
        if self.left_out.records > 0 {
            let places = self.left_out.first.join("; ");
            let more =
                if self.left_out.records > self.left_out.first.len() as u64 { "; ..." } else { "" };
            write!(
                f,
                ", {} left out that cannot be decoded ({places}{more})",
                many(self.left_out.records, "record")
            )?;
        }
        if self.ignored_bytes > 0 {
            write!(
                f,
                ", {} ignored after the end of the gzip file",
                many(self.ignored_bytes, "byte")
            )?;
        }
        match &self.labels {
            Some(labels) => write!(f, "; {labels}"),
            None => Ok(()),
        }
    }
}
