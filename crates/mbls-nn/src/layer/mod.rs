//! The layers.

mod batch_norm;
mod conv;
mod conv1d_channels_last;
mod dropout;
mod dropout_linear;
mod embedding;
mod gru;
mod linear;
mod pool;
mod relu;
mod resample;

pub use batch_norm::{BatchNorm, BatchNorm1d, BatchNorm2d, BatchNormConfig};
pub use conv::{Conv, Conv1d, Conv2d};
pub use conv1d_channels_last::Conv1dChannelsLast;
pub use dropout::Dropout;
pub use dropout_linear::DropoutLinear;
pub use embedding::Embedding;
pub use gru::{Gru, GruOutput};
pub use linear::Linear;
pub use pool::{AvgPool, AvgPool1d, AvgPool2d, GlobalAvgPool2d, MaxPool, MaxPool1d, MaxPool2d};
pub use relu::Relu;
pub use resample::{
    AdaptiveAvgPool, AdaptiveAvgPool1d, AdaptiveAvgPool2d, AdaptiveMaxPool, AdaptiveMaxPool1d,
    AdaptiveMaxPool2d, Bilinear2d, Nearest2d,
};
