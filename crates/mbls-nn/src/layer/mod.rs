//! The layers.

mod batch_norm;
mod conv;
mod dispatch;
mod dropout;
mod embedding;
mod gru;
mod linear;
mod place;
mod pool;
mod relu;
mod resample;
mod time_conv;

pub use batch_norm::{BatchNorm, BatchNorm1d, BatchNorm2d, BatchNormConfig};
pub use conv::{Conv, Conv1d, Conv1dConfig, Conv2d, Conv2dConfig, ConvConfig, ConvInit};
pub use dropout::Dropout;
pub use embedding::Embedding;
pub use gru::{Gru, GruOutput};
pub use linear::Linear;
pub use pool::{AvgPool, AvgPool1d, AvgPool2d, GlobalAvgPool2d, MaxPool, MaxPool1d, MaxPool2d, PoolSize};
pub use relu::Relu;
pub use resample::{
    AdaptiveAvgPool, AdaptiveAvgPool1d, AdaptiveAvgPool2d, AdaptiveMaxPool, AdaptiveMaxPool1d, AdaptiveMaxPool2d,
    Bilinear2d, Nearest2d,
};
pub use time_conv::{AfterTimeConv, TimeConv};

pub(crate) use batch_norm::{Then, check_batch_norm, check_residual};
pub(crate) use conv::ConvDims;
pub(crate) use embedding::check_indices;
pub(crate) use gru::GruDims;
pub(crate) use linear::linear_dims;
pub(crate) use time_conv::TimeConvDims;
