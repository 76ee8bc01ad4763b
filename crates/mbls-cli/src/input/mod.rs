//! Files of predictions.
//!
//! `storage` reads bytes in pieces; `npy`, `npz`, `tensors`, `torch`, `pickled` and `text` describe the arrays of a
//! format; `container` recognises the format; `names` and `columns` choose among arrays and
//! columns; `labels` and `kind` say what they are; `open` puts this together into [`Rows`].

mod array;
mod columns;
mod container;
mod element;
mod groups;
mod kind;
mod labels;
mod names;
mod npy;
mod npz;
mod open;
mod pickled;
mod records;
mod rows;
mod score_rows;
mod storage;
mod tensors;
mod text;
mod text_file;
mod torch;

pub(crate) use groups::Groups;
pub(crate) use open::{open, open_scores};
pub(crate) use rows::{Content, Rows, Scored, TopLabelRows};
pub(crate) use score_rows::ScoreKind;
