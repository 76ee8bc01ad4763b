//! One data set, from nothing to its place.

use crate::download::{Downloaded, Downloads};
use crate::extraction::sync;
use crate::layout::{self, FileRecord};
use crate::manifest::DataSet;
use crate::progress::shown;
use crate::store::{Stamp, State, Store};
use crate::unpacking;
use anyhow::{Context, Result, anyhow, ensure};

/// What a run found or did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It was there.
    There(Stamp),
    /// It was there, put by somebody else, with the files that it must have.
    Foreign,
    /// It was fetched.
    Fetched(Stamp),
}

/// Brings a data set to its place, unless it is there.
///
/// # Errors
///
/// Where something else is there, a download fails, or an archive is not what it should be; nothing
/// is at the place then that was not there before.
pub(crate) fn obtain(
    name: &str,
    set: &DataSet,
    store: &Store,
    all: &Downloads,
    keep: bool,
) -> Result<Outcome> {
    // Most often all is there; then nothing is written, not even a lock.
    if let State::Current(stamp) = store.state(set)?
        && store.is_tidy(set, &stamp)
    {
        return Ok(Outcome::There(stamp));
    }
    let waiting = || all.progress.say(&format!("{name}: another run works on it; waiting"));
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
        State::Outdated => {
            all.progress.say(&format!("{name}: made by another list of sources; made anew"))
        }
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
        // The error is what counts; the next run clears as well.
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
    all.progress.say(&format!("{name}: {} are here and checked; unpacking", shown(packed)));
    let bar = all.progress.bar(&format!("{name}: unpacking"), None);
    let folder = store.new_target();
    let files = unpacking::all(set, downloads, &folder, |bytes| bar.advance(bytes))?;
    sync(&folder, &files)?;
    Ok(files)
}

/// Something is at the place that has no stamp: it is left alone, and good if it has the right
/// files.
fn check_foreign(set: &DataSet, store: &Store) -> Result<()> {
    let advice = "it was not put there by fetch-data, which leaves it alone; move it away to have it fetched";
    let found = store.target().metadata().context(advice)?;
    let kind = |is_file| if is_file { "a file" } else { "a folder" };
    ensure!(found.is_file() == set.is_file(), "expected {}; {advice}", kind(set.is_file()));
    layout::check(&set.layout, &store.walk()?).context(advice)
}
