//! Losses, metrics and post-hoc calibrators for classifiers whose confidence should match their
//! accuracy.
//!
//! - `loss`, with the feature `candle`: margin-based label smoothing (MbLS, CVPR 2022) and the
//!   losses it is compared with, on candle tensors.
//! - [`metric`]: accuracy, proper scores and calibration errors with exact, mergeable states, on
//!   plain slices.
//! - [`calibration`]: post-hoc calibrators, from temperature scaling to Dirichlet calibration and
//!   isotonic regression.
//! - [`bootstrap`]: bootstrap intervals of statistics and of differences between models.
//!
//! Without default features the crate works on slices alone: it does not depend on candle and
//! builds for WebAssembly.
//!
//! # A training step with MbLS
//!
//! ```
//! # #[cfg(feature = "candle")]
//! # fn main() -> Result<(), mbls_core::Error> {
//! use candle_core::{Device, Tensor, Var};
//! use mbls_core::loss::{LogitBatch, Loss, MarginLoss};
//!
//! // A linear classifier of three classes; any candle model that returns logits works.
//! let inputs = Tensor::new(&[[1f32, 0.], [0., 1.], [1., 1.]], &Device::Cpu)?;
//! let labels = Tensor::new(&[0u32, 1, 2], &Device::Cpu)?;
//! let weight = Var::zeros((2, 3), candle_core::DType::F32, &Device::Cpu)?;
//!
//! let loss = MarginLoss::new(10.0, 0.1)?;
//! let mut before = f32::INFINITY;
//! for _ in 0..20 {
//!     let batch = LogitBatch::new(&inputs.matmul(&weight)?, &labels, None)?;
//!     let output = loss.forward(&batch)?;
//!     let gradients = output.total.backward()?;
//!     let gradient = gradients.get(&weight).expect("the loss depends on the weight");
//!     weight.set(&(weight.as_tensor() - (gradient * 0.5)?)?)?;
//!     let now = output.total.to_scalar::<f32>()?;
//!     assert!(now < before);
//!     before = now;
//! }
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "candle"))]
//! # fn main() {}
//! ```
//!
//! # Metrics of saved logits
//!
//! ```
//! use mbls_core::metric::{ClassificationMetrics, Metric, measure_logits};
//!
//! // Three rows of two classes, as read from a file.
//! let logits = [4.0f32, 0.0, 0.0, 3.0, 2.0, 0.0];
//! let labels = [0, 1, 1];
//! let metrics = measure_logits(&ClassificationMetrics::new(15)?, &logits, 2, &labels)?;
//! let report = metrics.value().expect("there are rows");
//! assert_eq!((report.n, report.accuracy), (3, 2.0 / 3.0));
//! println!("ECE {:.3} of {} rows, {} bins", report.ece, report.n, metrics.bins());
//! # Ok::<(), mbls_core::Error>(())
//! ```
//!
//! # Merging shards measured on different machines
//!
//! ```
//! use mbls_core::metric::{ClassificationMetrics, Metric, measure_logits};
//!
//! let measure = |logits: &[f32], labels: &[u32]| {
//!     measure_logits(&ClassificationMetrics::new(15)?, logits, 2, labels)
//! };
//! let shards = [measure(&[4.0, 0.0, 0.0, 3.0], &[0, 1])?, measure(&[2.0, 0.0], &[1])?];
//! // Each machine writes its state to a file.
//! let files: Vec<String> =
//!     shards.iter().map(|shard| serde_json::to_string(shard).expect("JSON")).collect();
//!
//! // One machine reads and merges them. The result is bit-identical to one pass over all rows.
//! let mut merged = ClassificationMetrics::new(15)?;
//! for file in &files {
//!     merged.merge(serde_json::from_str(file).expect("a state of these metrics"))?;
//! }
//! let whole = measure(&[4.0, 0.0, 0.0, 3.0, 2.0, 0.0], &[0, 1, 1])?;
//! assert_eq!(merged.value(), whole.value());
//! # Ok::<(), mbls_core::Error>(())
//! ```

pub mod bootstrap;
pub mod calibration;
mod error;
#[cfg(feature = "candle")]
pub mod loss;
pub mod metric;
pub mod number;
mod parallel;
mod simd;
mod unit_variant;

pub use error::{Error, Result};

// The code of the README compiles as a reader would paste it.
#[cfg(all(doctest, feature = "candle"))]
#[doc = include_str!("../README.md")]
struct Readme;
