//! Verification of downloads against the list of sources.

use crate::digest::{Hasher, Sums, of_file};
use crate::manifest::{Kind, Source};
use anyhow::{Context, Result, ensure};
use flate2::read::MultiGzDecoder;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

/// Verifies the size and checksums of a complete download. `limit` is the maximum unpacked size of
/// a compressed file.
///
/// # Errors
///
/// If a size or checksum differs, with the expected and the found value.
pub(crate) fn check(
    path: &Path,
    source: &Source,
    limit: u64,
    read: impl FnMut(u64),
) -> Result<Sums> {
    let sums = of_file(path, source.md5.is_some(), read)?;
    if let Some(size) = source.size {
        ensure!(sums.bytes == size, "expected {size} bytes, found {}", sums.bytes);
    }
    same("MD5 sum", source.md5.as_deref(), sums.md5.as_deref())?;
    same("SHA-256 sum", source.sha256.as_deref(), Some(&sums.sha256))?;
    if let Some(prefix) = &source.sha256_prefix {
        ensure!(
            sums.sha256.starts_with(prefix),
            "SHA-256 sum: expected {prefix}..., found {}",
            sums.sha256
        );
    }
    if source.kind == Kind::Gz
        && (source.unpacked_md5.is_some() || source.unpacked_sha256.is_some())
    {
        let unpacked = unpacked(path, source.unpacked_md5.is_some(), limit)?;
        same(
            "MD5 sum of the unpacked content",
            source.unpacked_md5.as_deref(),
            unpacked.md5.as_deref(),
        )?;
        same(
            "SHA-256 sum of the unpacked content",
            source.unpacked_sha256.as_deref(),
            Some(&unpacked.sha256),
        )?;
    }
    Ok(sums)
}

fn same(field: &str, expected: Option<&str>, found: Option<&str>) -> Result<()> {
    match (expected, found) {
        (Some(expected), Some(found)) => {
            ensure!(expected == found, "{field}: expected {expected}, found {found}");
        }
        (Some(expected), None) => ensure!(false, "{field}: expected {expected}, found none"),
        (None, _) => {}
    }
    Ok(())
}

fn unpacked(path: &Path, md5: bool, limit: u64) -> Result<Sums> {
    let file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut content = MultiGzDecoder::new(BufReader::new(file)).take(limit.saturating_add(1));
    let mut hasher = Hasher::new(md5);
    std::io::copy(&mut content, &mut hasher).context("not a complete gzip file")?;
    let sums = hasher.finish();
    ensure!(sums.bytes <= limit, "unpacked content: expected at most {limit} bytes, found more");
    Ok(sums)
}
