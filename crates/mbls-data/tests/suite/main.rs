//! Seeds, splits and the loader, used as other crates use them.

mod legacy_shuffle;
mod loader;
mod split;
