//! Layers composed of candle's operations, for every device and floating-point type.
//!
//! Only operations whose gradients are right are used, so that candle differentiates the whole. The fast operations of
//! [`cpu`](crate::cpu) are tested against these.

mod batch_norm;
mod conv;
mod embedding;
mod gru;
mod linear;
mod pool;
mod relu;
mod resample;
mod time_conv;

pub use batch_norm::{BatchNormOutput, batch_norm, batch_norm_relu, batch_norm_relu_train, batch_norm_train};
pub use conv::conv;
pub use embedding::embedding;
pub use gru::gru;
pub use linear::linear;
pub use pool::{
    adaptive_avg_pool, adaptive_max_pool_with_indices, avg_pool, global_avg_pool2d, max_pool, max_pool_with_indices,
};
pub use relu::relu;
pub use resample::{bilinear2d, nearest2d};
pub use time_conv::time_conv;

pub(crate) use resample::{bilinear_taps, nearest_taps};
pub(crate) use time_conv::{Forms as TimeConvForms, compose as compose_time_conv};
