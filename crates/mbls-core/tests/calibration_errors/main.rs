//! Calibration errors in general: every norm, binning and target, sample-based errors, decompositions and resampling.

mod definitions;
mod published;
mod state;
