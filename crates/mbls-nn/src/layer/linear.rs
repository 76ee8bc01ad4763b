//! Affine map.

use crate::init;
use crate::op::Backend;
use candle_core::{Module, Result, Tensor, bail};
use candle_nn::VarBuilder;

/// Affine map `y = x W^T + b`.
///
/// Weight and bias are initialised uniformly in `[-1 / sqrt(in), 1 / sqrt(in)]`, as in PyTorch.
///
/// # Shapes
///
/// `[.., in]` to `[.., out]`; parameters `weight` `[out, in]` and `bias` `[out]`.
///
/// ```
/// use candle_core::{DType, Device, Module, Tensor};
/// use mbls_nn::{Linear, ParamStore};
///
/// let store = ParamStore::new(0, DType::F32, &Device::Cpu);
/// let layer = Linear::new(64, 10, store.var_builder().pp("linear"))?;
/// let y = layer.forward(&Tensor::zeros((5, 64), DType::F32, &Device::Cpu)?)?;
/// assert_eq!(y.dims(), [5, 10]);
/// # Ok::<(), candle_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Linear {
    weight: Tensor,
    bias: Option<Tensor>,
}

impl Linear {
    /// Creates a layer with bias.
    ///
    /// # Errors
    ///
    /// Fails if a size is 0 or the builder has no such tensors.
    pub fn new(inputs: usize, outputs: usize, vb: VarBuilder) -> Result<Self> {
        // The weight comes first, as in PyTorch's state_dict.
        let plain = Self::without_bias(inputs, outputs, vb.clone())?;
        let bias = vb.get_with_hints(outputs, "bias", init::torch_uniform(inputs))?;
        Ok(Self { bias: Some(bias), ..plain })
    }

    /// Creates a layer without bias.
    ///
    /// # Errors
    ///
    /// Fails if a size is 0 or the builder has no such tensor.
    pub fn without_bias(inputs: usize, outputs: usize, vb: VarBuilder) -> Result<Self> {
        if inputs == 0 || outputs == 0 {
            bail!("linear: {inputs} inputs and {outputs} outputs, expected at least 1");
        }
        let weight = vb.get_with_hints((outputs, inputs), "weight", init::torch_uniform(inputs))?;
        Ok(Self { weight, bias: None })
    }

    /// The weight `[out, in]`.
    pub fn weight(&self) -> &Tensor {
        &self.weight
    }

    /// The bias `[out]`.
    pub fn bias(&self) -> Option<&Tensor> {
        self.bias.as_ref()
    }
}

impl Module for Linear {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        Backend::of(x).linear(x, &self.weight, self.bias.as_ref())
    }
}
