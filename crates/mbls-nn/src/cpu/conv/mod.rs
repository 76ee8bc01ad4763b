//! Convolution as matrix products, by the algorithm that suits its sizes: Winograd's filtering, one
//! product per kernel offset, or one product over gathered windows.

mod offsets;
mod plan;
#[cfg(test)]
mod tests;
mod windows;
mod winograd;

use super::kernel::columns::Grid;
use super::kernel::sum;
use super::values::{Float, for_float, held, narrow, storage, stored};
use crate::graph::{self, Gradients, Input, Keep, Operation};
use crate::shape::ConvDims;
use candle_core::{Result, Shape, Storage, Tensor};
use offsets::Offsets;
use plan::{Plan, flip};
use winograd::Winograd;

/// For 3x3 kernels at stride 1 and many channels, Winograd's algorithm multiplies sums and
/// differences of neighbouring inputs. An infinite or NaN input then makes not only the outputs
/// that depend on it NaN, but also their neighbours within tiles of 2x2.
pub(crate) fn conv(
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    dims: ConvDims,
) -> Result<Tensor> {
    let op = Convolution(dims);
    let (x, weight) = (x.contiguous()?, weight.contiguous()?);
    match bias {
        Some(bias) => {
            let keep = Keep { inputs: [true, true, false], result: false };
            graph::apply(op, [&x, &weight, &bias.contiguous()?], keep)
        }
        None => graph::apply(op, [&x, &weight], Keep { inputs: [true, true], result: false }),
    }
}

struct Convolution(ConvDims);

impl Convolution {
    fn plan(&self) -> Plan {
        let d = &self.0;
        let grid = Grid {
            height: d.height,
            width: d.width,
            out_height: d.out_height,
            out_width: d.out_width,
            rows: d.rows,
            columns: d.columns,
        };
        Plan {
            groups: d.groups,
            inputs: d.in_channels / d.groups,
            outputs: d.out_channels / d.groups,
            grid,
        }
    }

    fn out_shape(&self) -> Shape {
        Shape::from(self.0.out_shape())
    }

    fn forward<T: Float>(&self, x: &[T], weight: &[T], bias: Option<&[T]>) -> Vec<T> {
        let plan = self.plan();
        match (Winograd::new(&plan), Offsets::new(&plan)) {
            (Some(winograd), _) => winograd.forward(x, weight, bias),
            (_, Some(offsets)) => offsets.forward(x, weight, bias),
            _ => windows::forward(&plan, x, weight, bias),
        }
    }

    /// Computes the gradients of input and weight; a gradient that is not needed is empty.
    fn backward<T: Float>(
        &self,
        x: &[T],
        weight: &[T],
        dy: &[T],
        want: (bool, bool),
    ) -> (Vec<T>, Vec<T>) {
        let plan = self.plan();
        let adjoint = plan.adjoint().as_ref().and_then(Winograd::new);
        match (Winograd::new(&plan).zip(adjoint), Offsets::new(&plan)) {
            (Some((winograd, adjoint)), _) => {
                let dx = want.0.then(|| adjoint.forward(dy, &flip(weight, &plan), None));
                let dw = want.1.then(|| winograd.weight_gradient(x, dy));
                (dx.unwrap_or_default(), dw.unwrap_or_default())
            }
            (_, Some(offsets)) => {
                let dx = want.0.then(|| offsets.input_gradient(weight, dy));
                let dw = want.1.then(|| offsets.weight_gradient(x, dy));
                (dx.unwrap_or_default(), dw.unwrap_or_default())
            }
            _ => windows::backward(&plan, x, weight, dy, want),
        }
    }

    fn gradients(
        &self,
        x: &Tensor,
        weight: &Tensor,
        dy: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        for_float!(x.dtype(), T => {
            let held_tensors = (x.storage_and_layout(), weight.storage_and_layout(), dy.storage_and_layout());
            let (xs, weights, dys) =
                (held::<T>(&held_tensors.0)?, held::<T>(&held_tensors.1)?, held::<T>(&held_tensors.2)?);
            let want = (x.track_op(), weight.track_op());
            let (dx, dw) = self.backward(xs, weights, dys, want);
            let tensor = |wanted: bool, values, like: &Tensor| if wanted { Tensor::from_vec(values, like.shape(), like.device()).map(Some) } else { Ok(None) };
            Ok((tensor(want.0, dx, x)?, tensor(want.1, dw, weight)?))
        })
    }

    fn bias_gradient(&self, dy: &Tensor) -> Result<Tensor> {
        for_float!(dy.dtype(), T => {
            let dy_held = dy.storage_and_layout();
            let sums = sum::per_channel(held::<T>(&dy_held)?, self.0.out_channels, self.plan().grid.positions());
            let values: Vec<T> = sums.into_iter().map(narrow::<T>).collect();
            Tensor::from_vec(values, self.0.out_channels, dy.device())
        })
    }
}

impl Operation for Convolution {
    fn name(&self) -> &'static str {
        "convolution"
    }

    fn forward(&self, inputs: &[Input]) -> Result<(Storage, Shape)> {
        let y = for_float!(inputs[0].storage.dtype(), T => {
            let bias = inputs.get(2).map(stored::<T>).transpose()?;
            storage::<T>(self.forward::<T>(stored(&inputs[0])?, stored(&inputs[1])?, bias))
        });
        Ok((y, self.out_shape()))
    }

    fn backward(&self, inputs: &[&Tensor], _result: &Tensor, grad: &Tensor) -> Result<Gradients> {
        let grad = grad.contiguous()?;
        let (dx, dw) = self.gradients(inputs[0], inputs[1], &grad)?;
        let mut gradients = vec![dx, dw];
        if inputs.len() == 3 {
            gradients.push(Some(self.bias_gradient(&grad)?));
        }
        Ok(gradients)
    }
}
