//! The metrics of a file, their intervals and their saved states.
//!
//! `pass` reads the rows once; `state` is what it leaves, and merges; `summary` keeps what
//! `bootstrap` draws from.

mod bootstrap;
mod classwise;
mod compare;
mod fault;
mod file;
mod key;
mod measured;
mod ood;
mod pass;
mod saved;
mod state;
mod summary;

pub(crate) use compare::{Compared, compare};
pub(crate) use file::{check as check_intervals, measure, measure_predictions};
pub(crate) use key::{KEYS, Key, Settings, Values};
pub(crate) use measured::{Group, Grouped, Measured};
pub(crate) use ood::{MEASURES, Separation, measures, separate};
pub(crate) use saved::{SavedState, read_state, write_state};
