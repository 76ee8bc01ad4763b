use crate::Exit;
use crate::argument::Compare;
use crate::input;
use crate::measure::{Settings, check_intervals, compare};
use crate::messages::Messages;
use crate::output::write_comparison;
use anyhow::{Result, ensure};
use std::io::Write;

pub(crate) fn run(
    arguments: &Compare,
    out: &mut dyn Write,
    messages: &mut Messages<'_>,
) -> Result<Exit> {
    check_intervals(&arguments.intervals)?;
    ensure!(
        !arguments.intervals.no_intervals,
        "--no-intervals: a comparison is the interval of the difference"
    );
    let settings = Settings::from(&arguments.metrics);
    let open =
        |path, messages: &mut Messages<'_>| input::open(path, &arguments.input, None, messages);
    let rows = [open(&arguments.first, messages)?, open(&arguments.second, messages)?];
    let compared = compare(rows, &settings, &arguments.intervals)?;
    write_comparison(&compared, arguments.format, out)?;
    Ok(Exit::Fine)
}
