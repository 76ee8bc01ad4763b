//! The destination folder of unpacking, and its checks.

use crate::digest::Hasher;
use crate::entry_name::{relative, shown};
use crate::layout::FileRecord;
use crate::manifest::{DataSet, Glob, Source};
use anyhow::{Context, Result, bail, ensure};
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

/// Unpacks entries into a new folder. It never contains links, so no path leads out of it.
pub(crate) struct Extraction<'a> {
    folder: PathBuf,
    set: &'a DataSet,
    entries: u64,
    bytes: u64,
    files: Vec<FileRecord>,
    progress: Box<dyn FnMut(u64) + 'a>,
}

/// Selects entries of an archive and maps their names.
#[derive(Clone, Copy)]
pub(crate) struct Selection<'a> {
    root: &'a [String],
    skip: &'a [Glob],
}

impl<'a> Selection<'a> {
    /// Returns the selection of the list of sources.
    pub(crate) fn of(source: &'a Source) -> Self {
        Self { root: &source.root, skip: &source.skip }
    }

    /// Returns the path relative to the target; `None` for a skipped entry.
    fn place(self, name: &[u8]) -> Result<Option<PathBuf>> {
        let path = relative(name).map_err(|expected| {
            anyhow::anyhow!("entry {}: name: expected {expected}", shown(name))
        })?;
        if path.to_str().is_some_and(|path| self.skip.iter().any(|skip| skip.matches(path))) {
            return Ok(None);
        }
        if self.root.is_empty() {
            return Ok(Some(path));
        }
        let below = self.root.iter().find_map(|root| path.strip_prefix(root).ok());
        // A folder above the root, as a/ is above a/b.
        let above = || self.root.iter().any(|root| Path::new(root).starts_with(&path));
        match below {
            Some(below) => Ok(Some(below.to_owned())),
            None if above() => Ok(None),
            None => {
                bail!("entry {}: name: expected one below {}", shown(name), self.root.join(" or "))
            }
        }
    }
}

impl<'a> Extraction<'a> {
    /// Unpacks into `folder`, which must not exist yet. `progress` is called with the size of every
    /// written chunk.
    ///
    /// # Errors
    ///
    /// If the folder cannot be created.
    pub(crate) fn new(
        folder: &Path,
        set: &'a DataSet,
        progress: impl FnMut(u64) + 'a,
    ) -> Result<Self> {
        if !set.is_file() {
            std::fs::create_dir(folder)
                .with_context(|| format!("cannot create {}", folder.display()))?;
        }
        let progress = Box::new(progress);
        Ok(Self {
            folder: folder.to_owned(),
            set,
            entries: 0,
            bytes: 0,
            files: Vec::new(),
            progress,
        })
    }

    /// Returns all unpacked files, ordered by path.
    pub(crate) fn finish(mut self) -> Vec<FileRecord> {
        self.files.sort_unstable_by(|a, b| a.path.cmp(&b.path));
        self.files
    }

    /// Returns the maximum size of a tar stream: the contents, and up to three headers with padding
    /// per entry.
    pub(crate) fn stream_limit(&self) -> u64 {
        self.set
            .max_bytes
            .saturating_add(self.set.max_entries.saturating_mul(4096))
            .saturating_add(1 << 20)
    }

    /// Counts an entry that is neither a file nor a folder, such as one with a long name for the
    /// next entry.
    ///
    /// # Errors
    ///
    /// If there are more entries than the list of sources allows.
    pub(crate) fn count(&mut self, name: &[u8]) -> Result<()> {
        self.entries += 1;
        let most = self.set.max_entries;
        ensure!(
            self.entries <= most,
            "entry {}: number of entries: expected at most {most}",
            shown(name)
        );
        Ok(())
    }

    /// Creates a folder.
    ///
    /// # Errors
    ///
    /// If its name is invalid or is that of a file.
    pub(crate) fn folder(&mut self, name: &[u8], selection: Selection) -> Result<()> {
        self.count(name)?;
        let Some(path) = selection.place(name)? else { return Ok(()) };
        self.make_folder(&path)
            .with_context(|| format!("entry {}: cannot create the folder", shown(name)))
    }

    /// Unpacks a file of `size` bytes, as stated by the archive.
    ///
    /// # Errors
    ///
    /// If its name is invalid or a duplicate, the size exceeds a limit, or the content is
    /// truncated, damaged or longer.
    pub(crate) fn file(
        &mut self,
        name: &[u8],
        size: u64,
        content: impl Read,
        selection: Selection,
    ) -> Result<()> {
        self.count(name)?;
        let entry = || format!("entry {}", shown(name));
        let Some(path) = selection.place(name)? else { return Ok(()) };
        ensure!(
            path.file_name().is_some(),
            "{}: name: expected a file's, found a folder's",
            entry()
        );
        self.check_size(size).with_context(entry)?;
        let written = self.write(&path, Some(size), content).with_context(entry)?;
        ensure!(written == size, "{}: expected {size} bytes, found {written}: truncated", entry());
        Ok(())
    }

    /// Unpacks a single file of unknown size under its name in the list of sources.
    ///
    /// # Errors
    ///
    /// As [`Extraction::file`].
    pub(crate) fn single(&mut self, name: Option<&str>, content: impl Read) -> Result<()> {
        let name = name.unwrap_or_default();
        self.count(name.as_bytes())?;
        self.write(Path::new(name), None, content).map(|_| ())
    }

    /// Places a verified download without unpacking it. It is hard-linked if possible, so it costs
    /// no space and the download survives a crash.
    ///
    /// # Errors
    ///
    /// If it can neither be linked nor copied.
    pub(crate) fn adopt(
        &mut self,
        name: Option<&str>,
        from: &Path,
        bytes: u64,
        sha256: &str,
    ) -> Result<()> {
        let name = name.unwrap_or_default();
        self.count(name.as_bytes())?;
        self.check_size(bytes)?;
        let to = self.absolute(Path::new(name));
        self.make_parent(Path::new(name))?;
        ensure!(to.symlink_metadata().is_err(), "{name}: expected a name that does not exist yet");
        if std::fs::hard_link(from, &to).is_err() {
            std::fs::copy(from, &to).with_context(|| format!("cannot copy {}", from.display()))?;
        }
        self.bytes += bytes;
        self.files.push(FileRecord { path: name.to_owned(), bytes, sha256: sha256.to_owned() });
        Ok(())
    }

    fn check_size(&self, size: u64) -> Result<()> {
        let most = self.set.max_file_bytes.unwrap_or(self.set.max_bytes);
        ensure!(size <= most, "size: expected at most {most} bytes, found {size}");
        let all = self.bytes.saturating_add(size);
        let most = self.set.max_bytes;
        ensure!(
            all <= most,
            "size of all files: expected at most {most} bytes, found {all} or more"
        );
        Ok(())
    }

    /// Writes a file and returns its number of bytes.
    fn write(&mut self, path: &Path, size: Option<u64>, mut content: impl Read) -> Result<u64> {
        self.make_parent(path)?;
        let absolute = self.absolute(path);
        // Never overwrite a file, and use the default permissions, not the archive's.
        let mut file = match OpenOptions::new().write(true).create_new(true).open(&absolute) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                bail!("name: expected one that does not exist yet")
            }
            opened => opened.context("cannot create the file")?,
        };
        let mut hasher = Hasher::new(false);
        let mut buffer = vec![0; 256 << 10];
        let mut bytes = 0;
        loop {
            let count = match content.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error).context("cannot be unpacked"),
            };
            bytes += count as u64;
            match size {
                Some(size) => ensure!(bytes <= size, "expected {size} bytes, found more"),
                None => self.check_size(bytes)?,
            }
            hasher.update(&buffer[..count]);
            file.write_all(&buffer[..count]).context("cannot be written")?;
            (self.progress)(count as u64);
        }
        self.bytes += bytes;
        let path = path.to_str().unwrap_or_default().replace('\\', "/");
        self.files.push(FileRecord { path, bytes, sha256: hasher.finish().sha256 });
        Ok(bytes)
    }

    fn absolute(&self, path: &Path) -> PathBuf {
        // Joining an empty path would append a slash, which is invalid for a file.
        if path.as_os_str().is_empty() { self.folder.clone() } else { self.folder.join(path) }
    }

    fn make_parent(&self, path: &Path) -> Result<()> {
        match path.parent() {
            Some(parent) => {
                self.make_folder(parent).context("cannot create the folder of the file")
            }
            None => Ok(()),
        }
    }

    fn make_folder(&self, path: &Path) -> std::io::Result<()> {
        if path.as_os_str().is_empty() {
            Ok(())
        } else {
            std::fs::create_dir_all(self.folder.join(path))
        }
    }
}

/// With more files than this, the whole file system is flushed, if supported.
const FEW: usize = 256;

/// Flushes all unpacked files and folders to the disk.
///
/// # Errors
///
/// If flushing fails.
pub(crate) fn sync(folder: &Path, files: &[FileRecord]) -> Result<()> {
    let error = || format!("cannot flush {}", folder.display());
    #[cfg(target_os = "linux")]
    if files.len() > FEW {
        let opened = File::open(folder).with_context(error)?;
        return rustix::fs::syncfs(&opened).with_context(error);
    }
    let mut folders = std::collections::BTreeSet::new();
    for file in files {
        let path = if file.path.is_empty() { folder.to_owned() } else { folder.join(&file.path) };
        // Windows only flushes files that are open for writing.
        OpenOptions::new()
            .write(true)
            .open(&path)
            .and_then(|file| file.sync_all())
            .with_context(error)?;
        folders.extend(
            path.ancestors()
                .skip(1)
                .take_while(|path| path.starts_with(folder))
                .map(Path::to_owned),
        );
    }
    Ok(folders.iter().try_for_each(|folder| mbls_io::atomic::sync_folder(folder))?)
}
