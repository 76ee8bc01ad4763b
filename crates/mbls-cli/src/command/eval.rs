use crate::Exit;
use crate::argument::Eval;
use crate::input;
use crate::measure::{SavedState, Settings, check_intervals, measure, write_state};
use crate::messages::Messages;
use crate::output::report;
use anyhow::{Result, ensure};
use std::io::Write;

pub(crate) fn run(
    arguments: &Eval,
    out: &mut dyn Write,
    messages: &mut Messages<'_>,
) -> Result<Exit> {
    let settings = Settings::from(&arguments.metrics);
    ensure!(
        arguments.save_state.is_none() || arguments.files.len() == 1,
        "--save-state of {} files: expected one, and mbls merge for several",
        arguments.files.len()
    );
    check_intervals(&arguments.intervals)?;
    let mut all = Vec::new();
    for path in &arguments.files {
        let group_by = arguments.group_by.as_deref();
        let rows = input::open(path, &arguments.input, group_by, messages)?;
        all.push(measure(&rows, &settings, &arguments.intervals, messages)?);
    }
    if let (Some(path), [measured]) = (&arguments.save_state, &all[..]) {
        write_state(path, &SavedState::new(measured))?;
    }
    report(&all, &arguments.report, out, messages)
}
