//! Texts with labels: readers, splits, tokenised sets, batches.
//!
//! Readers give [`LabelledTexts`]; a [`Protocol`] divides them, or what their makers' [`Division`]
//! leaves, into [`Parts`]; [`TokenisedTexts`] is the [`mbls_data::Dataset`] of their sequences, and
//! [`TextCollate`] pads those of a batch.

mod archive;
mod batch;
mod division;
mod duplicates;
mod json_lines;
pub mod labelled_file;
mod message_folder;
mod near_sets;
pub mod newsgroups;
mod parts;
mod protocol;
mod texts;
mod tokenised;

pub use batch::{TextBatch, TextCollate};
pub use division::Division;
pub use duplicates::{DuplicateConfig, duplicate_groups};
pub use parts::Parts;
pub use protocol::{Protocol, grouped_split, published_split};
pub use texts::LabelledTexts;
pub use tokenised::{TokenisedText, TokenisedTexts};
