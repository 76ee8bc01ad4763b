//! Small data sets in files for tests.

use flate2::{Compression, write::GzEncoder};
use std::path::Path;
use tar::{Builder, EntryType, Header};

/// Returns paths and contents of messages.
pub(crate) type Files<'a> = &'a [(&'a str, &'a [u8])];

pub(crate) fn folder(files: Files) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (path, content) in files {
        let path = dir.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
    dir
}

/// Returns an entry whose name is written unchecked.
pub(crate) fn entry(
    builder: &mut Builder<GzEncoder<std::fs::File>>,
    name: &[u8],
    kind: EntryType,
    content: &[u8],
) {
    let mut header = Header::new_gnu();
    header.as_old_mut().name[..name.len()].copy_from_slice(name);
    header.set_entry_type(kind);
    header.set_mode(0o644);
    header.set_size(content.len() as u64);
    if matches!(kind, EntryType::Symlink | EntryType::Link) {
        header.set_link_name("/etc/passwd").unwrap();
    }
    header.set_cksum();
    builder.append(&header, content).unwrap();
}

pub(crate) fn builder(path: &Path) -> Builder<GzEncoder<std::fs::File>> {
    Builder::new(GzEncoder::new(std::fs::File::create(path).unwrap(), Compression::fast()))
}

pub(crate) fn archive(path: &Path, files: Files) {
    let mut builder = builder(path);
    files.iter().for_each(|(name, content)| {
        entry(&mut builder, name.as_bytes(), EntryType::Regular, content);
    });
    builder.into_inner().unwrap().finish().unwrap();
}
