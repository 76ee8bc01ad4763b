//! The list that `bench --list` prints: suites, their data, models and losses.
//!
//! `xtask` compiles this file too and reads the list from `help/suites.toml`, so it can print the
//! list without building the benchmark. A test of this crate compares that file with the suites.
//! Therefore this file must not use anything else of the crate.

use std::fmt::Write;
use std::path::Path;

/// The maximum width of a line.
const WIDTH: usize = 100;

/// The built-in suites, and the models of each task.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SuiteList {
    /// The suites in the order in which `bench-all` runs them.
    pub(crate) suites: Vec<SuiteEntry>,
    /// Tasks with their models.
    pub(crate) models: Vec<(String, Vec<String>)>,
}

/// A suite in words.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SuiteEntry {
    /// The name on the command line.
    pub(crate) name: String,
    /// The heading.
    pub(crate) title: String,
    /// The task.
    pub(crate) task: String,
    /// The folder of the data in `--data`, empty for `--data` itself; `None` if the repository
    /// contains the data.
    pub(crate) folder: Option<String>,
    /// The model.
    pub(crate) model: String,
    /// The profiles.
    pub(crate) profiles: Vec<String>,
    /// The losses.
    pub(crate) losses: Vec<String>,
}

impl SuiteList {
    /// Renders the list, with whether the data is available in the folder `data`.
    pub(crate) fn print(&self, data: Option<&Path>) -> String {
        let mut text = match data {
            Some(data) => format!("Suites, with their data searched in {}:\n", data.display()),
            None => "Suites, with the folder of their data in --data DIR or MBLS_DATA_DIR (neither is given):\n"
                .to_owned(),
        };
        for suite in &self.suites {
            let SuiteEntry { name, title, task, model, profiles, losses, .. } = suite;
            // Writing to a string cannot fail.
            let _ = write!(text, "\n{name}: {title}\n");
            let _ = writeln!(text, "  data      {}: {}", task, suite.data(data));
            for (what, names) in
                [("model", std::slice::from_ref(model)), ("profiles", profiles), ("losses", losses)]
            {
                text += &wrapped(&format!("  {what:<9} "), names);
            }
        }
        text += "\nModels, for --model:\n\n";
        text + &self.models()
    }

    /// Renders the models, one paragraph per task.
    pub(crate) fn models(&self) -> String {
        let of_task =
            |(task, models): &(String, Vec<String>)| wrapped(&format!("  {task}: "), models);
        self.models.iter().map(of_task).collect()
    }
}

impl SuiteEntry {
    /// Describes the required data and whether it is available.
    fn data(&self, data: Option<&Path>) -> String {
        match (self.folder.as_deref(), data) {
            (None, _) => "part of the repository".to_owned(),
            (Some(""), _) => "user-supplied, --data PATH".to_owned(),
            (Some(folder), None) => format!("{folder}/"),
            (Some(folder), Some(data)) if data.join(folder).is_dir() => {
                format!("{folder}/, available")
            }
            (Some(folder), Some(_)) => format!("{folder}/, not found"),
        }
    }
}

/// Joins names with commas and wraps them; continuation lines are indented by the length of `head`.
pub(crate) fn wrapped(head: &str, names: &[String]) -> String {
    let (mut text, mut line) = (String::new(), head.to_owned());
    for (place, name) in names.iter().enumerate() {
        let comma = if place + 1 == names.len() { "" } else { "," };
        let gap = if line.ends_with(' ') { "" } else { " " };
        if line.len() + gap.len() + name.len() + comma.len() > WIDTH && line.len() > head.len() {
            text += line.trim_end();
            text.push('\n');
            line = " ".repeat(head.len());
            line += name;
        } else {
            line += gap;
            line += name;
        }
        line += comma;
    }
    text + line.trim_end() + "\n"
}
