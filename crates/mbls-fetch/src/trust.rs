//! Trust at first use: the sums of downloads that nobody published a sum of.

use crate::store;
use anyhow::{Context, Result, ensure};
use mbls_io::atomic;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

const HEAD: &str = "\
# Written by `cargo xtask fetch-data`: the SHA-256 sums of what was downloaded first from addresses for which the list of sources has no sum.
# Later downloads must have the same.

";

/// The lock file. Every change is made under a lock, so that runs do not lose each other's lines.
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
    /// The file at `path`; `own` is the folder for the lock on it.
    pub(crate) fn new(path: PathBuf, own: &Path) -> Self {
        Self { path, lock: own.join("trust.lock") }
    }

    /// Holds a download against the first one from that address, or makes it the first one.
    ///
    /// # Errors
    ///
    /// Where they differ; where the file cannot be read or written.
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

    /// As [`TrustFile::check`], for a file of which nobody knows which of the addresses it is from:
    /// one of their first downloads, or the first one.
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
