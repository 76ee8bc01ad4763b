//! Saved classifiers of texts: what they say, and what is refused.

mod bad_files;
mod classify;
mod support;
