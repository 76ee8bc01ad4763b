//! Unpacks downloads to the files of a data set.

use crate::download::Downloaded;
use crate::extraction::{Extraction, Selection};
use crate::layout::{self, FileRecord};
use crate::manifest::{DataSet, Kind, Manifest, Source};
use crate::{proof, tar_archive, zip_archive};
use anyhow::{Context, Result, bail};
use flate2::read::MultiGzDecoder;
use std::fs::File;
use std::io::BufReader;
use std::path::Path;

/// Unpacks `packed` into the new folder `folder`, as the download of the only file of the only data
/// set in the list of sources `list`, whose format is documented in `docs/fetching-data.md`. Does
/// not flush to the disk. Returns the files ordered by path.
///
/// # Errors
///
/// If the list is invalid, the file has another size or checksum, the archive is invalid, or the
/// files do not match the layout. Files unpacked until then stay in the folder.
pub fn unpack(list: &str, packed: &Path, folder: &Path) -> Result<Vec<FileRecord>> {
    let manifest = Manifest::parse(list)?;
    let mut sets = manifest.sets.values();
    let (Some(set @ DataSet { files, .. }), None) = (sets.next(), sets.next()) else {
        bail!("the list of sources: expected one data set, found {}", manifest.sets.len());
    };
    let [source] = &files[..] else { bail!("files: expected one, found {}", files.len()) };
    let sums = proof::check(packed, source, set.max_file_bytes.unwrap_or(set.max_bytes), |_| {})?;
    all(set, &[Downloaded { path: packed.to_owned(), sums }], folder, |_| {})
}

/// Unpacks the downloads of a data set and checks the files against its layout. `progress` is
/// called with the size of every written chunk.
///
/// # Errors
///
/// As [`unpack`].
pub(crate) fn all(
    set: &DataSet,
    downloads: &[Downloaded],
    folder: &Path,
    progress: impl FnMut(u64),
) -> Result<Vec<FileRecord>> {
    let mut extraction = Extraction::new(folder, set, progress)?;
    for (source, download) in set.files.iter().zip(downloads) {
        one(source, download, &mut extraction)
            .with_context(|| source.download_name().to_owned())?;
    }
    let files = extraction.finish();
    layout::check(&set.layout, &files)?;
    Ok(files)
}

fn one(source: &Source, download: &Downloaded, into: &mut Extraction) -> Result<()> {
    let selection = Selection::of(source);
    let open = || File::open(&download.path).map(BufReader::new).context("cannot be read");
    match source.kind {
        Kind::File => into.adopt(
            source.name.as_deref(),
            &download.path,
            download.sums.bytes,
            &download.sums.sha256,
        ),
        Kind::Gz => into
            .single(source.name.as_deref(), MultiGzDecoder::new(open()?))
            .context("not a complete gzip file"),
        Kind::Tar => tar_archive::unpack(open()?, into, selection),
        Kind::TarGz => tar_archive::unpack(MultiGzDecoder::new(open()?), into, selection),
        Kind::Zip => zip_archive::unpack(&download.path, into, selection),
    }
}
