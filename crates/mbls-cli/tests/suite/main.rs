//! Tests of the program, by its arguments, streams and exit code.

mod bad_input;
mod calibration;
mod checks;
mod compare;
mod formats;
mod groups;
mod intervals;
mod ood;
mod program;
mod real_outputs;
mod select;
mod states;
