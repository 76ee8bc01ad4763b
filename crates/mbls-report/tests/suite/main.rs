//! Tests of the whole rendered page and table.

mod fixture;
mod markdown;
mod page;
mod verdicts;
mod well_formed;
