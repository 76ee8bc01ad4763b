//! GloVe's text files.

use crate::{Error, Result};
use mbls_io::file::open;
use mbls_io::gzip::{self, GzReader};
use mbls_io::{OnError, Reading};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek};
use std::path::{Path, PathBuf};

/// Length of the longest line that is read. A line of 300 values has some 3,000 bytes.
const MAX_LINE: u64 = 1 << 20;
/// Upper bound of the dimension, exclusive.
const MAX_DIMENSION: usize = 1 << 16;

/// A file of word vectors: each line is a word and its values, separated by blanks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GloveFile {
    /// Path of the file, which may be compressed by gzip.
    pub path: PathBuf,
    /// Number of values per word; by default that of the first line.
    pub dimension: Option<usize>,
    /// The handling of a word that is not UTF-8, and bytes after the end of a gzip file.
    pub on_error: OnError,
}

impl GloveFile {
    /// Describes a file whose dimension is that of its first line. Undecodable words are errors.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), dimension: None, on_error: OnError::Fail }
    }
}

/// Result of [`read_vectors`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VectorsRead {
    /// Number of values per word.
    pub dimension: usize,
    /// Numbers of lines and words, and of skipped words.
    pub reading: Reading,
}

/// Reads a file of any size as a stream. For each word that `place` maps to a position, it calls
/// `found` with the position and the values. Only the first occurrence of a position counts.
///
/// Values are counted from the right, so words may contain blanks, as some in glove.840B do. A
/// byte-order mark and a first line of two whole numbers, as in files converted for word2vec, are
/// skipped. The values of other words are counted but not parsed.
///
/// # Errors
///
/// [`Error::Format`](mbls_io::Error::Format) with line and word for another number of values, a
/// value that is not a finite number, a line above 1 MiB, a word that is not UTF-8 (with
/// [`OnError::Fail`]), and a file without words; [`Error::Gzip`](mbls_io::Error::Gzip);
/// [`Error::Io`](mbls_io::Error::Io); the errors of `found`.
pub fn read_vectors(
    file: &GloveFile,
    mut place: impl FnMut(&str) -> Option<usize>,
    mut found: impl FnMut(usize, &[f32]) -> Result<()>,
) -> Result<VectorsRead> {
    let path = &file.path;
    let mut lines = Lines::open(path, file.on_error)?;
    let mut dimension = file.dimension;
    if let Some(wrong @ (0 | MAX_DIMENSION..)) = dimension {
        return Err(Error::value(
            "dimension of word vectors",
            format!("1..{MAX_DIMENSION}"),
            wrong,
        ));
    }
    let (mut values, mut seen, mut reading) = (Vec::new(), Vec::new(), Reading::default());
    while let Some((number, line)) = lines.next()? {
        reading.lines = number;
        if number == 1 && is_header(line) {
            continue;
        }
        let line = Line { path, number, content: line };
        let dimension = match dimension {
            Some(dimension) => dimension,
            None => *dimension.insert(line.dimension()?),
        };
        let (word, numbers) = line.split(dimension)?;
        let Ok(word) = std::str::from_utf8(word) else {
            let field = format!("line {number}: word");
            let found = format!("{:?}", String::from_utf8_lossy(word));
            if file.on_error == OnError::Fail {
                let found = format!("{found} ({})", OnError::WAY_OUT);
                return Err(Error::format(path, field, "text in UTF-8", found));
            }
            reading.left_out.count(number, format!("{found} instead of a word in UTF-8"));
            continue;
        };
        reading.records += 1;
        let Some(place) = place(word) else { continue };
        if seen.len() <= place {
            seen.resize(place + 1, false);
        }
        if !std::mem::replace(&mut seen[place], true) {
            line.values(word, numbers, &mut values)?;
            found(place, &values)?;
        }
    }
    match dimension {
        Some(dimension) if reading.records > 0 => {
            reading.ignored_bytes = lines.ignored();
            Ok(VectorsRead { dimension, reading })
        }
        _ => Err(Error::format(path, "number of words", "at least 1", 0)),
    }
}

fn is_header(line: &[u8]) -> bool {
    let mut fields = line.split(|&byte| byte == b' ');
    let is_number = |field: Option<&[u8]>| {
        field.is_some_and(|field| !field.is_empty() && field.iter().all(u8::is_ascii_digit))
    };
    is_number(fields.next()) && is_number(fields.next()) && fields.next().is_none()
}

/// One line of a file.
struct Line<'a> {
    path: &'a Path,
    number: u64,
    content: &'a [u8],
}

impl<'a> Line<'a> {
    /// Returns the number of values at the end of the line; at least one field is the word.
    fn dimension(&self) -> Result<usize> {
        let fields: Vec<&[u8]> = self.content.split(|&byte| byte == b' ').collect();
        match fields[1..].iter().rev().take_while(|field| number(field).is_some()).count() {
            count @ 1..MAX_DIMENSION => Ok(count),
            count => Err(self.wrong_count(fields[0], format!("1..{MAX_DIMENSION}"), count)),
        }
    }

    /// Returns the word and its values, which are the last `dimension` fields.
    fn split(&self, dimension: usize) -> Result<(&'a [u8], &'a [u8])> {
        let blanks = self.content.iter().enumerate().rev().filter(|(_, byte)| **byte == b' ');
        let Some((blank, _)) = blanks.take(dimension).nth(dimension - 1) else {
            let mut fields = self.content.split(|&byte| byte == b' ');
            let word = fields.next().unwrap_or_default();
            return Err(self.wrong_count(word, dimension, fields.count()));
        };
        let (word, numbers) = (&self.content[..blank], &self.content[blank + 1..]);
        // A number before the values means that there is one value too many, unless it is the whole
        // word.
        if let Some(last) = word.iter().rposition(|&byte| byte == b' ')
            && number(&word[last + 1..]).is_some()
        {
            let fields: Vec<&[u8]> = self.content.split(|&byte| byte == b' ').collect();
            let count =
                fields[1..].iter().rev().take_while(|field| number(field).is_some()).count();
            return Err(self.wrong_count(fields[0], dimension, count));
        }
        match word {
            [] => Err(Error::format(
                self.path,
                format!("line {}: word", self.number),
                "at least one character",
                "none",
            )),
            word => Ok((word, numbers)),
        }
    }

    fn values(&self, word: &str, numbers: &[u8], values: &mut Vec<f32>) -> Result<()> {
        values.clear();
        for (i, field) in numbers.split(|&byte| byte == b' ').enumerate() {
            let Some(value) = number(field).filter(|value| value.is_finite()) else {
                let place = format!("line {}: value {} of {word:?}", self.number, i + 1);
                return Err(Error::format(
                    self.path,
                    place,
                    "a finite number",
                    format!("{:?}", String::from_utf8_lossy(field)),
                ));
            };
            values.push(value);
        }
        Ok(())
    }

    fn wrong_count(&self, word: &[u8], expected: impl ToString, found: usize) -> Error {
        let word = String::from_utf8_lossy(word);
        Error::format(
            self.path,
            format!("line {}: number of values of {word:?}", self.number),
            expected,
            found,
        )
    }
}

fn number(field: &[u8]) -> Option<f32> {
    std::str::from_utf8(field).ok()?.parse().ok()
}

/// The decompressed bytes of a file.
enum Source {
    Plain(File),
    Packed(Box<GzReader>),
}

impl Read for Source {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(file) => file.read(buffer),
            Self::Packed(reader) => reader.read(buffer),
        }
    }
}

/// The lines of a file, one at a time.
struct Lines {
    path: PathBuf,
    reader: BufReader<Source>,
    line: Vec<u8>,
    /// Number of the line that was returned last, from 1.
    number: u64,
}

impl Lines {
    fn open(path: &Path, on_error: OnError) -> Result<Self> {
        let (mut file, _) = open(path)?;
        let mut magic = Vec::new();
        file.by_ref().take(2).read_to_end(&mut magic).map_err(Error::io("read", path))?;
        file.rewind().map_err(Error::io("read", path))?;
        let source = match magic[..] {
            [0x1F, 0x8B] => Source::Packed(Box::new(GzReader::open(path, on_error)?)),
            _ => Source::Plain(file),
        };
        let reader = BufReader::with_capacity(1 << 18, source);
        Ok(Self { path: path.to_owned(), reader, line: Vec::new(), number: 0 })
    }

    /// Returns the number and the content of the next line, without trailing blanks and line end.
    fn next(&mut self) -> Result<Option<(u64, &[u8])>> {
        self.line.clear();
        let read = self.reader.by_ref().take(MAX_LINE + 1).read_until(b'\n', &mut self.line);
        let read = read.map_err(|error| match self.reader.get_ref() {
            Source::Packed(_) => gzip::broken(&self.path)(error).into(),
            Source::Plain(_) => Error::io("read", &self.path)(error),
        })?;
        if read == 0 {
            return Ok(None);
        }
        self.number += 1;
        if read as u64 > MAX_LINE {
            let place = format!("line {}", self.number);
            return Err(Error::format(
                &self.path,
                place,
                format!("at most {MAX_LINE} bytes"),
                "more",
            ));
        }
        let line = self.line.trim_ascii_end();
        let is_first = self.number == 1;
        Ok(Some((
            self.number,
            line.strip_prefix(b"\xef\xbb\xbf").filter(|_| is_first).unwrap_or(line),
        )))
    }

    /// Returns the number of bytes that were ignored after the end of a gzip file.
    fn ignored(&self) -> u64 {
        match self.reader.get_ref() {
            Source::Plain(_) => 0,
            Source::Packed(reader) => reader.ignored(),
        }
    }
}
