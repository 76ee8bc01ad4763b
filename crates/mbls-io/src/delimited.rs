//! Reader for delimited records such as CSV and TSV.
//!
//! Most readers silently repair malformed files: they append text after a closing quotation mark to
//! the field, and treat the rest of the file after an unclosed quotation mark as one field. In a
//! data set this silently produces wrong data. This reader rejects both, and reports what it found
//! in the rest ([`Reading`]).

use crate::{Error, Label, OnError, Reading, Result, Written};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::path::Path;

/// The hint in errors that quotation marks can be read as text.
const AS_TEXT: &str = "`quoting = \"none\"` reads quotation marks as text";

/// Whether fields can be quoted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Quoting {
    /// Never: a quotation mark is an ordinary character, and every line is a record, as in
    /// tab-separated values.
    None,
    /// Between `"` and `"`, as in comma-separated values (RFC 4180): delimiters and line ends
    /// inside are text, and two consecutive quotation marks stand for one.
    Double,
}

/// A reader of delimited records from the content of a file. The first record is the header.
///
/// - The content is UTF-8, with or without a byte-order mark. A record that is not UTF-8 or has a
///   NUL byte cannot be decoded: [`OnError`] determines what happens to it.
/// - Lines end with LF or CRLF, or with CR in a file without any LF. Any other CR outside of
///   quotation marks is an error.
/// - Outside of quotation marks, lines that are empty or contain only spaces are skipped.
/// - Every record has as many fields as the header.
/// - A quotation mark opens a quoted field only as the first character of the field; at other
///   positions it is text. The closing one must be followed by a delimiter, a line end or the end
///   of the file.
///
/// ```
/// use mbls_io::OnError;
/// use mbls_io::delimited::{Delimited, Quoting};
///
/// let read = |content: &[u8]| {
///     let mut records = Delimited::new("a.csv".as_ref(), content, b',', Quoting::Double, OnError::Fail)?;
///     let text = records.column("text")?;
///     let mut texts = Vec::new();
///     while let Some(record) = records.next_record()? {
///         texts.push(record.field(text).to_owned());
///     }
///     Ok::<_, mbls_io::Error>(texts)
/// };
/// assert_eq!(read(b"label,text\n0,\"a, \"\"b\"\"\"\n1,c\n")?, ["a, \"b\"", "c"]);
/// assert_eq!(
///     read(b"label,text\n0,\"a\n1,c\n").unwrap_err().to_string(),
///     "a.csv: line 2: quotation mark that opens field 2: expected a closing one, found the end of the file \
///      in line 3 (`quoting = \"none\"` reads quotation marks as text)"
/// );
/// # Ok::<(), mbls_io::Error>(())
/// ```
#[derive(Debug)]
pub struct Delimited<'a> {
    path: &'a Path,
    content: &'a [u8],
    delimiter: u8,
    quoting: Quoting,
    on_error: OnError,
    /// Whether CR alone ends a line.
    is_cr: bool,
    /// The start of the next record.
    place: usize,
    /// The line number at `place`, from 1.
    line: u64,
    /// Whether the file ends without a line end and its last line has been read.
    is_unended: bool,
    header: Vec<String>,
    header_line: u64,
    reading: Reading,
}

/// A record: its fields and the line on which it begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// The first line of the record, from 1.
    pub line: u64,
    fields: Vec<Cow<'a, str>>,
}

impl Record<'_> {
    /// Returns the field of a column.
    ///
    /// # Panics
    ///
    /// If `column` is past the last column of the header.
    pub fn field(&self, column: usize) -> &str {
        &self.fields[column]
    }

    /// Returns the fields in the order of the columns, unquoted.
    pub fn fields(&self) -> impl ExactSizeIterator<Item = &str> {
        self.fields.iter().map(AsRef::as_ref)
    }
}

/// A record before decoding.
struct Raw<'a> {
    start: usize,
    line: u64,
    fields: Vec<Cow<'a, [u8]>>,
    literal_quotes: u64,
}

impl<'a> Delimited<'a> {
    /// Reads the header of the content of the file at `path`.
    ///
    /// # Errors
    ///
    /// [`Error::Format`] with the line if there is no header, or if it cannot be decoded or
    /// violates a rule of the format.
    pub fn new(
        path: &'a Path,
        content: &'a [u8],
        delimiter: u8,
        quoting: Quoting,
        on_error: OnError,
    ) -> Result<Self> {
        // Some editors write a byte-order mark.
        let start = if content.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
        let is_cr = !content.contains(&b'\n');
        let reading = Reading { quoting: Some(quoting), ..Reading::default() };
        let mut records = Self {
            path,
            content,
            delimiter,
            quoting,
            on_error,
            is_cr,
            place: start,
            line: 1,
            is_unended: false,
            header: Vec::new(),
            header_line: 1,
            reading,
        };
        if let Some(raw) = records.scan()? {
            records.header_line = raw.line;
            // Without a header nothing can be read, whatever `on_error` says about other records.
            records
                .undecodable(&raw)
                .map_or(Ok(()), |(place, found)| Err(records.not_text(place, found, "")))?;
            let text = |field: Cow<'a, [u8]>| String::from_utf8_lossy(&field).trim().to_owned();
            records.header = raw.fields.into_iter().map(text).collect();
        }
        Ok(records)
    }

    /// Returns the names of the columns without surrounding white space; empty for an empty file.
    pub fn header(&self) -> &[String] {
        &self.header
    }

    /// Returns the index of the column with this name.
    ///
    /// # Errors
    ///
    /// [`Error::Format`] if there is no such column or more than one.
    pub fn column(&self, name: &str) -> Result<usize> {
        let mut places = self.header.iter().enumerate().filter(|(_, field)| *field == name);
        if let (Some((place, _)), None) = (places.next(), places.next()) {
            return Ok(place);
        }
        let quoted =
            self.quoting == Quoting::None && self.header.iter().any(|field| field.starts_with('"'));
        let way_out = if quoted { " (`quoting = \"double\"` removes quotation marks)" } else { "" };
        let found = format!("{:?}{way_out}", self.header);
        Err(self.error(self.header_line, "", format!("a header with one column {name:?}"), found))
    }

    /// Reads the next record; `None` at the end.
    ///
    /// # Errors
    ///
    /// [`Error::Format`] with the line if a record violates a rule of the format, has a different
    /// number of fields from the header, or, with [`OnError::Fail`], cannot be decoded.
    pub fn next_record(&mut self) -> Result<Option<Record<'a>>> {
        while let Some(raw) = self.scan()? {
            if let Some((place, found)) = self.undecodable(&raw) {
                if self.on_error == OnError::Fail {
                    return Err(self.not_text(place, found, &format!(" ({})", OnError::WAY_OUT)));
                }
                self.reading.left_out.count(raw.line, format!("{found} instead of text in UTF-8"));
                continue;
            }
            if raw.fields.len() != self.header.len() {
                let expected = format!("{}, as many as in the header", self.header.len());
                return Err(self.error(raw.line, ": number of fields", expected, raw.fields.len()));
            }
            self.reading.records += 1;
            self.reading.literal_quotes += raw.literal_quotes;
            self.reading.multi_line.count(raw.line, self.last_line());
            let text = |field| match field {
                Cow::Borrowed(bytes) => String::from_utf8_lossy(bytes),
                Cow::Owned(bytes) => Cow::Owned(String::from_utf8_lossy(&bytes).into_owned()),
            };
            return Ok(Some(Record {
                line: raw.line,
                fields: raw.fields.into_iter().map(text).collect(),
            }));
        }
        Ok(None)
    }

    /// Reads the label of a record from `column`, without surrounding white space.
    ///
    /// # Errors
    ///
    /// [`Error::Format`] if the label is missing, or if it begins with a quotation mark that does
    /// not open its field, because the `quoting` setting then does not match the file.
    pub fn label(&self, record: &Record<'a>, column: usize) -> Result<Label> {
        let field = record.field(column);
        let label = field.trim();
        let error = |expected: &str, found: String| {
            Err(self.error(record.line, &format!(": {}", self.header[column]), expected, found))
        };
        if label.is_empty() {
            return error("a name or a number", format!("{label:?}, a missing label"));
        }
        match self.quoting {
            _ if !label.starts_with('"') => {}
            Quoting::None => {
                let expected =
                    "a label without quotation marks (`quoting = \"double\"` removes them)";
                return error(expected, label.to_owned());
            }
            Quoting::Double if field.starts_with('"') => {}
            Quoting::Double => {
                return error(
                    "no white space before a quotation mark that opens a field",
                    label.to_owned(),
                );
            }
        }
        Ok(Label { text: label.to_owned(), line: record.line, written: Written::Text })
    }

    /// Returns statistics of the records read so far; of the whole file once
    /// [`next_record`](Self::next_record) has returned `None`.
    pub fn finish(mut self) -> Reading {
        self.reading.lines = self.last_line();
        self.reading
    }

    /// Returns the number of the last line that was read.
    fn last_line(&self) -> u64 {
        self.line - u64::from(!self.is_unended)
    }

    fn scan(&mut self) -> Result<Option<Raw<'a>>> {
        self.pass_blank_lines()?;
        if self.place == self.content.len() {
            return Ok(None);
        }
        let mut raw =
            Raw { start: self.place, line: self.line, fields: Vec::new(), literal_quotes: 0 };
        loop {
            let field = match self.content.get(self.place) {
                Some(b'"') if self.quoting == Quoting::Double => {
                    self.quoted(raw.fields.len() + 1)?
                }
                _ => {
                    let field = self.unquoted();
                    raw.literal_quotes +=
                        u64::from(field.trim_ascii_start().first() == Some(&b'"'));
                    Cow::Borrowed(field)
                }
            };
            raw.fields.push(field);
            if self.content.get(self.place) == Some(&self.delimiter) {
                self.place += 1;
                continue;
            }
            self.pass_line_end()?;
            return Ok(Some(raw));
        }
    }

    /// Reads a field up to its delimiter or line end.
    fn unquoted(&mut self) -> &'a [u8] {
        let rest = &self.content[self.place..];
        let is_end = |byte: &u8| *byte == self.delimiter || matches!(byte, b'\n' | b'\r');
        let field = &rest[..rest.iter().position(is_end).unwrap_or(rest.len())];
        self.place += field.len();
        field
    }

    /// Reads a field from its opening quotation mark up to and including the closing one.
    fn quoted(&mut self, number: usize) -> Result<Cow<'a, [u8]>> {
        let opened = self.line;
        let field = format!(": quotation mark that opens field {number}");
        let line_end = if self.is_cr { b'\r' } else { b'\n' };
        let mut text: Cow<'a, [u8]> = Cow::Borrowed(&[]);
        self.place += 1;
        loop {
            let rest = &self.content[self.place..];
            let length = rest.iter().position(|&byte| byte == b'"').unwrap_or(rest.len());
            let part = &rest[..length];
            self.line += part.iter().filter(|&&byte| byte == line_end).count() as u64;
            if text.is_empty() {
                text = Cow::Borrowed(part);
            } else {
                text.to_mut().extend_from_slice(part);
            }
            if length == rest.len() {
                let line = if part.last() == Some(&line_end) { self.line - 1 } else { self.line };
                let found = format!("the end of the file in line {line} ({AS_TEXT})");
                return Err(self.error(opened, &field, "a closing one", found));
            }
            self.place += length + 1;
            match self.content.get(self.place) {
                Some(b'"') => {
                    text.to_mut().push(b'"');
                    self.place += 1;
                }
                None | Some(b'\n' | b'\r') => return Ok(text),
                Some(&byte) if byte == self.delimiter => return Ok(text),
                Some(_) => {
                    let next: Vec<u8> =
                        self.content[self.place..].iter().copied().take(20).collect();
                    let next = String::from_utf8_lossy(&next);
                    let next = next.lines().next().unwrap_or_default();
                    let found =
                        format!("{next:?} after the closing one in line {} ({AS_TEXT})", self.line);
                    return Err(self.error(
                        opened,
                        &field,
                        "a delimiter or a line end after the closing one",
                        found,
                    ));
                }
            }
        }
    }

    fn pass_blank_lines(&mut self) -> Result<()> {
        loop {
            let rest = &self.content[self.place..];
            let spaces = rest.iter().take_while(|&&byte| byte == b' ').count();
            match rest.get(spaces) {
                None if spaces == 0 => return Ok(()),
                None | Some(b'\n' | b'\r') => {}
                Some(_) => return Ok(()),
            }
            self.place += spaces;
            self.pass_line_end()?;
            self.reading.blank += 1;
        }
    }

    /// Skips the line end at the current position, if not at the end of the file.
    fn pass_line_end(&mut self) -> Result<()> {
        let length = match &self.content[self.place..] {
            [] => {
                self.is_unended = true;
                return Ok(());
            }
            [b'\n', ..] => 1,
            [b'\r', b'\n', ..] => 2,
            [b'\r'] => 1,
            [b'\r', ..] if self.is_cr => 1,
            _ => {
                let expected = "a line feed after the carriage return, as lines of this file end";
                return Err(self.error(self.line, "", expected, "none"));
            }
        };
        self.place += length;
        self.line += 1;
        Ok(())
    }

    /// Returns the position of the first byte of a record that cannot be decoded, and a
    /// description.
    fn undecodable(&self, raw: &Raw<'a>) -> Option<(usize, &'static str)> {
        let bytes = &self.content[raw.start..self.place];
        match std::str::from_utf8(bytes) {
            Err(error) => Some((raw.start + error.valid_up_to(), "other bytes")),
            Ok(_) => bytes
                .iter()
                .position(|&byte| byte == 0)
                .map(|place| (raw.start + place, "a NUL byte")),
        }
    }

    fn not_text(&self, place: usize, found: &str, way_out: &str) -> Error {
        let line_end = if self.is_cr { b'\r' } else { b'\n' };
        let line = 1 + self.content[..place].iter().filter(|&&byte| byte == line_end).count();
        let found = format!("{found}{way_out}");
        Error::format(self.path, format!("line {line} (byte {place})"), "text in UTF-8", found)
    }

    fn error(
        &self,
        line: u64,
        field: &str,
        expected: impl ToString,
        found: impl ToString,
    ) -> Error {
        Error::format(self.path, format!("line {line}{field}"), expected, found)
    }
}
