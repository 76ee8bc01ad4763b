//! Tests of the whole rendered page and table.

mod chromium;
mod diagram;
mod evaluation;
mod fixture;
mod markdown;
mod page;
mod verdicts;
mod well_formed;
