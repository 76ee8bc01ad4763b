//! The idx format: big-endian magic number (0, 0, element type, number of dimensions), sizes,
//! elements.

use super::listing::Endings;
use crate::{Error, Result};
use mbls_io::file::read_bounded;
use mbls_io::gzip::read_strict;
use std::path::{Path, PathBuf};

/// The type code of `u8` elements.
const U8: u8 = 0x08;

/// The elements of an idx file of `u8`, and the number of records.
pub(super) struct Idx {
    pub(super) path: PathBuf,
    pub(super) records: usize,
    pub(super) elements: Vec<u8>,
}

/// Reads `directory/name`, or `directory/name.gz`, whichever exists: at most `max_records` records,
/// each with the sizes `record`.
pub(super) fn read(
    directory: &Path,
    name: &str,
    record: &[usize],
    max_records: usize,
) -> Result<Idx> {
    let header = 4 * (record.len() + 2);
    let size: usize = record.iter().product();
    let max_bytes = (header + max_records * size) as u64;
    let plain = directory.join(name);
    let (path, mut bytes) = if plain.try_exists().map_err(Error::io("look for", &plain))? {
        (plain.clone(), read_bounded(&plain, max_bytes)?)
    } else {
        let packed =
            Endings::read(directory)?.file(name, &["gz"])?.map(|file| directory.join(file));
        let path = packed.unwrap_or_else(|| directory.join(format!("{name}.gz")));
        let bytes = read_strict(&path, max_bytes)?;
        (path, bytes)
    };
    let dimensions = record.len() + 1;
    if bytes.len() < header {
        return Err(Error::format(
            &path,
            "header",
            format!("{header} bytes"),
            format!("{} bytes", bytes.len()),
        ));
    }
    let magic = [0, 0, U8, dimensions as u8];
    if bytes[..4] != magic {
        return Err(Error::format(&path, "magic number", hex(&magic), hex(&bytes[..4])));
    }
    let sizes: Vec<usize> = bytes[4..header]
        .chunks_exact(4)
        .map(|size| size.iter().fold(0, |value, &byte| value << 8 | usize::from(byte)))
        .collect();
    let records = sizes[0];
    for (i, (&found, &expected)) in sizes[1..].iter().zip(record).enumerate() {
        if found != expected {
            return Err(Error::format(
                &path,
                format!("size of dimension {}", i + 1),
                expected,
                found,
            ));
        }
    }
    if records == 0 || records > max_records {
        return Err(Error::format(
            &path,
            "size of dimension 0",
            format!("1..={max_records} records"),
            records,
        ));
    }
    let expected = header + records * size;
    if bytes.len() != expected {
        let field = format!("size of the unpacked file with {records} records");
        return Err(Error::format(
            &path,
            field,
            format!("{expected} bytes"),
            format!("{} bytes", bytes.len()),
        ));
    }
    bytes.drain(..header);
    Ok(Idx { path, records, elements: bytes })
}

fn hex(bytes: &[u8]) -> String {
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("0x{digits}")
}
