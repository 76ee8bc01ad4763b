//! Zip archives.

use crate::entry_name::shown;
use crate::extraction::{Extraction, Selection};
use anyhow::{Context, Result, bail, ensure};
use std::collections::HashSet;
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::Path;
use zip::ZipArchive;

const CENTRAL_HEADER: [u8; 4] = *b"PK\x01\x02";
const KIND_BITS: u32 = 0o170_000;
const FOLDER_BITS: u32 = 0o040_000;
const FILE_BITS: u32 = 0o100_000;

/// Unpacks a zip archive.
///
/// # Errors
///
/// Links and anything else that is neither a file nor a folder, encrypted entries, duplicate names,
/// a truncated or damaged archive, and everything that [`Extraction`] rejects, with the entry's
/// name.
pub(crate) fn unpack(path: &Path, into: &mut Extraction, selection: Selection) -> Result<()> {
    let file = File::open(path)?;
    let mut archive =
        ZipArchive::new(BufReader::new(&file)).context("not a complete zip archive")?;
    let names = names(BufReader::new(&file), archive.central_directory_start())?;
    // The reader silently keeps the last of several entries with the same name.
    let mut seen = HashSet::new();
    if let Some(twice) = names.iter().find(|name| !seen.insert(*name)) {
        bail!("entry {}: name: expected one that does not exist yet", shown(twice));
    }
    ensure!(
        names.len() == archive.len(),
        "number of entries: expected {}, found {}",
        archive.len(),
        names.len()
    );
    for i in 0..archive.len() {
        let name = archive.by_index_raw(i).map(|entry| entry.name_raw().to_vec());
        let name = name.with_context(|| format!("entry {i}: cannot be read"))?;
        let mut entry = archive
            .by_index(i)
            .with_context(|| format!("entry {}: cannot be read", shown(&name)))?;
        let is_folder = name.ends_with(b"/");
        match entry.unix_mode().map_or(0, |mode| mode & KIND_BITS) {
            0 => {}
            FOLDER_BITS if is_folder => {}
            FILE_BITS if !is_folder => {}
            0o120_000 => {
                bail!("entry {}: expected a file or a folder, found a symbolic link", shown(&name))
            }
            _ => bail!("entry {}: expected a file or a folder, found something else", shown(&name)),
        }
        if is_folder {
            into.folder(&name, selection)?;
        } else {
            into.file(&name, entry.size(), &mut entry, selection)?;
        }
    }
    Ok(())
}

/// Returns the names in the central directory, one per header.
fn names(mut reader: impl Read + Seek, start: u64) -> Result<Vec<Vec<u8>>> {
    reader.seek(SeekFrom::Start(start))?;
    let mut names = Vec::new();
    loop {
        let mut signature = [0; 4];
        reader.read_exact(&mut signature).context("the central directory is truncated")?;
        if signature != CENTRAL_HEADER {
            return Ok(names);
        }
        // APPNOTE 4.3.12: the lengths of name, extra field and comment are at 28, 30 and 32.
        let mut header = [0; 42];
        reader.read_exact(&mut header).context("the central directory is truncated")?;
        let length = |at: usize| u16::from_le_bytes([header[at - 4], header[at - 3]]);
        let mut name = vec![0; length(28).into()];
        reader.read_exact(&mut name).context("the central directory is truncated")?;
        names.push(name);
        reader.seek(SeekFrom::Current(i64::from(length(30)) + i64::from(length(32))))?;
    }
}
