//! Compiles and runs the code of the README and of the guide as documentation tests.
//!
//! The crate is empty otherwise. It depends on [`mbls`] with the features of all tasks, so a test of
//! the whole workspace builds every example.

#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
