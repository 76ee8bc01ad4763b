//! A reader for the subset of the MATLAB 5 format that data sets use: numeric arrays, compressed
//! with zlib or not, in either byte order.
//!
//! A file is a header of 128 bytes followed by elements: a tag (type, size) and that many bytes,
//! padded to a multiple of 8. A matrix is an element that contains elements: flags with the class,
//! dimensions, name, values; a compressed element unpacks to another element. The crates that read
//! this format unpack whatever size a file claims, which this reader must not.
//!
//! # References
//!
//! MathWorks: MAT-File Format (R2019b), chapter 1.

use crate::{Error, Result};
use flate2::read::ZlibDecoder;
use mbls_io::file::open;
use std::io::{BufReader, ErrorKind, Read};
use std::path::Path;

const HEADER: usize = 128;
const INT8: u32 = 1;
const UINT8: u32 = 2;
const INT32: u32 = 5;
const UINT32: u32 = 6;
const DOUBLE: u32 = 9;
const MATRIX: u32 = 14;
const COMPRESSED: u32 = 15;
/// Class codes of arrays of `f64` and of `u8`; values of both may be stored as bytes.
const DOUBLE_CLASS: u8 = 6;
const UINT8_CLASS: u8 = 9;
/// More than any program writes, for the length of a name and the number of dimensions.
const MAX_NAME: u32 = 64;
const MAX_DIMENSIONS: u32 = 32;
/// Maximum number of other arrays that are skipped.
const MAX_ARRAYS: usize = 1024;

/// An array of bytes, with the first dimension contiguous.
pub(super) struct Array {
    pub(super) dimensions: Vec<usize>,
    pub(super) values: Vec<u8>,
}

/// An array to read: its name, and the maximum number of values.
pub(super) struct Wanted {
    pub(super) name: &'static str,
    pub(super) max_values: usize,
    /// Whether the values may be stored as `f64`.
    pub(super) doubles: bool,
}

impl Wanted {
    fn max_bytes(&self) -> u64 {
        self.max_values as u64 * if self.doubles { 8 } else { 1 }
    }
}

/// Reads the given arrays of a file; their values must be integers in 0..=255.
pub(super) fn read<const N: usize>(path: &Path, wanted: [Wanted; N]) -> Result<[Array; N]> {
    let (file, _) = open(path)?;
    let mut source = Source { path, reader: BufReader::new(file), big_endian: false };
    let mut header = [0; HEADER];
    source.fill(&mut header, "header")?;
    source.big_endian = match &header[126..] {
        b"IM" => false,
        b"MI" => true,
        other => {
            return Err(source.wrong(
                "header, bytes 126..128",
                "IM or MI (a MATLAB 5 file)",
                format!("{other:02x?}"),
            ));
        }
    };
    let version = source.u16([header[124], header[125]]);
    if version != 0x0100 {
        return Err(source.wrong("header, version", "0x0100", format!("{version:#06x}")));
    }
    let mut found: [Option<Array>; N] = std::array::from_fn(|_| None);
    for _ in 0..MAX_ARRAYS {
        if found.iter().all(Option::is_some) || source.at_end()? {
            break;
        }
        let tag = source.tag()?;
        let max_bytes = wanted.iter().map(|wanted| wanted.max_bytes() + 4096).max().unwrap_or(0);
        let bytes = u64::from(tag.bytes);
        let array = match tag.kind {
            MATRIX => {
                let mut inner = Source {
                    path,
                    reader: (&mut source.reader).take(bytes),
                    big_endian: source.big_endian,
                };
                let array = inner.matrix(&wanted, &found)?;
                inner.skip_rest()?;
                array
            }
            COMPRESSED => {
                // Leaves room for the parts other than the values.
                let unpacked = ZlibDecoder::new((&mut source.reader).take(bytes)).take(max_bytes);
                let mut inner = Source { path, reader: unpacked, big_endian: source.big_endian };
                let tag = inner.tag()?;
                if tag.kind != MATRIX {
                    return Err(source.wrong(
                        "type of a packed element",
                        format!("{MATRIX}, an array"),
                        tag.kind,
                    ));
                }
                let array = inner.matrix(&wanted, &found)?;
                if array.is_some() {
                    // Read to the end of the stream, where its checksum is.
                    inner.skip_rest()?;
                }
                let mut packed = inner.reader.into_inner().into_inner();
                std::io::copy(&mut packed, &mut std::io::sink())
                    .map_err(Error::io("read", path))?;
                array
            }
            kind => {
                return Err(source.wrong(
                    "type of an element",
                    format!("{MATRIX} or {COMPRESSED}"),
                    kind,
                ));
            }
        };
        if let Some((place, array)) = array {
            found[place] = Some(array);
        }
    }
    if let Some(missing) = found.iter().position(Option::is_none) {
        return Err(source.wrong("arrays", format!("one named {}", wanted[missing].name), "none"));
    }
    let mut found = found.into_iter().flatten();
    let arrays = std::array::from_fn(|_| {
        found.next().unwrap_or(Array { dimensions: Vec::new(), values: Vec::new() })
    });
    Ok(arrays)
}

/// Type and size of an element; the tag of a small element contains its bytes.
struct Tag {
    kind: u32,
    bytes: u32,
    small: Option<[u8; 4]>,
}

/// Bytes of a file, compressed or not.
struct Source<'a, R> {
    path: &'a Path,
    reader: R,
    big_endian: bool,
}

impl<R: Read> Source<'_, R> {
    fn wrong(&self, field: &str, expected: impl ToString, found: impl ToString) -> Error {
        Error::format(self.path, field, expected, found)
    }

    fn u16(&self, bytes: [u8; 2]) -> u16 {
        if self.big_endian { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) }
    }

    fn u32(&self, bytes: [u8; 4]) -> u32 {
        if self.big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) }
    }

    fn failed(&self, field: &str, error: std::io::Error) -> Error {
        match error.kind() {
            ErrorKind::UnexpectedEof => {
                self.wrong(field, "more bytes", "the end of the file or of the element")
            }
            ErrorKind::InvalidInput | ErrorKind::InvalidData => {
                self.wrong(field, "a zlib stream", error)
            }
            _ => Error::io("read", self.path)(error),
        }
    }

    fn fill(&mut self, buffer: &mut [u8], field: &str) -> Result<()> {
        self.reader.read_exact(buffer).map_err(|error| self.failed(field, error))
    }

    fn tag(&mut self) -> Result<Tag> {
        let mut bytes = [0; 8];
        self.fill(&mut bytes, "tag of an element")?;
        let [a, b, c, d, rest @ ..] = bytes;
        let first = self.u32([a, b, c, d]);
        let tag = match first >> 16 {
            0 => Tag { kind: first, bytes: self.u32(rest), small: None },
            size => Tag { kind: first & 0xFFFF, bytes: size, small: Some(rest) },
        };
        if tag.small.is_some() && tag.bytes > 4 {
            Err(self.wrong("size of a small element", "at most 4 bytes", tag.bytes))
        } else {
            Ok(tag)
        }
    }

    /// Reads the bytes of an element of one of the given types, at most `max`, and its padding.
    fn element(&mut self, field: &str, kinds: &[u32], max: u64) -> Result<(u32, Vec<u8>)> {
        let tag = self.tag()?;
        if !kinds.contains(&tag.kind) {
            return Err(self.wrong(
                &format!("type of {field}"),
                format!("one of {kinds:?}"),
                tag.kind,
            ));
        }
        let bytes = u64::from(tag.bytes);
        if bytes > max {
            return Err(self.wrong(
                &format!("size of {field}"),
                format!("at most {max} bytes"),
                bytes,
            ));
        }
        if let Some(small) = tag.small {
            return Ok((tag.kind, small[..tag.bytes as usize].to_vec()));
        }
        let mut content = Vec::with_capacity(tag.bytes as usize);
        (&mut self.reader)
            .take(bytes)
            .read_to_end(&mut content)
            .map_err(|error| self.failed(field, error))?;
        if content.len() as u64 != bytes {
            return Err(self.wrong(
                &format!("size of {field}"),
                format!("{bytes} bytes"),
                format!("{} bytes", content.len()),
            ));
        }
        let padding = (8 - tag.bytes % 8) % 8;
        self.fill(&mut [0; 8][..padding as usize], &format!("padding of {field}"))?;
        Ok((tag.kind, content))
    }

    /// Reads an array. Returns the index of the requested array and its values, or nothing for
    /// other arrays.
    fn matrix(
        &mut self,
        wanted: &[Wanted],
        found: &[Option<Array>],
    ) -> Result<Option<(usize, Array)>> {
        let (_, flags) = self.element("array flags", &[UINT32], 8)?;
        let [a, b, c, d, ..] = flags[..] else {
            return Err(self.wrong("array flags", "8 bytes", flags.len()));
        };
        let class = (self.u32([a, b, c, d]) & 0xFF) as u8;
        let (_, sizes) = self.element("dimensions", &[INT32], u64::from(MAX_DIMENSIONS * 4))?;
        let (_, name) = self.element("array name", &[INT8], u64::from(MAX_NAME))?;
        let Some(place) = wanted.iter().position(|wanted| wanted.name.as_bytes() == name) else {
            return Ok(None);
        };
        let Wanted { name, max_values, doubles } = wanted[place];
        if found[place].is_some() {
            return Err(self.wrong("arrays", format!("one named {name}"), "several"));
        }
        let mut dimensions = Vec::new();
        for bytes in sizes.as_chunks::<4>().0 {
            dimensions.push(self.u32(*bytes) as usize);
        }
        let values = dimensions.iter().try_fold(1usize, |product, &size| product.checked_mul(size));
        let Some(values) = values.filter(|&values| values <= max_values) else {
            return Err(self.wrong(
                &format!("dimensions of {name}"),
                format!("at most {max_values} values"),
                format!("{dimensions:?}"),
            ));
        };
        if class != UINT8_CLASS && class != DOUBLE_CLASS {
            let expected = format!("{UINT8_CLASS} (uint8) or {DOUBLE_CLASS} (double)");
            return Err(self.wrong(&format!("class of {name}"), expected, class));
        }
        let kinds: &[u32] = if doubles { &[UINT8, DOUBLE] } else { &[UINT8] };
        let (kind, bytes) = self.element(name, kinds, wanted[place].max_bytes())?;
        let bytes = if kind == DOUBLE { self.whole_numbers(name, &bytes)? } else { bytes };
        if bytes.len() != values {
            let found = format!("{} values", bytes.len());
            return Err(self.wrong(name, format!("{values} values, for {dimensions:?}"), found));
        }
        Ok(Some((place, Array { dimensions, values: bytes })))
    }

    fn whole_numbers(&self, name: &str, bytes: &[u8]) -> Result<Vec<u8>> {
        let value = |bytes: &[u8; 8]| {
            let value = if self.big_endian {
                f64::from_be_bytes(*bytes)
            } else {
                f64::from_le_bytes(*bytes)
            };
            let byte = value as u8;
            if f64::from(byte) == value {
                Ok(byte)
            } else {
                Err(self.wrong(name, "whole numbers 0..=255", value))
            }
        };
        let (numbers, rest) = bytes.as_chunks::<8>();
        if rest.is_empty() {
            numbers.iter().map(value).collect()
        } else {
            Err(self.wrong(&format!("size of {name}"), "a multiple of 8 bytes", bytes.len()))
        }
    }

    fn skip_rest(&mut self) -> Result<()> {
        std::io::copy(&mut self.reader, &mut std::io::sink())
            .map_err(|error| self.failed("array", error))
            .map(drop)
    }
}

impl Source<'_, BufReader<std::fs::File>> {
    fn at_end(&mut self) -> Result<bool> {
        use std::io::BufRead;
        self.reader.fill_buf().map(<[u8]>::is_empty).map_err(Error::io("read", self.path))
    }
}
