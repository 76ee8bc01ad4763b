//! What has to be in a data set's folder.

use crate::manifest::LayoutRule;
use anyhow::{Result, bail};

/// A file below a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileRecord {
    /// Its path below the target, between slashes; empty where the target is the file.
    pub path: String,
    /// Its size.
    pub bytes: u64,
    /// The SHA-256 sum of its content; empty where nobody computed it.
    pub sha256: String,
}

/// Holds the files against the rules.
///
/// # Errors
///
/// For a rule with another number of files, or files of another size.
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
