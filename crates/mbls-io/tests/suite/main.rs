//! Tests of the readers of files and lists through the public interface.

mod delimited;
mod file;
mod labels;
mod listing;
