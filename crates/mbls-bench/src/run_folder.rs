//! Finds the network of a run.

use anyhow::{Result, bail};
use mbls_nn::saved_model::SETTINGS_FILE;
use std::path::{Path, PathBuf};

/// The subfolder of a run with its trained network.
pub(crate) const CLASSIFIER: &str = "classifier";

/// The largest number of runs listed in an error message.
const SHOWN: usize = 10;
/// The depth to which folders are searched for runs: suite, model, loss, seed, classifier.
const DEPTH: usize = 6;

/// Returns the folder of a run's network, which is `run` itself or its subfolder `classifier`.
///
/// # Errors
///
/// If the folder has no network; lists the runs below it that have one.
pub(crate) fn classifier(run: &Path) -> Result<PathBuf> {
    for folder in [run.join(CLASSIFIER), run.to_owned()] {
        if folder.join(SETTINGS_FILE).is_file() {
            return Ok(folder);
        }
    }
    let expected =
        "expected the folder of a finished run, such as out/bench/imagefolder/resnet18/mbls/seed-0";
    if run.join("result.json").is_file() {
        bail!(
            "{}: no folder {CLASSIFIER}: the run was finished by an earlier version of this program, which did not save the network; \
             train it again",
            run.display()
        );
    }
    let mut found = Vec::new();
    below(run, DEPTH, &mut found);
    if found.is_empty() {
        bail!("{}: no trained network: {expected}", run.display());
    }
    let names: Vec<String> =
        found.iter().map(|folder| format!("\n  {}", folder.display())).collect();
    bail!(
        "{}: not a single run: {expected}; runs with a network:{}",
        run.display(),
        names.concat()
    );
}

/// Collects the runs with a network, ordered by name.
fn below(folder: &Path, depth: usize, found: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    let mut folders: Vec<PathBuf> = entries
        .flatten()
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| entry.path())
        .collect();
    folders.sort_unstable();
    for folder in folders {
        if found.len() == SHOWN {
            return;
        }
        if folder.join(CLASSIFIER).join(SETTINGS_FILE).is_file() {
            found.push(folder);
        } else if depth > 0 {
            below(&folder, depth - 1, found);
        }
    }
}
