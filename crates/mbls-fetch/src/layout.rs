//! Checks of the required files of a data set.

use crate::manifest::LayoutRule;
use anyhow::{Result, bail};

/// A file below a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileRecord {
    /// The path relative to the target, separated by slashes; empty if the target is the file.
    pub path: String,
    /// The size in bytes.
    pub bytes: u64,
    /// The SHA-256 checksum of its content; empty if it was not computed.
    pub sha256: String,
}

/// Checks the files against the layout rules.
///
/// # Errors
///
/// If a rule has another number of files, or files of another size.
pub(crate) fn check(rules: &[LayoutRule], files: &[FileRecord]) -> Result<()> {
    for rule in rules {
        let mut count = 0;
        for file in files.iter().filter(|file| rule.files.matches(&file.path)) {
            count += 1;
            if let Some(bytes) = rule.bytes.filter(|&bytes| bytes != file.bytes) {
                bail!("{}: expected {bytes} bytes, found {}", file.path, file.bytes);
            }
        }
        if count != rule.count {
            bail!(
                "number of files {}: expected {}, found {count}",
                rule.files.as_str(),
                rule.count
            );
        }
    }
    Ok(())
}
