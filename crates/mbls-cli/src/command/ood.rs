use crate::Exit;
use crate::argument::Ood;
use crate::input;
use crate::measure::{check_intervals, separate};
use crate::messages::Messages;
use crate::output::write_separations;
use anyhow::{Context, Result};
use std::io::Write;

pub(crate) fn run(
    arguments: &Ood,
    out: &mut dyn Write,
    messages: &mut Messages<'_>,
) -> Result<Exit> {
    check_intervals(&arguments.intervals)?;
    let names = [&arguments.inside, &arguments.outside].map(|path| path.display().to_string());
    let inside = input::open_scores(&arguments.inside, &arguments.input, messages)?;
    let outside = input::open_scores(&arguments.outside, &arguments.input, messages)?;
    let found =
        separate(&inside, &outside, &arguments.intervals).with_context(|| names.join(" and "))?;
    if found.iter().all(|one| one.name != "energy") {
        messages.note("no energy: it is computed from logits, and these are probabilities");
    }
    write_separations(&names, &found, arguments.format, out)?;
    Ok(Exit::Fine)
}
