//! The command line's help, which lists the names of suites, losses and models.

use crate::options::Options;
use crate::spec::{ModelName, Suite, TaskKind};
use anyhow::Result;
use clap::{CommandFactory, FromArgMatches};
use mbls_bench_help::{SuiteEntry, SuiteList, wrapped};

impl Options {
    /// Parses the command line of the process. Prints the help or a usage error and exits if
    /// requested or necessary.
    ///
    /// # Errors
    ///
    /// None that a command line can cause.
    pub fn from_command_line() -> Result<Self> {
        Ok(Self::from_arg_matches(&command()?.get_matches())?)
    }
}

/// Returns the definition of the command line, with the available names at the end of the help.
fn command() -> Result<clap::Command> {
    let names = names(&suite_list()?);
    let with_names = |command: clap::Command| command.after_long_help(names.clone());
    Ok(Options::command()
        .mut_subcommand("bench", with_names)
        .mut_subcommand("bench-all", with_names))
}

/// Returns the names of suites, losses and models for the end of the help.
fn names(list: &SuiteList) -> String {
    let names: Vec<_> = list.suites.iter().map(|suite| suite.name.clone()).collect();
    let mut losses: Vec<_> = list.suites.iter().flat_map(|suite| suite.losses.clone()).collect();
    losses.sort_unstable();
    losses.dedup();
    let lines = |names: &[String]| wrapped("  ", names);
    format!(
        "Suites (details: --list):\n{}\nLosses, for --loss:\n{}\nModels, for --model:\n{}",
        lines(&names),
        lines(&losses),
        list.models()
    )
}

/// Returns the built-in suites and the available models.
///
/// # Errors
///
/// None: a test reads the suites.
pub(crate) fn suite_list() -> Result<SuiteList> {
    let entry = |suite: Suite| SuiteEntry {
        task: suite.data.task().to_string(),
        folder: suite.data.folder().map(str::to_owned),
        model: suite.model.to_string(),
        profiles: suite.profile.keys().cloned().collect(),
        losses: suite.loss.into_iter().map(|loss| loss.id).collect(),
        name: suite.name,
        title: suite.title,
    };
    Ok(SuiteList {
        suites: Suite::built_in()?.into_iter().map(entry).collect(),
        models: TaskKind::ALL.map(|task| (task.to_string(), ModelName::all(task))).into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Write;
    use std::path::Path;

    /// Returns the list as TOML, which `xtask` reads.
    fn toml(list: &SuiteList) -> String {
        let names_of = |names: &[String]| {
            format!(
                "[{}]",
                names.iter().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ")
            )
        };
        let mut text =
            "# Written by a test of mbls-bench from the suites and models; do not edit.\n"
                .to_owned();
        for suite in &list.suites {
            let SuiteEntry { name, title, task, folder, model, profiles, losses } = suite;
            let folder =
                folder.as_ref().map(|folder| format!("folder = {folder:?}\n")).unwrap_or_default();
            let (profiles, losses) = (names_of(profiles), names_of(losses));
            let _ = write!(
                text,
                "\n[[suite]]\nname = {name:?}\ntitle = {title:?}\ntask = {task:?}\n{folder}model = {model:?}\n\
                 profiles = {profiles}\nlosses = {losses}\n"
            );
        }
        for (task, models) in &list.models {
            let _ = write!(text, "\n[[models]]\ntask = {task:?}\nnames = {}\n", names_of(models));
        }
        text
    }

    /// Compares the help files that `xtask` prints without building this crate with the program's
    /// help. `MBLS_WRITE_HELP=1` writes them.
    #[test]
    fn the_help_files_match_the_program() {
        let list = suite_list().unwrap();
        let help = |name: &str| {
            let mut command = command().unwrap();
            command.build();
            command.find_subcommand_mut(name).unwrap().render_long_help().to_string()
        };
        let texts = [
            ("suites.toml", toml(&list)),
            ("bench.txt", help("bench")),
            ("bench-all.txt", help("bench-all")),
            ("predict.txt", help("predict")),
            ("export.txt", help("export")),
        ];
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../mbls-bench-help/help");
        for (name, text) in texts {
            let path = folder.join(name);
            if std::env::var_os("MBLS_WRITE_HELP").is_some() {
                std::fs::write(&path, &text).unwrap();
            }
            let found = std::fs::read_to_string(&path).unwrap_or_default();
            let how = "MBLS_WRITE_HELP=1 cargo test --workspace --lib help:: writes it";
            assert!(found == text, "{} differs from the program's help; {how}", path.display());
        }
    }

    #[test]
    fn the_list_shows_suites_models_and_available_data() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("mnist")).unwrap();
        let list = suite_list().unwrap();
        let text = list.print(Some(folder.path()));
        for part in [
            "\ndigits: Handwritten digits\n  data      images with classes: part of the repository\n  model     small-cnn\n",
            "images with classes: mnist/, available\n",
            "images with classes: cifar-10-batches-bin/, not found\n",
            "texts: user-supplied, --data PATH\n",
            "\n  profiles  local, paper\n",
            "\n  images with masks: deeplabv3-r18,",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
        assert!(
            text.lines()
                .chain(names(&list).lines())
                .all(|line| line.len() <= 100 || line.contains("searched"))
        );
        assert!(list.print(None).contains("images with classes: mnist/\n"));
    }
}
