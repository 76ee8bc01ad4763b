//! Batch normalisation.

use super::dispatch;
use crate::window::image_dims;
use candle_core::{Result, Tensor, Var, bail};
use candle_nn::{Init, ModuleT, VarBuilder};

/// `y = (x - mean) / sqrt(var + eps) * weight + bias` per channel.
///
/// Training normalises by the batch's mean and biased variance, and moves the running statistics by
/// `r <- (1 - momentum) r + momentum s`, `s` being the batch's mean and unbiased variance. Evaluation normalises by the
/// running statistics. As in PyTorch; `eps = 1e-5`, `momentum = 0.1`.
///
/// # Shapes
///
/// `[N, C, H, W]` to the same; parameters `weight` (ones) and `bias` (zeros), buffers `running_mean` (zeros) and
/// `running_var` (ones), all `[C]`.
///
/// # References
///
/// Ioffe and Szegedy, Batch normalization, 2015.
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use candle_nn::ModuleT;
/// use mbls_nn::{BatchNorm2d, ParamStore};
///
/// let store = ParamStore::new(0, DType::F32, &Device::Cpu);
/// let layer = BatchNorm2d::new(1, store.var_builder())?;
/// let x = Tensor::new(&[1f32, 3.0], &Device::Cpu)?.reshape((1, 1, 1, 2))?;
/// let y = layer.forward_t(&x, true)?.flatten_all()?.to_vec1::<f32>()?;
/// assert!((y[0] + 1.0).abs() < 1e-4 && (y[1] - 1.0).abs() < 1e-4);
/// assert!((store.state()["running_mean"].to_vec1::<f32>()?[0] - 0.2).abs() < 1e-6);
/// # Ok::<(), candle_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct BatchNorm2d {
    weight: Tensor,
    bias: Tensor,
    running_mean: Var,
    running_var: Var,
    eps: f64,
    momentum: f64,
}

impl BatchNorm2d {
    /// A layer for `channels` channels.
    ///
    /// # Errors
    ///
    /// Where `channels` is 0 or the builder has no such tensors.
    pub fn new(channels: usize, vb: VarBuilder) -> Result<Self> {
        if channels == 0 {
            bail!("batch norm: channels = 0, expected at least 1");
        }
        let get = |name, value| vb.get_with_hints(channels, name, Init::Const(value));
        Ok(Self {
            weight: get("weight", 1.0)?,
            bias: get("bias", 0.0)?,
            running_mean: Var::from_tensor(&get("running_mean", 0.0)?)?,
            running_var: Var::from_tensor(&get("running_var", 1.0)?)?,
            eps: 1e-5,
            momentum: 0.1,
        })
    }

    /// The scale `[C]`.
    pub fn weight(&self) -> &Tensor {
        &self.weight
    }

    /// The shift `[C]`.
    pub fn bias(&self) -> &Tensor {
        &self.bias
    }

    /// The running mean `[C]`.
    pub fn running_mean(&self) -> &Var {
        &self.running_mean
    }

    /// The running variance `[C]`.
    pub fn running_var(&self) -> &Var {
        &self.running_var
    }

    fn update(&self, running: &Var, batch: &Tensor, factor: f64) -> Result<()> {
        let old = running.as_detached_tensor();
        let new = (batch.to_dtype(old.dtype())? * (self.momentum * factor))?;
        running.set(&((old * (1.0 - self.momentum))? + new)?)
    }
}

impl ModuleT for BatchNorm2d {
    fn forward_t(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        if !train {
            let mean = self.running_mean.as_detached_tensor();
            let variance = self.running_var.as_detached_tensor();
            return dispatch::batch_norm(x, &self.weight, &self.bias, &mean, &variance, self.eps);
        }
        let batch = dispatch::batch_norm_train(x, &self.weight, &self.bias, self.eps)?;
        let count = (x.elem_count() / self.weight.elem_count()) as f64;
        self.update(&self.running_mean, &batch.mean, 1.0)?;
        self.update(&self.running_var, &batch.variance, count / (count - 1.0))?;
        Ok(batch.output)
    }
}

/// Checks that every per-channel tensor fits the input, and that a training batch has a variance.
pub(crate) fn check_batch_norm(x: &Tensor, per_channel: &[&Tensor], train: bool) -> Result<()> {
    let (n, c, h, w) = image_dims(x, "batch norm")?;
    for tensor in per_channel {
        if tensor.dims() != [c] {
            bail!("batch norm: input of shape {:?}, but the layer has {:?} channels", x.shape(), tensor.shape());
        }
    }
    if train && n * h * w == 1 {
        bail!("batch norm: input of shape {:?}: training needs more than one value per channel", x.shape());
    }
    Ok(())
}
