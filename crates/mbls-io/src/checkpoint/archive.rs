//! The container of `torch.save` since version 1.6: a zip archive of stored entries with the pickle
//! `data.pkl` and one file per storage.

use super::pickle;
use super::values::{Id, Parsed, Values};
use std::collections::HashMap;
use std::io::Cursor;
use std::ops::Range;
use zip::read::{ArchiveOffset, Config};
use zip::{CompressionMethod, ZipArchive};

/// Reads the archive's objects.
pub(super) fn read(file: &[u8], limit: usize) -> Parsed<(Values, Id)> {
    let entries = Entries::read(file)?;
    let root = entries.root()?;
    if entries.0.contains_key(&format!("{root}/constants.pkl")) {
        return Err(
            "a TorchScript archive holds a program; save the module's state_dict() with torch.save"
                .into(),
        );
    }
    match entries.bytes(file, &format!("{root}/byteorder")).transpose()? {
        None | Some(b"little") => {}
        Some(b"big") => {
            return Err("its numbers are big-endian; save it on a little-endian machine".into());
        }
        Some(_) => return Err("its entry byteorder is neither \"little\" nor \"big\"".into()),
    }
    let name = format!("{root}/data.pkl");
    let pickle =
        entries.bytes(file, &name).ok_or_else(|| format!("the archive has no entry {name}"))??;
    let mut values = Values::new();
    let (object, _) =
        pickle::read(pickle, 0, &mut values).map_err(|problem| format!("{name}: {problem}"))?;
    let mut known: HashMap<String, Range<usize>> = HashMap::new();
    values.locate(limit, |key| {
        if let Some(range) = known.get(key) {
            return Ok(range.clone());
        }
        let range = entries.checked(file, &format!("{root}/data/{key}"));
        let range =
            range.ok_or_else(|| format!("the archive has no entry for storage {key:?}"))??;
        known.insert(key.into(), range.clone());
        Ok(range)
    })?;
    Ok((values, object))
}

/// The byte range of an entry and its checksum.
struct Entry {
    range: Range<usize>,
    crc: u32,
}

struct Entries(HashMap<String, Entry>);

impl Entries {
    fn read(file: &[u8]) -> Parsed<Self> {
        let wrong = |e: zip::result::ZipError| format!("a truncated or damaged zip archive: {e}");
        // Without this option the crate guesses the start of the archive from the size of the
        // directory. PyTorch puts 76 bytes of zip64 records after the directory, so the guess is
        // wrong if the first entry of the directory takes 76 bytes.
        let config = Config { archive_offset: ArchiveOffset::Known(0) };
        let mut archive = ZipArchive::with_config(config, Cursor::new(file)).map_err(wrong)?;
        if archive.has_duplicate_names() {
            return Err("the zip archive has two entries of the same name".into());
        }
        // So each byte is checked at most once.
        if archive.has_overlapping_entries().map_err(wrong)? {
            return Err("entries of the zip archive overlap".into());
        }
        let mut entries = HashMap::new();
        for i in 0..archive.len() {
            let entry = archive.by_index_raw(i).map_err(wrong)?;
            let name = entry.name().map_err(wrong)?.into_owned();
            if entry.compression() != CompressionMethod::Stored || entry.encrypted() {
                return Err(format!(
                    "the archive's entry {name} is compressed or encrypted, which torch.save never does"
                ));
            }
            let range = || {
                let start = usize::try_from(entry.data_start()?).ok()?;
                let end = start.checked_add(usize::try_from(entry.size()).ok()?)?;
                (entry.compressed_size() == entry.size() && end <= file.len()).then_some(start..end)
            };
            let range = range().ok_or_else(|| {
                format!("the archive's entry {name} does not lie within the file")
            })?;
            let crc = entry.crc32();
            drop(entry);
            entries.insert(name, Entry { range, crc });
        }
        Ok(Self(entries))
    }

    /// Returns the folder that contains all entries, named after the file that was first written.
    fn root(&self) -> Parsed<&str> {
        let folder = |name: &'_ String| {
            name.strip_suffix("/data.pkl").is_some_and(|folder| !folder.contains('/'))
        };
        let mut found = self.0.keys().filter(|name| folder(name));
        match (found.next(), found.next()) {
            (Some(name), None) => Ok(name.trim_end_matches("/data.pkl")),
            (None, _) => {
                Err("a zip archive, but not one of torch.save: it has no entry data.pkl".into())
            }
            (Some(_), Some(_)) => Err("the zip archive has several entries data.pkl".into()),
        }
    }

    fn bytes<'a>(&self, file: &'a [u8], name: &str) -> Option<Parsed<&'a [u8]>> {
        self.checked(file, name).map(|range| range.map(|range| &file[range]))
    }

    /// Returns the byte range of an entry, `None` if there is no such entry.
    fn checked(&self, file: &[u8], name: &str) -> Option<Parsed<Range<usize>>> {
        let entry = self.0.get(name)?;
        // PyTorch writes 0 if checksums are disabled.
        let damaged = entry.crc != 0 && crc32fast::hash(&file[entry.range.clone()]) != entry.crc;
        Some(if damaged {
            Err(format!("entry {name} is damaged: its checksum differs"))
        } else {
            Ok(entry.range.clone())
        })
    }
}
