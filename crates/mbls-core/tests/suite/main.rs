//! Losses, metrics and calibrators, used as other crates use them.
//!
//! One program for the whole crate: each program more would be linked with all of candle again.

/// Post-hoc calibrators: against other libraries, their definitions, and what must hold for all of
/// them.
mod calibration {
    mod binary;
    mod linear;
    mod optimum;
    mod properties;
    mod real;
    mod record;
    mod saved;
    mod support;
    mod temperature;
}
mod calibration_errors;
mod combined;
mod fit_fuzz;
/// Everything that the golden files hold, case by case: values that PyTorch computed by running the
/// published code.
///
/// `MBLS_GOLDEN_DIR=<folder> cargo test -p mbls-core --test suite golden::` puts another set of the
/// same format in the place of the repository's own.
mod golden {
    mod classification;
    #[cfg(feature = "candle")]
    mod losses;
    mod metrics;
    mod ood;
    mod segmentation;
    mod temperature;
}
mod inputs;
mod labels;
#[cfg(feature = "candle")]
mod losses;
mod metrics_definitions;
mod metrics_state;
mod ranking;
#[cfg(feature = "candle")]
mod real_outputs;
mod saved_states;
mod shards;
mod support;
