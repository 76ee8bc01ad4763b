//! Training building blocks that candle lacks or implements slowly or incorrectly: layers with
//! correct gradients, parameters with seeded initialisation, optimizers with PyTorch's semantics
//! and a state that can be saved, learning rate schedules, gradient clipping, averages of the
//! weights.
//!
//! Layers accept a [`VarBuilder`](candle_nn::VarBuilder), use PyTorch's parameter names and
//! implement candle's [`Module`](candle_core::Module) or [`ModuleT`](candle_nn::ModuleT), so any of
//! them can be used on its own in a candle program. Each layer has a portable implementation
//! composed of candle's operations for every device, and a fused operation for `f32` and `f64` on
//! the CPU and, with the feature `cuda`, for these types and half precision on NVIDIA GPUs. A layer
//! selects the implementation by the device and type of its input. Results do not depend on the
//! number of threads.
//!
//! Between fused operations, gradients of activations bypass candle's graph, which avoids its zero
//! tensors and additions. With [`backward()`] instead of candle's method, gradients of parameters
//! bypass it too. A graph must not be differentiated by two threads at once, nor again after a
//! backward pass through it has failed. [`no_grad`] keeps no graph.
//!
//! ```
//! use candle_core::{DType, Device, Module, Tensor};
//! use mbls_nn::{Linear, Optimizer, ParamStore, Sgd, SgdConfig, backward};
//!
//! let store = ParamStore::new(7, DType::F32, &Device::Cpu);
//! let layer = Linear::new(3, 2, store.var_builder().pp("fc"))?;
//! let mut optimizer =
//!     Sgd::new(store.parameters(), SgdConfig { momentum: 0.9, ..Default::default() })?;
//! let x = Tensor::ones((4, 3), DType::F32, &Device::Cpu)?;
//! let loss = |layer: &Linear| layer.forward(&x)?.sqr()?.mean_all();
//! let before = loss(&layer)?;
//! optimizer.step(&backward(&before)?, 0.1)?;
//! assert!(loss(&layer)?.to_scalar::<f32>()? < before.to_scalar::<f32>()?);
//! # Ok::<(), mbls_nn::Error>(())
//! ```

mod backward;
pub mod checkpoint;
mod cpu;
#[cfg(feature = "cuda")]
mod cuda;
mod error;
mod fit;
mod graph;
pub mod init;
mod layer;
mod load;
#[doc(hidden)]
pub mod op;
pub mod optim;
mod parallel;
mod param_store;
mod portable;
pub mod saved_model;
mod shape;
mod state;
mod wrapper;

pub use backward::backward;
pub use checkpoint::Checkpoint;
#[cfg(feature = "cuda")]
pub use cuda::{allow_tf32, keep_memory, tf32_allowed, without_events};
pub use error::{Error, Result};
pub use fit::{Fit, LoadReport, MisShaped};
pub use graph::no_grad;
pub use layer::{
    AdaptiveAvgPool, AdaptiveAvgPool1d, AdaptiveAvgPool2d, AdaptiveMaxPool, AdaptiveMaxPool1d,
    AdaptiveMaxPool2d, AvgPool, AvgPool1d, AvgPool2d, BatchNorm, BatchNorm1d, BatchNorm2d,
    BatchNormConfig, Bilinear2d, Conv, Conv1d, Conv1dChannelsLast, Conv2d, Dropout, DropoutLinear,
    Embedding, GlobalAvgPool2d, Gru, GruOutput, Linear, MaxPool, MaxPool1d, MaxPool2d, Nearest2d,
    Relu,
};
pub use optim::{
    Adam, AdamConfig, AdamW, AdamWConfig, Ema, EmaConfig, Optimizer, OptimizerConfig, ParamGroup,
    Parameters, PlateauMode, ReduceOnPlateau, Schedule, Sgd, SgdConfig, SwappedIn, ThresholdMode,
    clip_grad_norm, clip_grad_value,
};
pub use param_store::{BUFFER_NAMES, ParamStore};
pub use shape::{ConvConfig, ConvEpilogue, ConvInit, PoolSize, Window};

// The code of the README compiles as a reader would paste it.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
