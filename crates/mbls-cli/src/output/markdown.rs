use super::number::{calibrated, size, with_interval};
use super::table::{group_table, worst};
use crate::measure::{KEYS, Key, Measured};

/// Returns Markdown tables: one of the metrics, and one of the groups of each file.
pub(super) fn write(files: &[Measured]) -> String {
    let mut out = String::new();
    for measured in files {
        out += &format!(
            "- {}: {}, {}\n",
            escape(&measured.file),
            size(measured),
            escape(&measured.scores)
        );
    }
    out.push('\n');
    let mut header = vec!["metric".to_owned()];
    header.extend(files.iter().map(|measured| measured.file.clone()));
    if let [_] = files {
        header.push("if calibrated".to_owned());
    }
    header.push("convention".to_owned());
    let row = |key: Key| {
        let mut row = vec![key.name().to_owned()];
        row.extend(files.iter().map(|measured| with_interval(measured, key)));
        if let [measured] = files {
            row.push(calibrated(measured, key));
        }
        row.extend(files.first().map(|measured| key.convention(&measured.settings)));
        row
    };
    out += &table(std::iter::once(header).chain(KEYS.map(row)));
    for measured in files {
        if let Some(groups) = &measured.groups {
            out += &format!("\n{} by {}\n\n", escape(&measured.file), escape(&groups.by));
            out += &table(group_table(groups));
            out += &format!("\n{}", escape(&worst(groups)));
        }
    }
    out
}

pub(super) fn table(rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut out = String::new();
    for (index, row) in rows.into_iter().enumerate() {
        let cells: Vec<String> = row.iter().map(|cell| escape(cell)).collect();
        out += &format!("| {} |\n", cells.join(" | "));
        if index == 0 {
            out += &format!("|{}\n", "---|".repeat(row.len()));
        }
    }
    out
}

/// Escapes what Markdown would take for markup; names of files and groups are foreign text.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::new();
    for character in text.chars() {
        if matches!(character, '|' | '*' | '_' | '`' | '<' | '[' | ']' | '\\' | '#') {
            out.push('\\');
        }
        out.push(character);
    }
    out
}
