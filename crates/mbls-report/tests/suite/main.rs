//! The rendered page and table as a whole.

mod fixture;
mod markdown;
mod page;
mod verdicts;
mod well_formed;
