//! Help texts and lists that are printed without building the benchmark.

use crate::arguments::value;
use anyhow::{Context, Result};
use mbls_bench_help::SuiteList;
use std::path::PathBuf;

/// Returns the help or the list that the arguments of an mbls-bench command request; `None` if they
/// request neither.
///
/// The help texts are those of [`mbls_bench_help`].
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
            Some("bench") => mbls_bench_help::BENCH,
            Some("predict") => mbls_bench_help::PREDICT,
            Some("export") => mbls_bench_help::EXPORT,
            _ => mbls_bench_help::BENCH_ALL,
        };
        return Ok(Some(text.to_owned()));
    }
    if !is_bench || !asked(&["--list"]) {
        return Ok(None);
    }
    let list = SuiteList::read(mbls_bench_help::SUITES);
    let list = list.context("crates/mbls-bench-help/help/suites.toml is not a list of suites")?;
    let data = value(arguments, "--data")?.map(PathBuf::from);
    let data = data.or_else(|| std::env::var_os("MBLS_DATA_DIR").map(PathBuf::from));
    Ok(Some(list.print(data.as_deref())))
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
