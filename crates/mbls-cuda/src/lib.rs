//! Kernels for NVIDIA GPUs: one source for every type that tensors are stored in, compiled by NVRTC
//! at the first use of a type.
//!
//! A `Module` is a source and what it is compiled to, an `Element` a stored type. `HEADER`, which
//! stands in front of every source, says what a stored number is and how it is loaded and stored;
//! `for_element!` chooses the type at run time. All of it needs the feature `cuda`; without it the
//! crate is empty.

#[cfg(feature = "cuda")]
mod element;
#[cfg(feature = "cuda")]
mod launch;
#[cfg(feature = "cuda")]
mod module;

#[cfg(feature = "cuda")]
pub use element::{ELEMENTS, Element};
#[cfg(feature = "cuda")]
pub use launch::{THREADS, grid};
#[cfg(feature = "cuda")]
pub use module::{HEADER, Module, entry_points};
