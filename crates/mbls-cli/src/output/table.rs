use super::number::{calibrated, size, text, with_interval};
use crate::measure::{Grouped, KEYS, Key, Measured};

/// Returns a table for a terminal: one file with intervals and conventions, or files side by side.
pub(super) fn write(files: &[Measured]) -> String {
    let mut out = String::new();
    for measured in files {
        out += &format!("{}: {}, {}\n", measured.file, size(measured), measured.scores);
    }
    out.push('\n');
    out += &columns(&metrics(files));
    out += &biased(files);
    for measured in files {
        if let Some(groups) = &measured.groups {
            out += &format!("\n{} by {}\n", measured.file, groups.by);
            out += &columns(&group_table(groups));
            out += &worst(groups);
        }
    }
    out
}

/// Explains intervals that do not contain their value.
fn biased(files: &[Measured]) -> String {
    let outside = |key: &Key| {
        files.iter().any(|measured| match (measured.value(*key), measured.interval(*key)) {
            (Some(value), Some(interval)) => value < interval.low || value > interval.high,
            _ => false,
        })
    };
    let keys: Vec<&str> = KEYS.into_iter().filter(outside).map(Key::name).collect();
    if keys.is_empty() {
        return String::new();
    }
    format!(
        "\n{}: resampling adds noise to every bin, which these count as error, so an interval can \
         lie above its value.\n",
        keys.join(", ")
    )
}

fn metrics(files: &[Measured]) -> Vec<Vec<String>> {
    let mut header = vec!["metric".to_owned()];
    let [measured] = files else {
        header.extend(files.iter().map(|measured| measured.file.clone()));
        let row = |key: Key| {
            let values = files.iter().map(|measured| with_interval(measured, key));
            std::iter::once(key.name().to_owned()).chain(values).collect()
        };
        return std::iter::once(header).chain(KEYS.map(row)).collect();
    };
    let ranges = !measured.calibrated.is_empty();
    header.push("value".to_owned());
    if ranges {
        header.push("if calibrated".to_owned());
    }
    header.push("convention".to_owned());
    let row = |key: Key| {
        let mut row = vec![key.name().to_owned(), with_interval(measured, key)];
        if ranges {
            row.push(calibrated(measured, key));
        }
        row.push(key.convention(&measured.settings));
        row
    };
    std::iter::once(header).chain(KEYS.map(row)).collect()
}

/// Returns a row for each group.
pub(super) fn group_table(groups: &Grouped) -> Vec<Vec<String>> {
    let header = ["group", "samples", "accuracy", "ece", "ece if calibrated", "p"];
    let row = |group: &crate::measure::Group| {
        let value = |key: Key| text(group.values[key as usize]);
        let range = group.calibrated.map(|range| {
            let interval = range.interval;
            format!("{} to {}", text(Some(interval.low)), text(Some(interval.high)))
        });
        vec![
            group.name.clone(),
            group.samples.to_string(),
            value(Key::Accuracy),
            value(Key::Ece),
            range.unwrap_or_default(),
            group.calibrated.map(|range| text(Some(range.p_value))).unwrap_or_default(),
        ]
    };
    std::iter::once(header.map(str::to_owned).to_vec())
        .chain(groups.groups.iter().map(row))
        .collect()
}

/// Names the group with the largest ECE, and says whether it is more than noise.
pub(super) fn worst(groups: &Grouped) -> String {
    let Some(group) = groups.worst() else { return String::new() };
    let ece = text(group.values[Key::Ece as usize]);
    let verdict = match group.calibrated {
        None => String::new(),
        Some(range) if range.observed > range.interval.high => {
            format!(", above the {} of a calibrated model", text(Some(range.interval.high)))
        }
        Some(_) => format!(", which {} rows of a calibrated model may show too", group.samples),
    };
    format!("worst ece: {} = {}, {ece}{verdict}\n", groups.by, group.name)
}

/// Aligns columns; the last one has no padding.
pub(super) fn columns(rows: &[Vec<String>]) -> String {
    let count = rows.iter().map(Vec::len).max().unwrap_or_default();
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..count).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, &width)| format!("{cell:width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
    };
    rows.iter().map(line).collect()
}
