//! Settings and sizes of the operations: what a front checks and works out once, for every back end.

mod axis;
mod batch_norm;
mod conv;
mod embedding;
mod gru;
mod linear;
mod place;
mod pool;
mod time_conv;
mod window;

pub use batch_norm::{BatchNormEpilogue, BatchNormOutput, Statistics};
pub use conv::{Conv1dConfig, Conv2dConfig, ConvConfig, ConvInit};
pub use pool::PoolSize;
pub use time_conv::AfterTimeConv;
pub use window::Window;

pub(crate) use axis::{Planes, Spans, Taps, output_shape, spatial};
pub(crate) use batch_norm::{check_batch_norm, statistics_type};
pub(crate) use conv::{ConvDims, check_groups, conv_name};
pub(crate) use embedding::Lookup;
pub(crate) use gru::{GruDims, WIDEST_STATE};
pub(crate) use linear::LinearDims;
pub(crate) use time_conv::TimeConvDims;
pub(crate) use window::image_dims;
