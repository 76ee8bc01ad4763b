//! Readers of files and lists, used as other crates use them.

mod delimited;
mod file;
mod labels;
mod listing;
