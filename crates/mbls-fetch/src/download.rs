//! Downloads: resumed if this is safe, retried if this may help, and otherwise tried from the next
//! mirror.

use crate::client::{Answer, Client, Failure};
use crate::digest::Sums;
use crate::hosts::Hosts;
use crate::manifest::{DataSet, Source};
use crate::part::Part;
use crate::progress::{Bar, Progress};
use crate::proof;
use crate::store::Store;
use crate::trust::TrustFile;
use anyhow::{Context, Result, anyhow, bail};
use std::io::{ErrorKind, Read, Write};
use std::path::PathBuf;
use std::time::Duration;

/// Progress in bytes after which earlier failures are forgotten.
const ENOUGH: u64 = 1 << 20;
/// The maximum wait that a server can impose.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// The state shared by all downloads of a run.
pub(crate) struct Downloads<'a> {
    /// `None` with `--offline`.
    pub(crate) client: Option<Client>,
    /// Limits each host to one request at a time.
    pub(crate) hosts: Hosts,
    /// The checksums of first downloads.
    pub(crate) trust: TrustFile,
    /// Number of tries without progress before an address is abandoned.
    pub(crate) attempts: u32,
    /// The wait before the second try, which doubles with each further one.
    pub(crate) delay: Duration,
    /// The progress output.
    pub(crate) progress: &'a Progress,
}

/// A complete and verified file.
#[derive(Debug)]
pub(crate) struct Downloaded {
    pub(crate) path: PathBuf,
    pub(crate) sums: Sums,
}

/// A download in progress.
struct Job<'a> {
    all: &'a Downloads<'a>,
    source: &'a Source,
    part: Part,
    whole: PathBuf,
    /// The maximum size of the download in bytes.
    limit: u64,
    /// The maximum size of the unpacked content in bytes.
    unpacked_limit: u64,
    bar: Bar,
}

impl Downloads<'_> {
    /// Returns the file, from the disk if it is already there.
    ///
    /// # Errors
    ///
    /// If no address provides the correct bytes, with the reason for each.
    pub(crate) fn obtain(
        &self,
        name: &str,
        set: &DataSet,
        source: &Source,
        store: &Store,
    ) -> Result<Downloaded> {
        let file = source.download_name();
        let whole = store.download(file);
        let bar = self.progress.bar(&format!("{name}: {file}"), source.size);
        let unpacked_limit = set.max_file_bytes.unwrap_or(set.max_bytes);
        let limit = source.size.unwrap_or(set.max_bytes);
        let job =
            Job { all: self, source, part: Part::of(&whole), whole, limit, unpacked_limit, bar };
        job.obtain().with_context(|| format!("{name}: {file}"))
    }
}

impl Job<'_> {
    fn obtain(&self) -> Result<Downloaded> {
        if self.whole.is_file() {
            match self.check_whole() {
                Ok(sums) => return Ok(Downloaded { path: self.whole.clone(), sums }),
                Err(error) if self.all.client.is_none() => {
                    return Err(error.context(self.whole.display().to_string()));
                }
                Err(error) => {
                    self.all
                        .progress
                        .say(&format!("{}: {error:#}; downloading it again", self.whole.display()));
                    std::fs::remove_file(&self.whole)?;
                }
            }
        }
        let Some(client) = &self.all.client else {
            bail!(
                "expected {}, because --offline downloads nothing, found no such file",
                self.whole.display()
            );
        };
        let mut errors = Vec::new();
        for url in &self.source.urls {
            match self.from(client, url) {
                Ok(sums) => return Ok(Downloaded { path: self.whole.clone(), sums }),
                Err(error) => {
                    self.all.progress.say(&format!("{url}: {error:#}"));
                    errors.push(format!("{url}: {error:#}"));
                }
            }
        }
        bail!("no address provides it\n  {}", errors.join("\n  "))
    }

    /// Verifies a file that an earlier run downloaded or the user provided.
    fn check_whole(&self) -> Result<Sums> {
        let sums = proof::check(&self.whole, self.source, self.unpacked_limit, |_| {})?;
        if !self.source.has_digest() {
            self.all.trust.check_any(&self.source.urls, sums.bytes, &sums.sha256)?;
        }
        Ok(sums)
    }

    fn from(&self, client: &Client, url: &str) -> Result<Sums> {
        let mut failures = 0;
        let mut furthest = 0;
        let mut has_restarted = false;
        loop {
            let resumed = self.part.origin(url).is_some();
            let failure = match self.all.hosts.one_at_a_time(url, || self.attempt(client, url)) {
                Ok(()) => match self.finish(url) {
                    Ok(sums) => return Ok(sums),
                    Err(error) => {
                        self.part.discard();
                        if !resumed || has_restarted {
                            return Err(error);
                        }
                        // Its first bytes may be of another version.
                        has_restarted = true;
                        self.all
                            .progress
                            .say(&format!("{url}: {error:#}; restarting from the first byte"));
                        continue;
                    }
                },
                Err(failure) => failure,
            };
            let (error, wait) = match failure {
                Failure::Lasting(error) => return Err(error),
                Failure::Passing(error, wait) => (error, wait),
            };
            let length = self.part.len();
            if length >= furthest + ENOUGH {
                (failures, furthest) = (0, length);
            }
            failures += 1;
            if failures >= self.all.attempts {
                return Err(
                    error.context(format!("abandoned after {failures} tries without progress"))
                );
            }
            let delay = self.all.delay.saturating_mul(1 << (failures - 1).min(16));
            let delay = wait.unwrap_or(delay).min(LONGEST_WAIT);
            self.all
                .progress
                .say(&format!("{url}: {error:#}; retrying in {:.1} s", delay.as_secs_f64()));
            std::thread::sleep(delay);
        }
    }

    /// Sends one request and writes the answer to the part.
    fn attempt(&self, client: &Client, url: &str) -> Result<(), Failure> {
        let have = self.part.origin(url).map(|origin| (self.part.len(), origin));
        if let Some((bytes, origin)) = &have
            && origin.size.or(self.source.size) == Some(*bytes)
        {
            return Ok(());
        }
        let Answer { begin, origin, body } =
            client.get(url, have.as_ref().map(|(bytes, origin)| (*bytes, origin)))?;
        if let (Some(expected), Some(size)) = (self.source.size, origin.size)
            && expected != size
        {
            return Err(anyhow!("the server's file has {size} bytes, expected {expected}").into());
        }
        let size = origin.size.or(self.source.size);
        if size.is_none() && !self.source.has_digest() {
            return Err(
                anyhow!("neither the server nor the list of sources states its size").into()
            );
        }
        if size.is_some_and(|size| size > self.limit) {
            return Err(anyhow!("the server's file has more than {} bytes", self.limit).into());
        }
        let mut file = if begin == 0 { self.part.begin(&origin)? } else { self.part.resume()? };
        self.bar.begin(begin, size);
        let mut body = body.into_reader();
        let mut buffer = vec![0; 128 << 10];
        let mut bytes = begin;
        let ended = loop {
            match body.read(&mut buffer) {
                Ok(0) => break Ok(()),
                Ok(count) => {
                    bytes += count as u64;
                    if bytes > self.limit {
                        drop(file);
                        self.part.discard();
                        return Err(
                            anyhow!("the server sends more than {} bytes", self.limit).into()
                        );
                    }
                    file.write_all(&buffer[..count]).with_context(|| self.cannot_write())?;
                    self.bar.advance(count as u64);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => break Err(error),
            }
        };
        // Flush the received bytes, so a later run can resume after them.
        file.sync_all().with_context(|| self.cannot_write())?;
        match (ended, size) {
            (Err(error), _) => Err(Failure::Passing(
                anyhow!(error).context(format!("interrupted after {bytes} bytes")),
                None,
            )),
            (Ok(()), Some(size)) if bytes != size => Err(Failure::Passing(
                anyhow!("the server stopped after {bytes} of {size} bytes"),
                None,
            )),
            (Ok(()), _) => Ok(()),
        }
    }

    /// Verifies the complete part and renames it.
    fn finish(&self, url: &str) -> Result<Sums> {
        self.bar.check();
        let sums = proof::check(self.part.path(), self.source, self.unpacked_limit, |_| {})?;
        if !self.source.has_digest() {
            self.all.trust.check(url, sums.bytes, &sums.sha256)?;
        }
        self.part.finish(&self.whole)?;
        Ok(sums)
    }

    fn cannot_write(&self) -> String {
        format!("cannot write {}", self.part.path().display())
    }
}
