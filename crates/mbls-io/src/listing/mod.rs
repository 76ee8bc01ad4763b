//! Lists and folders of files, read in the same way by every crate: text files of lines ([`lines`],
//! [`names`], [`filled_lines`]), the entries of a folder ([`entries`], [`Endings`]), and paths
//! confined to their folder ([`below`], [`listed`]).

mod endings;
mod folder;
mod path;
mod text;

pub use endings::Endings;
pub use folder::{Entry, entries, is_ignored, real};
pub use path::{PathFault, below, listed};
pub use text::{filled_lines, lines, names, utf8};
