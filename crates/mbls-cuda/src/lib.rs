//! CUDA kernels for NVIDIA GPUs: one source for every storage type, compiled by NVRTC on the first
//! use of a type.
//!
//! A `Module` is a source and its compiled code, an `Element` is a storage type. `HEADER`, which
//! precedes every source, defines the storage type and how its numbers are loaded and stored.
//! `for_element!` selects the type at run time. Everything requires the feature `cuda`; without it
//! the crate is empty.

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
