//! One file per command.

mod apply;
mod calibrate;
mod compare;
mod eval;
mod merge;
mod ood;
mod select;

use crate::Exit;
use crate::argument::Command;
use crate::messages::Messages;
use anyhow::Result;
use std::io::Write;

pub(crate) fn run(
    command: &Command,
    out: &mut dyn Write,
    messages: &mut Messages<'_>,
) -> Result<Exit> {
    match command {
        Command::Eval(arguments) => eval::run(arguments, out, messages),
        Command::Apply(arguments) => apply::run(arguments, messages),
        Command::Calibrate(arguments) => calibrate::run(arguments, out, messages),
        Command::Compare(arguments) => compare::run(arguments, out, messages),
        Command::Ood(arguments) => ood::run(arguments, out, messages),
        Command::Select(arguments) => select::run(arguments, out, messages),
        Command::Merge(arguments) => merge::run(arguments, out, messages),
    }
}
