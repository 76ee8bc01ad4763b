//! The list that `bench --list` prints: suites, their data, models and losses.

use std::fmt::Write;
use std::path::Path;

/// The maximum width of a line.
const WIDTH: usize = 100;

/// The built-in suites, and the models of each task.
#[derive(Clone, Debug, PartialEq)]
pub struct SuiteList {
    /// The suites in the order in which `bench-all` runs them.
    pub suites: Vec<SuiteEntry>,
    /// Tasks with their models.
    pub models: Vec<(String, Vec<String>)>,
}

/// A suite in words.
#[derive(Clone, Debug, PartialEq)]
pub struct SuiteEntry {
    /// The name on the command line.
    pub name: String,
    /// The heading.
    pub title: String,
    /// The task.
    pub task: String,
    /// The folder of the data in `--data`, empty for `--data` itself; `None` if the repository
    /// contains the data.
    pub folder: Option<String>,
    /// The model.
    pub model: String,
    /// The profiles.
    pub profiles: Vec<String>,
    /// The losses.
    pub losses: Vec<String>,
}

impl SuiteList {
    /// Parses the list as a test of mbls-bench writes it; `None` if it is malformed.
    pub fn read(text: &str) -> Option<Self> {
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
        Some(Self {
            suites: table.get("suite")?.as_array()?.iter().map(suite).collect::<Option<_>>()?,
            models: table.get("models")?.as_array()?.iter().map(models).collect::<Option<_>>()?,
        })
    }

    /// Renders the list, with whether the data is available in the folder `data`.
    pub fn print(&self, data: Option<&Path>) -> String {
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
    pub fn models(&self) -> String {
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
pub fn wrapped(head: &str, names: &[String]) -> String {
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
