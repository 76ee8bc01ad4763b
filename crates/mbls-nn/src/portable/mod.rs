//! The portable back end, composed of candle's operations, for every device and floating-point
//! type.
//!
//! It only uses operations with correct gradients, so candle can differentiate all of it. The other
//! back ends are tested against this one.

mod batch_norm;
mod conv;
mod embedding;
mod gru;
mod linear;
mod pool;
mod relu;
mod resample;

pub(crate) use batch_norm::batch_norm;
pub(crate) use conv::conv;
pub(crate) use embedding::embedding;
pub(crate) use gru::gru;
pub(crate) use linear::linear;
pub(crate) use pool::{global_avg_pool2d, max_pool, max_pool_with_indices};
pub(crate) use relu::relu;
pub(crate) use resample::resample;
