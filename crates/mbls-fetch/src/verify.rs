//! `--verify`: reads and verifies all existing files.

use crate::digest::of_file;
use crate::layout;
use crate::manifest::DataSet;
use crate::progress::Progress;
use crate::store::{State, Store, below};
use anyhow::{Context, Result, bail, ensure};
use std::collections::BTreeMap;
use std::path::Path;

/// Verifies a data set and returns whether it exists.
///
/// # Errors
///
/// A missing, additional or changed file, with its name; a data set from another list of sources,
/// or with another layout.
pub(crate) fn verify(
    name: &str,
    set: &DataSet,
    data: &Path,
    store: &Store,
    progress: &Progress,
) -> Result<bool> {
    let files = match store.state(set)? {
        State::Absent => return Ok(false),
        State::Outdated => bail!("created from another list of sources; fetch-data re-creates it"),
        State::Foreign => {
            layout::check(&set.layout, &store.walk()?)?;
            progress.say(&format!(
                "{name}: not created by fetch-data; its files match the layout, but their checksums are unknown"
            ));
            return Ok(true);
        }
        State::Current(stamp) => {
            let files = store.read_listing()?;
            ensure!(
                files.len() as u64 == stamp.files,
                "number of sums: expected {}, found {}",
                stamp.files,
                files.len()
            );
            files
        }
    };
    let found: Vec<_> = store.walk()?;
    layout::check(&set.layout, &found)?;
    let mut sums: BTreeMap<String, String> = files.into_iter().collect();
    let bar = progress
        .bar(&format!("{name}: verifying"), Some(found.iter().map(|file| file.bytes).sum()));
    for file in &found {
        let path = below(&set.target, &file.path);
        let expected =
            sums.remove(&path).with_context(|| format!("{path}: expected no such file"))?;
        let sum = of_file(&data.join(&path), false, |bytes| bar.advance(bytes))?.sha256;
        ensure!(sum == expected, "{path}: SHA-256 sum: expected {expected}, found {sum}");
    }
    match sums.keys().next() {
        Some(missing) => bail!("{missing}: expected a file, found none"),
        None => Ok(true),
    }
}
