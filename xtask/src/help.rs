//! Help texts and lists that are printed without building the benchmark.

#[path = "../../crates/mbls-bench/src/suite_list.rs"]
mod suite_list;

use crate::arguments::value;
use anyhow::{Context, Result};
use std::path::PathBuf;
use suite_list::{SuiteEntry, SuiteList};

/// Returns the help or the list that the arguments of an mbls-bench command request; `None` if they
/// request neither.
///
/// The help texts are files of mbls-bench, whose tests compare them with the program.
///
/// # Errors
///
/// If `--data` has no value.
pub(crate) fn answer(arguments: &[String]) -> Result<Option<String>> {
    let asked =
        |names: &[&str]| arguments.iter().any(|argument| names.contains(&argument.as_str()));
    let command = arguments.first().map(String::as_str);
    let is_bench = command == Some("bench");
    if asked(&["--help", "-h"]) {
        let text = match command {
            Some("bench") => include_str!("../../crates/mbls-bench/help/bench.txt"),
            Some("predict") => include_str!("../../crates/mbls-bench/help/predict.txt"),
            Some("export") => include_str!("../../crates/mbls-bench/help/export.txt"),
            _ => include_str!("../../crates/mbls-bench/help/bench-all.txt"),
        };
        return Ok(Some(text.to_owned()));
    }
    if !is_bench || !asked(&["--list"]) {
        return Ok(None);
    }
    let list = read(include_str!("../../crates/mbls-bench/help/suites.toml"));
    let list = list.context("crates/mbls-bench/help/suites.toml is not a list of suites")?;
    let data = value(arguments, "--data")?.map(PathBuf::from);
    let data = data.or_else(|| std::env::var_os("MBLS_DATA_DIR").map(PathBuf::from));
    Ok(Some(list.print(data.as_deref())))
}

/// Parses the list of suites as written by mbls-bench; `None` if it is malformed.
fn read(text: &str) -> Option<SuiteList> {
    let table: toml::Table = text.parse().ok()?;
    let text = |table: &toml::Value, key: &str| Some(table.get(key)?.as_str()?.to_owned());
    let list = |table: &toml::Value, key: &str| -> Option<Vec<String>> {
        table.get(key)?.as_array()?.iter().map(|name| Some(name.as_str()?.to_owned())).collect()
    };
    let suite = |suite: &toml::Value| {
        Some(SuiteEntry {
            name: text(suite, "name")?,
            title: text(suite, "title")?,
            task: text(suite, "task")?,
            folder: text(suite, "folder"),
            model: text(suite, "model")?,
            profiles: list(suite, "profiles")?,
            losses: list(suite, "losses")?,
        })
    };
    let models = |models: &toml::Value| Some((text(models, "task")?, list(models, "names")?));
    Some(SuiteList {
        suites: table.get("suite")?.as_array()?.iter().map(suite).collect::<Option<_>>()?,
        models: table.get("models")?.as_array()?.iter().map(models).collect::<Option<_>>()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer_to(text: &str) -> Option<String> {
        answer(&text.split(' ').map(str::to_owned).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn only_help_and_the_list_are_answered() {
        assert!(
            answer_to("bench --help")
                .unwrap()
                .contains("Usage: cargo xtask bench [OPTIONS] [SUITE]")
        );
        assert!(
            answer_to("bench-all -h").unwrap().contains("Usage: cargo xtask bench-all [OPTIONS]")
        );
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("mnist")).unwrap();
        let list = answer_to(&format!("bench --list --data {}", folder.path().display())).unwrap();
        assert!(list.contains("\ndigits: ") && list.contains(": mnist/, available\n"), "{list}");
        assert_eq!(answer_to("bench digits --loss ce"), None);
        assert_eq!(answer_to("bench-all --list"), None);
    }
}
