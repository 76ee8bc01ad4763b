//! Tests of the benchmark program as users run it, on generated data and on data that `fetch-data`
//! fetches.
//!
//! They form a single program, because each additional one would be linked with all of candle.

mod cli {
    mod bad_input;
    mod interruption;
    mod margins;
    mod own_masks;
    mod own_pictures;
    mod own_texts;
    mod parts;
    mod recipes;
    mod sweeps;
    mod threads;
}
mod fetched;
mod support;
