//! Trust on first use: checksums of downloads without published checksums.

use crate::store;
use anyhow::{Context, Result, ensure};
use mbls_io::atomic;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

const HEAD: &str = "\
# Written by `cargo xtask fetch-data`: SHA-256 checksums of the first downloads from addresses for which the list of sources has none.
# Later downloads must match them.

";

/// The lock file of checksums. Changes are made under a lock, so concurrent runs do not lose
/// entries.
#[derive(Clone, Debug)]
pub(crate) struct TrustFile {
    path: PathBuf,
    lock: PathBuf,
}

#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(transparent)]
struct Seen(BTreeMap<String, First>);

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct First {
    bytes: u64,
    sha256: String,
}

impl TrustFile {
    /// Creates the lock file at `path`; `own` is the folder for the lock on it.
    pub(crate) fn new(path: PathBuf, own: &Path) -> Self {
        Self { path, lock: own.join("trust.lock") }
    }

    /// Compares a download with the first one from its address, or records it as the first one.
    ///
    /// # Errors
    ///
    /// If they differ, or the file cannot be read or written.
    pub(crate) fn check(&self, url: &str, bytes: u64, sha256: &str) -> Result<()> {
        let _lock = store::lock(&self.lock, || {})?;
        let mut seen = self.read()?;
        if let Some(first) = seen.0.get(url) {
            let place = self.path.display();
            ensure!(
                first.sha256 == sha256,
                "SHA-256 sum: expected {} as at the first download (see {place}), found {sha256}",
                first.sha256
            );
            return Ok(());
        }
        seen.0.insert(url.to_owned(), First { bytes, sha256: sha256.to_owned() });
        Ok(atomic::write(&self.path, format!("{HEAD}{}", toml::to_string(&seen)?).as_bytes())?)
    }

    /// Checks a file that may be from any of the addresses, as [`TrustFile::check`]: compares it
    /// with their first downloads, or records it as the first one.
    ///
    /// # Errors
    ///
    /// As [`TrustFile::check`].
    pub(crate) fn check_any(&self, urls: &[String], bytes: u64, sha256: &str) -> Result<()> {
        let seen = self.read()?;
        let known: Vec<&String> = urls.iter().filter(|url| seen.0.contains_key(*url)).collect();
        match known.iter().find(|url| seen.0[**url].sha256 == sha256).or(known.first()) {
            Some(url) => self.check(url, bytes, sha256),
            None => urls.first().map_or(Ok(()), |url| self.check(url, bytes, sha256)),
        }
    }

    fn read(&self) -> Result<Seen> {
        let error = || format!("cannot read {}", self.path.display());
        match std::fs::read_to_string(&self.path) {
            Ok(text) => toml::from_str(&text).with_context(error),
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => Ok(Seen::default()),
            Err(cause) => Err(cause).with_context(error),
        }
    }
}
