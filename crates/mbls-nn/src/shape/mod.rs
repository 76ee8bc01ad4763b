//! Settings and sizes of the operations, which a front end checks and computes once for all back
//! ends.

mod axis;
mod batch_norm;
mod conv;
mod conv1d_channels_last;
mod embedding;
mod gru;
mod linear;
mod place;
mod pool;
mod window;

pub use batch_norm::{BatchNormEpilogue, BatchNormOutput, Statistics};
pub use conv::{ConvConfig, ConvInit};
pub use conv1d_channels_last::ConvEpilogue;
pub use pool::PoolSize;
pub use window::Window;

pub(crate) use axis::{Planes, Spans, Taps, output_shape, spatial};
pub(crate) use batch_norm::{check_batch_norm, statistics_type};
pub(crate) use conv::{ConvDims, check_groups, conv_name};
pub(crate) use conv1d_channels_last::ChannelsLastDims;
pub(crate) use embedding::Lookup;
pub(crate) use gru::{GruDims, WIDEST_STATE};
pub(crate) use linear::LinearDims;
pub(crate) use window::image_dims;
