//! Labelled texts: readers, splits, tokenised data sets and batches.
//!
//! Readers return [`LabelledTexts`]. A [`Protocol`] splits them into [`Parts`], and respects a
//! predefined [`Division`]. [`TokenisedTexts`] is the [`mbls_data::Dataset`] of their sequences,
//! and [`TextCollate`] pads the sequences of a batch.

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
