//! Tests of seeds, splits and the loader through the public interface.

mod legacy_shuffle;
mod loader;
mod split;
