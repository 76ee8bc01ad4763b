#![doc = include_str!("../README.md")]

#[cfg(feature = "loss")]
#[doc(inline)]
pub use mbls_core::loss;
#[cfg(feature = "metric")]
#[doc(inline)]
pub use mbls_core::metric;
pub use mbls_core::{Error, Result};
#[cfg(feature = "calibration")]
#[doc(inline)]
pub use mbls_core::{bootstrap, calibration};

/// The tensor library, in the version that the losses are compiled with.
#[cfg(feature = "loss")]
#[doc(no_inline)]
pub use candle_core as candle;
/// Candle's layers and variable stores, in the version that the networks are compiled with.
#[cfg(feature = "nn")]
#[doc(no_inline)]
pub use candle_nn;

#[cfg(any(feature = "train", feature = "vision", feature = "nlp"))]
#[doc(inline)]
pub use mbls_data as data;
#[cfg(feature = "nlp")]
#[doc(inline)]
pub use mbls_nlp as nlp;
#[cfg(feature = "nn")]
#[doc(inline)]
pub use mbls_nn as nn;
#[cfg(feature = "report")]
#[doc(inline)]
pub use mbls_report as report;
#[cfg(feature = "seg")]
#[doc(inline)]
pub use mbls_seg as seg;
#[cfg(feature = "train")]
#[doc(inline)]
pub use mbls_train as train;
#[cfg(feature = "vision")]
#[doc(inline)]
pub use mbls_vision as vision;

/// The names that most programs need: `use mbls::prelude::*`.
pub mod prelude {
    #[cfg(feature = "calibration")]
    #[doc(no_inline)]
    pub use crate::calibration::{
        Calibrator, CalibratorSpec, SavedCalibrator, Scores, TemperatureScaling,
    };
    #[cfg(feature = "loss")]
    #[doc(no_inline)]
    pub use crate::loss::{CrossEntropy, LogitBatch, Loss, LossSpec, MarginLoss};
    #[cfg(feature = "metric")]
    #[doc(no_inline)]
    pub use crate::metric::{
        ClassificationMetrics, Metric, Predictions, measure_logits, measure_probs,
    };
}
