//! Post-hoc calibrators: maps of a trained model's logits, fitted on held-out rows.

mod temperature;

pub use temperature::{GridObjective, TemperatureScaling};
