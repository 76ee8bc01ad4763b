//! Checks whether files left in a run's folder by an earlier call belong to the same run.

use crate::results::CellFile;
use anyhow::{Context, Result, bail};
use mbls_train::RunDirectory;
use mbls_train::checkpoint::Progress;
use serde_json::Value;
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// Checks that the result and the last checkpoint in `folder`, if any, belong to the run with the
/// given identity.
///
/// With `fresh`, the folder of another run is moved aside and its new path is returned: `seed-0`
/// becomes `seed-0.old-1`, or the first such name that is free.
///
/// # Errors
///
/// Without `fresh`, files of another run; the error lists the fields that differ. Files that cannot
/// be read or moved.
pub(crate) fn check(folder: &Path, identity: &str, fresh: bool) -> Result<Option<PathBuf>> {
    let Some((path, found)) = found(folder)? else { return Ok(None) };
    if found == identity {
        return Ok(None);
    }
    if !fresh {
        bail!(of_another_run(&path, identity, &found));
    }
    move_aside(folder).map(Some)
}

/// Returns the error message for a file of another run.
pub(crate) fn of_another_run(path: &Path, identity: &str, found: &str) -> String {
    let mut text = format!("{}: identity: it belongs to other settings or data", path.display());
    for difference in differences(identity, found) {
        // Writing to a string cannot fail.
        let _ = write!(text, "\n  {difference}");
    }
    text + "\n--fresh renames its folder and restarts the run; another --out leaves it untouched"
}

/// Returns the identity of the run in a folder, and the file that contains it; `None` for an empty
/// folder.
fn found(folder: &Path) -> Result<Option<(PathBuf, String)>> {
    let path = folder.join("result.json");
    if let Some(file) = CellFile::read(&path)? {
        return Ok(Some((path, file.identity)));
    }
    let path = RunDirectory::at(folder).last();
    if !path.try_exists().with_context(|| format!("cannot look for {}", path.display()))? {
        return Ok(None);
    }
    let identity = Progress::read(&path)?.identity;
    Ok(Some((path, identity)))
}

/// Renames a run's folder to the first free name.
fn move_aside(folder: &Path) -> Result<PathBuf> {
    let name =
        folder.file_name().context("a run's folder has a name")?.to_string_lossy().into_owned();
    for number in 1u32.. {
        let place = folder.with_file_name(format!("{name}.old-{number}"));
        if !place.try_exists().with_context(|| format!("cannot look for {}", place.display()))? {
            std::fs::rename(folder, &place).with_context(|| {
                format!("cannot rename {} to {}", folder.display(), place.display())
            })?;
            return Ok(place);
        }
    }
    bail!("{}: every name is taken", folder.display())
}

/// Returns the fields in which two identities differ, with the current and the earlier value:
/// `epochs: 3, was 2`.
fn differences(now: &str, before: &str) -> Vec<String> {
    let [Ok(now), Ok(before)] = [now, before].map(serde_json::from_str::<Value>) else {
        return vec![format!("{now}, was {before}")];
    };
    let mut found = Vec::new();
    compare("", Some(&now), Some(&before), &mut found);
    found
}

fn compare(path: &str, now: Option<&Value>, before: Option<&Value>, found: &mut Vec<String>) {
    match (now, before) {
        (now, before) if now == before => {}
        (Some(Value::Object(now)), Some(Value::Object(before))) => {
            let added = before.keys().filter(|key| !now.contains_key(*key));
            for key in now.keys().chain(added) {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                compare(&path, now.get(key), before.get(key), found);
            }
        }
        (Some(Value::Array(now)), Some(Value::Array(before))) if now.len() == before.len() => {
            for (place, (now, before)) in now.iter().zip(before).enumerate() {
                compare(&format!("{path}[{place}]"), Some(now), Some(before), found);
            }
        }
        (now, before) => {
            let text =
                |value: Option<&Value>| value.map_or_else(|| "none".to_owned(), Value::to_string);
            // The digest is meaningless without an explanation.
            let of = if path == "digest" { " (of the data's files)" } else { "" };
            found.push(format!("{path}{of}: {}, was {}", text(now), text(before)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_fields_that_differ_are_named() {
        let now = r#"{"epochs":3,"recipe":{"batch_size":50,"ema":{"decay":0.9},"groups":[{"prefix":"a"},{"prefix":"b"}]},"seed":0}"#;
        let before = r#"{"epochs":2,"recipe":{"batch_size":50,"groups":[{"prefix":"a"},{"prefix":"c"}],"mix":null},"seed":0}"#;
        let expected = [
            "epochs: 3, was 2",
            "recipe.ema: {\"decay\":0.9}, was none",
            "recipe.groups[1].prefix: \"b\", was \"c\"",
            "recipe.mix: none, was null",
        ];
        assert_eq!(differences(now, before), expected);
        assert!(differences(now, now).is_empty());
        assert_eq!(differences("[1]", "[1, 2]"), [": [1], was [1,2]"]);
        assert_eq!(
            differences(r#"{"digest":1}"#, r#"{"digest":2}"#),
            ["digest (of the data's files): 1, was 2"]
        );
        assert_eq!(differences("a", "b"), ["a, was b"]);
    }

    #[test]
    fn a_folder_is_moved_aside_to_the_first_free_name() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("seed-0");
        for name in ["seed-0.old-1", "seed-0.old-2"] {
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(folder.join("file"), name).unwrap();
            assert_eq!(move_aside(&folder).unwrap(), root.path().join(name));
            assert!(!folder.exists());
            assert_eq!(std::fs::read_to_string(root.path().join(name).join("file")).unwrap(), name);
        }
        assert!(check(&folder, "a", true).unwrap().is_none());
    }
}
