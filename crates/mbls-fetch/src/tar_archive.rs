//! Tar archives, read header by header, with bounds and checks on extension headers.

use crate::entry_name::shown;
use crate::extraction::{Extraction, Selection};
use anyhow::{Context, Result, bail, ensure};
use std::io::{Error, Read};
use tar::{Archive, EntryType, PaxExtensions};

/// The maximum size of an extension header, more than any path needs.
const MAX_EXTENSION_BYTES: u64 = 64 << 10;
const BLOCK: u64 = 512;

/// Unpacks the stream of a tar archive.
///
/// # Errors
///
/// Links, devices and anything else that is neither a file nor a folder, an archive without its end
/// mark, and everything that [`Extraction`] rejects, with the entry's name.
pub(crate) fn unpack(stream: impl Read, into: &mut Extraction, selection: Selection) -> Result<()> {
    let mut stream = Counted { stream, read: 0, limit: into.stream_limit() };
    let mut end = 0;
    let mut last = "the beginning".to_owned();
    let mut long_name: Option<Vec<u8>> = None;
    for entry in Archive::new(&mut stream).entries()?.raw(true) {
        let mut entry = entry
            .with_context(|| format!("cannot read the entry after {last}: truncated or damaged"))?;
        let size = entry.size();
        end = entry.raw_file_position().saturating_add(size.next_multiple_of(BLOCK));
        let own = entry.path_bytes().into_owned();
        let kind = entry.header().entry_type();
        match kind {
            EntryType::GNULongName | EntryType::XHeader => {
                into.count(&own)?;
                let content = extension(&mut entry, size, &own)?;
                let name = match kind {
                    EntryType::XHeader => {
                        pax_path(&content).with_context(|| format!("entry {}", shown(&own)))?
                    }
                    _ => Some(content.strip_suffix(b"\0").unwrap_or(&content).to_vec()),
                };
                ensure!(
                    name.is_none() || long_name.is_none(),
                    "entry {}: a second name for one entry",
                    shown(&own)
                );
                long_name = long_name.or(name);
                continue;
            }
            // Comments for all entries, such as the commit of an archive created by git.
            EntryType::XGlobalHeader => {
                into.count(&own)?;
                let content = extension(&mut entry, size, &own)?;
                ensure!(
                    pax_path(&content)?.is_none(),
                    "entry {}: one name for all entries",
                    shown(&own)
                );
                continue;
            }
            _ => {}
        }
        let name = long_name.take().unwrap_or(own);
        last = shown(&name);
        match kind {
            // Old archives mark folders only by a trailing slash.
            EntryType::Directory => into.folder(&name, selection)?,
            EntryType::Regular if name.ends_with(b"/") && size == 0 => {
                into.folder(&name, selection)?;
            }
            EntryType::Regular | EntryType::Continuous => {
                into.file(&name, size, &mut entry, selection)?;
            }
            other => bail!("entry {last}: expected a file or a folder, found {}", described(other)),
        }
    }
    ensure!(long_name.is_none(), "the archive ends after a name without its entry: truncated");
    // If the stream is truncated, nothing was read after the last entry.
    ensure!(
        stream.read >= end + BLOCK,
        "the archive ends without its end mark, after {last}: truncated"
    );
    // Read to the end, where a compressed stream has its checksum.
    std::io::copy(&mut stream, &mut std::io::sink())
        .with_context(|| format!("cannot read what follows {last}"))?;
    Ok(())
}

/// Reads the content of an extension header.
fn extension(entry: &mut impl Read, size: u64, name: &[u8]) -> Result<Vec<u8>> {
    ensure!(
        size <= MAX_EXTENSION_BYTES,
        "entry {}: expected at most {MAX_EXTENSION_BYTES} bytes",
        shown(name)
    );
    let mut content = Vec::new();
    entry.read_to_end(&mut content).with_context(|| format!("entry {}: truncated", shown(name)))?;
    ensure!(content.len() as u64 == size, "entry {}: truncated", shown(name));
    Ok(content)
}

/// Returns the path in an extended header.
fn pax_path(content: &[u8]) -> Result<Option<Vec<u8>>> {
    let mut path = None;
    for record in PaxExtensions::new(content) {
        let record = record.context("extended header: expected records <length> <key>=<value>")?;
        match record.key_bytes() {
            b"path" => path = Some(record.value_bytes().to_vec()),
            // Readers disagree on which of two sizes counts.
            b"size" => bail!("extended header: expected no size record"),
            key if key.starts_with(b"GNU.sparse") => {
                bail!("extended header: expected no sparse file")
            }
            _ => {}
        }
    }
    Ok(path)
}

fn described(kind: EntryType) -> &'static str {
    match kind {
        EntryType::Symlink => "a symbolic link",
        EntryType::Link => "a hard link",
        EntryType::GNULongLink => "a link with a long name",
        EntryType::Char | EntryType::Block => "a device",
        EntryType::Fifo => "a pipe",
        EntryType::GNUSparse => "a sparse file",
        _ => "something else",
    }
}

/// Counts the bytes read, and fails above a limit.
struct Counted<R> {
    stream: R,
    read: u64,
    limit: u64,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.stream.read(buffer)?;
        self.read += count as u64;
        if self.read > self.limit {
            return Err(Error::other(format!(
                "the archive unpacks to more than {} bytes",
                self.limit
            )));
        }
        Ok(count)
    }
}
