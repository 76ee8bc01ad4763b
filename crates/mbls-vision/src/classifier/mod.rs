//! Trained image classifiers, saved with everything needed to classify further images as in the
//! evaluation.
//!
//! A [`CalibratedClassifier`] is a network with the transforms and normalisation of its test
//! images, and the [`CalibrationRecord`](mbls_core::calibration::CalibrationRecord) with its
//! calibrator and the statistics of its confidences on test images.
//!
//! ```
//! use candle_core::{DType, Device};
//! use mbls_core::calibration::CalibrationRecord;
//! use mbls_nn::ParamStore;
//! use mbls_vision::Image;
//! use mbls_vision::classifier::{CalibratedClassifier, ClassifierSettings};
//! use mbls_vision::model::Options;
//! use mbls_vision::transform::{Normalise, Resize, Size};
//!
//! // The trained network; here it is only initialised.
//! let store = ParamStore::new(1, DType::F32, &Device::Cpu);
//! let architecture = "small-cnn".parse::<mbls_vision::model::Architecture>()?;
//! architecture.build(2, [3, 8, 8], Options::default(), store.var_builder())?;
//! // Logits and labels of the validation and test parts.
//! let classes = ["cat", "dog"].map(str::to_owned).to_vec();
//! let mut record = CalibrationRecord::fit(classes, &[0.2, 0.1, 0.3, 0.4], &[0, 1], 10)?;
//! record.assess(&[0.2, 0.1, 0.3, 0.4], &[0, 0])?;
//!
//! let settings = ClassifierSettings {
//!     model: "small-cnn".into(),
//!     shape: [3, 8, 8],
//!     transforms: vec![Resize { size: Size::HeightWidth([8, 8]), antialias: true }.into()],
//!     normalisation: Normalise::imagenet(),
//!     full_scale: 255,
//!     batch: 32,
//!     record,
//!     provenance: Default::default(),
//! };
//! let folder = tempfile::tempdir()?;
//! CalibratedClassifier::new(settings, &store.state(), &Device::Cpu)?.save(folder.path())?;
//!
//! // In another program:
//! let classifier = CalibratedClassifier::load(folder.path(), &Device::Cpu)?;
//! let image = Image { channels: 3, height: 20, width: 16, pixels: vec![90; 3 * 20 * 16] };
//! let answer = classifier.classify(&image)?;
//! println!("{}, confidence {:.3}", answer.name, answer.confidence);
//! # assert!(answer.confidence >= 0.5);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The files are those of a [`saved_model`](mbls_nn::saved_model), and are validated as described
//! there.

mod calibrated;
mod prepare;
mod settings;

pub use calibrated::CalibratedClassifier;
pub use prepare::{Adaptation, Prepared};
pub use settings::ClassifierSettings;
