//! Downloads and places one data set.

use crate::download::{Downloaded, Downloads};
use crate::extraction::sync;
use crate::layout::{self, FileRecord};
use crate::manifest::DataSet;
use crate::progress::shown;
use crate::store::{Stamp, State, Store};
use crate::unpacking;
use anyhow::{Context, Result, anyhow, ensure};

/// The outcome for a data set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It already existed.
    There(Stamp),
    /// It already existed, was not created by this program, and matches the layout.
    Foreign,
    /// It was downloaded.
    Fetched(Stamp),
}

/// Downloads and places a data set, unless it exists.
///
/// # Errors
///
/// If something else is in its place, a download fails, or an archive is invalid. Nothing new
/// is in its place then.
pub(crate) fn obtain(
    name: &str,
    set: &DataSet,
    store: &Store,
    all: &Downloads,
    keep: bool,
) -> Result<Outcome> {
    // If everything exists already, write nothing, not even a lock.
    if let State::Current(stamp) = store.state(set)?
        && store.is_tidy(set, &stamp)
    {
        return Ok(Outcome::There(stamp));
    }
    let waiting = || all.progress.say(&format!("{name}: another run is working on it; waiting"));
    let _lock = store.lock(waiting)?;
    match store.state(set)? {
        State::Current(stamp) => {
            store.tidy(set, &stamp)?;
            return Ok(Outcome::There(stamp));
        }
        State::Foreign => {
            check_foreign(set, store)
                .with_context(|| format!("{name}: {}", store.target().display()))?;
            return Ok(Outcome::Foreign);
        }
        State::Outdated => all
            .progress
            .say(&format!("{name}: created from another list of sources; re-creating it")),
        State::Absent => {}
    }
    let downloads = std::thread::scope(|scope| {
        let threads: Vec<_> = set
            .files
            .iter()
            .map(|source| scope.spawn(|| all.obtain(name, set, source, store)))
            .collect();
        let finished = threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|_| Err(anyhow!("panicked"))));
        finished.collect::<Vec<Result<Downloaded>>>()
    });
    let downloads = downloads.into_iter().collect::<Result<Vec<_>>>()?;
    store.clear()?;
    let placed =
        unpack(name, set, store, all, &downloads).and_then(|files| store.place(set, &files, keep));
    let stamp = placed.with_context(|| name.to_owned()).inspect_err(|_| {
        // Report the original error; the next run clears the folder as well.
        let _ = store.clear();
    })?;
    store.tidy(set, &stamp)?;
    Ok(Outcome::Fetched(stamp))
}

fn unpack(
    name: &str,
    set: &DataSet,
    store: &Store,
    all: &Downloads,
    downloads: &[Downloaded],
) -> Result<Vec<FileRecord>> {
    let packed = downloads.iter().map(|download| download.sums.bytes).sum();
    all.progress.say(&format!("{name}: {} downloaded and verified; unpacking", shown(packed)));
    let bar = all.progress.bar(&format!("{name}: unpacking"), None);
    let folder = store.new_target();
    let files = unpacking::all(set, downloads, &folder, |bytes| bar.advance(bytes))?;
    sync(&folder, &files)?;
    Ok(files)
}

/// Checks a target without a stamp. It is not modified, and is accepted if it matches the layout.
fn check_foreign(set: &DataSet, store: &Store) -> Result<()> {
    let advice = "it was not created by fetch-data, which does not modify it; move it away to download the data set";
    let found = store.target().metadata().context(advice)?;
    let kind = |is_file| if is_file { "a file" } else { "a folder" };
    ensure!(found.is_file() == set.is_file(), "expected {}; {advice}", kind(set.is_file()));
    layout::check(&set.layout, &store.walk()?).context(advice)
}
