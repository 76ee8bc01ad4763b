//! Labelled texts: readers, splits, duplicates, batches.

mod bad_input;
mod batches;
mod duplicates;
mod labelled_files;
mod newsgroups;
mod splits;
mod support;
