//! The list that `bench --list` prints: suites, the data they need, models and losses.
//!
//! `xtask` compiles this file too and reads the list from `help/suites.toml`, which a test of this
//! crate compares with the tables, so that it answers without building the benchmark: nothing of
//! the crate is used here.

use std::fmt::Write;
use std::path::Path;

/// Columns of a line.
const WIDTH: usize = 100;

/// The suites that the program carries, and the models by what they classify.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SuiteList {
    /// The suites in the order in which they run.
    pub(crate) suites: Vec<SuiteEntry>,
    /// What is classified, with the models that do.
    pub(crate) models: Vec<(String, Vec<String>)>,
}

/// A suite in words.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SuiteEntry {
    /// What the command line calls it.
    pub(crate) name: String,
    /// Its heading.
    pub(crate) title: String,
    /// What is classified.
    pub(crate) task: String,
    /// The folder of its data in `--data`, empty for `--data` itself; none where the repository
    /// has the data.
    pub(crate) folder: Option<String>,
    /// Its model.
    pub(crate) model: String,
    /// Its profiles.
    pub(crate) profiles: Vec<String>,
    /// Its losses.
    pub(crate) losses: Vec<String>,
}

impl SuiteList {
    /// Prints the list, with the data that is available in the folder `data`.
    pub(crate) fn print(&self, data: Option<&Path>) -> String {
        let mut text = match data {
            Some(data) => format!("Suites, with their data looked for in {}:\n", data.display()),
            None => "Suites, with the data that they need in --data DIR or MBLS_DATA_DIR, of which neither is given:\n"
                .to_owned(),
        };
        for suite in &self.suites {
            let SuiteEntry { name, title, task, model, profiles, losses, .. } = suite;
            // Writing to a text cannot fail.
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

    /// Prints the models, a paragraph for each task.
    pub(crate) fn models(&self) -> String {
        let of_task =
            |(task, models): &(String, Vec<String>)| wrapped(&format!("  {task}: "), models);
        self.models.iter().map(of_task).collect()
    }
}

impl SuiteEntry {
    /// What data it needs, and whether that is there.
    fn data(&self, data: Option<&Path>) -> String {
        match (self.folder.as_deref(), data) {
            (None, _) => "part of the repository".to_owned(),
            (Some(""), _) => "your own, in --data PATH".to_owned(),
            (Some(folder), None) => format!("{folder}/"),
            (Some(folder), Some(data)) if data.join(folder).is_dir() => {
                format!("{folder}/, available")
            }
            (Some(folder), Some(_)) => format!("{folder}/, not there"),
        }
    }
}

/// Names with commas between them, in lines that begin alike.
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
