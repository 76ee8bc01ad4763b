//! Archives as the distributors build them: folders have their own entries, before their contents.

use flate2::Compression;
use flate2::write::GzEncoder;
use std::collections::BTreeSet;
use std::io::{Cursor, Write};
use std::path::Path;
use tar::{Builder, EntryType, Header};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

/// The path and contents of a file in an archive.
pub(crate) type Entry = (String, Vec<u8>);

/// Returns all files below a folder in order, with paths that start with `root`.
pub(crate) fn below(folder: &Path, root: &str) -> Vec<Entry> {
    let mut found = Vec::new();
    let mut folders = vec![(folder.to_owned(), root.to_owned())];
    while let Some((folder, name)) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            let name = format!(
                "{name}/{}",
                path.file_name().and_then(|name| name.to_str()).expect("UTF-8")
            );
            if path.is_dir() {
                folders.push((path, name));
            } else {
                found.push((name, std::fs::read(path).expect("a file")));
            }
        }
    }
    found.sort();
    found
}

/// Builds a tar archive.
pub(crate) fn tar(entries: impl IntoIterator<Item = Entry>) -> Vec<u8> {
    write_tar(entries, Vec::new())
}

/// Builds a tar.gz archive without compression, because its contents are already compressed or
/// noise.
pub(crate) fn tar_gz(entries: impl IntoIterator<Item = Entry>) -> Vec<u8> {
    write_tar(entries, GzEncoder::new(Vec::new(), Compression::none()))
        .finish()
        .expect("written to memory")
}

fn write_tar<W: Write>(entries: impl IntoIterator<Item = Entry>, to: W) -> W {
    let mut archive = Builder::new(to);
    let mut folders = BTreeSet::new();
    let mut append = |path: &str, kind: EntryType, content: &[u8]| {
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_size(content.len() as u64);
        header.set_mode(if kind.is_dir() { 0o775 } else { 0o664 });
        header.set_mtime(936_835_200);
        archive.append_data(&mut header, path, content).expect("written to memory");
    };
    for (path, content) in entries {
        new_folders(&mut folders, &path)
            .iter()
            .for_each(|folder| append(folder, EntryType::Directory, b""));
        append(&path, EntryType::Regular, &content);
    }
    archive.into_inner().expect("written to memory")
}

/// Builds a zip archive.
pub(crate) fn zip(entries: impl IntoIterator<Item = Entry>) -> Vec<u8> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    let mut folders = BTreeSet::new();
    let options = SimpleFileOptions::default()
        .compression_method(zip::CompressionMethod::Deflated)
        .compression_level(Some(1));
    for (path, content) in entries {
        for folder in new_folders(&mut folders, &path) {
            archive.add_directory(folder, options).expect("written to memory");
        }
        archive.start_file(path, options).expect("written to memory");
        archive.write_all(&content).expect("written to memory");
    }
    archive.finish().expect("written to memory").into_inner()
}

/// Returns the parent folders of a path that have no entry yet, outermost first.
fn new_folders(folders: &mut BTreeSet<String>, path: &str) -> Vec<String> {
    let ends = path.match_indices('/').map(|(end, _)| format!("{}/", &path[..end]));
    ends.filter(|folder| folders.insert(folder.clone())).collect()
}
