use crate::Exit;
use crate::argument::Merge;
use crate::measure::{KEYS, Measured, SavedState, read_state, write_state};
use crate::messages::Messages;
use crate::output::report;
use anyhow::{Context, Result};
use std::io::Write;

pub(crate) fn run(
    arguments: &Merge,
    out: &mut dyn Write,
    messages: &mut Messages<'_>,
) -> Result<Exit> {
    let mut merged: Option<SavedState> = None;
    for path in &arguments.states {
        let state = read_state(path)?;
        match &mut merged {
            None => merged = Some(state),
            Some(merged) => merged.merge(state).with_context(|| {
                format!("{}: cannot be merged with the states before it", path.display())
            })?,
        }
    }
    let merged = merged.context("no states")?;
    if let Some(path) = &arguments.save_state {
        write_state(path, &merged)?;
    }
    let names: Vec<String> =
        arguments.states.iter().map(|path| path.display().to_string()).collect();
    let measured = Measured {
        file: names.join(" + "),
        scores: merged.scores,
        samples: merged.state.n(),
        ignored: merged.ignored,
        classes: merged.classes,
        settings: merged.settings,
        values: merged.state.values(),
        intervals: [const { None }; KEYS.len()],
        calibrated: Vec::new(),
        groups: None,
        state: merged.state,
    };
    report(&[measured], &arguments.report, out, messages)
}
