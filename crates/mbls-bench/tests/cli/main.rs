//! The benchmark program as its users run it.

mod bad_input;
mod interruption;
mod support;
mod threads;
