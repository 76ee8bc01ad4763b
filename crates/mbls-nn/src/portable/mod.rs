//! Layers composed of candle's operations, for every device and floating-point type.
//!
//! Only operations whose gradients are right are used, so that candle differentiates the whole. The fast operations of
//! [`cpu`](crate::cpu) are tested against these.

mod batch_norm;
mod conv;
mod linear;
mod pool;
mod relu;

pub use batch_norm::{BatchNormOutput, batch_norm, batch_norm_train};
pub use conv::conv;
pub use linear::linear;
pub use pool::{avg_pool2d, global_avg_pool2d, max_pool2d};
pub use relu::relu;
