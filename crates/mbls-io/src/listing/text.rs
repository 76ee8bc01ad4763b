//! Text files of lines.

use crate::file::read_bounded;
use crate::{Error, Result};
use std::collections::HashMap;
use std::path::Path;

/// Larger than any text file that comes with a data set.
const MAX_TEXT_BYTES: u64 = 256 << 20;

/// Decodes the bytes of the file `path` as text, without the byte-order mark that some editors
/// write at the start of a file.
///
/// # Errors
///
/// [`Error::Format`] with line and byte for bytes that are not UTF-8, for UTF-16, with or without a
/// byte-order mark, and for a byte-order mark within the text, as left by concatenating files.
pub fn utf8<'a>(path: &Path, bytes: &'a [u8]) -> Result<&'a str> {
    let error = |at: usize, found: &str| {
        let line = 1 + bytes[..at].iter().filter(|&&byte| byte == b'\n').count();
        Err(Error::format(path, format!("line {line} (byte {at})"), "text in UTF-8", found))
    };
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return error(0, "the byte-order mark of UTF-16 or UTF-32");
    }
    // Text has no NUL byte; in UTF-16 every second byte of Latin letters is one.
    if let Some(at) = bytes.iter().position(|&byte| byte == 0) {
        return error(at, "a zero byte, as in UTF-16");
    }
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text.strip_prefix(MARK).unwrap_or(text),
        Err(wrong) => return error(wrong.valid_up_to(), "other bytes"),
    };
    match text.find(MARK) {
        Some(at) => {
            error(at + bytes.len() - text.len(), "a byte-order mark that does not begin the file")
        }
        None => Ok(text),
    }
}

const MARK: char = '\u{feff}';

/// Reads the lines of a text file without a byte-order mark, without white space at the ends of
/// lines, and without blank lines at the end of the file.
///
/// A line ends with LF, CR or both. Line `n` is item `n - 1`: blank lines before the last line are
/// empty items.
///
/// # Errors
///
/// The errors of [`utf8`]; [`Error::TooLarge`] above 256 MiB; [`Error::Io`].
pub fn lines(path: &Path) -> Result<Vec<String>> {
    let content = read_bounded(path, MAX_TEXT_BYTES)?;
    let mut lines = Vec::new();
    for line in utf8(path, &content)?.split('\n') {
        let line = line.strip_suffix('\r').unwrap_or(line);
        lines.extend(line.split('\r').map(|line| line.trim_end().to_owned()));
    }
    let filled = lines.iter().rposition(|line| !line.is_empty()).map_or(0, |last| last + 1);
    lines.truncate(filled);
    Ok(lines)
}

/// Reads the lines that are not blank, with their line numbers, from 1. For lists in which the
/// position of a line has no meaning.
///
/// # Errors
///
/// As for [`lines`].
pub fn filled_lines(path: &Path) -> Result<Vec<(usize, String)>> {
    Ok((1..).zip(lines(path)?).filter(|(_, line)| !line.is_empty()).collect())
}

/// Reads a file with one name per line, `expected` of them or at least one. Item `i` is line
/// `i + 1`, so only lines at the end of the file may be blank.
///
/// # Errors
///
/// [`Error::Format`] for a blank or duplicate line, and for a different number of lines; and the
/// errors of [`lines`].
pub fn names(path: &Path, expected: Option<usize>) -> Result<Vec<String>> {
    let names = lines(path)?;
    let mut seen = HashMap::new();
    for (number, name) in (1..).zip(&names) {
        if name.is_empty() {
            return Err(Error::format(path, format!("line {number}"), "a name", "an empty line"));
        }
        if let Some(before) = seen.insert(name, number) {
            let found = format!("{name}, as in line {before}");
            return Err(Error::format(
                path,
                format!("line {number}"),
                "a name not listed before",
                found,
            ));
        }
    }
    match expected {
        Some(expected) if expected != names.len() => {
            Err(Error::format(path, "number of lines", expected, names.len()))
        }
        None if names.is_empty() => Err(Error::format(path, "number of lines", "at least 1", 0)),
        _ => Ok(names),
    }
}
