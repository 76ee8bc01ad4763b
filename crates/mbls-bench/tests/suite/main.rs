//! The benchmark program as its users run it, on data that the tests make and on what `fetch-data`
//! fetches.
//!
//! One program for both: each program more would be linked with all of candle again.

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
