//! The benchmark program as its users run it.

mod bad_input;
mod interruption;
mod own_masks;
mod own_pictures;
mod own_texts;
mod parts;
mod recipes;
mod support;
mod threads;
