//! Losses, metrics and calibrators, used as other crates use them.
//!
//! All tests are in one program, because every additional program would be linked with all of
//! candle.

/// Post-hoc calibrators, compared with other libraries and their definitions, and properties common
/// to all of them.
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
/// Comparison with the golden files, case by case: values that PyTorch computed by running the
/// published code.
///
/// `MBLS_GOLDEN_DIR=<folder> cargo test -p mbls-core --test suite golden::` uses another set of the
/// same format.
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
