//! Calibrated answers from the logits of a trained network.

mod abstention;
mod assessment;
mod calibration_record;
mod candidates;
mod classification;
mod ood_threshold;

pub use abstention::Abstention;
pub use assessment::Assessment;
pub use calibration_record::{CalibrationRecord, CalibratorRole};
pub use candidates::{CalibratorChoice, Candidate};
pub use classification::{Classification, OodVerdict};
pub use ood_threshold::{OodDetector, OodThreshold};
