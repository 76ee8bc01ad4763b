//! The layers.

mod batch_norm;
mod conv;
mod dispatch;
mod linear;
mod pool;
mod relu;

pub use batch_norm::BatchNorm2d;
pub use conv::{Conv, Conv1d, Conv1dConfig, Conv2d, Conv2dConfig, ConvConfig, ConvInit};
pub use linear::Linear;
pub use pool::{AvgPool2d, GlobalAvgPool2d, MaxPool2d, PoolSize};
pub use relu::Relu;

pub(crate) use batch_norm::check_batch_norm;
pub(crate) use conv::ConvDims;
pub(crate) use linear::linear_dims;
pub(crate) use pool::PoolDims;
