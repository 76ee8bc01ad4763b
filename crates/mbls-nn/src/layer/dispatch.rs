//! Chooses among the forms of each operation: the fast one of the device where there is one for the type, else the portable one.

use super::{AfterTimeConv, ConvConfig, PoolSize};
#[cfg(feature = "cuda")]
use crate::cuda;
use crate::portable::BatchNormOutput;
use crate::{cpu, portable};
use candle_core::{Result, Tensor};

macro_rules! dispatch {
    ($name:ident $(<const $d:ident>)? ($x:ident $(, $arg:ident: $type:ty)*) -> $result:ty) => {
        pub(super) fn $name $(<const $d: usize>)? ($x: &Tensor $(, $arg: $type)*) -> Result<$result> {
            #[cfg(feature = "cuda")]
            if cuda::supports($x) {
                return cuda::$name($x $(, $arg)*);
            }
            match cpu::supports($x) {
                true => cpu::$name($x $(, $arg)*),
                false => portable::$name($x $(, $arg)*),
            }
        }
    };
}

dispatch!(conv<const D>(x, weight: &Tensor, bias: Option<&Tensor>, config: &ConvConfig<D>) -> Tensor);
dispatch!(linear(x, weight: &Tensor, bias: Option<&Tensor>) -> Tensor);
dispatch!(batch_norm_train(x, weight: &Tensor, bias: &Tensor, eps: f64) -> BatchNormOutput);
dispatch!(batch_norm(x, weight: &Tensor, bias: &Tensor, mean: &Tensor, variance: &Tensor, eps: f64) -> Tensor);
dispatch!(batch_norm_relu_train(x, residual: Option<&Tensor>, weight: &Tensor, bias: &Tensor, eps: f64) -> BatchNormOutput);
dispatch!(batch_norm_relu(
    x, residual: Option<&Tensor>, weight: &Tensor, bias: &Tensor, mean: &Tensor, variance: &Tensor, eps: f64
) -> Tensor);
dispatch!(max_pool<const D>(x, size: &PoolSize<D>) -> Tensor);
dispatch!(max_pool_with_indices<const D>(x, size: &PoolSize<D>) -> (Tensor, Tensor));
dispatch!(adaptive_max_pool_with_indices<const D>(x, output: [usize; D]) -> (Tensor, Tensor));
dispatch!(avg_pool<const D>(x, size: &PoolSize<D>, count_include_pad: bool) -> Tensor);
dispatch!(adaptive_avg_pool<const D>(x, output: [usize; D]) -> Tensor);
dispatch!(bilinear2d(x, output: [usize; 2], align_corners: bool) -> Tensor);
dispatch!(nearest2d(x, output: [usize; 2]) -> Tensor);
dispatch!(global_avg_pool2d(x) -> Tensor);
dispatch!(relu(x) -> Tensor);
dispatch!(embedding(weight, indices: &Tensor, padding_idx: Option<u32>) -> Tensor);

/// Elsewhere than on the CPU of the device's own operations.
pub(super) fn time_conv(x: &Tensor, weight: &Tensor, bias: &Tensor, then: AfterTimeConv) -> Result<Tensor> {
    match cpu::supports(x) {
        true => cpu::time_conv(x, weight, bias, then),
        false => {
            let forms = portable::TimeConvForms { conv: conv::<1>, relu, max_pool: max_pool::<1> };
            portable::compose_time_conv(x, weight, bias, then, &forms)
        }
    }
}

/// Elsewhere than on the CPU the portable form, whose backward pass suits short sequences.
pub(super) fn gru(
    gates: &Tensor,
    weight: &Tensor,
    bias: &Tensor,
    padding: &[usize],
    backwards: bool,
) -> Result<Tensor> {
    match cpu::supports(gates) {
        true => cpu::gru(gates, weight, bias, padding, backwards),
        false => portable::gru(gates, weight, bias, padding, backwards),
    }
}
