//! Messages in a compressed archive. It is read as a stream and not extracted to disk.

use super::message_folder::{MAX_MESSAGE_BYTES, Message, is_number};
use crate::{Error, Result};
use mbls_io::gzip::GzReader;
use mbls_io::listing::{PathFault, below, is_ignored};
use std::io::{ErrorKind, Read};
use std::path::Path;
use tar::{Archive, Entry, EntryType};

/// Largest decompressed size of an archive; that of the data set is 57 MiB.
const MAX_BYTES: u64 = 512 << 20;

/// Reads all messages of a `.tar.gz`. The root of a message is the first of its folders that
/// satisfies `is_root`, or else the outermost one.
pub(super) fn read(
    path: &Path,
    is_root: impl Fn(&str) -> bool,
    messages: &mut Vec<Message>,
) -> Result<()> {
    read_at_most(path, MAX_BYTES, is_root, messages)
}

fn read_at_most(
    path: &Path,
    max_bytes: u64,
    is_root: impl Fn(&str) -> bool,
    messages: &mut Vec<Message>,
) -> Result<()> {
    let mut unpacked = GzReader::strict(path)?.take(max_bytes.saturating_add(1));
    let result = walk(path, &mut unpacked, is_root, messages);
    // An archive that is cut off at the limit looks like a truncated one.
    if unpacked.limit() == 0 {
        let path = path.to_owned();
        return Err(mbls_io::Error::TooLarge {
            path,
            what: "the unpacked archive",
            limit: max_bytes,
        }
        .into());
    }
    result
}

fn walk(
    path: &Path,
    unpacked: &mut impl Read,
    is_root: impl Fn(&str) -> bool,
    messages: &mut Vec<Message>,
) -> Result<()> {
    let mut archive = Archive::new(&mut *unpacked);
    for entry in archive.entries().map_err(broken(path))? {
        let mut entry = entry.map_err(broken(path))?;
        let Some([root, group, name]) = place(path, &entry, &is_root)? else { continue };
        if entry.size() > MAX_MESSAGE_BYTES {
            let path = path.join(root).join(group).join(name);
            return Err(mbls_io::Error::TooLarge {
                path,
                what: "the message",
                limit: MAX_MESSAGE_BYTES,
            }
            .into());
        }
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).map_err(broken(path))?;
        if bytes.len() as u64 != entry.size() {
            let field = format!("number of bytes of the entry \"{root}/{group}/{name}\"");
            return Err(Error::format(path, field, entry.size(), bytes.len()));
        }
        messages.push(Message::new(&root, &group, &name, &bytes));
    }
    // Reads to the end, because the checksum is there.
    std::io::copy(unpacked, &mut std::io::sink()).map_err(broken(path))?;
    Ok(())
}

/// Returns root, group and name of a message; `None` for folders and for entries outside of groups.
fn place<R: Read>(
    path: &Path,
    entry: &Entry<'_, R>,
    is_root: impl Fn(&str) -> bool,
) -> Result<Option<[String; 3]>> {
    let bytes = entry.path_bytes();
    let shown = String::from_utf8_lossy(&bytes);
    let wrong = |field: &str, expected: &str, found: String| {
        Err(Error::format(path, format!("{field} of the entry {shown:?}"), expected, found))
    };
    let kind = entry.header().entry_type();
    if kind == EntryType::XGlobalHeader {
        return Ok(None);
    }
    let Ok(name) = std::str::from_utf8(&bytes) else {
        return wrong("name", "UTF-8", "other bytes".into());
    };
    // No archiver writes `..`, so it is rejected even if the path stays inside.
    let climbs = name.split(['/', '\\']).any(|part| part == "..");
    let normalised = match below(Path::new(name)) {
        Ok(normalised) if !climbs => normalised,
        // The root folder itself, which is the first entry of `tar c .`.
        Err(PathFault::Folder) if !climbs => return Ok(None),
        _ => return wrong("name", "one below the archive's folder", format!("{name:?}")),
    };
    if !matches!(kind, EntryType::Regular | EntryType::Directory) {
        return wrong("type", "a file or a folder", format!("{kind:?}"));
    }
    let parts: Vec<&str> = normalised.iter().filter_map(|part| part.to_str()).collect();
    if kind == EntryType::Directory || parts.iter().any(|part| is_ignored(part)) {
        return Ok(None);
    }
    let root = parts.iter().position(|part| is_root(part)).unwrap_or(0);
    match parts[root..] {
        [root, group, name] if is_number(name) => Ok(Some([root, group, name].map(str::to_owned))),
        [_, _, _, ..] => {
            wrong("name", "<group>/<number> below the data set's folder", format!("{name:?}"))
        }
        _ => Ok(None),
    }
}

fn broken(path: &Path) -> impl Fn(std::io::Error) -> Error {
    move |error| {
        let reason = match error.kind() {
            ErrorKind::UnexpectedEof => "truncated".to_owned(),
            ErrorKind::InvalidInput | ErrorKind::InvalidData => error.to_string(),
            _ => return Error::format(path, "content", "a packed tar archive", error),
        };
        mbls_io::Error::Gzip { path: path.to_owned(), reason }.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;

    #[test]
    fn archives_that_unpack_to_more_than_the_limit_are_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut builder =
            tar::Builder::new(GzEncoder::new(file.reopen().unwrap(), Compression::best()));
        for name in ["r/a/1", "r/b/2"] {
            let mut header = tar::Header::new_gnu();
            header.set_size(1 << 20);
            builder.append_data(&mut header, name, std::io::repeat(b' ').take(1 << 20)).unwrap();
        }
        builder.into_inner().unwrap().finish().unwrap();
        let whole = (2 << 20) + 4 * 512;
        let read = |limit| read_at_most(file.path(), limit, |_| false, &mut Vec::new());
        for limit in [0, 700, 1 << 20, whole - 1] {
            let message = read(limit).unwrap_err().to_string();
            assert!(
                message
                    .ends_with(&format!("the unpacked archive exceeds the limit of {limit} bytes")),
                "{message}"
            );
        }
        read(whole).unwrap();
    }
}
